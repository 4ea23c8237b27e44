"""Faults at their times: kills by process id, chosen by the case's seeded random."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import psutil

from chaos.rig import Site


@dataclass
class Every:
    """Something that is done again and again, ``seconds`` apart, each time a little earlier or later."""

    seconds: float
    act: Callable[[], None]
    next_at: float = field(default=0.0)


def conduct(site: Site, faults: list[Every], until: Callable[[], bool], limit: float) -> float:
    """Do the faults at their times until a condition holds, at most ``limit`` seconds; returns the seconds.

    In the calling thread, which has to be the main one: processes are started again here.
    """
    began = time.monotonic()
    for fault in faults:
        fault.next_at = began + fault.seconds * site.random.uniform(0.3, 1.0)
    look_at = began
    while (now := time.monotonic()) - began < limit:
        if now >= look_at:
            if until():
                break
            look_at = now + 0.5
        for fault in faults:
            if now >= fault.next_at:
                fault.act()
                fault.next_at = time.monotonic() + fault.seconds * site.random.uniform(0.7, 1.3)
        time.sleep(0.05)
    return time.monotonic() - began


def kill_pool_child(site: Site) -> bool:
    """kill -9 of a random pool child; False when there is none.

    Not of one whose worker still starts: Celery ends such a worker, and once a second none would ever start.
    """
    children = sorted(site.platform.pool_children(), key=lambda child: child.pid)
    if not children:
        return False
    child = site.random.choice(children)
    try:
        child.kill()
    except psutil.NoSuchProcess:
        return False
    site.fault("kill -9 of a pool child")
    return True


def kill_worker(site: Site) -> bool:
    """kill -9 of a random worker's main process; it is started again at once, as systemd does.

    False when it would have been the only one that listens: a platform without any worker is another case.
    """
    ready = list(site.platform.listening())
    if len(ready) < 2:
        return False
    slot = site.random.choice(ready)
    process = site.platform.slots[slot]
    process.kill(signal.SIGKILL)
    process.wait()
    site.fault(f"kill -9 of worker {slot}")
    site.platform.launch_slot(slot)
    return True


def revive(site: Site) -> int:
    """Start workers again that ended by themselves, as systemd does; returns how many.

    Celery gives up when one of its children dies before all of them have started.
    """
    ended = [slot for slot, process in sorted(site.platform.slots.items()) if not process.running]
    for slot in ended:
        site.platform.launch_slot(slot)
    return len(ended)


def kill_keeper(site: Site) -> None:
    """kill -9 of a random keeper that works, the sweep with it; another one is started."""
    keepers = [process for process in site.platform.keepers if "keeper.started" in process.beginning()]
    if not keepers:
        return
    process = site.random.choice(keepers)
    site.platform.keepers.remove(process)
    process.kill(signal.SIGKILL)
    process.wait()
    site.fault("kill -9 of the keeper")
    site.platform.launch_keeper()


def kill_web(site: Site) -> None:
    """kill -9 of the web processes; they are started again."""
    assert site.platform.web is not None
    site.kill_tree(site.platform.web)
    site.fault("kill -9 of the web processes")
    site.platform.launch_web()


class Load(threading.Thread):
    """Posts jobs one after the other in a thread of its own. ``made`` are the answers, ``error`` what ended it."""

    def __init__(self, site: Site, posts: list[tuple[int, int]], *, pause: Callable[[], float] = lambda: 0.0) -> None:
        """``posts`` are (playbook id, server id)."""
        super().__init__(name="load", daemon=True)
        self._site, self._posts, self._pause = site, posts, pause
        self.made: list[dict[str, object]] = []
        self.error: BaseException | None = None

    def run(self) -> None:
        """Post everything, each with a key of its own."""
        caller = self._site.caller()
        try:
            for playbook_id, server_id in self._posts:
                self.made.append(caller.post_job(playbook_id, server_id))
                time.sleep(self._pause())
        except BaseException as error:
            self.error = error

    def finish(self, seconds: float) -> None:
        """Wait for the last post; raises what ended it early."""
        self.join(seconds)
        if self.error is not None:
            raise self.error
        assert not self.is_alive(), f"only {len(self.made)} of {len(self._posts)} jobs could be posted"
