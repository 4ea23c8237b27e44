"""What ``make run`` and ``make demo`` say in the terminal, and how they wait for Ctrl-C."""

from __future__ import annotations

import signal
import sys
import threading
from types import FrameType

from app.standalone.platform import FirstAdmin, Platform


def write(line: str) -> None:
    """Print one line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def announce(admin: FirstAdmin | None) -> None:
    """Print the first administrator's one-time password; nothing after the first start."""
    if admin is not None:
        write("")
        write(f"    First sign-in: user {admin.username}, one-time password {admin.password}")
        write("    It is shown only now, and a password of your own is asked for when you sign in.")
        write("")


def stay(platform: Platform) -> None:
    """Return at the first SIGINT or SIGTERM; from then on a further one kills the platform's processes."""
    stopped = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        if stopped.is_set():
            platform.supervisor.interrupt()
        stopped.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, on_signal)
    write(f"Millwright runs on {platform.base_url} (data in {platform.folder.path}). Ctrl-C stops it.")
    stopped.wait()
    write("Stopping; running jobs get a moment. Ctrl-C again kills.")
