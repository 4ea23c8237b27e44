"""The sample playbooks for real: over ssh, on hosts of the tests only."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.hosts import SshHosts

FOLDER = Path(__file__).resolve().parents[2] / "playbooks"
FILES = [entry["file"] for entry in yaml.safe_load((FOLDER / "millwright.yml").read_text())["playbooks"]]
ANSIBLE = Path(sys.executable).with_name("ansible-playbook")


def play(host: Any, folder: Path, file: str, *options: str, **variables: Any) -> subprocess.CompletedProcess[str]:
    known = folder / "known_hosts"
    known.write_text(host.known_hosts_line + "\n")
    values = folder / "vars.json"
    values.write_text(json.dumps(variables))
    args = f"-o UserKnownHostsFile={known} -o StrictHostKeyChecking=yes -F none"
    facts = {
        "ansible_host": host.address,
        "ansible_port": host.port,
        "ansible_user": host.user,
        "ansible_ssh_private_key_file": str(host.key_path),
        "ansible_ssh_common_args": args,
        "ansible_python_interpreter": host.python_interpreter,
    }
    inventory = folder / "inventory.yml"
    inventory.write_text(yaml.safe_dump({"all": {"hosts": {host.name: facts}}}))
    return subprocess.run(
        [str(ANSIBLE), "-i", str(inventory), "-e", f"@{values}", *options, str(FOLDER / file)],
        capture_output=True,
        text=True,
        timeout=300,
        stdin=subprocess.DEVNULL,
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(folder),
            "ANSIBLE_INJECT_FACT_VARS": "False",
            "ANSIBLE_SSH_ARGS": "-C",  # no shared connection: its socket's path would be too long below this folder
            "LC_ALL": "C.UTF-8",
        },
    )


def test_there_are_eight_sample_playbooks_or_more() -> None:
    manifest = yaml.safe_load((FOLDER / "millwright.yml").read_text())
    offered = {entry["file"] for entry in manifest["playbooks"]}
    assert len(offered) >= 8
    assert offered == set(FILES)


@pytest.mark.parametrize("file", FILES)
def test_each_sample_has_valid_syntax(file: str, tmp_path: Path) -> None:
    result = subprocess.run(
        [str(ANSIBLE), "--syntax-check", "-i", "localhost,", str(FOLDER / file)],
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"},
    )
    assert result.returncode == 0, result.stderr
    assert "WARNING" not in result.stderr


@pytest.mark.hosts
@pytest.mark.parametrize(
    ("file", "variables"),
    [
        ("hello.yml", {"repeat": 2}),
        ("facts_report.yml", {}),
        ("disk_and_services.yml", {"max_used_percent": 100}),
        ("certificate_expiry.yml", {"certificate_folders": "/nowhere/at/all"}),
        ("log_space.yml", {"max_log_mb": 1_000_000}),
        ("time_offset.yml", {"max_offset_seconds": 5}),
        ("security_audit.yml", {"fail_on_findings": False}),
    ],
)
def test_reading_samples_succeed_and_change_nothing(
    ssh_hosts: SshHosts, tmp_path: Path, file: str, variables: dict[str, Any]
) -> None:
    result = play(ssh_hosts.new("web-1"), tmp_path, file, **variables)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "changed=0" in result.stdout


@pytest.mark.hosts
def test_a_closed_port_fails_in_plain_words(ssh_hosts: SshHosts, tmp_path: Path) -> None:
    host = ssh_hosts.new("web-1")
    closed = play(host, tmp_path, "check_port.yml", tcp_port=9)
    assert closed.returncode == 2
    assert "Nothing listens on 127.0.0.1 port 9" in closed.stdout
    opened = play(host, tmp_path, "check_port.yml", tcp_port=host.port, address=host.address)
    assert opened.returncode == 0, opened.stdout


def certificate(folder: Path, name: str, days: int) -> None:
    """A certificate of its own signing that ends in ``days``."""
    folder.mkdir(exist_ok=True)
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-subj", f"/CN={name}", "-days", str(days), "-keyout", "/dev/null"),
            *("-out", str(folder / f"{name}.pem")),
        ],
        check=True,
        capture_output=True,
    )


@pytest.mark.hosts
def test_a_certificate_that_ends_soon_is_named(ssh_hosts: SshHosts, tmp_path: Path) -> None:
    host, folder = ssh_hosts.new("web-1"), tmp_path / "certificates"
    certificate(folder, "long", 300)
    values = {"certificate_folders": f"{folder}, /nowhere", "warn_days": 21}
    good = play(host, tmp_path, "certificate_expiry.yml", **values)
    assert good.returncode == 0, good.stdout + good.stderr
    assert "long.pem is good for 299 days" in good.stdout
    certificate(folder, "short", 5)
    (folder / "broken.pem").write_text("-----BEGIN CERTIFICATE-----\nnothing\n")
    bad = play(host, tmp_path, "certificate_expiry.yml", **values)
    assert bad.returncode == 2, bad.stdout
    assert "short.pem ends in 4 days" in bad.stdout
    assert "broken.pem cannot be read as a certificate" in bad.stdout


@pytest.mark.hosts
def test_logs_over_their_limit_are_named_and_rotation_is_asked_for(ssh_hosts: SshHosts, tmp_path: Path) -> None:
    host, folder = ssh_hosts.new("web-1"), tmp_path / "log"
    folder.mkdir()
    (folder / "app.log").write_bytes(b"x" * 3 * 1_048_576)
    full = play(host, tmp_path, "log_space.yml", log_folder=str(folder), max_log_mb=2)
    assert full.returncode == 2, full.stdout
    assert "takes 3.0 MB; 2 MB are allowed" in full.stdout
    assert "3.0 MB" in full.stdout and "app.log" in full.stdout
    values = {"log_folder": str(folder), "max_log_mb": 10, "rotated_within_days": 7}
    assert "was rotated in 7 days" in play(host, tmp_path, "log_space.yml", **values).stdout
    (folder / "app.log.1").write_bytes(b"x")
    rotated = play(host, tmp_path, "log_space.yml", **values)
    assert rotated.returncode == 0, rotated.stdout + rotated.stderr


@pytest.mark.hosts
def test_a_clock_that_is_off_fails(ssh_hosts: SshHosts, tmp_path: Path) -> None:
    host, folder = ssh_hosts.new("web-1"), tmp_path / "bin"
    folder.mkdir()
    (folder / "date").write_text("#!/bin/sh\necho $(($(/bin/date +%s) - 3600)).0\n")
    (folder / "date").chmod(0o755)
    book = yaml.safe_load((FOLDER / "time_offset.yml").read_text())
    book[0]["environment"] = {"PATH": f"{folder}:/usr/bin:/bin"}
    (tmp_path / "wrong.yml").write_text(yaml.safe_dump(book))
    late = play(host, tmp_path, str(tmp_path / "wrong.yml"), max_offset_seconds=2)
    assert late.returncode == 2, late.stdout
    assert "s off; 2 s are allowed" in late.stdout
    assert re.search(r"is -3(59|60)\d\.\d s off", late.stdout)


@pytest.mark.hosts
def test_the_security_audit_finds_and_changes_nothing(ssh_hosts: SshHosts, tmp_path: Path) -> None:
    book = yaml.safe_load((FOLDER / "security_audit.yml").read_text())
    book[0]["vars"]["kernel_wanted"] = {"kernel/ostype": ["NoSuchKernel"]}
    (tmp_path / "audit.yml").write_text(yaml.safe_dump(book))
    found = play(ssh_hosts.new("web-1"), tmp_path, str(tmp_path / "audit.yml"))
    assert found.returncode == 2, found.stdout
    assert "kernel.ostype is Linux, wanted is NoSuchKernel" in found.stdout
    assert "changed=0" in found.stdout
