"""R19: full disks, of a worker's spools, of the database's tables, of Redis' append-only file."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import redis

from chaos.oracles import Verdict, judge
from chaos.registry import Size, Skipped, case
from chaos.rig import Site

LINES = 20
WIDTH = 200
WORKER_DISK = 160  # megabytes, of which 40 have to be free before a run is claimed
TABLES_ROOM = 128  # megabytes beside what the empty tables take: for all lines of the case, twice
REDIS_DISK = 8
MEGABYTE = 2**20


@contextmanager
def _small_disk(folder: Path, megabytes: int, owner: tuple[int, int] = (0, 0)) -> Iterator[Path]:
    """A file system of a few megabytes in memory, mounted on ``folder``."""
    folder.mkdir(mode=0o700, exist_ok=True)
    options = f"size={megabytes}m,mode=0700,uid={owner[0]},gid={owner[1]}"
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, text=True)
    if done.returncode:
        raise Skipped(f"a small disk cannot be mounted: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], capture_output=True, check=False)


def _copy(source: Path, target: Path) -> None:
    """Make the content of one folder that of another one, owners and modes included."""
    for old in target.iterdir():
        old.unlink()  # the folder of a database's tables has no folders
    subprocess.run(["cp", "-a", f"{source}/.", str(target)], check=True)


@contextmanager
def _tables_on_a_small_disk(site: Site) -> Iterator[Path]:
    """The database's tables lie on a small disk of their own; logs and undo of the server stay where they are."""
    server, database = site.rig.server, site.rig.database
    assert database is not None
    place = str(site.ask("SELECT @@datadir AS place")[0]["place"])
    tables = (server.chroot or Path("/")) / place.lstrip("/") / database.name
    kept = site.folder / "tables"
    kept.mkdir()
    owner = tables.stat()
    server.process.stop(grace=60)
    _copy(tables, kept)
    used = sum(file.stat().st_size for file in kept.iterdir()) // MEGABYTE + 1
    try:
        with _small_disk(tables, used + TABLES_ROOM, (owner.st_uid, owner.st_gid)) as disk:
            _copy(kept, disk)
            server.restart()
            yield disk
            server.process.stop(grace=60)
            _copy(disk, kept)
        _copy(kept, tables)
    finally:
        if not server.process.running:
            server.restart()


@contextmanager
def _redis_on_a_small_disk(site: Site) -> Iterator[Path]:
    """Redis starts empty on a small disk."""
    site.rig.redis.stop()
    try:
        with _small_disk(site.rig.redis.folder, REDIS_DISK) as disk:
            site.rig.redis.start()
            yield disk
            site.rig.redis.stop()
    finally:
        if not site.rig.redis.is_running:
            site.rig.redis.start()


@case(
    "R19",
    "full disks: of the worker while a job prints and before others are claimed, of the database's tables, of Redis",
    "worker: disk_full with a ticket and every line up to then, others wait and say why; database and Redis: jobs "
    "wait and end green with every line; pages are read meanwhile; nothing is restarted",
)
def disk_full(site: Site, size: Size) -> Verdict:
    """One platform, three small disks, one after the other full."""
    wrong: list[str] = []
    with ExitStack() as disks:
        tables = disks.enter_context(_tables_on_a_small_disk(site))
        broker = disks.enter_context(_redis_on_a_small_disk(site))
        worker = disks.enter_context(_small_disk(site.folder / "disk", WORKER_DISK))
        disks.callback(site.platform.stop)
        site.begin(workers=0, minimum_free_bytes=str(40 * MEGABYTE))
        site.platform.start_slot("w0", data_dir=str(worker))
        servers = site.servers(3)
        book = site.stand_in(lines=LINES)
        wrong += _worker_full(site, servers, worker, book)
        wrong += _tables_full(site, servers, tables, book)
        wrong += _redis_full(site, servers, broker, book)
        site.all_final(120)
        verdict = judge(site)
    verdict.breaches += wrong
    return verdict


def _worker_full(site: Site, servers: list[int], disk: Path, book: int) -> list[str]:
    caller = site.caller()
    # Its spool stays below the disk's size; the rest is filled by somebody else, as it happens.
    noisy = caller.post_job(site.stand_in(lines=200_000, batch=100, pause=0.05, width=WIDTH), servers[0])
    site.until(lambda: site.count("SELECT SUM(log_lines) FROM jobs") > 500, 60, "the first lines")
    hog = disk / "hog"
    _fill(hog, disk, leave=2 * MEGABYTE)
    site.fault("the worker's disk is full")
    site.until(lambda: site.open_jobs() == 0, 60, "the end of the job without a disk")
    waiting = caller.post_job(book, servers[1])
    site.until(lambda: _says_disk(site, waiting["job_id"]), 60, "the reason why the next job waits")
    page, _data = caller.once("GET", "/jobs")
    hog.unlink()
    took = site.until(lambda: site.open_jobs() == 0, 120, "the next job, once there is room")
    site.notes.append(f"worker: the waiting job ended {took:.0f} s after there was room again")
    code = site.ask("SELECT failure_code FROM jobs WHERE job_id = %s", noisy["job_id"])[0]["failure_code"]
    return _unless(
        (code == "disk_full", f"the job without a disk ended as {code}"),
        (page == 200, f"pages answered {page} while the worker's disk was full"),
        (_is_green(site, waiting["job_id"]), "the next job did not succeed once there was room"),
    )


def _tables_full(site: Site, servers: list[int], disk: Path, book: int) -> list[str]:
    caller = site.caller()
    before = site.count("SELECT SUM(log_lines) FROM jobs")
    lines = 60_000  # with their indexes more than the room that is left
    noisy = caller.post_job(site.stand_in(lines=lines, batch=100, pause=0.02, width=WIDTH), servers[0])
    site.until(lambda: site.count("SELECT SUM(log_lines) FROM jobs") > before + 500, 60, "the first lines")
    hog = disk / "hog"
    _fill(hog, disk, leave=0)
    site.fault("the disk of the database's tables is full")
    log = site.platform.slots["w0"]
    site.until(lambda: "trying again" in log.output(), 90, "lines that the database did not take")
    stored = site.count("SELECT SUM(log_lines) FROM jobs")
    pages = {path: caller.once("GET", path)[0] for path in ("/jobs", f"/jobs/{noisy['job_id']}/logs", "/servers")}
    posted, _data = caller.once("POST", "/jobs", {"playbook_id": book, "server_id": servers[1]})
    hog.unlink()
    took = site.until(lambda: site.open_jobs() == 0, 240, "the jobs, once there is room")
    site.notes.append(
        f"database: {stored - before:,} lines stored when its disk was full, a post was answered with {posted}, "
        f"everything final {took:.0f} s after there was room again"
    )
    return _unless(
        (set(pages.values()) == {200}, f"while the tables' disk was full: {pages}"),
        (posted in (202, 503), f"a post was answered with {posted}"),
        (_is_green(site, noisy["job_id"]), "the job that printed meanwhile did not succeed"),
    )


def _redis_full(site: Site, servers: list[int], disk: Path, book: int) -> list[str]:
    caller, client = site.caller(), site.rig.redis.client()
    _fill(disk / "hog", disk, leave=0)
    site.until(lambda: _refuses(client), 30, "a Redis that refuses to write")
    site.fault("Redis' disk is full")
    jobs = [caller.post_job(book, server)["job_id"] for server in servers]
    page, _data = caller.once("GET", "/jobs")
    site.until(lambda: _refuses(client), 30, "a Redis that still refuses")
    (disk / "hog").unlink()
    took = site.until(lambda: site.open_jobs() == 0, 120, "the jobs that were posted meanwhile")
    client.close()
    site.notes.append(f"Redis: 3 posts were taken meanwhile, their jobs final {took:.0f} s after there was room again")
    return _unless(
        (page == 200, f"pages answered {page} while Redis' disk was full"),
        (all(_is_green(site, job) for job in jobs), "a job that was posted meanwhile did not succeed"),
    )


def _refuses(client: redis.Redis) -> bool:
    try:
        client.set("chaos", "x" * 8192)
    except redis.ResponseError:
        return True
    return False


def _unless(*wanted: tuple[bool, str]) -> list[str]:
    return [text for held, text in wanted if not held]


def _is_green(site: Site, job: str) -> bool:
    return bool(site.count("SELECT COUNT(*) FROM jobs WHERE job_id = %s AND status = 'success'", job))


def _fill(path: Path, disk: Path, *, leave: int) -> None:
    with path.open("wb", buffering=0) as file:
        while (free := shutil.disk_usage(disk).free) > leave:
            try:
                file.write(b"\0" * min(MEGABYTE, free - leave))
            except OSError:  # somebody else took the rest
                break


def _says_disk(site: Site, job: str) -> bool:
    told = site.caller().sure("GET", f"/jobs/{job}")
    return "disk" in (told.get("waiting_because") or "")
