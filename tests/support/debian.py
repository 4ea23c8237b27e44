"""Folder trees with a Debian of their own (debootstrap), cached between runs."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path


def cache_folder() -> Path:
    """The project's folder in the user's cache; kept between runs, may be deleted at any time."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "millwright"


def mirror() -> str:
    """The Debian mirror that this machine's apt uses. RuntimeError when apt names none."""
    try:
        listed = subprocess.run(
            ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
    except (OSError, subprocess.CalledProcessError) as error:
        raise RuntimeError(f"apt cannot be asked for its mirror: {error}") from error
    for uri in listed:
        if uri.rstrip("/").endswith("/debian"):
            return uri
    raise RuntimeError("apt's sources name no Debian mirror")


def debootstrap(root: Path, *, suite: str, include: Sequence[str]) -> None:
    """Fill ``root`` with a minimal Debian plus packages; all or nothing. RuntimeError holds the log's end."""
    if shutil.which("debootstrap") is None and not Path("/usr/sbin/debootstrap").exists():
        raise RuntimeError("debootstrap is not installed (apt-get install debootstrap)")
    root.parent.mkdir(parents=True, exist_ok=True)
    unfinished = root.with_name(root.name + ".new")
    shutil.rmtree(unfinished, ignore_errors=True)
    command = [
        "debootstrap",
        "--variant=minbase",
        f"--include={','.join(include)}",
        suite,
        str(unfinished),
        mirror(),
    ]
    log = root.with_name(root.name + ".log")
    environment = {**os.environ, "PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin"}
    with log.open("wb") as out:
        code = subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, env=environment).returncode
    if code:
        tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-20:])
        shutil.rmtree(unfinished, ignore_errors=True)
        raise RuntimeError(f"debootstrap {suite} failed with {code}:\n{tail}")
    shutil.rmtree(root, ignore_errors=True)
    unfinished.rename(root)
