"""Start a program that dies with its parent: ``python -I launch.py PARENT_PID SIGNAL PROGRAM ARGUMENT...``

Run as a file, before any package is imported. PR_SET_PDEATHSIG (prctl(2)) survives execve; it is set here and
not in a ``preexec_fn``, because the parent has threads.
"""

from __future__ import annotations

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> None:
    """Ask for the signal, make sure that the parent still lives, become the program."""
    parent, number, argv = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)
    if os.getppid() != parent:  # it died before we asked
        sys.exit(1)
    os.execvp(argv[0], argv)  # noqa: S606 - an argv list, no shell


if __name__ == "__main__":
    main()
