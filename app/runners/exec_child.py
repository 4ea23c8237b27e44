"""Start a command as a child that ends with its parent. Run as a script, without the package, for speed.

``python -I -S exec_child.py <parent pid> <limits as JSON> <command> <arguments>...`` enters the run's control
group, sets the limits and the parent-death signal on itself and becomes the command.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_LIMITS = {
    "memory_bytes": resource.RLIMIT_AS,
    "processes": resource.RLIMIT_NPROC,
    "open_files": resource.RLIMIT_NOFILE,
    "file_bytes": resource.RLIMIT_FSIZE,
}


def main(arguments: list[str]) -> None:
    """Replace this process by the command; exits with 127 when it cannot be started."""
    parent, limits, command = int(arguments[0]), json.loads(arguments[1]), arguments[2:]
    for folder in limits.pop("cgroups", ()):  # before anything runs that could leave
        try:
            with open(f"{folder}/cgroup.procs", "w", encoding="ascii") as file:  # noqa: PTH123 (no pathlib, for speed)
                file.write("0")  # this process
        except OSError as error:
            sys.stderr.write(f"ERROR! the run's control group {folder} cannot be entered: {error.strerror}\n")
            sys.stderr.flush()
            os._exit(126)
    os.nice(limits.pop("nice", 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold secrets
    for name, value in limits.items():
        if name in _LIMITS and value is not None:
            hard = resource.getrlimit(_LIMITS[name])[1]
            limit = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(_LIMITS[name], (limit, limit))
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGTERM), 0, 0, 0)
    if os.getppid() != parent:  # it died before the signal was set
        os._exit(143)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE, signal.SIGUSR1):
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execv(command[0], command)  # noqa: S606 (an argv, no shell)
    except OSError as error:
        sys.stderr.write(f"ERROR! {command[0]} cannot be started: {error.strerror}\n")
        sys.stderr.flush()
        os._exit(127)


if __name__ == "__main__":
    main(sys.argv[1:])
