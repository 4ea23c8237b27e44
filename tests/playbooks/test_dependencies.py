"""What a playbook needs, read from its files alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.playbooks.dependencies import MAX_PARSED, Dependencies, Kind, State, find_dependencies

SITE = b"""
- import_playbook: plays/base.yml
- import_playbook: "{{ which }}.yml"
- hosts: all
  vars_files:
    - vars/common.yml
    - [vars/here.yml, vars/elsewhere.yml]
    - vars/gone.yml
  roles:
    - web
    - {role: absent}
    - role: from_galaxy
    - community.general.thing
  tasks:
    - include_tasks: tasks/part.yml
    - block:
        - ansible.builtin.import_tasks: {file: tasks/none.yml}
      rescue:
        - include_tasks: "tasks/{{ os }}.yml"
    - ansible.builtin.copy: {src: motd, dest: /etc/motd}
    - copy: src=/srv/big.iso dest=/tmp/x
    - copy: {src: there, dest: /tmp/y, remote_src: true}
    - ansible.posix.sysctl: {name: a, value: 1}
    - local_action: community.docker.docker_container name=x
    - name: no module
      command: echo hi
"""
FILES = {
    "site.yml": SITE,
    "plays/base.yml": b"- hosts: all\n  tasks:\n    - include_role: {name: web, tasks_from: extra}\n",
    "vars/common.yml": b"a: 1\n",
    "vars/here.yml": b"b: 1\n",
    "tasks/part.yml": b"- template: src=unit.j2 dest=/etc/x\n- include_vars: more.yml\n",
    "vars/more.yml": b"c: 1\n",
    "files/motd": b"hello\n",
    "templates/unit.j2": b"{{ x }}\n",
    "roles/web/tasks/main.yml": b"- template: {src: web.conf.j2, dest: /x}\n- import_tasks: more.yml\n",
    "roles/web/tasks/more.yml": b"- script: run.sh --fast\n",
    "roles/web/tasks/extra.yml": b"- ansible.builtin.include_tasks: main.yml\n",
    "roles/web/templates/web.conf.j2": b"x\n",
    "roles/web/files/run.sh": b"x\n",
    "roles/web/meta/main.yml": b"dependencies: [{role: base}]\n",
    "roles/web/defaults/main.yml": b"port: 80\n",
    "roles/base/tasks/main.yml": b"- ansible.builtin.ping:\n",
    "collections/ansible_collections/ansible/posix/MANIFEST.json": b"{}",
}


def find(files: dict[str, bytes], entry: str = "site.yml", **known: list[str]) -> Dependencies:
    calls = []

    def fetch(paths: object) -> dict[str, bytes]:
        calls.append(paths)
        return {path: files[path] for path in paths if path in files}  # type: ignore[attr-defined]

    found = find_dependencies(entry, files.keys(), fetch, **known)
    assert len(calls) <= 20
    return found


def test_everything_that_a_playbook_names_is_found_and_what_is_missing_is_said() -> None:
    found = find(FILES, supplied=["from_galaxy"], installed=["community.docker"])
    assert found.notes == []
    told = {(item.kind, item.name): (item.state, item.path) for item in found.items}
    assert told == {
        (Kind.PLAYBOOK, "plays/base.yml"): (State.PRESENT, "plays/base.yml"),
        (Kind.PLAYBOOK, "{{ which }}.yml"): (State.AT_RUN_TIME, ""),
        (Kind.ROLE, "web"): (State.PRESENT, "roles/web"),
        (Kind.ROLE, "base"): (State.PRESENT, "roles/base"),
        (Kind.ROLE, "absent"): (State.MISSING, ""),
        (Kind.ROLE, "from_galaxy"): (State.REQUIREMENTS, ""),
        (Kind.TASKS, "tasks/part.yml"): (State.PRESENT, "tasks/part.yml"),
        (Kind.TASKS, "tasks/none.yml"): (State.MISSING, ""),
        (Kind.TASKS, "tasks/{{ os }}.yml"): (State.AT_RUN_TIME, ""),
        (Kind.TASKS, "more.yml"): (State.PRESENT, "roles/web/tasks/more.yml"),
        (Kind.TASKS, "main.yml"): (State.PRESENT, "roles/web/tasks/main.yml"),
        (Kind.VARIABLES, "vars/common.yml"): (State.PRESENT, "vars/common.yml"),
        (Kind.VARIABLES, "vars/here.yml"): (State.PRESENT, "vars/here.yml"),
        (Kind.VARIABLES, "vars/gone.yml"): (State.MISSING, ""),
        (Kind.VARIABLES, "more.yml"): (State.PRESENT, "vars/more.yml"),
        (Kind.VARIABLES, "defaults/main.yml"): (State.PRESENT, "roles/web/defaults/main.yml"),
        (Kind.TEMPLATE, "unit.j2"): (State.PRESENT, "templates/unit.j2"),
        (Kind.TEMPLATE, "web.conf.j2"): (State.PRESENT, "roles/web/templates/web.conf.j2"),
        (Kind.FILE, "motd"): (State.PRESENT, "files/motd"),
        (Kind.FILE, "run.sh"): (State.PRESENT, "roles/web/files/run.sh"),
        (Kind.FILE, "/srv/big.iso"): (State.OUTSIDE, ""),
        (Kind.COLLECTION, "ansible.posix"): (State.PRESENT, "collections/ansible_collections/ansible/posix"),
        (Kind.COLLECTION, "community.general"): (State.MISSING, ""),
        (Kind.COLLECTION, "community.docker"): (State.ENGINE, ""),
    }


def test_files_that_import_each_other_are_read_once() -> None:
    files = {"site.yml": b"- hosts: all\n  tasks: [{include_tasks: a.yml}]\n"}
    files |= {"a.yml": b"- include_tasks: b.yml\n", "b.yml": b"- include_tasks: a.yml\n"}
    assert find(files).parsed == 3


def test_a_file_that_the_gate_refuses_is_said_and_the_rest_is_read() -> None:
    files = {"site.yml": b"- hosts: all\n  roles: [a, b]\n", "roles/a/tasks/main.yml": b"[" * 200_000}
    files |= {"roles/b/tasks/main.yml": b"- x.y.z: 1\n"}
    found = find(files)
    assert "roles/a/tasks/main.yml" in found.notes[0]
    assert ("x.y", State.MISSING) in {(item.name, item.state) for item in found.items}


def test_the_number_of_files_that_are_read_has_a_limit() -> None:
    tasks = b"".join(b"    - include_tasks: t%d.yml\n" % number for number in range(MAX_PARSED + 50))
    files = {f"t{number}.yml": b"- ping:\n" for number in range(MAX_PARSED + 50)}
    found = find({"site.yml": b"- hosts: all\n  tasks:\n" + tasks, **files})
    assert found.parsed == MAX_PARSED
    assert "More than" in found.notes[-1]


def test_t_path_a_name_that_climbs_out_of_the_project_is_missing_never_read() -> None:
    book = b"- hosts: all\n  vars_files: [../../../etc/passwd]\n  roles: [../../../x]\n"
    book += b"  tasks: [{include_tasks: ../../up.yml}]\n"
    found = find({"a/site.yml": book, "etc/passwd": b"x"}, entry="a/site.yml")
    assert {item.state for item in found.items} == {State.MISSING}


SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=10) | st.sampled_from(["{{ x }}", "/a", "a.b.c"])
PARTS = ["hosts", "roles", "tasks", "vars_files", "import_playbook", "include_tasks", "include_role", "copy", "block"]
NAMES = ["template", "local_action", "role", "name", "src", "file", "dependencies", "collections", "a.b.c"]
KEYS = st.sampled_from([*PARTS, *NAMES])
TREES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=30
)


@given(TREES)
def test_any_shape_of_yaml_is_survived(tree: object) -> None:
    import yaml

    find({"site.yml": yaml.safe_dump(tree).encode(), "roles/a/tasks/main.yml": b"- 1\n"})


@pytest.mark.parametrize("entry", ["gone.yml", ""])
def test_an_entry_that_is_not_there_needs_nothing(entry: str) -> None:
    assert find(FILES, entry=entry).items == []
