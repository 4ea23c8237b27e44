"""The supervisor's one loop beside the engine: output and events to the spool, requests, limits, the end."""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import struct
import threading
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path

from app.runners import cgroup
from app.runners.base import HURRY, StopReason
from app.runners.engines import Outcome
from app.runners.lines import MAX_LINE_BYTES, LineSplitter
from app.runners.process import child_pids
from app.runners.recorder import Recorder
from app.runners.spool import SpoolWriter

TICK_SECONDS = 0.2
DRAIN_SECONDS = 30.0  # after everything is dead only what lies in the pipes is left to read
_CHUNK = 256 * 1024


@dataclass(slots=True)
class StopRequest:
    """The first reason to stop wins; asking again changes nothing."""

    reason: StopReason | None = None
    at: float = 0.0
    is_urgent: bool = False  # no grace any more
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, reason: StopReason) -> None:
        """Ask the run to stop. Safe in a signal handler of the main thread and in any other thread."""
        if self.reason is None:
            self.at = time.monotonic()
            self.reason = reason

    def asked(self) -> bool:
        """Tell whether a stop was asked for."""
        return self.reason is not None


@dataclass(frozen=True, slots=True)
class PumpSettings:
    """What the loop watches: times in seconds, ``parent`` the pid that must stay our parent."""

    marker: str
    parent: int
    timeout: float
    grace: float
    group: cgroup.Group = cgroup.NO_GROUP


class Pump(threading.Thread):
    """Reads the engine's output, the event channel and the control pipe until told that the engine ended.

    ``error`` holds the traceback if the loop itself failed; the run is stopped then.
    """

    def __init__(
        self,
        settings: PumpSettings,
        spool: SpoolWriter,
        recorder: Recorder,
        outcome: Outcome,
        stop: StopRequest,
        *,
        output_fd: int,
        listener: socket.socket,
        control_fd: int,
        control_rest: bytes = b"",
    ) -> None:
        super().__init__(name="pump", daemon=True)
        self._settings = settings
        self._spool, self._recorder, self._outcome, self._stop_request = spool, recorder, outcome, stop
        self._output_fd, self._listener, self._control_fd = output_fd, listener, control_fd
        self._channel: socket.socket | None = None
        self._control = control_rest
        self._event_parts: list[bytes] = []
        self._splitter = LineSplitter()
        self._selector = selectors.DefaultSelector()
        self._began = time.monotonic()
        self._engine_done = threading.Event()
        self._wake = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._termed = self._killed = False
        self.error = ""

    def finish(self) -> None:
        """Read what is still on its way, then end the loop; returns when it has ended."""
        self._engine_done.set()
        os.write(self._wake[1], b"x")
        self.join()

    def run(self) -> None:
        """Do the loop. Never raises: an error of our own stops the run and is kept in ``error``."""
        while True:
            try:
                self._loop()
                return
            except Exception:
                if self.error:  # it failed again while stopping: nothing more is recorded, but the run ends
                    self._only_stop()
                    return
                self.error = traceback.format_exc()
                self._stop_request.ask(StopReason.SHUTDOWN)

    def _loop(self) -> None:
        register = self._selector
        if not register.get_map():
            os.set_blocking(self._output_fd, False)
            register.register(self._output_fd, selectors.EVENT_READ, "output")
            register.register(self._listener, selectors.EVENT_READ, "listener")
            register.register(self._control_fd, selectors.EVENT_READ, "control")
            register.register(self._wake[0], selectors.EVENT_READ, "wake")
            self._take_control()
        done_at = 0.0
        while True:
            done = self._engine_done.is_set()
            ready = register.select(0.01 if done else TICK_SECONDS)
            # The output pipe first: what was printed before an event was sent stands before it.
            for key, _mask in sorted(ready, key=lambda item: item[0].data != "output"):
                getattr(self, f"_on_{key.data}")()
            self._spool.flush()
            self._tick()
            if done:
                done_at = done_at or time.monotonic()
                over = self._channel is None and self._output_fd < 0
                quiet = not [key for key, _ in ready if key.data != "control"]
                late = time.monotonic() - done_at > DRAIN_SECONDS
                if over or late or (quiet and time.monotonic() - done_at > 1.0):
                    break
        for line in self._splitter.close():
            self._print(line)
        if dropped := self._splitter.dropped_bytes:
            text = f"[millwright] {dropped} bytes of lines longer than {MAX_LINE_BYTES} bytes were not kept."
            self._recorder.text(text, host=None, seq=0, level="WARNING")
        self._spool.flush()

    def _only_stop(self) -> None:
        while not self._engine_done.wait(TICK_SECONDS):
            self._tick()

    # --- sources

    def _on_wake(self) -> None:
        os.read(self._wake[0], 1)

    def _on_output(self) -> None:
        data = os.read(self._output_fd, _CHUNK)
        if not data:
            self._selector.unregister(self._output_fd)
            os.close(self._output_fd)
            self._output_fd = -1
            return
        for line in self._splitter.feed(data):
            self._print(line)

    def _print(self, line: str) -> None:
        level = "INFO"
        if line.startswith(("ERROR!", "[ERROR]", "Traceback ")):
            level = "ERROR"
        elif line.startswith(("[WARNING]", "[DEPRECATION WARNING]")):
            level = "WARNING"
        self._recorder.text(line, host=None, seq=0, level=level)
        self._outcome.hear(line, level)

    def _on_listener(self) -> None:
        connection, _address = self._listener.accept()
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        _pid, user, _group = struct.unpack("3i", credentials)
        if user != os.geteuid():
            connection.close()
            return
        # Exactly one connection: whoever comes later finds neither a name nor a listener.
        path = self._listener.getsockname()
        self._selector.unregister(self._listener)
        self._listener.close()
        Path(path).unlink()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024 * 1024)
        self._channel = connection
        self._selector.register(connection, selectors.EVENT_READ, "channel")

    def _on_channel(self) -> None:
        assert self._channel is not None
        try:
            data = self._channel.recv(_CHUNK)
        except ConnectionResetError:
            data = b""
        if not data:
            self._selector.unregister(self._channel)
            self._channel.close()
            self._channel = None
            return
        self._event_parts.append(data)
        if b"\n" not in data:
            return
        *events, rest = b"".join(self._event_parts).split(b"\n")
        self._event_parts = [rest] if rest else []
        for event in events:
            try:
                self._outcome.handle(json.loads(event))
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                text = f"[millwright] an event of the output plugin could not be read: {error!r}"
                self._recorder.text(text, host=None, seq=0, level="WARNING")

    def _on_control(self) -> None:
        data = os.read(self._control_fd, 4096)
        if not data:
            self._selector.unregister(self._control_fd)
            self._stop_request.ask(StopReason.ORPHANED)  # the launcher's end is closed: it is gone
            return
        self._control += data
        self._take_control()

    def _take_control(self) -> None:
        *requests, self._control = self._control.split(b"\n")
        for request in requests:
            if request == HURRY.encode("ascii"):
                self._stop_request.is_urgent = True
                continue
            try:
                self._stop_request.ask(StopReason(request.decode("ascii")))
            except ValueError:
                continue

    # --- limits and stopping

    def _tick(self) -> None:
        now, settings, stop = time.monotonic(), self._settings, self._stop_request
        if now - self._began > settings.timeout:
            stop.ask(StopReason.TIMEOUT)
        if os.getppid() != settings.parent:
            stop.ask(StopReason.ORPHANED)
        if self._spool.disk_full:
            stop.ask(StopReason.DISK_FULL)
        if breach := settings.group.breach():
            stop.ask(StopReason(breach.reason))
        if stop.reason is None or self._engine_done.is_set():
            return
        if not self._termed:
            self._termed = True
            for pid in child_pids(os.getpid()):
                try:
                    os.kill(pid, signal.SIGTERM)
                except ProcessLookupError:
                    continue
        elif not self._killed and (stop.is_urgent or now - stop.at > settings.grace):
            left = cgroup.end_run(
                settings.marker, settings.group.folders, root=os.getpid(), exclude={os.getpid()}, deadline_seconds=5.0
            )
            self._killed = not left
