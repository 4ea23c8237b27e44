"""Archives of strangers (T-ZIP): whatever they hold, nothing but plain files comes out, within the limits."""

from __future__ import annotations

import gzip
import io
import random
import stat
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.archives import ArchiveFile, ArchiveLimits, read_archive
from app.core.errors import InvalidInput

LIMITS = ArchiveLimits(members=100, file_bytes=1_048_576, total_bytes=4_194_304)
Members = dict[str, bytes]


def make_zip(members: Members, *, mode: int = 0o644, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo("x")
            info.filename, info.compress_type, info.create_system = name, method, 3
            info.external_attr = (mode if mode > 0o7777 else stat.S_IFREG | mode) << 16
            archive.writestr(info, data)
    return buffer.getvalue()


def make_tar(members: Members, *, kind: bytes = tarfile.REGTYPE, link: str = "", mode: int = 0o644) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", format=tarfile.PAX_FORMAT) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.mode = kind, link, mode
            info.size = len(data) if kind == tarfile.REGTYPE else 0
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


Make = Callable[[Members], bytes]
BOTH = pytest.mark.parametrize("make", [make_zip, make_tar], ids=["zip", "tar.gz"])


def refusal(data: bytes, limits: ArchiveLimits = LIMITS) -> str:
    with pytest.raises(InvalidInput) as caught:
        read_archive(data, limits)
    return str(caught.value.errors["file"][0])


@BOTH
def test_plain_files_come_out_as_they_went_in(make: Make) -> None:
    files = {"site.yml": b"- hosts: all\n", "roles/web/tasks/main.yml": b"[]", "empty": b""}
    assert read_archive(make(files), LIMITS) == [ArchiveFile(name, data, False) for name, data in files.items()]


def test_the_executable_bit_is_kept() -> None:
    assert read_archive(make_tar({"run.sh": b"x"}, mode=0o755), LIMITS)[0].executable
    assert read_archive(make_zip({"run.sh": b"x"}, mode=0o755), LIMITS)[0].executable


NAMES = [
    "../evil",
    "a/../../evil",
    "/etc/passwd",
    "a/./b",
    "a//b",
    "C:/evil",
    "a\\..\\b",
    "",
    "a\nb",
    ".git/config",
    "x/.GIT/hooks/y",
]


@BOTH
@pytest.mark.parametrize("name", NAMES)
def test_t_zip_a_member_that_climbs_out_is_refused(make: Make, name: str) -> None:
    refusal(make({"fine.yml": b"x", name: b"x"}))


@BOTH
def test_t_path_a_name_of_5_kb_is_refused(make: Make) -> None:
    assert "longer than" in refusal(make({"a" * 5000: b"x"}))


def test_t_path_a_name_with_nul_is_refused() -> None:
    data = make_zip({"evilX.yml": b"x"}).replace(b"evilX.yml", b"evil\0.yml")
    assert "control character" in refusal(data)


@BOTH
@pytest.mark.parametrize(("one", "two"), [("a.yml", "a.yml"), ("a.yml", "A.YML"), ("a", "a/b"), ("a/b", "a")])
def test_t_zip_a_name_that_stands_twice_is_refused(make: Make, one: str, two: str) -> None:
    if one == two:
        merged = make({"a.yml": b"1", "b.yml": b"2"})
        if make is make_zip:
            refusal(merged.replace(b"b.yml", b"a.yml"))
        return
    refusal(make({one: b"1", two: b"2"}))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_t_zip_links_and_devices_in_a_tar_are_refused(kind: bytes) -> None:
    assert "special file" in refusal(make_tar({"evil": b""}, kind=kind, link="/etc/passwd"))


@pytest.mark.parametrize("mode", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO, stat.S_IFSOCK])
def test_t_zip_links_and_devices_in_a_zip_are_refused(mode: int) -> None:
    assert "special file" in refusal(make_zip({"evil": b"/etc/passwd"}, mode=mode | 0o777))


@BOTH
def test_t_zip_a_bomb_is_refused_before_it_fills_the_memory(make: Make) -> None:
    bomb = make({f"{number}.txt": bytes(50_000_000) for number in range(2)})
    assert len(bomb) < 200_000
    tracemalloc.start()
    refusal(bomb, ArchiveLimits(100, 100_000_000, 1_000_000_000))
    assert tracemalloc.get_traced_memory()[1] < 50_000_000
    tracemalloc.stop()


def test_t_zip_a_header_that_lies_about_its_size_is_refused() -> None:
    data = make_zip({"a.txt": bytes(2_000_000)})
    size = (2_000_000).to_bytes(4, "little")
    refusal(data.replace(size, (10).to_bytes(4, "little")))


@BOTH
def test_t_zip_an_archive_inside_is_a_file_and_is_not_opened(make: Make) -> None:
    inner = make({"a.txt": bytes(1_000_000)})
    assert read_archive(make({"42.zip": inner}), LIMITS)[0].data == inner


@BOTH
def test_t_zip_a_million_members_are_refused_quickly(make: Make) -> None:
    limits = ArchiveLimits(2000, 1_048_576, 33_554_432)
    many = make({f"{number}": b"" for number in range(3000)})
    assert "more than 2000 members" in refusal(many, limits)


def test_t_zip_a_table_that_hides_its_members_is_refused_before_it_is_read() -> None:
    data = bytearray(make_zip({f"{number}": b"" for number in range(40_000)}, method=zipfile.ZIP_STORED))
    end = data.rfind(b"PK\x05\x06")
    data[end + 8 : end + 12] = b"\x01\0\x01\0"
    tracemalloc.start()
    assert "more than 100 members" in refusal(bytes(data))
    assert tracemalloc.get_traced_memory()[1] < 8_000_000
    tracemalloc.stop()


@BOTH
def test_t_zip_limits_of_one_file_and_of_all_hold(make: Make) -> None:
    noise = random.Random(1).randbytes(1_500_000)
    assert "larger than 1 MiB" in refusal(make({"a": noise}))
    assert "more than 4 MiB" in refusal(make({f"{number}": noise[:1_000_000] for number in range(5)}))


def test_t_zip_an_encrypted_member_and_an_odd_method_are_refused() -> None:
    data = bytearray(make_zip({"a": b"x"}))
    at = data.rfind(b"PK\x01\x02")
    data[at + 8] |= 1
    assert "encrypted" in refusal(bytes(data))
    assert "unusual way" in refusal(make_zip({"a": b"x" * 99}, method=zipfile.ZIP_LZMA))


@pytest.mark.parametrize(
    "data",
    [b"", b"PK", b"PK\x03\x04" + b"x" * 100, b"\x1f\x8b" + b"x" * 100, gzip.compress(b"x"), b"MZ" * 200],
    ids=["nothing", "two letters", "zip head", "gzip head", "gzip of a letter", "program"],
)
def test_what_is_no_archive_is_said_to_be_none(data: bytes) -> None:
    refusal(data)


def test_an_archive_cut_off_anywhere_is_refused_or_read_whole() -> None:
    whole = make_tar({"a": b"1" * 1000, "b": random.Random(2).randbytes(3000)})
    for end in range(0, len(whole) - 1, 97):
        try:
            assert len(read_archive(whole[:end], LIMITS)) <= 2
        except InvalidInput:
            continue


@given(
    st.dictionaries(
        st.text(alphabet="ab./\\ %2eéA\n~-", min_size=1, max_size=12), st.binary(max_size=50), min_size=1, max_size=5
    ),
    st.sampled_from([make_zip, make_tar]),
)
def test_t_path_whatever_the_names_are_only_plain_relative_paths_come_out(members: Members, make: Make) -> None:
    try:
        found = read_archive(make(members), LIMITS)
    except InvalidInput:
        return
    for file in found:
        parts = file.name.split("/")
        assert file.name and not file.name.startswith("/") and not {"", ".", ".."} & set(parts)
        assert "\\" not in file.name and file.name.isprintable()
    assert len({file.name.casefold() for file in found}) == len(found)


@given(st.binary(max_size=400), st.sampled_from([b"", b"PK\x03\x04", b"\x1f\x8b\x08", b"PK\x05\x06"]))
def test_t_zip_arbitrary_bytes_raise_nothing_but_our_own_error(data: bytes, head: bytes) -> None:
    try:
        read_archive(head + data, LIMITS)
    except InvalidInput:
        pass
