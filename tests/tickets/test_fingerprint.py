from __future__ import annotations

import re
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.runners.base import FailureCode
from app.tickets.fingerprint import MESSAGE_LIMIT, fingerprint, normalise_message

label = st.from_regex(r"[a-z]{3,8}-?[0-9]{1,3}", fullmatch=True)
host_name = st.builds(lambda a, b: f"{a}.{b}.example.org", label, label) | label
address = st.ip_addresses().map(str)
stamps = st.datetimes(min_value=datetime(1970, 1, 1))  # noqa: DTZ001 - hypothesis wants a naive one
moment = stamps.map(lambda when: when.isoformat(" ")) | stamps.map(lambda when: when.strftime("%c"))
identity = {"subject": "playbook:1", "task": "Start nginx", "module": "service", "code": "task_failed"}
TEMPLATE = (
    "\x1b[31mfatal: [{host}]\x1b[0m: connection from {address} port {number} closed at {moment}; "
    "pid {number}, transaction {uuid}, see /tmp/ansible.{number}x{token}/out.log"
    " and /root/.ansible/tmp/ansible-tmp-{number}.{number}-{number}/AnsiballZ_service.py"
)


@st.composite
def circumstances(draw: st.DrawFn) -> dict[str, object]:
    return {
        "host": draw(host_name),
        "address": draw(address),
        "number": draw(st.integers(0, 10**9)),
        "moment": draw(moment),
        "uuid": draw(st.uuids()),
        "token": draw(st.from_regex(r"[a-z0-9_]{4,8}", fullmatch=True)),
    }


def printed(where: dict[str, object], **changes: str) -> str:
    hosts = [str(where["host"]), str(where["address"])]
    return fingerprint(**{**identity, **changes}, message=TEMPLATE.format(**where), hosts=hosts)


@given(circumstances(), circumstances())
def test_the_same_problem_has_the_same_fingerprint_wherever_and_whenever(
    here: dict[str, object], there: dict[str, object]
) -> None:
    assert printed(here) == printed(there)


@given(circumstances(), st.sampled_from(sorted(identity)), st.from_regex(r"[a-z]{1,12}", fullmatch=True))
def test_another_subject_task_module_or_code_is_another_problem(
    where: dict[str, object], part: str, value: str
) -> None:
    codes = set(FailureCode)
    changed = f"{identity[part]} {value}" if part != "code" or value not in codes else "engine_error"
    assert printed(where) != printed(where, **{part: changed})


@given(host_name, host_name)
def test_a_task_named_after_its_host_is_still_one_task(one: str, other: str) -> None:
    first, second = (
        fingerprint(**{**identity, "task": f"Join {host} to the cluster"}, hosts=[host]) for host in (one, other)
    )
    assert first == second


@given(st.text(max_size=500), st.lists(host_name, max_size=3))
def test_any_text_at_all_can_be_normalised_and_twice_alike(message: str, hosts: list[str]) -> None:
    normalised = normalise_message(message, hosts)
    assert len(normalised) <= MESSAGE_LIMIT
    assert normalised == normalise_message(message, list(reversed(hosts)))
    assert not re.search(r"[\x00-\x1f]", normalised)


def test_tasks_that_differ_by_number_stay_different() -> None:
    assert fingerprint(**{**identity, "task": "Step 1"}) != fingerprint(**{**identity, "task": "Step 2"})


def test_different_messages_of_one_task_are_different_problems() -> None:
    refused, denied = (fingerprint(**identity, message=text) for text in ("Connection refused", "Permission denied"))
    assert refused != denied


@pytest.mark.parametrize("code", ["lost", "timeout", "disk_full", "hash_mismatch", "shutdown", "poison", "no_hosts"])
def test_what_the_platform_ended_is_named_by_its_code_alone(code: str) -> None:
    one = fingerprint(**{**identity, "code": code, "task": "A"}, message="on web1")
    assert one == fingerprint(**{**identity, "code": code, "task": "B"}, message="worker x went away")
    assert one != fingerprint(**{**identity, "code": code, "subject": "playbook:2"})


def test_an_unreachable_server_is_one_problem_at_whatever_task() -> None:
    first = fingerprint(**{**identity, "code": "unreachable", "task": "A"}, message="Connection refused")
    assert first == fingerprint(**{**identity, "code": "unreachable", "task": "B"}, message="Connection refused")
    assert first != fingerprint(**{**identity, "code": "unreachable", "task": "B"}, message="Permission denied")


def test_a_very_long_message_costs_little_and_counts_by_its_beginning() -> None:
    long = "x" * 500_000
    assert normalise_message(long) == normalise_message(long + "y")
    assert len(normalise_message("1:" * 100_000)) <= MESSAGE_LIMIT


def test_a_host_name_inside_another_word_is_left_alone() -> None:
    assert normalise_message("the webserver failed on web", ["web"]) == "the webserver failed on <host>"
