"""The files of deploy/, each read by the program that it is for."""

from __future__ import annotations

import re
import runpy
import shutil
import subprocess
from pathlib import Path

import pytest

from config import Settings
from tests.deploy.nginx import as_started_here, nginx_program
from tests.support import memory, mysql_sandbox
from tests.support.certificates import Authority
from tests.support.databases import ROOT
from tests.support.processes import free_port
from tests.support.servers import _find

DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service")) + sorted((DEPLOY / "systemd").glob("*.timer"))


def program(name: str, package: str) -> str:
    found = _find(name)
    if found is None:
        pytest.skip(f"no {name} (Debian package {package})")
    return found


def run(*argv: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False, **options)  # type: ignore[call-overload]


def test_systemd_takes_every_unit(tmp_path: Path) -> None:
    analyze = program("systemd-analyze", "systemd")
    copies = []
    for unit in UNITS:
        text = unit.read_text(encoding="utf-8")
        copy = tmp_path / unit.name
        copy.write_text(re.sub(r"/opt/millwright/\.venv/bin/\w+", "/bin/true", text), encoding="utf-8")
        copies.append(str(copy))
    done = run(analyze, "verify", "--man=no", *copies)
    # Before systemd 254 this one is passed over, and the worker says that it cannot set limits (docs/operations.md).
    newer = "Unknown key 'DelegateSubgroup'"
    complaints = [line for line in done.stderr.splitlines() if "millwright" in line and newer not in line]
    assert done.returncode == 0, done.stderr
    assert complaints == []


def test_systemd_finds_a_mistake(tmp_path: Path) -> None:
    analyze = program("systemd-analyze", "systemd")
    text = (DEPLOY / "systemd/millwright-keeper.service").read_text(encoding="utf-8")
    wrong = tmp_path / "millwright-keeper.service"
    wrong.write_text(text.replace("KillMode=mixed", "KillMode=gently"), encoding="utf-8")
    assert "kill mode" in run(analyze, "verify", "--man=no", str(wrong)).stderr


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_a_unit_runs_without_rights_it_does_not_need(unit: Path) -> None:
    text = unit.read_text(encoding="utf-8")
    if unit.suffix == ".timer":
        return
    for line in ("User=millwright", "NoNewPrivileges=yes", "ProtectSystem=strict", "PrivateTmp=yes", "UMask=0077"):
        assert line in text
    assert "CapabilityBoundingSet=\n" in text


def test_a_worker_has_longer_to_stop_than_its_jobs_have_to_end() -> None:
    text = (DEPLOY / "systemd/millwright-worker@.service").read_text(encoding="utf-8")
    stop = int(re.findall(r"^TimeoutStopSec=(\d+)$", text, re.MULTILINE)[0])
    assert stop >= Settings.model_fields["drain_seconds"].default + 30
    assert "KillMode=mixed" in text
    assert "Delegate=yes" in text


def test_commands_of_the_units_are_those_of_the_product() -> None:
    from app.standalone import platform

    worker = " ".join(platform.worker_command("x"))
    unit = (DEPLOY / "systemd/millwright-worker@.service").read_text(encoding="utf-8")
    for word in [*re.findall(r"--without-\w+", worker), "--queues runs"]:
        assert word in unit
    for path in UNITS:
        for command in re.findall(r"ExecStart=\S+/flask (.*)", path.read_text(encoding="utf-8")):
            assert command.split()[0] in {"keeper", "audit", "ops"}


def test_sysusers_and_tmpfiles_are_read(tmp_path: Path) -> None:
    for name, file in (("systemd-sysusers", "millwright.sysusers"), ("systemd-tmpfiles", "millwright.tmpfiles")):
        tool = program(name, "systemd")
        source = DEPLOY / "systemd" / file
        root = tmp_path / name
        (root / "etc").mkdir(parents=True)
        argv = [tool, f"--root={root}"]
        if name == "systemd-tmpfiles":
            (root / "etc/passwd").write_text("root:x:0:0::/:/bin/sh\nmillwright:x:990:990::/:/bin/sh\n")
            (root / "etc/group").write_text("root:x:0:\nadm:x:4:\nmillwright:x:990:\n")
            argv.append("--create")
        done = run(*argv, str(source))
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "systemd-tmpfiles/var/lib/millwright").stat().st_mode & 0o777 == 0o700


def test_nginx_takes_its_file(tmp_path: Path) -> None:
    path = as_started_here(tmp_path, Authority(tmp_path / "tls"), free_port(), free_port(), 8000)
    done = run(nginx_program(), "-t", "-p", str(tmp_path), "-c", str(path))
    assert done.returncode == 0, done.stderr
    assert "warn" not in done.stderr


def test_logrotate_takes_its_file(tmp_path: Path) -> None:
    tool = program("logrotate", "logrotate")
    copy = tmp_path / "millwright"
    text = (DEPLOY / "logrotate/millwright").read_text(encoding="utf-8")
    text = text.replace("/var/log/millwright", str(tmp_path)).replace("su millwright adm", "su root root")
    copy.write_text(text.replace("create 0640 millwright adm", "create 0640 root root"), encoding="utf-8")
    copy.chmod(0o644)
    (tmp_path / "web.log").write_text("a line\n")
    done = run(tool, "-d", "-s", str(tmp_path / "state"), str(copy))
    assert done.returncode == 0, done.stderr
    assert "error" not in done.stderr.lower()
    assert "web.log" in done.stderr


def test_mariadb_takes_the_server_settings(tmp_path: Path) -> None:
    tool = program("mariadbd", "mariadb-server")
    # MariaDB has no --validate-config; with --help it reads every option, and an unknown one is an error.
    done = run(tool, f"--defaults-file={DEPLOY / 'mysql/millwright.cnf'}", "--verbose", "--help", "--user=root")
    assert done.returncode == 0, done.stderr[-2000:]
    assert re.search(r"^max-connections\s+300$", done.stdout, re.MULTILINE)
    assert "unknown" not in done.stderr


def test_mysql_takes_the_server_settings() -> None:
    sandbox = mysql_sandbox.find()
    if sandbox is None:
        pytest.skip(f"no mysql: {mysql_sandbox.why_not()}")
    folder = sandbox.new_data_folder()
    try:
        shutil.copy(DEPLOY / "mysql/millwright.cnf", folder / "my.cnf")
        (folder / "my.cnf").chmod(0o644)
        inside = f"/{folder.relative_to(sandbox.root)}"
        argv = ["/usr/sbin/mysqld", f"--defaults-file={inside}/my.cnf", f"--datadir={inside}/data", "--validate-config"]
        done = run("chroot", f"--userspec={mysql_sandbox.USER}", str(sandbox.root), *argv)
        assert done.returncode == 0, done.stderr
    finally:
        memory.remove(folder)


def test_the_example_of_settings_holds_no_secret_and_only_known_settings() -> None:
    text = (DEPLOY / "millwright.env.example").read_text(encoding="utf-8")
    names = re.findall(r"^#?(MILLWRIGHT_\w+)=(.*)$", text, re.MULTILINE)
    known = {f"MILLWRIGHT_{field.upper()}{suffix}" for field in Settings.model_fields for suffix in ("", "_FILE")}
    assert {name for name, _ in names} <= known
    secret = {"SECRET_KEY", "API_KEY_PEPPER", "PASSWORD_PEPPER", "AUDIT_KEY", "MASTER_KEY", "DATABASE_URL", "REDIS_URL"}
    for name, value in names:
        if name.removeprefix("MILLWRIGHT_").removesuffix("_FILE") in secret:
            assert name.endswith("_FILE")
            assert value.startswith("/")


def test_live_logs_leave_threads_for_pages() -> None:
    words = runpy.run_path(str(DEPLOY / "gunicorn.conf.py"))
    assert words["threads"] - Settings.model_fields["max_stream_viewers"].default >= 32
