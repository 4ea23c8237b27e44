"""The ansible engine: one ansible-playbook, started through ansible-runner, followed through our own plugin.

``RunSpec.parameters`` (JSON data; every key but ``playbook`` and ``hosts`` may be missing):

=========================  ============================================================================
playbook                   path of the entry file, relative to the project (``RunSpec.files``)
hosts                      list of {"name", "vars": {}, "secrets": {}, "private_key_path": path or missing};
                           ``name`` is the inventory hostname ([A-Za-z0-9_.-]), address and connection stand in
                           ``vars``; ``secrets`` (name -> text, may be missing) are variables that are masked
groups                     {group: {"hosts": [name], "children": [group], "vars": {}}}
all_vars                   variables of the group "all"
templates_in_inventory     False: strings in inventory variables are plain text, never templates
extra_vars                 {name: JSON value}; always plain text; ``ansible_*`` names are refused
known_hosts                text of the only known_hosts file that ssh may use (checking is strict)
private_key_path           the default ssh key; checked (regular, 0600, owner) and copied for the run
connection_password        ssh password (needs sshpass on the worker)
become                     {"enabled": bool, "user", "method", "password"}
vault_passwords            list of {"id", "password"}
forks                      1 to 500, default 5
check, diff                bool
limit                      pattern
tags, skip_tags            list of words, or one text
start_at_task              task name
verbosity                  0 to 4
remote_user                login name
connect_timeout            seconds, default 10
inject_facts               False: facts are reachable as ``ansible_facts`` only
result_format              "yaml": results of tasks are printed so, over many lines; else JSON
ansible_playbook           absolute path of the executable; default: the one beside this interpreter
max_log_bytes              cap of each host's output, default 100 MiB (read by the supervisor)
grace_seconds              from the polite stop to the kill, default 4 (read by the supervisor)
min_free_bytes             a run stops as disk_full when the spool's disk has less, default 64 MiB (supervisor)
syntax_check               bool: only parse the playbook and what it imports; no host is touched
engine_version             of ansible-core, for a syntax check, in which no plugin tells it
limits                     {"memory_bytes", "processes", "open_files", "file_bytes"} (rlimits)
=========================  ============================================================================

ansible-runner stays out of the data path. Left alone it would parse the playbook's output for event markers
that any host can print, open files by names found in them, and add the worker's environment; so its
"subprocess" mode is used, with our own pipe as output and our own environment, and it reads nothing.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.runners.ansible_inputs import command_line, executable, playbook_path, write_all
from app.runners.base import RunSpec
from app.runners.engines import EngineJob, Outcome
from app.runners.outcome import PlaybookOutcome
from app.runners.recorder import Recorder
from app.runners.syntax_outcome import SyntaxOutcome
from app.runners.workspace import Workspace

_EXEC_CHILD = Path(__file__).with_name("exec_child.py")


def write_inputs(spec: RunSpec, workspace: Workspace) -> None:
    """Write inventory, variables, keys and settings; raises WorkspaceError for parameters that cannot run."""
    write_all(spec.parameters, workspace)


def extra_secrets(parameters: Mapping[str, Any], workspace: Workspace) -> list[str]:
    """Return the passwords among the parameters and the texts of the keys copied into the workspace."""
    found = [str((parameters.get("become") or {}).get("password") or "")]
    found.append(str(parameters.get("connection_password") or ""))
    found += [str(vault.get("password") or "") for vault in parameters.get("vault_passwords") or ()]
    found += [str(text) for host in parameters.get("hosts") or () for text in (host.get("secrets") or {}).values()]
    found += [path.read_text("utf-8", "replace") for path in workspace.inputs.glob("key*")]
    return found


def make_outcome(parameters: Mapping[str, Any], recorder: Recorder) -> Outcome:
    """Return the follower of a playbook run, or of a syntax check."""
    if parameters.get("syntax_check"):
        hosts = [host["name"] for host in parameters["hosts"]]
        return SyntaxOutcome(hosts, recorder, str(parameters.get("engine_version") or ""))
    return PlaybookOutcome((host["name"] for host in parameters["hosts"]), recorder)


def _environment(job: EngineJob) -> dict[str, str]:
    inputs, workspace = job.workspace.inputs, job.workspace
    return {
        **job.environment,
        "PATH": f"{executable(job.parameters).parent}{os.pathsep}{job.environment['PATH']}",
        "ANSIBLE_CONFIG": str(inputs / "ansible.cfg"),
        "ANSIBLE_HOME": str(workspace.home / ".ansible"),
        "ANSIBLE_HOST_KEY_CHECKING": "True",
        "ANSIBLE_STDOUT_CALLBACK": "millwright",
        "MILLWRIGHT_EVENTS": job.events_path,
    }


def run(job: EngineJob) -> int | None:
    """Run the playbook in the calling thread; return ansible-playbook's exit code (negative: a signal)."""
    from ansible_runner.interface import init_runner  # .1 s; only the supervisor needs it

    private = job.workspace.path / "runner"
    private.mkdir(mode=0o700)
    runner = init_runner(
        private_data_dir=str(private),
        project_dir=str(job.workspace.project),
        playbook=playbook_path(job.parameters),
        inventory=str(job.workspace.inputs / "inventory.yml"),
        ident="run",
        quiet=True,
        suppress_env_files=True,
        event_handler=lambda _event: False,  # no file per event
        cancel_callback=job.stopping,  # without one it would take over our signal handlers
    )
    limits = json.dumps({**job.limits, **(job.parameters.get("limits") or {})})
    wrapper = [sys.executable, "-I", "-S", str(_EXEC_CHILD), str(os.getpid()), limits]
    config = runner.config
    config.command = wrapper + command_line(job.parameters, job.workspace)
    config.env = _environment(job)
    config.cwd = str(job.workspace.project)
    runner.runner_mode = config.runner_mode = "subprocess"
    config.suppress_output_file = True
    with Path(os.devnull).open("rb") as nothing, os.fdopen(job.output_fd, "wb", closefd=False) as output:
        config.input_fd, config.output_fd, config.error_fd = nothing, output, output
        if job.stopping():
            return None
        runner.run()
    code: int | None = runner.rc
    return code
