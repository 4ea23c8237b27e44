"""The sample playbooks for real: over ssh, on hosts of the tests only."""

from __future__ import annotations

import json
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
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "ANSIBLE_INJECT_FACT_VARS": "False", "LC_ALL": "C.UTF-8"},
    )


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
