"""What a run of content needs, whatever it does with it: files hashed again, the engine, versions of collections."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from app.jobs import engine_list
from app.jobs.kinds import PreparationError, RunRequest
from app.playbooks import content, requirements
from app.runners.base import FailureCode, RunFile
from app.runners.installations import mentioned_collections, playbook_command, read_manifest
from app.sources import store
from app.sources.store import StoredFile

_MANIFEST = re.compile(r"(collections/)?ansible_collections/[^/]+/[^/]+/MANIFEST\.json\Z")


def mismatch(message: str) -> PreparationError:
    """Return the error for content that is not what was launched."""
    return PreparationError(FailureCode.HASH_MISMATCH, message)


def verified_files(request: RunRequest) -> Sequence[StoredFile]:
    """Return the files of the launch's revision, each hashed again; PreparationError when one is not what it was."""
    inputs = request.inputs
    files = content.read_revision(request.tenant_id, int(inputs["revision_id"]))
    for file in files:
        if store.sha256_hex(file.data) != file.sha256:
            raise mismatch(
                f"The stored file {file.path} is not the one that was approved: its SHA-256 differs. Nothing was run. "
                "Find out who changed the database, then upload the file again and approve it."
            )
    entry = next((file for file in files if file.path == inputs["file_path"]), None)
    if entry is None or entry.sha256 != inputs["file_hash"]:
        raise mismatch(
            f"The playbook file {inputs['file_path']} is not the one that was launched. Nothing was run. "
            "Check the playbook's source, approve it and launch again."
        )
    whole = store.manifest_hash((file.path, file.executable, file.sha256) for file in files)
    if whole != inputs["manifest_hash"]:
        raise mismatch(
            "The files of the project are not those that were launched. Nothing was run. "
            "Check the project, approve the playbook and launch again."
        )
    return files


def run_files(files: Sequence[StoredFile]) -> tuple[RunFile, ...]:
    """Return the files as the workspace takes them; packs of requirements are unpacked."""
    found: list[RunFile] = []
    for file in files:
        parts = (
            [(part.name, part.data, part.executable) for part in requirements.unpack(file.path, file.data)]
            if requirements.is_pack(file.path)
            else [(file.path, file.data, file.executable)]
        )
        found += [RunFile(path, data, 0o500 if executable else 0o400) for path, data, executable in parts]
    return tuple(found)


def engine_parameters(name: str) -> dict[str, Any]:
    """Return the runner's parameters for a named engine; PreparationError when this worker cannot use it."""
    found = engine_list.installation(name)
    if found is None or found.problem:
        raise PreparationError(
            FailureCode.ENGINE_ERROR,
            f"This worker has no usable engine '{name}'{': ' + found.problem if found else ''}. "
            "Correct MILLWRIGHT_ENGINES ('flask engines check' says what is wrong), or choose another engine.",
        )
    return {"ansible_playbook": str(playbook_command(found.folder))}


def collections_of_run(engine: str, files: Sequence[RunFile]) -> dict[str, str]:
    """Return name -> version of the project's own collections, and of those of the engine that its files mention."""
    found = engine_list.installation(engine)
    texts = [file for file in files if file.path.endswith((".yml", ".yaml"))]
    own = (file.data for file in texts if "ansible_collections/" not in file.path)
    mentioned = mentioned_collections(own)
    used = {name: version for name, version in (found.collections if found else {}).items() if name in mentioned}
    for file in files:
        if _MANIFEST.match(file.path):
            try:
                name, version = read_manifest(file.data)
            except ValueError:
                continue
            used[name] = version
    return dict(sorted(used.items()))
