"""Groups in a real play: patterns, group_names, groups, nesting, priorities and the order of variables."""

from __future__ import annotations

from tests.runners.conftest import LOCAL, Runs

BOOK = """
- hosts: all
  gather_facts: false
  tasks:
    - name: Who am I
      debug: msg="{{ inventory_hostname }} in {{ group_names | join(',') }} got {{ from_all }} {{ level }} {{ side }}"
    - name: Who else
      debug: msg="web has {{ groups['web'] | sort | join(',') }} no db {{ 'db' in groups }}"
- hosts: site:&web-front
  gather_facts: false
  tasks:
    - name: Only here
      debug: msg="matched {{ inventory_hostname }}"
"""


def test_a_play_sees_groups_as_at_the_shell(runs: Runs) -> None:
    given = {
        "hosts": [
            {"name": "a", "vars": {**LOCAL}},
            {"name": "b", "vars": {**LOCAL, "level": "own"}},
            {"name": "c", "vars": {**LOCAL, "level": "none", "side": "none"}},
        ],
        "groups": {
            "site": {"hosts": [], "children": ["web"], "vars": {"level": "site", "side": "site"}},
            "web": {"hosts": ["b"], "children": ["web-front"], "vars": {"level": "web"}},
            "web-front": {"hosts": ["a"], "children": [], "vars": {"level": "front"}},
            "late": {"hosts": ["a"], "children": [], "vars": {"side": "late", "ansible_group_priority": 9}},
            "tag_web": {"hosts": ["a", "b"], "children": [], "vars": {}},
        },
        "all_vars": {"from_all": "everywhere", "level": "all"},
    }
    ended = runs.run(BOOK, **given)
    assert ended.codes() == dict.fromkeys("abc")
    assert "a in late,site,tag_web,web,web-front got everywhere front late" in ended.text("a")
    assert "b in site,tag_web,web got everywhere own site" in ended.text("b")
    assert "c in ungrouped got everywhere none none" in ended.text("c")
    assert "web has a,b no db False" in ended.text("c")
    assert "matched a" in ended.text("a") and "matched" not in ended.text("b") + ended.text("c")
