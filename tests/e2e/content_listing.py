"""What lies on a host: every file of the folders that playbooks change, with owner, mode and checksum, and packages."""

from __future__ import annotations

import json
import shlex

from tests.support.hosts import SshHost

HOME = "/" + "root"  # of the account that plays become
FOLDERS = ("/etc", "/opt", "/usr/local", "/srv", "/home", HOME, "/var/www", "/var/spool/cron")
# What differs between two hosts whatever is done on them: keys and identities made by chance, compiled Python
# (it holds times), the tests' own sshd files, and ansible's folder for its own files.
CHANCE = (
    "/etc/ssh/test/",
    "/etc/ssh/ssh_host_",
    "/etc/ssl/private/ssl-cert-snakeoil",
    "/etc/ssl/certs/ssl-cert-snakeoil",
    "/etc/machine-id",
    f"{HOME}/.ansible",
)
# Runs on the host. Of /etc/shadow only the names and whether there is a password: hashes are salted.
SCRIPT = """
import hashlib, json, os, stat, subprocess, sys
folders, chance = json.loads(sys.argv[1])
found = {}
def note(path):
    if path.startswith(tuple(chance)) or "__pycache__" in path:
        return
    about = os.lstat(path)
    kind, what = stat.S_IFMT(about.st_mode), ""
    if stat.S_ISLNK(about.st_mode):
        what = os.readlink(path)
    elif stat.S_ISREG(about.st_mode):
        with open(path, "rb") as stream:
            data = stream.read()
        if path in ("/etc/shadow", "/etc/shadow-", "/etc/gshadow", "/etc/gshadow-"):
            rows = [line.split(b":") for line in data.splitlines()]
            data = b"".join(row[0] + (b"+" if len(row[1]) > 2 else b"-") for row in rows)
        what = hashlib.sha256(data).hexdigest()
    found[path] = [kind, stat.S_IMODE(about.st_mode), about.st_uid, about.st_gid, what]
for top in folders:
    for place, names, files in os.walk(top):
        note(place)
        for name in files + [name for name in names if os.path.islink(os.path.join(place, name))]:
            note(os.path.join(place, name))
packages = subprocess.run(["dpkg-query", "-W"], capture_output=True, text=True).stdout.split("\\n")
print(json.dumps({**found, **{"package " + line: [] for line in packages if line}}))
"""
Listing = dict[str, list[object]]


def listing(host: SshHost) -> Listing:
    """Return path -> (kind, mode, owner, group, checksum or target), and a key ``package NAME VERSION`` for each."""
    asked = json.dumps([FOLDERS, CHANCE])
    done = host.run(f"/usr/bin/python3 -c {shlex.quote(SCRIPT)} {shlex.quote(asked)}", timeout=120)
    assert done.returncode == 0, done.stderr
    found: Listing = json.loads(done.stdout)
    return found


def different(one: Listing, other: Listing) -> list[str]:
    """Return the keys that are not equal in both, sorted."""
    return sorted(key for key in one.keys() | other.keys() if one.get(key) != other.get(key))
