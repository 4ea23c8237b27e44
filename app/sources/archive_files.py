"""The files of an uploaded archive as those of a project."""

from __future__ import annotations

from app.core.archives import ArchiveLimits, read_archive
from app.core.errors import InvalidInput
from app.core.runtime import settings
from app.sources.paths import is_storable
from app.sources.store import MAX_FILE_BYTES, SourceFile

_JUNK = ("__MACOSX/", ".DS_Store", "Thumbs.db")  # what desktops add by themselves


def archive_files(data: bytes, *, strip_folder: bool = False, field: str = "file") -> dict[str, SourceFile]:
    """Return the files of an archive by path; InvalidInput for what cannot be used or kept."""
    limit = settings().archive_max_bytes
    if len(data) > limit:
        raise InvalidInput(
            **{field: f"The archive is larger than {limit // 1_048_576} MiB. Leave out what nobody needs."}
        )
    limits = ArchiveLimits(settings().project_max_files * 2, MAX_FILE_BYTES, settings().project_max_bytes)
    members = [file for file in read_archive(data, limits, field=field) if not _is_junk(file.name)]
    if strip_folder:
        first = {file.name.partition("/")[0] for file in members}
        if len(first) != 1 or any("/" not in file.name for file in members):
            raise InvalidInput(**{field: "The members do not share one outermost folder. Leave that choice off."})
    files: dict[str, SourceFile] = {}
    for file in members:
        path = file.name.partition("/")[2] if strip_folder else file.name
        if not is_storable(path):
            raise InvalidInput(**{field: f"A file cannot be stored under the name {path[:80]!a}. Rename it."})
        files[path] = SourceFile(file.data, file.executable)
    return files


def _is_junk(name: str) -> bool:
    return name.startswith(_JUNK[0]) or name.rpartition("/")[2] in _JUNK[1:]
