"""A project's requirements.yml: which roles and collections it asks for, and how they travel with its revisions.

Each role and collection becomes one file of the revision, a packed tar below ``.requirements``: the manifest hash
covers it, every worker has the same bytes, and a run unpacks it beside the project.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from app.core.archives import ArchiveFile, ArchiveLimits, read_archive
from app.core.errors import InvalidInput
from app.core.runtime import settings
from app.core.yaml_gate import decode, load_yaml
from app.runners.ansible_inputs import REQUIREMENTS
from app.sources.git_address import check_branch, parse_git_url
from app.sources.store import SourceFile

FILES = tuple(f"{folder}requirements.{end}" for folder in ("", "roles/", "collections/") for end in ("yml", "yaml"))
MAX_REQUIREMENTS = 100
MAX_MEMBERS = 20_000
ROLE, COLLECTION = "role", "collection"
_ROLE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}\Z")
_COLLECTION_NAME = re.compile(r"[a-z0-9_]{1,64}\.[a-z0-9_]{1,64}\Z")
_VERSION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+/-]{0,99}\Z")
_COMMIT = re.compile(r"[0-9a-f]{40}\Z")
_MOVING = frozenset({"main", "master", "head", "devel", "develop", "latest", "stable"})
_KEYS = {"name", "src", "source", "version", "scm", "type", "include"}


@dataclass(frozen=True, slots=True)
class Requirement:
    """One role or collection. ``url`` is empty for those of the Galaxy server; ``name`` may be empty for a collection
    from git, which says its name itself. ``version`` is empty when none is given."""

    kind: str
    name: str
    version: str
    url: str
    file: str

    @property
    def key(self) -> str:
        """What must be equal for an earlier pack to be used again."""
        data = {**asdict(self), "file": ""}
        if not self.url:
            data["server"] = settings().galaxy_server
        return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()

    @property
    def label(self) -> str:
        """For people: kind, name or address, version."""
        return f"{self.kind} {self.name or self.url} {self.version or '(no version)'}"


def find_requirements(files: Mapping[str, SourceFile]) -> list[Requirement]:
    """Return what the project's requirements files ask for, each once; InvalidInput for one that cannot be used."""
    found: dict[tuple[str, str], Requirement] = {}
    for path in FILES:
        if path not in files:
            continue
        try:
            data = load_yaml(decode(files[path].data))
        except InvalidInput as error:
            raise InvalidInput(f"{path}: {next(iter(error.errors.values()))[0]}") from None
        for item in _items(path, data):
            found.setdefault((item.kind, item.name or item.url), item)
    if len(found) > MAX_REQUIREMENTS:
        raise InvalidInput(f"More than {MAX_REQUIREMENTS} requirements. Split the project.")
    return list(found.values())


def _items(path: str, data: Any) -> Iterable[Requirement]:
    if data is None:
        return
    if isinstance(data, list):
        data = {COLLECTION if path.startswith("collections/") else ROLE: data}
    elif isinstance(data, Mapping):
        data = {ROLE: data.get("roles"), COLLECTION: data.get("collections")}
    else:
        raise InvalidInput(f"{path}: write 'roles:' and 'collections:', each with a list.")
    for kind, rows in data.items():
        if rows is not None and not isinstance(rows, list):
            raise InvalidInput(f"{path}: '{kind}s' must be a list.")
        for row in rows or ():
            yield _item(path, kind, row)


def _item(path: str, kind: str, row: Any) -> Requirement:
    if isinstance(row, str):
        row = {"name": row}
    if (
        not isinstance(row, Mapping)
        or row.keys() - _KEYS
        or not all(isinstance(v, str | int | float) for v in row.values())
    ):
        raise InvalidInput(f"{path}: an entry has name, src, version, scm, source and type only.")
    text = {key: str(value).strip() for key, value in row.items()}
    if "include" in text:
        raise InvalidInput(f"{path}: 'include' is not followed. Write all entries into one file.")
    version = text.get("version", "").removeprefix("==").strip()
    name, url = text.get("name", ""), ""
    source = text.get("src") or (text.get("source", "") if "/" in text.get("source", "") else "")
    is_git = (
        text.get("scm") == "git" or text.get("type") == "git" or source.startswith("git+") or name.startswith("git+")
    )
    if kind == COLLECTION and (is_git or _is_address(name)):
        url, name = (source or name), ("" if _is_address(name) else name)
    elif kind == ROLE and source and _is_address(source):
        url, name = source, name or source.rstrip("/").rpartition("/")[2].removesuffix(".git")
    elif kind == ROLE and source:
        name = name if name and name != source else source
    if url:
        url, _, fragment = url.removeprefix("git+").partition("#")
        if fragment.strip("/"):
            raise InvalidInput(f"{path}: a part of a repository ('#...') cannot be required. Name the repository.")
        if "," in url and not version:
            url, _, version = url.partition(",")
        try:
            url = parse_git_url(url).text
        except InvalidInput as error:
            raise InvalidInput(f"{path}: {url[:100]!a}: {next(iter(error.errors.values()))[0]}") from None
    elif "," in name and not version:
        name, _, version = name.partition(",")
    return _checked(path, Requirement(kind, name.strip(), version.strip(), url, path))


def _is_address(text: str) -> bool:
    return "://" in text or text.startswith(("git+", "git@", "/"))


def _checked(path: str, item: Requirement) -> Requirement:
    rule = _COLLECTION_NAME if item.kind == COLLECTION else _ROLE_NAME
    if not (rule.match(item.name) or (item.kind == COLLECTION and item.url and not item.name)):
        raise InvalidInput(f"{path}: {item.name[:80]!a} is no name of a {item.kind}.")
    if item.version in ("*", ""):
        item = Requirement(item.kind, item.name, "", item.url, path)
    elif not _VERSION.match(item.version):
        raise InvalidInput(f"{path}: {item.label[:120]}: give one exact version, not a range.")
    elif item.url and not _COMMIT.match(item.version):
        check_branch(item.version, field="version")
    return item


def is_pinned(item: Requirement) -> bool:
    """Say whether the entry names something that stays what it is (a tag is taken for that, a branch is not)."""
    return bool(item.version) and item.version.lower() not in _MOVING


def is_collection_name(name: str) -> bool:
    """Say whether this is a name such as community.general."""
    return _COLLECTION_NAME.match(name) is not None


def pack_path(kind: str, name: str) -> str:
    """Return the path of a pack inside its revision."""
    return f"{REQUIREMENTS}/{kind}s/{name}.tar.gz"


def pack(files: Mapping[str, SourceFile]) -> bytes:
    """Return a packed tar of ``files``; the same files give the same bytes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(files):
            info = tarfile.TarInfo(path)
            info.size, info.mode = len(files[path].data), 0o755 if files[path].executable else 0o644
            archive.addfile(info, io.BytesIO(files[path].data))
    return gzip.compress(buffer.getvalue(), 6, mtime=0)


def unpack(path: str, data: bytes) -> Sequence[ArchiveFile]:
    """Return a pack's files under the paths that a run has them at (``.requirements/roles/<name>/...``)."""
    kind, name = path.removesuffix(".tar.gz").split("/", 2)[1:]
    folder = f"{REQUIREMENTS}/roles/{name}"
    if kind == f"{COLLECTION}s":
        folder = f"{REQUIREMENTS}/collections/ansible_collections/{name.replace('.', '/', 1)}"
    limit = settings().requirements_max_bytes
    limits = ArchiveLimits(MAX_MEMBERS, limit, limit)
    return [ArchiveFile(f"{folder}/{file.name}", file.data, file.executable) for file in read_archive(data, limits)]


def is_pack(path: str) -> bool:
    """Say whether a file of a revision is a pack."""
    return path.startswith(f"{REQUIREMENTS}/")
