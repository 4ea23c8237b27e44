"""Content of other people: ``make compare-content DIR=<repository> PLAYBOOKS="site.yml"`` points this at one."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import pytest

from tests.e2e.conftest import Site
from tests.e2e.content_compare import Platform, Seen, Shell, Wanted, compare
from tests.e2e.content_listing import different, listing
from tests.support.chroot_hosts import ChrootHosts
from tests.support.git_repositories import Repository

pytestmark = [pytest.mark.stack, pytest.mark.hosts]
NAMES = ("box-1", "box-2")
PLAYBOOKS = os.environ.get("MILLWRIGHT_CONTENT_PLAYBOOKS", "").split()
TWINS_FROM = 110  # last number of the first twin's address
SITE = """
- name: Set up a site
  hosts: web
  vars: {port: 8080}
  pre_tasks:
    - name: Look for what is not there
      ansible.builtin.command: cat /nowhere
      changed_when: false
      ignore_errors: true
  roles:
    - site
  tasks:
    - name: One host only
      ansible.builtin.copy: {content: "{{ ansible_facts.hostname }}\\n", dest: /opt/one, mode: "0600"}
      when: inventory_hostname == groups['web'][0]
    - block:
        - name: Cannot work
          ansible.builtin.command: /bin/false
      rescue:
        - name: Help
          ansible.builtin.file: {path: /srv/rescued, state: directory, mode: "0750"}
    - name: Fails on the second host
      ansible.builtin.fail: {msg: Not here}
      when: inventory_hostname == groups['web'][1]
    - name: The first host goes on
      ansible.builtin.lineinfile: {path: /etc/motd, line: "{{ site_name }} on {{ port }}", create: true, mode: "0644"}
"""
ROLE = {
    "roles/site/tasks/main.yml": """
- name: Write the parts
  ansible.builtin.template: {src: part.j2, dest: "/opt/part-{{ item }}", mode: "0644"}
  loop: [a, b]
  notify: Say so
- ansible.builtin.import_tasks: more.yml
""",
    "roles/site/tasks/more.yml": "- name: A user\n  ansible.builtin.user: {name: site, system: true}\n",
    "roles/site/handlers/main.yml": (
        "- name: Say so\n  ansible.builtin.copy: {content: 'yes', dest: /opt/said, mode: '0644'}\n"
    ),
    "roles/site/templates/part.j2": "{{ item }} of {{ site_name }}, {{ groups['web'] | join(' ') }}\n",
    "group_vars/web.yml": "site_name: plain\n",
}


def check(site: Site, hosts: ChrootHosts, folder: Path, wanted: Wanted) -> list[str]:
    """Run it both ways, one playbook after the other; say the figures, return the differences."""
    site.stack.settings["MILLWRIGHT_GIT_LOCAL_ROOT"] = str(wanted.repository.parent)
    site.stack.settings["MILLWRIGHT_INJECT_FACTS"] = "true"  # the shell does
    site.stack.start()
    made = [site.host(hosts, name) for name in NAMES]
    others = ChrootHosts(folder / "twins", TWINS_FROM)
    differences: list[str] = []
    # Short: ssh's sockets have their place below it.
    with tempfile.TemporaryDirectory(prefix="home-") as home:
        try:
            pairs = [(host, others.new(host.name)) for host, _server in made]
            platform = Platform(site.team, wanted, [server for _host, server in made])
            shell = Shell(wanted, [twin for _host, twin in pairs], Path(home))
            site.say(f"{wanted.repository.name}: commit {platform.commit}")
            for number, playbook in enumerate(wanted.playbooks):
                before = [listing(host) for host, _twin in pairs]
                ours, theirs = platform.run(playbook), shell.run(playbook)
                (folder / f"ours-{number}.txt").write_text(ours.output, "utf-8")
                (folder / f"theirs-{number}.txt").write_text(theirs.output, "utf-8")
                found = compare(ours, theirs, pairs)
                after = [listing(host) for host, _twin in pairs]
                changed = [len(different(*both)) for both in zip(before, after, strict=True)]
                site.say(f"{playbook}: {figures(theirs, changed)}, {len(found)} differences from the shell")
                differences += [f"{playbook}: {one}" for one in found]
        finally:
            others.stop()
    return differences


def figures(seen: Seen, changed: list[int]) -> str:
    """Say in words what was run, as the shell has it; ``changed``: files and packages by host."""
    results = sum(len(results) for _name, results in seen.tasks)
    recap = {
        host: " ".join(f"{key}={value}" for key, value in counts.items() if value)
        for host, counts in sorted(seen.recap.items())
    }
    return f"{len(seen.tasks)} tasks, {results} results, {recap}, files and packages changed {changed}"


def test_a_playbook_with_a_role_does_what_it_does_at_the_shell(
    site: Site, chroot_hosts: ChrootHosts, git_root: Path, tmp_path: Path
) -> None:
    repository = Repository(git_root / "site")
    repository.commit({"site.yml": SITE, **ROLE})
    assert check(site, chroot_hosts, tmp_path, Wanted(repository.path, ["site.yml"], groups=("web",))) == []


if PLAYBOOKS:  # without them there is nothing to skip

    def test_content_of_other_people_does_what_it_does_at_the_shell(
        site: Site, chroot_hosts: ChrootHosts, tmp_path: Path
    ) -> None:
        wanted = Wanted(
            Path(os.environ["MILLWRIGHT_CONTENT"]).resolve(),
            PLAYBOOKS,
            groups=os.environ.get("MILLWRIGHT_CONTENT_GROUPS", "").split(),
            variables=json.loads(os.environ.get("MILLWRIGHT_CONTENT_VARS") or "{}"),
        )
        assert check(site, chroot_hosts, tmp_path, wanted) == []
