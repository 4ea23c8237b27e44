"""The connection test against real sshd servers: what it says, and what it never does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from app.core.actor import Actor
from app.core.runtime import settings
from app.inventory import connection_test, service, service_host_keys, service_tests
from app.inventory.models import HostKey, Server
from tests.inventory.conftest import Acting
from tests.support.hosts import SshHost, SshHosts, make_key

Row = Callable[[int], Server]


class Enrolled:
    """One server of the inventory that is one sshd."""

    def __init__(self, acting: Acting, admin: Actor, row: Row, server_id: int) -> None:
        self.acting, self.admin, self.row, self.id = acting, admin, row, server_id

    def test(self) -> Server:
        """Ask for a test, answer it as a worker would, return the row."""
        with self.acting(self.admin):
            service_tests.request_server_test(self.admin, self.id)
        connection_test.test_server(self.id)
        return self.row(self.id)

    def keys(self) -> list[HostKey]:
        with self.acting(self.admin) as session:
            found = list(session.scalars(select(HostKey).where(HostKey.server_id == self.id).order_by(HostKey.id)))
            session.expunge_all()
            return found

    def accept(self, key: HostKey) -> None:
        with self.acting(self.admin):
            service_host_keys.accept_host_key(self.admin, self.id, key.id)

    def trusted(self) -> Enrolled:
        self.test()
        self.accept(self.keys()[-1])
        return self


@pytest.fixture
def enroll(
    acting: Acting, admin: Actor, row: Row, ssh_hosts: SshHosts, make_server: Callable[..., int]
) -> Callable[..., Enrolled]:
    """Make a server of the inventory for an sshd host."""
    folder = settings().key_root / f"tenant-{admin.tenant_id}"
    key_path = ssh_hosts.install_key(folder)

    def make(host: SshHost, **given: object) -> Enrolled:
        fields = {
            "ip_address": host.address,
            "ssh_port": host.port,
            "ssh_user": host.user,
            "ssh_key_path": str(key_path),
            "python_interpreter": host.python_interpreter,
        }
        return Enrolled(acting, admin, row, make_server(hostname=host.name, **{**fields, **given}))

    return make


Enroll = Callable[..., Enrolled]


def test_a_new_key_waits_for_a_person_and_nothing_signs_in_before(ssh_hosts: SshHosts, enroll: Enroll) -> None:
    host = ssh_hosts.new("web-1")
    server = enroll(host)
    answer = server.test()
    assert (answer.last_test_code, answer.last_test_ok) == ("host_key_waiting", False)
    (key,) = server.keys()
    assert f"{key.key_type} {key.public_key}" == host.host_key and key.accepted_at is None
    assert "Accepted publickey" not in host.log
    server.accept(key)
    answer = server.test()
    assert answer.last_test_ok, answer.last_test_message
    assert answer.os_type != "unknown" and "Python 3" in (answer.last_test_message or "")


def test_a_changed_host_key_is_loud_and_nothing_signs_in(
    ssh_hosts: SshHosts, enroll: Enroll, events_recorded: Callable[[], list[str]]
) -> None:
    host = ssh_hosts.new("web-1")
    server = enroll(host).trusted()
    host.change_host_key()
    (host.folder / "sshd.log").write_text("")
    answer = server.test()
    assert answer.last_test_code == "host_key_changed" and "DANGER" in (answer.last_test_message or "")
    assert "Accepted publickey" not in host.log
    assert events_recorded()[-1] == "host_key:changed"
    server.accept(server.keys()[-1])
    assert server.test().last_test_ok


def test_a_server_that_is_switched_off_is_unreachable(ssh_hosts: SshHosts, enroll: Enroll) -> None:
    host = ssh_hosts.new("web-1")
    server = enroll(host).trusted()
    host.stop()
    answer = server.test()
    assert answer.last_test_code == "unreachable" and "firewall" in (answer.last_test_message or "")


def test_a_key_that_the_server_does_not_know_is_permission_denied(
    ssh_hosts: SshHosts, enroll: Enroll, admin: Actor
) -> None:
    host = ssh_hosts.new("web-1")
    other = make_key(settings().key_root / f"tenant-{admin.tenant_id}" / "other")
    answer = enroll(host, ssh_key_path=str(other)).trusted().test()
    assert answer.last_test_code == "permission_denied" and "authorized_keys" in (answer.last_test_message or "")


def test_a_missing_interpreter_is_named(ssh_hosts: SshHosts, enroll: Enroll) -> None:
    host = ssh_hosts.new("web-1")
    answer = enroll(host, python_interpreter="/opt/none/python3").trusted().test()
    assert answer.last_test_code == "missing_interpreter" and "/opt/none/python3" in (answer.last_test_message or "")


def test_a_key_file_that_others_may_read_is_refused_before_anything_is_sent(
    ssh_hosts: SshHosts, enroll: Enroll, row: Row
) -> None:
    server = enroll(ssh_hosts.new("web-1"))
    Path(str(row(server.id).ssh_key_path)).chmod(0o644)
    answer = server.test()
    assert answer.last_test_code == "key_file" and "chmod 600" in (answer.last_test_message or "")


def test_a_server_behind_a_jump_host_is_scanned_and_reached_through_it(ssh_hosts: SshHosts, enroll: Enroll) -> None:
    gate, inner = ssh_hosts.new("gate"), ssh_hosts.new("inner")
    front = enroll(gate)
    server = enroll(inner, jump_host_id=front.id)
    assert server.test().last_test_code == "jump_host"
    front.trusted()
    answer = server.trusted().test()
    assert answer.last_test_ok, answer.last_test_message
    assert gate.log.count("Accepted publickey") >= 2


def test_a_second_delivery_of_a_doorbell_tests_nothing(ssh_hosts: SshHosts, enroll: Enroll, row: Row) -> None:
    server = enroll(ssh_hosts.new("web-1"))
    first = server.test().last_tested_at
    connection_test.test_server(server.id)
    connection_test.test_server(999_999)
    assert row(server.id).last_tested_at == first


@pytest.mark.database
def test_a_test_that_nobody_took_is_overdue_and_one_that_runs_is_not(
    acting: Acting, admin: Actor, make_server: Callable[..., int]
) -> None:
    server_id = make_server()
    with acting(admin):
        service_tests.request_server_test(admin, server_id)
    assert connection_test.overdue_tests() == []

    def age(**columns: object) -> None:
        with acting(admin) as session:
            session.execute(update(Server).where(Server.id == server_id).values(**columns))

    with acting(admin) as session:
        asked = session.scalars(select(Server.test_requested_at).where(Server.id == server_id)).one()
    assert asked is not None
    age(test_requested_at=asked - timedelta(minutes=10))
    assert connection_test.overdue_tests() == [server_id]
    age(test_started_at=asked)
    assert connection_test.overdue_tests() == []
    age(test_started_at=asked - timedelta(minutes=9))
    assert connection_test.overdue_tests() == [server_id]


def test_a_rebuilt_host_takes_its_name_back_and_its_new_keys_replace_the_old(
    ssh_hosts: SshHosts,
    enroll: Enroll,
    acting: Acting,
    admin: Actor,
    http: Callable[[str], Any],
    make_server: Callable[..., int],
    events_recorded: Callable[[], list[str]],
) -> None:
    host = ssh_hosts.new("web-1")
    server = enroll(host).trusted()
    assert server.test().last_test_ok
    with acting(admin):
        service.deactivate_server(admin, server.id)
    stand_in = make_server(hostname=host.name)
    refused = http("operator").post(f"/api/v1/servers/{server.id}/reactivate")
    assert refused.status_code == 409 and "deactivate that server first" in refused.json["message"]
    with acting(admin):
        service.deactivate_server(admin, stand_in)
    assert http("operator").post(f"/api/v1/servers/{server.id}/reactivate").status_code == 200
    (old,) = server.keys()
    host.change_host_key()
    changed = server.test()
    new = server.keys()[-1]
    said = changed.last_test_message or ""
    assert changed.last_test_code == "host_key_changed" and old.fingerprint in said and new.fingerprint in said
    page = http("operator").get(f"/servers/{server.id}").get_data(as_text=True)
    assert "Trusted so far" in page and "Shown now" in page and "trust the new keys alone" not in page
    assert http("operator").post(f"/servers/{server.id}/host-keys/replace").status_code == 403
    path = f"/api/v1/servers/{server.id}/host-keys:replace"
    assert http("admin").post(path, json={"key_ids": []}).status_code == 422
    assert http("admin").post(path, json={"key_ids": [old.id]}).status_code == 409
    form = {"key_ids": [new.id], "confirmed": "1"}
    assert http("admin").post(f"/servers/{server.id}/host-keys/replace", data=form).status_code == 302
    assert events_recorded()[-2] == "host_key:replace"
    assert server.test().last_test_ok
    known = server.keys()
    assert [key.revoked_at is None for key in known] == [False, True]
