"""Oracle's MySQL beside the MariaDB that Debian carries: a folder tree of its own, for tests alone.

``python -m tests.support.mysql_sandbox install`` (or ``make mysql-sandbox``) fills the folder once: about a
minute and 700 MB. It needs root, debootstrap and the machine's own apt mirror, changes nothing outside the
folder and starts no service. Tests start servers out of it (``servers.start_mysql``), each with a data folder
of its own. Folder: $MILLWRIGHT_TEST_MYSQL_SANDBOX, else millwright/mysql-sandbox in the user's cache folder.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.support import debian, memory

USER = "mysql"
# Oracle's MySQL is in Debian's unstable suite only; the suite carries the newest LTS (9.7 in November 2026).
SUITE = "sid"
PACKAGE = "mysql-server-core"
DATA = "var/lib/millwright"
TEMPLATE = "template"


@dataclass(frozen=True)
class Sandbox:
    """An installed sandbox; ``root`` is the folder that servers are chrooted to."""

    root: Path
    user_id: int
    group_id: int

    def new_data_folder(self) -> Path:
        """A fresh folder below the sandbox with an initialised ``data`` in it; the caller removes it."""
        template = self.root / DATA / TEMPLATE
        folder = memory.mounted_folder(self.root / DATA, "run")
        subprocess.run(["cp", "-a", "--reflink=auto", str(template), str(folder / "data")], check=True)
        shutil.chown(folder, self.user_id, self.group_id)
        return folder


def location() -> Path:
    """Where the sandbox is, or would be."""
    chosen = os.environ.get("MILLWRIGHT_TEST_MYSQL_SANDBOX")
    return Path(chosen) if chosen else debian.cache_folder() / "mysql-sandbox"


def find() -> Sandbox | None:
    """The installed sandbox, or None; looks only, installs nothing."""
    root = location()
    if os.geteuid() != 0 or not (root / DATA / TEMPLATE / "mysql.ibd").exists():
        return None
    owner = (root / DATA / TEMPLATE).stat()
    return Sandbox(root, owner.st_uid, owner.st_gid)


def why_not() -> str:
    """Why there is no sandbox and what to do about it."""
    if os.geteuid() != 0:
        return "MySQL needs root here (its sandbox is a chroot)"
    return f"MySQL is not installed in {location()}; run `make mysql-sandbox` (root, debootstrap)"


def install() -> Sandbox:
    """Install what is missing; quick when nothing is. RuntimeError with the reason when it cannot be had."""
    root = location()
    if os.geteuid() != 0:
        raise RuntimeError(why_not())
    if not (root / "usr/sbin/mysqld").exists():
        debian.debootstrap(root, suite=SUITE, include=[PACKAGE])
    _initialise(root)
    sandbox = find()
    if sandbox is None:
        raise RuntimeError(f"the sandbox in {root} is not usable; remove the folder and install again")
    return sandbox


def _initialise(root: Path) -> None:
    """Make the template of the data folder; copying it later takes a fifth of a second, making it four."""
    if (root / DATA / TEMPLATE / "mysql.ibd").exists():
        return
    script = (
        f"id {USER} >/dev/null 2>&1 || useradd --system {USER}\n"
        f"install -d -o {USER} -g {USER} /{DATA} /run/mysqld /var/lib/mysql-files\n"
        f"rm -rf /{DATA}/{TEMPLATE} /{DATA}/{TEMPLATE}.new\n"
        f"install -d -o {USER} -g {USER} -m 0700 /{DATA}/{TEMPLATE}.new\n"
        f"mysqld --no-defaults --initialize-insecure --user={USER} --datadir=/{DATA}/{TEMPLATE}.new"
        " --innodb-redo-log-capacity=32M\n"
        f"mv /{DATA}/{TEMPLATE}.new /{DATA}/{TEMPLATE}\n"
    )
    done = subprocess.run(["chroot", str(root), "sh", "-euc", script], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"mysqld could not be initialised in {root}:\n{done.stdout}{done.stderr}")


def main() -> int:
    """Command line: ``install`` or ``where``."""
    command = sys.argv[1] if len(sys.argv) > 1 else ""
    if command == "install":
        try:
            print(f"MySQL sandbox ready in {install().root}")
        except (RuntimeError, OSError) as error:
            print(f"mysql-sandbox: {error}", file=sys.stderr)
            return 1
        return 0
    if command == "where":
        print(location())
        return 0
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
