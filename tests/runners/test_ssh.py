"""Over real ssh: strict host keys, the run's own key, no connection left open."""

from __future__ import annotations

from typing import Any

import pytest

from tests.runners.conftest import Runs
from tests.support.hosts import SshHost, SshHosts

pytestmark = pytest.mark.hosts
BOOK = """
- hosts: all
  gather_facts: false
  tasks:
    - name: Ask
      command: echo reached
"""


def host_of(host: SshHost) -> dict[str, Any]:
    variables = {
        "ansible_host": host.address,
        "ansible_port": host.port,
        "ansible_user": host.user,
        "ansible_python_interpreter": host.python_interpreter,
    }
    return {"name": host.name, "vars": variables, "private_key_path": str(host.key_path)}


def test_a_known_host_is_reached_with_the_runs_key_and_nothing_stays(runs: Runs, ssh_hosts: SshHosts) -> None:
    host = ssh_hosts.new("one")
    ended = runs.run(BOOK, hosts=[host_of(host)], known_hosts=host.known_hosts_line + "\n")
    assert ended.codes() == {"one": None}, ended.everything
    assert ended.states("Ask") == {"one": "changed"}


@pytest.mark.parametrize("known", ["none", "another"])
def test_a_host_whose_key_is_not_the_known_one_is_unreachable(runs: Runs, ssh_hosts: SshHosts, known: str) -> None:
    host = ssh_hosts.new("one")
    line = "" if known == "none" else host.known_hosts_line + "\n"
    if known == "another":
        host.change_host_key()
    ended = runs.run(BOOK, hosts=[host_of(host)], known_hosts=line)
    assert ended.codes() == {"one": "unreachable"}
    assert "Host key verification failed" in ended.result.hosts["one"].message
