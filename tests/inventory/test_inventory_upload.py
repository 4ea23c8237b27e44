"""Archives of inventories: what they bring along, and those that try to do something else."""

from __future__ import annotations

import io
import zipfile

import pytest

from app.core.errors import InvalidInput
from app.inventory.inventory_upload import read_upload


def _zip(files: dict[str, bytes]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files.items():
            archive.writestr(path, content)
    return data.getvalue()


def test_a_zip_brings_group_vars_and_host_vars_along() -> None:
    found = read_upload(
        "inventory.zip",
        _zip(
            {
                "prod/hosts.ini": b"[web]\nw1 a=file\n[web:vars]\nb=file\n",
                "prod/group_vars/web.yml": b"b: folder\n",
                "prod/host_vars/w1/main.yml": b"a: folder\n",
                "prod/group_vars/nosuch.yml": b"c: 1\n",
            }
        ),
    )
    assert found.hosts["w1"].variables["a"] == "folder" and found.groups["web"].variables["b"] == "folder"
    assert any("nosuch" in warning for warning in found.warnings)


@pytest.mark.parametrize(
    "files",
    [
        {"../hosts": b"a\n"},
        {"/hosts": b"a\n"},
        {"x/../../hosts": b"a\n"},
        {"hosts": b"0" * 6_000_000},
        {f"f{n}": b"" for n in range(2_001)},
        {"README.md": b"nothing"},
        {"/".join(["d"] * 5_000) + "/../x": b"a"},
    ],
)
def test_t_zip_an_archive_that_climbs_out_or_swells_is_refused(files: dict[str, bytes]) -> None:
    with pytest.raises(InvalidInput):
        read_upload("x.zip", _zip(files))
    with pytest.raises(InvalidInput):
        read_upload("x.zip", _zip(files)[:-40])


def test_t_zip_a_link_in_an_archive_is_refused() -> None:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        link = zipfile.ZipInfo("hosts")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(InvalidInput) as caught:
        read_upload("x.zip", data.getvalue())
    assert "no plain file" in str(caught.value.errors)
