"""Facts on their way from a host to the spool: T-FACTS, at the runner's end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.runners.facts import MAX_BYTES, MAX_DEPTH, clean, fit, size_of
from app.runners.masking import Masker
from tests.runners.conftest import Runs, local_hosts

SECRET = "hunter2-and-more"
# Stands for ansible's own setup module: a project's library is looked in first.
HOSTILE_SETUP = """#!/usr/bin/python3
import json
facts = {
    "ansible_distribution": "{{ lookup('pipe', 'touch @OWNED@') }}",
    "ansible_connection": "local",
    "ansible_python_interpreter": "/tmp/evil",
    "ansible_env": {"AWS_SECRET_ACCESS_KEY": "do-not-keep-this"},
    "ansible_motd": "the key is @SECRET@",
    "ansible_title": "\\x1b]0;owned\\x07title",
    "ansible_huge": "x" * (50 * 1024 * 1024),
    "ansible_wide": {str(n): "y" * 100 for n in range(2500)},
    "ansible_kernel": "6.1",
}
deep = []
for _ in range(60):
    deep = [deep]
facts["ansible_deep"] = deep
print(json.dumps({"changed": False, "ansible_facts": facts}))
"""


def test_t_facts_a_hostile_hosts_facts_are_cut_masked_and_never_evaluated(runs: Runs, tmp_path: object) -> None:
    owned = f"{tmp_path}/owned"
    module = HOSTILE_SETUP.replace("@OWNED@", owned).replace("@SECRET@", SECRET)
    ended = runs.run(
        """
        - hosts: all
          gather_facts: false
          tasks:
            - name: Gather
              setup:
            - name: Use them
              debug: {msg: "{{ ansible_facts.distribution }} {{ ansible_facts.kernel }}"}
        """,
        files={"library/setup.py": module},
        secrets=(SECRET,),
    )
    assert ended.codes() == {"a": None}, ended.text("a")
    (record,) = ended.of("facts", h="a")
    text = json.dumps(record)
    assert record["d"]["ansible_distribution"].startswith("{{ lookup(") and record["d"]["ansible_kernel"] == "6.1"
    assert SECRET not in text and "***" in record["d"]["ansible_motd"]
    assert "do-not-keep-this" not in text and "\\u001b" not in text
    assert {"ansible_huge", "ansible_deep"} <= set(record["x"])
    assert record["z"] > 50 * 1024 * 1024 and size_of(record["d"]) <= MAX_BYTES
    assert not Path(owned).exists()


def test_t_facts_facts_as_variables_are_plain_text_and_change_no_connection(runs: Runs, tmp_path: object) -> None:
    module = HOSTILE_SETUP.replace("@OWNED@", f"{tmp_path}/owned").replace("@SECRET@", SECRET)
    play = """
        - hosts: all
          gather_facts: false
          tasks:
            - name: Gather
              setup:
            - name: Use them
              debug: {msg: "{{ ansible_distribution }} {{ ansible_kernel }}"}
            - name: Go on
              ping:
        """
    ended = runs.run(play, files={"library/setup.py": module}, secrets=(SECRET,), inject_facts=True)
    assert ended.codes() == {"a": None}, ended.text("a")
    assert "{{ lookup(" in ended.text("a") and " 6.1" in ended.text("a")
    assert not Path(f"{tmp_path}/owned").exists()
    plain = runs.run(play, files={"library/setup.py": module}, secrets=(SECRET,))
    assert "'ansible_distribution' is undefined" in plain.text("a")


def test_facts_of_a_gathering_reach_the_spool_once_for_each_server_of_the_run(runs: Runs) -> None:
    ended = runs.run(
        """
        - hosts: all
          gather_facts: true
          tasks:
            - name: Set one
              set_fact: {mine: 1}
            - name: For somebody else
              setup:
              delegate_to: localhost
              delegate_facts: true
            - name: In secret
              setup:
              no_log: true
        """,
        hosts=local_hosts("a", "b"),
    )
    assert ended.codes() == {"a": None, "b": None}
    assert sorted(record["h"] for record in ended.of("facts")) == ["a", "b"]
    facts = ended.of("facts", h="a")[0]["d"]
    assert facts["ansible_distribution"] and "mine" not in facts and "ansible_env" not in facts


def test_the_largest_facts_are_left_out_first_and_named() -> None:
    kept, left_out = fit({"a": "x" * 50, "b": "x" * 400, "c": "x" * 100, "d": "x" * 300}, 200)
    assert (sorted(kept), left_out) == (["a", "c"], ["b", "d"])
    assert fit({"a": 1}) == ({"a": 1}, [])


def test_deep_facts_and_odd_values_become_plain_data() -> None:
    deep: object = "end"
    for _ in range(MAX_DEPTH + 5):
        deep = [deep]
    text = json.dumps(clean({"deep": deep, "nan": float("nan"), "k" * 500: 1, "b": b"raw"}, Masker(()).mask))
    assert "end" not in text and "…" in json.loads(f'"{"…"}"') and '"nan": "nan"' in text
    assert "k" * 201 not in text


@pytest.mark.parametrize("name", ["before " + SECRET, SECRET])
def test_a_secret_in_a_facts_name_or_over_two_lines_is_masked(name: str) -> None:
    cleaned = clean({name: f"one\n{SECRET}\ntwo"}, Masker([SECRET]).mask)
    assert SECRET not in json.dumps(cleaned)
