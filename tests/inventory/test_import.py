"""Importing: fields, variables, groups, what is refused, what a dry run leaves behind, and the way back by export."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select

from app.audit.models import AuditEntry
from app.core.actor import Actor
from app.core.db import db
from app.core.errors import InvalidInput
from app.inventory import queries, queries_groups, service_import
from app.inventory.import_report import ImportReport, Row
from app.inventory.inventory_export import Wanted, as_ini, as_yaml, export_inventory
from app.inventory.inventory_files import read_text
from app.inventory.models import Server
from app.inventory.models_groups import ServerGroup
from tests.inventory.ansible_side import ansible_inventory
from tests.inventory.conftest import Acting, act

Http = Callable[[str], FlaskClient]
URL = "/api/v1/servers:import"
WHOLE = """
lone ansible_host=192.0.2.9 note="kept as text"
[web]
web[01:03].example.org ansible_host=192.0.2.1 ansible_port=2222
[web:vars]
ansible_user=deploy
ansible_become=true
http_port=80
[db]
db-1 ansible_host=2001:db8::1 ansible_user=postgres ansible_python_interpreter=/usr/bin/python3.11
[site:children]
web
db
[site:vars]
ansible_group_priority=5
zone=eu
[all:vars]
ntp=ntp.example.org
"""


def nobody(_names: Collection[str]) -> dict[str, str]:
    return {}


def bring(
    actor: Actor, text: str, *, dry_run: bool = False, lookup: Any = nobody, into: str | None = None
) -> ImportReport:
    with act(actor):
        return service_import.import_inventory(
            actor, read_text(text.encode()), dry_run=dry_run, lookup=lookup, into=into
        )


def rows(report: ImportReport) -> dict[str, Row]:
    return {row.name: row for row in (*report.hosts, *report.groups)}


def server(actor: Actor, name: str) -> Server:
    with act(actor):
        found = queries.find_by_hostname(actor, name)
        assert found is not None, name
        return found


@pytest.mark.database
def test_an_inventory_becomes_servers_and_groups(admin: Actor, acting: Acting) -> None:
    report = bring(admin, WHOLE)
    assert report.counts()["hosts"]["added"] == 5 and report.counts()["groups"]["added"] == 4
    web = server(admin, "web02.example.org")
    assert (web.ip_address, web.ssh_port, web.ssh_user, web.become) == ("192.0.2.1", 2222, "deploy", True)
    found = server(admin, "db-1")
    assert (found.ip_address, found.ssh_user, found.become) == ("2001:db8::1", "postgres", False)
    assert found.python_interpreter == "/usr/bin/python3.11"
    with acting(admin):
        variables = queries_groups.effective_variables(admin, web)
        lone = queries_groups.effective_variables(admin, queries.find_by_hostname(admin, "lone"))  # type: ignore[arg-type]
    assert {n: (o.value, o.source) for n, o in variables.items()} == {
        "http_port": (80, "web"),
        "zone": ("eu", "site"),
        "ntp": ("ntp.example.org", "all"),
    }
    assert {n: o.value for n, o in lone.items()} == {"note": "kept as text", "ntp": "ntp.example.org"}


@pytest.mark.database
def test_the_same_inventory_a_second_time_changes_and_records_nothing(admin: Actor, acting: Acting) -> None:
    bring(admin, WHOLE)
    with acting(admin):
        before = db.session.scalar(select(func.count()).select_from(AuditEntry))
        versions = list(db.session.execute(select(Server.hostname, Server.version).order_by(Server.id)))
    again = bring(admin, WHOLE)
    assert {row.done for row in (*again.hosts, *again.groups)} == {"unchanged"}
    with acting(admin):
        events = db.session.scalars(select(AuditEntry.event).order_by(AuditEntry.id)).all()[before:]
        assert list(events) == ["inventory:import"]
        assert list(db.session.execute(select(Server.hostname, Server.version).order_by(Server.id))) == versions


@pytest.mark.database
def test_a_dry_run_says_the_same_and_leaves_nothing_behind(admin: Actor, acting: Acting) -> None:
    said = bring(admin, WHOLE, dry_run=True)
    with acting(admin):
        for table in (Server, ServerGroup, AuditEntry):
            assert db.session.scalar(select(func.count()).select_from(table)) == 0, table
    done = bring(admin, WHOLE)
    assert said.counts() == done.counts()
    assert all(row.id is None for row in said.hosts) and all(row.id for row in done.hosts)


def test_a_change_updates_what_it_says_and_keeps_the_rest(admin: Actor, acting: Acting) -> None:
    bring(admin, "web ansible_host=192.0.2.1 a=1 b=2\n[old]\nweb\n[old:vars]\nx=1\n")
    report = bring(admin, "web ansible_port=2200 b=3\nnew ansible_host=192.0.2.2\n[old]\nnew\n[old:vars]\ny=2\n")
    found = rows(report)
    assert (found["web"].done, found["web"].changed) == ("updated", ["ssh_port", "variables"])
    assert (found["old"].done, found["old"].changed) == ("updated", ["variables", "members"])
    web = server(admin, "web")
    assert (web.ip_address, web.ssh_port, web.variables) == ("192.0.2.1", 2200, {"a": 1, "b": 3})
    with acting(admin):
        assert queries_groups.memberships(admin.tenant_id, [web.id])[web.id]


def test_one_audit_entry_counts_the_import_and_each_server_has_its_own(admin: Actor, acting: Acting) -> None:
    bring(admin, "web ansible_host=192.0.2.1\nlocalhost ansible_connection=local\n")
    with acting(admin):
        entries = db.session.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()
        assert [entry.event for entry in entries] == ["server:create", "inventory:import"]
        assert (entries[-1].details or {})["hosts"] == {"added": 1, "refused": 1}


@pytest.mark.parametrize(
    "line",
    [
        '"x ansible_connection=local"',
        "-oProxyCommand=id",
        '"a\\nb"',
        "localhost",
        "web。example",
        "ｗｅｂ.example",
        "10.0.0.1",
        "all",
        "under_score",
        "controller",
        "a..b",
        "web-",
        "{{x}}",
        "web ansible_host=0x7f.1",
        "web ansible_host=::ffff:127.0.0.1",
        "web ansible_host=2130706433",
        "web ansible_host=0.0.0.0",
        "web ansible_host=fe80::1%eth0",
        "web ansible_host='{{ lookup(1) }}'",
        "web ansible_host=1.2.3.4 ansible_port=99999",
        "web ansible_host=1.2.3.4 ansible_user='-l root'",
        "web ansible_host=1.2.3.4 ansible_connection=docker",
    ],
)
def test_t_inv_a_host_that_could_mean_something_else_is_refused_and_the_others_go_on(admin: Actor, line: str) -> None:
    report = bring(admin, f"good ansible_host=192.0.2.7\n{line}\n")
    assert [row.done for row in report.hosts] == ["added", "refused"]
    assert report.hosts[1].reason and report.hosts[1].line == 2


@pytest.mark.parametrize("text", ["h[1:99999999] ansible_host=192.0.2.1\n", "h[1:9][1:9][1:9][1:9][1:9]\n"])
def test_t_inv_a_range_without_end_is_422(http: Http, text: str) -> None:
    answer = http("admin").post(URL, json={"inventory": text, "dry_run": False})
    assert answer.status_code == 422 and "5,000 hosts" in json.dumps(answer.json)


def test_t_inv_an_address_that_a_name_is_looked_up_to_is_checked_too(operator: Actor) -> None:
    def lookup(names: Collection[str]) -> dict[str, str]:
        return dict.fromkeys(names, "127.0.0.1")

    report = bring(operator, "web.example.org\n", lookup=lookup)
    assert report.hosts[0].done == "refused"


def test_names_are_looked_up_once_and_hosts_without_an_address_are_refused_with_advice(admin: Actor) -> None:
    asked: list[str] = []

    def lookup(names: Collection[str]) -> dict[str, str]:
        asked.extend(names)
        return {"web.example.org": "192.0.2.5"}

    text = "web.example.org\nalias ansible_host=web.example.org\nlost.example.org\n"
    report = bring(admin, text, lookup=lookup)
    assert asked == ["web.example.org", "lost.example.org"]
    assert [row.done for row in report.hosts] == ["added", "added", "refused"]
    assert "192.0.2.5" in report.hosts[0].notes[0] and "ansible_host=" in report.hosts[2].reason
    assert server(admin, "alias").ip_address == "192.0.2.5"


def test_passwords_vaults_and_key_files_are_left_out_with_words(admin: Actor) -> None:
    text = """
all:
  hosts:
    web:
      ansible_host: 192.0.2.1
      ansible_password: hunter22
      ansible_become_pass: hunter22
      ansible_ssh_pass: hunter22
      ansible_ssh_private_key_file: ~/.ssh/id_rsa
      secret: !vault |
        $ANSIBLE_VAULT;1.1
      bad-name: 1
      hostvars: 1
      fine: 1
"""
    report = bring(admin, text.replace("      ansible_ssh_private_key_file: ~/.ssh/id_rsa\n", ""))
    reasons = dict(report.hosts[0].left_out)
    assert set(reasons) == {"ansible_password", "ansible_become_pass", "ansible_ssh_pass"} | {
        "secret",
        "bad-name",
        "hostvars",
    }
    assert "encrypted" in reasons["ansible_password"] and "ansible-vault" in reasons["secret"]
    assert server(admin, "web").variables == {"fine": 1}
    with_key = bring(admin, text.replace("web:", "web2:"))
    assert with_key.hosts[0].done == "added" and "ansible_ssh_private_key_file" in dict(with_key.hosts[0].left_out)
    assert server(admin, "web2").ssh_key_path is None


def test_what_administrators_may_set_is_left_out_for_operators(operator: Actor, admin: Actor) -> None:
    text = (
        "web ansible_host=192.0.2.1 ansible_ssh_common_args='-o ProxyCommand=id' t='{{ x }}' ok=1\n"
        "[g]\nweb\n[g:vars]\nansible_shell_type=sh\nplain=1\n[all:vars]\neverywhere=1\n"
    )
    found = rows(bring(operator, text))
    assert set(dict(found["web"].left_out)) == {"ansible_ssh_common_args", "t"}
    assert set(dict(found["g"].left_out)) == {"ansible_shell_type"}
    assert set(dict(found["all"].left_out)) == {"everywhere"}
    assert server(operator, "web").variables == {"ok": 1}
    again = rows(bring(admin, text))
    assert not again["web"].left_out and again["all"].done == "added"
    local = bring(operator, "own ansible_host=192.0.2.3 ansible_connection=local\n")
    assert local.hosts[0].done == "refused"


def test_a_group_to_import_into_takes_the_place_of_all(operator: Actor, acting: Acting) -> None:
    bring(operator, WHOLE, into="shop")
    with acting(operator):
        assert queries_groups.find_all(operator.tenant_id) is None
        nesting = queries_groups.read_nesting(operator.tenant_id)
        shop = next(key for key, name in nesting.names.items() if name == "shop")
        assert {nesting.names[child] for child in nesting.children[shop]} == {"site"}
        everybody = queries_groups.list_members(operator, nesting.below([shop]))
        assert everybody.total == 5
        found = queries_groups.effective_variables(operator, everybody.items[0])
        assert found["ntp"].source == "shop"
    for wrong in ("all", "tag_x", "a b", "web"):
        with pytest.raises(InvalidInput):
            bring(operator, WHOLE, into=wrong)


def test_groups_of_tags_and_environments_become_tags_and_environments(admin: Actor, acting: Acting) -> None:
    text = "web ansible_host=192.0.2.1\n[tag_blue]\nweb\n[env_live]\nweb\n[site:children]\ntag_blue\n"
    report = bring(admin, text)
    found = server(admin, "web")
    assert (found.tags, found.environment) == (["blue"], "live")
    assert {row.name: row.done.value for row in report.groups} == {
        "tag_blue": "mapped",
        "env_live": "mapped",
        "site": "added",
    }
    with acting(admin):
        assert queries_groups.memberships(admin.tenant_id, [found.id])[found.id]


def test_a_circle_in_the_inventory_is_refused_as_a_whole(admin: Actor) -> None:
    with pytest.raises(InvalidInput) as caught:
        bring(admin, "[a:children]\nb\n[b:children]\na\n")
    assert "circle" in str(caught.value.errors)


@pytest.mark.database
@pytest.mark.parametrize("form", ["yaml", "ini"])
def test_an_export_is_read_back_to_the_same_by_ansible_and_by_us(
    admin: Actor, people: dict[str, Actor], tmp_path: Path, form: str
) -> None:
    text = (
        WHOLE
        + 'odd ansible_host=192.0.2.8 s="it\'s \\"quoted\\"" t="True" l="[1, \'x\']" e="" u="é" d="1.0" n="None"\n'
    )
    bring(admin, "[odd-hosts]\n" + text.splitlines()[-1] + "\n" + text)
    with act(admin):
        exported = export_inventory(admin, Wanted())
    path = tmp_path / ("inventory.yml" if form == "yaml" else "inventory.ini")
    path.write_text(as_yaml(exported) if form == "yaml" else as_ini(exported), "utf-8")
    listed = ansible_inventory(path)
    with act(admin):
        for host, variables in listed.hosts.items():
            found = queries.find_by_hostname(admin, host)
            assert found is not None
            own = {name: o.value for name, o in queries_groups.effective_variables(admin, found).items()}
            theirs = {n: v for n, v in variables.items() if not n.startswith(("ansible_", "inventory_"))}
            assert theirs == own, host
            assert variables["ansible_host"] == found.ip_address
        assert len(listed.hosts) == 6
    assert listed.groups["site"] == sorted(["web01.example.org", "web02.example.org", "web03.example.org", "db-1"])
    assert [row.done for row in bring(admin, path.read_text()).hosts] == ["unchanged"] * 6
    other = people["stranger"]
    assert bring(other, path.read_text()).counts()["hosts"]["added"] == 6


def test_an_export_shows_key_files_and_connection_variables_to_administrators_only(
    admin: Actor, operator: Actor, make_server: Any, acting: Acting
) -> None:
    jump = make_server(hostname="jump", ip_address="2001:db8::7")
    make_server(hostname="web", jump_host_id=jump, variables={"ansible_shell_type": "sh", "a": 1}, tags=["x.y"])
    with acting(admin):
        found = export_inventory(admin, Wanted(tag="x.y"))
        assert found.hosts["web"]["ansible_shell_type"] == "sh"
        assert found.hosts["web"]["ansible_ssh_common_args"] == "-o ProxyJump=root@[2001:db8::7]:22"
        assert "tag_x_y" in found.groups.groups
    with acting(operator):
        found = export_inventory(operator, Wanted())
        assert "ansible_shell_type" not in found.hosts["web"] and found.hosts["web"]["a"] == 1


def test_the_api_is_dry_unless_told_otherwise_and_takes_files(http: Http) -> None:
    api = http("operator")
    text = "[web]\nweb-1 ansible_host=192.0.2.1\n[web:vars]\na=1\n"
    dry = api.post(URL, json={"inventory": text})
    assert dry.status_code == 200 and dry.json and dry.json["dry_run"] and api.get("/api/v1/servers").json == []
    done = api.post(URL, data={"file": (io.BytesIO(text.encode()), "hosts"), "dry_run": "false"})
    assert done.json and done.json["counts"]["hosts"]["added"] == 1, done.json
    exported = api.get("/api/v1/servers:export?format=ini&group=web")
    assert exported.status_code == 200 and "web-1 ansible_host=" in exported.text
    assert "attachment" in exported.headers["Content-Disposition"]
    assert api.get("/api/v1/servers:export?group=nosuch").status_code == 422
    assert http("viewer").post(URL, json={"inventory": text}).status_code == 403
    assert api.post(URL, json={"inventory": "x" * 5_300_000}).status_code == 422
    big = "# " + "x" * 3_000_000 + "\n" + text
    assert api.post(URL, json={"inventory": big}).status_code == 200


def test_hosts_that_are_there_already_cost_the_same_queries_for_any_number(admin: Actor, statements: Any) -> None:
    counts = []
    for size in (100, 200):
        text = f"[g{size}]\nh{size}-[1:{size}] ansible_host=192.0.2.1\n"
        bring(admin, text)
        with statements() as sent:
            assert bring(admin, text).counts()["hosts"]["unchanged"] == size
        counts.append(len(sent))
    assert counts[0] == counts[1]
