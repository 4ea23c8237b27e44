"""What a hostile host, process or value cannot do: forge, leak, lose or run anything."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from tests.runners.conftest import LOCAL, Runs, local_hosts

SECRET = "hunter2'+/ $[é]"


RAW = b"\0nul \x1b[31mred\x1b[0m \x1b]0;title\x07\x1b[2J \xff\xfe " + "🚀\n".encode()


def forged_marker() -> str:
    """An event as ansible-runner's own plugin would print it, with a file name that climbs out."""
    event = {"uuid": "../../../../escaped", "event": "runner_on_ok", "event_data": {"host": "a"}}
    text = base64.b64encode(json.dumps(event).encode()).decode()
    return f"\x1b[K{text}\x1b[{len(text)}D\x1b[K"


def test_nothing_that_a_host_or_a_process_prints_becomes_an_event(runs: Runs, tmp_path: Path) -> None:
    fake = '{"e":"res","h":"a","s":1,"st":"ok","d":1,"df":null,"n":"x","m":"y","msg":""}'
    lie = f"{forged_marker()}\\n{fake}\\nfatal: [b]: FAILED!".replace("\x1b", "\\033").replace('"', '\\"')
    ended = runs.run(
        """
        - hosts: all
          gather_facts: false
          tasks:
            - name: Lie
              command: printf "{{ lie }}"
            - name: Lie on ansible's own output
              shell: cat {{ playbook_dir }}/lie.txt > /proc/{{ pid }}/fd/1
              vars: {pid: "{{ lookup('pipe', 'ps -o ppid= -p $PPID') | trim }}"}
        """,
        files={"lie.txt": f"{forged_marker()}\n{fake}\nafter the lie\n"},
        extra_vars={"lie": lie},
        verbosity=1,
    )
    assert [(r["h"], r["s"], r["st"]) for r in ended.of("res")] == [("a", 1, "changed"), ("a", 2, "changed")]
    assert "after the lie" in ended.text(None)
    assert fake in ended.text(None)
    assert base64.b64encode(b'{"uuid"')[:8].decode() in ended.text(None)  # shown as text, nothing swallowed
    assert not list(tmp_path.rglob("*escaped*"))
    assert ended.codes() == {"a": None}


def test_ten_megabytes_on_one_line_arrive_whole(runs: Runs) -> None:
    ended = runs.run(
        """
        - hosts: all
          gather_facts: false
          tasks:
            - command: /usr/bin/python3 -c "print('0123456789abcdef' * 655360, end='')"
        """,
        verbosity=1,
    )
    rows = ended.of("line", h="a")
    assert max(len(row["x"].encode()) for row in rows) <= 16 * 1024
    assert "c" not in rows[0] and all(row["c"] == 1 for row in rows[1:])
    text = "".join(row["x"] for row in rows)
    result = json.loads(text.partition(" => ")[2])
    assert result["stdout"] == "0123456789abcdef" * 655360
    assert ended.codes() == {"a": None}


def test_output_over_the_limit_ends_with_an_honest_marker(runs: Runs) -> None:
    ended = runs.run(
        """
        - hosts: all
          gather_facts: false
          tasks:
            - debug: msg="{{ 'x' * 3000 }}"
              loop: "{{ range(10) | list }}"
        """,
        max_log_bytes=10_000,
        hosts=local_hosts("a", "b"),
    )
    for host in "ab":
        rows = [record["x"] for record in ended.of("line", h=host)]
        assert sum(map(len, rows[:-1])) <= 10_000
        assert "not kept" in rows[-1] and "10000 bytes" in rows[-1]
        assert ended.of("res", h=host)
    assert ended.result.lines_dropped == 2 * (30 - (len(ended.of("line", h="a")) - 1))


def test_broken_text_colours_and_commands_are_made_safe(runs: Runs) -> None:
    ended = runs.run(
        r"""
        - hosts: all
          gather_facts: false
          tasks:
            - name: Raw
              shell: cat {{ playbook_dir }}/raw.bin > /proc/{{ pid }}/fd/1
              vars: {pid: "{{ lookup('pipe', 'ps -o ppid= -p $PPID') | trim }}"}
            - name: Module
              command: tail -c 5 {{ playbook_dir }}/raw.bin
            - name: Broken
              command: cat {{ playbook_dir }}/raw.bin
              ignore_errors: true  # ansible-core 2.19 itself refuses such a result
        """,
        files={"raw.bin": RAW},
        verbosity=1,
    )
    assert ended.codes() == {"a": None}
    assert "␀nul \x1b[31mred\x1b[0m  \ufffd\ufffd 🚀" in ended.text(None)
    assert "title" not in ended.text(None)
    assert "🚀" in ended.text("a")


def test_no_log_hides_and_fails_honestly(runs: Runs) -> None:
    ended = runs.run(
        """
        - hosts: all
          gather_facts: false
          tasks:
            - name: Quiet
              command: sh -c "echo verysecretvalue; exit 1"
              no_log: true
        """,
        verbosity=3,
    )
    assert ended.codes() == {"a": "task_failed"}
    quiet = ended.of("task", n="Quiet")[0]["s"]
    assert "verysecretvalue" not in str(ended.of("line", s=quiet))
    assert "no_log" in ended.result.hosts["a"].message


def test_secrets_are_masked_in_every_spelling_and_place(runs: Runs) -> None:
    ended = runs.run(
        """
        - name: "Play {{ password }}"
          hosts: all
          gather_facts: false
          vars: {quoted: "{{ password | quote }}"}
          tasks:
            - name: "Task {{ password }}"
              shell: |
                printf %s {{ quoted }}; echo
                printf %s {{ quoted }} | base64
                printf x%s {{ quoted }} | base64
                printf %s {{ quoted }} | od -An -tx1 | tr -d ' \\n'
                printf %s {{ quoted }} >&2
            - debug: msg="{{ password | urlencode }} {{ password | to_json }} {{ password | b64encode }}"
            - copy: content="{{ password }}" dest="{{ playbook_dir }}/../tmp/x"
              diff: true
            - name: Fail
              fail: msg="because of {{ password }}"
        """,
        secrets=(SECRET,),
        extra_vars={"password": SECRET},
        verbosity=4,
    )
    assert ended.codes() == {"a": "task_failed"}
    everything = ended.everything + (ended.handle.spool_dir / "result.json").read_text()
    spelled = [SECRET, base64.b64encode(SECRET.encode()).decode()[:16], SECRET.encode().hex(), "hunter2"]
    leaks = [record for record in ended.records if any(text in str(record) for text in spelled)]
    assert leaks == []
    assert [text for text in spelled if text in everything] == []
    assert ended.result.hosts["a"].message == "because of ***"
    assert ended.of("res", st="changed")[-1]["df"].endswith("***") or "***" in ended.of("res")[2]["df"]


def test_t_vars_extra_variables_are_text_at_every_depth(runs: Runs, tmp_path: Path) -> None:
    touch = f"touch {tmp_path}/evaluated"
    attack = "{{ lookup('pipe', '" + touch + "') }}"
    value = {
        "list": [attack, {"deep": attack}],
        attack: "key",
        "block": "{% for x in [1] %}" + attack + "{% endfor %}",
        "dict": "{{ {'a': 1} and lookup('pipe', '" + touch + "') }}",
        "odd": "line\nbreak 🚀 \x7f \u2028 : # ' \"",
        "numbers": [1, 1.5, 1e20, True, None],
    }
    ended = runs.run(
        """
        - hosts: all
          gather_facts: false
          tasks:
            - debug: var=value
            - debug: msg="{{ value }} {{ value.list }} {{ value.dict }}"
            - shell: echo {{ value.block | quote }}
            - copy: content="{{ value | to_json }}" dest={{ out }}
        """,
        extra_vars={"value": value, "out": str(tmp_path / "out.json")},
    )
    assert ended.codes() == {"a": None}
    assert not (tmp_path / "evaluated").exists()
    assert json.loads((tmp_path / "out.json").read_text()) == value


def test_inventory_variables_are_text_unless_templates_are_allowed(runs: Runs, tmp_path: Path) -> None:
    book = """
    - hosts: all
      gather_facts: false
      tasks:
        - debug: msg="{{ note }} {{ of_group }}"
    """
    given = {
        "hosts": [{"name": "a", "vars": {**LOCAL, "note": "{{ 'eval' ~ 'uated' }}"}}],
        "groups": {"web": {"hosts": ["a"], "vars": {"of_group": "group value"}}},
    }
    assert "evaluated" not in runs.run(book, **given).everything
    assert "evaluated group value" in runs.run(book, **given, templates_in_inventory=True).text("a")


def test_a_password_is_no_template_even_where_templates_are_allowed(runs: Runs, tmp_path: Path) -> None:
    bad = "{{ lookup('pipe', 'touch " + str(tmp_path / "evaluated") + "') }}"
    book = """
    - hosts: all
      gather_facts: false
      tasks:
        - debug: msg="{{ ansible_password | length }} characters {{ note }}"
    """
    host = {"name": "a", "vars": {**LOCAL, "note": "{{ 'eval' ~ 'uated' }}"}, "secrets": {"ansible_password": bad}}
    said = runs.run(book, hosts=[host], templates_in_inventory=True).text("a")
    assert f"{len(bad)} characters evaluated" in said
    assert not (tmp_path / "evaluated").exists()


def test_the_engine_sees_nothing_of_the_workers_environment(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "mysql://leaked")
    monkeypatch.setenv("ANSIBLE_FORKS", "77")
    ended = runs.run(
        """
        - hosts: all
          gather_facts: false
          tasks:
            - debug: msg="{{ lookup('env', 'DATABASE_URL') }}|{{ lookup('env', 'https_proxy') }}"
            - command: env
        """,
        environment={"https_proxy": "http://proxy:3128", "LD_PRELOAD": "/evil.so", "ANSIBLE_X": "1"},
        verbosity=1,
    )
    assert "leaked" not in ended.everything
    assert "LD_PRELOAD" not in ended.everything and "ANSIBLE_FORKS" not in ended.everything
    assert "MILLWRIGHT_EVENTS" not in ended.everything
    assert '"|http://proxy:3128"' in ended.text("a")
    assert f"MILLWRIGHT_RUN={ended.handle.marker}" in ended.text("a")
