"""Makes the secrets of a ``docker compose`` installation on its first start; changes nothing on later ones.

    python deploy/init_secrets.py TARGET

``TARGET`` holds one folder for each reader, each a volume of its own, so that no container sees more than it
needs: app (keys, URLs), migrate (the schema account's URL), mysql (root's password, accounts), redis (its
configuration). Standard library only.
"""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path

KEYS = ("secret_key", "api_key_pepper", "password_pepper", "audit_key", "master_key")
DATABASE = "millwright"
ACCOUNTS = ("migrator", "app", "archiver")
MARK = ".complete"
# Readable inside its own volume: the official images read them as users of their own.
OPEN, PRIVATE = 0o444, 0o400


def _random() -> str:
    return secrets.token_hex(32)


def _url(account: str, password: str) -> str:
    return f"mysql+pymysql://{DATABASE}_{account}:{password}@mysql:3306/{DATABASE}?charset=utf8mb4"


def _accounts_sql(passwords: dict[str, str]) -> str:
    lines = [f"CREATE DATABASE IF NOT EXISTS `{DATABASE}` CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;"]
    lines += [f"CREATE USER '{DATABASE}_{name}'@'%' IDENTIFIED BY '{passwords[name]}';" for name in ACCOUNTS]
    # The migrator gives the other two their rights table by table: `flask db grants --apply`.
    lines.append(f"GRANT ALL PRIVILEGES ON `{DATABASE}`.* TO '{DATABASE}_migrator'@'%' WITH GRANT OPTION;")
    return "\n".join(lines) + "\n"


def _redis_conf(password: str) -> str:
    return f'requirepass {password}\nappendonly yes\nappendfsync everysec\nsave ""\nmaxmemory-policy noeviction\n'


def contents() -> dict[str, tuple[str, int]]:
    """Return a fresh set: path below TARGET -> (text, mode)."""
    passwords = {name: _random() for name in ACCOUNTS}
    redis_password = _random()
    files = {f"app/{name}": (_random(), PRIVATE) for name in KEYS}
    files["app/database_url"] = (_url("app", passwords["app"]), PRIVATE)
    files["app/redis_url"] = (f"redis://:{redis_password}@redis:6379/0", PRIVATE)
    files["migrate/database_url"] = (_url("migrator", passwords["migrator"]), PRIVATE)
    files["migrate/archiver_url"] = (_url("archiver", passwords["archiver"]), PRIVATE)
    files["mysql/root_password"] = (_random(), OPEN)
    files["mysql/accounts.sql"] = (_accounts_sql(passwords), OPEN)
    files["redis/redis.conf"] = (_redis_conf(redis_password), OPEN)
    files["redis/password"] = (redis_password, OPEN)
    return files


def main(target: Path) -> int:
    """Write the secrets unless they are complete; returns the exit code."""
    if (target / "app" / MARK).exists():
        return 0
    existing = sorted(str(path) for path in target.glob("*/*"))
    if existing:
        sys.stderr.write(
            "Some secrets exist, but not all: an earlier first start was interrupted, or a volume was lost.\n"
            "Restore the volumes from a backup; on a new installation: docker compose down --volumes\n"
        )
        return 1
    for name, (text, mode) in contents().items():
        path = target / name
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text)
        path.chmod(mode)  # whatever the umask left of it
    (target / "app" / MARK).touch()
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
