"""An uploaded inventory: one file, or a zip with group_vars and host_vars beside the inventory file."""

from __future__ import annotations

import io
import stat
import zipfile
import zlib
from pathlib import PurePosixPath

from app.inventory.inventory_files import MAXIMUM_BYTES, MAXIMUM_FILES, Form, read_folder, read_text
from app.inventory.inventory_text import Found, Unreadable

_ZIP = b"PK\x03\x04"


def read_upload(name: str, data: bytes, *, form: Form = "auto") -> Found:
    """Return the inventory of an upload; ``name`` is the file's. Raises InvalidInput (field ``inventory``)."""
    if len(data) > MAXIMUM_BYTES:
        raise Unreadable(f"At most {MAXIMUM_BYTES // 1_048_576} MB. Split the inventory.")
    if data.startswith(_ZIP):
        return read_folder(_unpacked(data))
    return read_text(data, form=form, name=name)


def _unpacked(data: bytes) -> dict[str, bytes]:
    """Return the files of a zip in memory, by path below its only folder; nothing is written to disk.

    Refused: links, paths that climb out or begin at the root, encrypted members, too many or too much.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            if len(members) > MAXIMUM_FILES:
                raise Unreadable(f"The archive holds more than {MAXIMUM_FILES:,} members.")
            found: dict[str, bytes] = {}
            left = MAXIMUM_BYTES
            for member in members:
                if member.is_dir():
                    continue
                path = _checked(member)
                with archive.open(member) as stream:  # what is really there counts, not what the archive says
                    content = stream.read(left + 1)
                left -= len(content)
                if left < 0:
                    raise Unreadable(f"The archive unpacks to more than {MAXIMUM_BYTES // 1_048_576} MB.")
                found[path] = content
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, ValueError) as error:
        raise Unreadable("The archive cannot be read. Make a plain zip without a password.") from error
    return _below_one_folder(found)


def _checked(member: zipfile.ZipInfo) -> str:
    path = PurePosixPath(member.filename)
    mode = member.external_attr >> 16
    if path.is_absolute() or ".." in path.parts or "\\" in member.filename or not path.parts:
        raise Unreadable(f"The archive's member '{member.filename[:100]}' leads out of it.")
    if mode and not (stat.S_ISREG(mode) or stat.S_IFMT(mode) == 0):
        raise Unreadable(f"The archive's member '{member.filename[:100]}' is no plain file.")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise Unreadable("The archive is packed in an unusual way. Make a plain zip.")
    if member.flag_bits & 1:
        raise Unreadable("The archive has a password. Make a plain one.")
    return str(path)


def _below_one_folder(files: dict[str, bytes]) -> dict[str, bytes]:
    """Take the outer folders away while everything lies in one."""
    split = {PurePosixPath(path).parts: data for path, data in files.items()}
    while split and min(map(len, split)) > 1 and len({parts[0] for parts in split}) == 1:
        split = {parts[1:]: data for parts, data in split.items()}
    return {"/".join(parts): data for parts, data in split.items()}
