"""Check an ansible run's parameters (keys: ``app.runners.ansible``) and write what ansible-playbook reads."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from app.runners.ansible_text import Plain, to_yaml
from app.runners.base import FailureCode
from app.runners.workspace import Workspace, WorkspaceError

REQUIREMENTS = ".requirements"  # roles/ and collections/ that a project asks for lie in it
MAX_VERBOSITY = 4  # beyond it ansible prints its own protocol, secrets included
MAX_FORKS = 500
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}\Z")  # no range, port or option can be meant by it
_GROUP = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}\Z")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}\Z")
_WORD = re.compile(r"[\w.,:&!*?\[\]~ ()|+/-]+\Z")  # patterns and tags; no line end, quote, @ or template


def refuse(message: str) -> WorkspaceError:
    """Return the error for parameters that cannot be run."""
    return WorkspaceError(FailureCode.ENGINE_ERROR, message)


def _argument(name: str, value: Any, limit: int = 10_000) -> str:
    if not isinstance(value, str) or not value or len(value) > limit or not _WORD.match(value):
        raise refuse(f"{name} {value!r} is not allowed.")
    if value[0] in "-@":
        raise refuse(f"{name} must not begin with {value[0]!r}.")
    return value


def _mapping(name: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise refuse(f"{name} must be a mapping.")
    return value


def _yaml(name: str, value: Any, unsafe: bool) -> str:
    try:
        return to_yaml(value, unsafe=unsafe)
    except ValueError as error:
        raise refuse(f"{name}: {error}.") from error


def playbook_path(parameters: Mapping[str, Any]) -> str:
    """Return the checked path of the playbook, relative to the project."""
    value = parameters.get("playbook")
    path = PurePosixPath(value) if isinstance(value, str) and value else None
    if path is None or path.is_absolute() or ".." in path.parts or str(path).startswith("-") or "\n" in str(path):
        raise refuse(f"The playbook path {value!r} is not allowed.")
    return str(path)


def executable(parameters: Mapping[str, Any]) -> Path:
    """Return the ansible-playbook to use; raises WorkspaceError when it is not there."""
    value = parameters.get("ansible_playbook")
    path = Path(value) if value else Path(sys.executable).with_name("ansible-playbook")
    if not path.is_absolute() or not path.is_file() or not os.access(path, os.X_OK):
        raise refuse(f"ansible-playbook is not at {path}: install the engine there or choose another one.")
    return path


def write_all(parameters: Mapping[str, Any], workspace: Workspace) -> None:
    """Write inventory, variables, known hosts, keys, passwords and settings; raises WorkspaceError."""
    book = workspace.project / playbook_path(parameters)
    if not book.is_file():
        raise refuse(f"The playbook {playbook_path(parameters)} is not among the project's files.")
    executable(parameters)
    command_line(parameters, workspace)
    workspace.write_input("inventory.yml", _inventory(parameters, workspace))
    extra = _mapping("extra_vars", parameters.get("extra_vars") or {})
    for name in extra:
        if not _VARIABLE.match(name) or name.startswith("ansible_"):
            raise refuse(f"The variable name {name!r} is not allowed.")
    if extra:
        workspace.write_input("extra_vars.yml", "---\n" + _yaml("extra_vars", extra, True) + "\n")
    workspace.write_input("known_hosts", str(parameters.get("known_hosts") or ""))
    if key := parameters.get("private_key_path"):
        workspace.copy_key(Path(key), "key")
    become = _mapping("become", parameters.get("become") or {})
    if become.get("password"):
        workspace.write_input("become_password", str(become["password"]))
    if parameters.get("connection_password"):
        workspace.write_input("connection_password", str(parameters["connection_password"]))
    for index, vault in enumerate(parameters.get("vault_passwords") or ()):
        workspace.write_input(f"vault_{index}", str(vault["password"]))
    workspace.write_input("ssh_config", _ssh_config(workspace))
    workspace.write_input("ansible.cfg", _settings(parameters, workspace))


def _inventory(parameters: Mapping[str, Any], workspace: Workspace) -> str:
    unsafe = not parameters.get("templates_in_inventory", False)
    hosts: dict[str, dict[str, Any]] = {}
    for index, host in enumerate(parameters.get("hosts") or ()):
        name = host["name"]
        if not isinstance(name, str) or not _HOST.match(name) or name in hosts:
            raise refuse(f"The server name {name!r} is not allowed or stands twice in the inventory.")
        hosts[name] = dict(_mapping(f"vars of {name}", host.get("vars") or {}))
        secrets = _mapping(f"secrets of {name}", host.get("secrets") or {})
        hosts[name] |= {variable: Plain(text) for variable, text in secrets.items()}
        if hosts[name].get("ansible_connection") == "local":
            # Starting such a task goes by HOME, asking for it by the account's directory: not the same here.
            hosts[name].setdefault("ansible_async_dir", str(workspace.home / ".ansible_async"))
        if key := host.get("private_key_path"):
            hosts[name]["ansible_ssh_private_key_file"] = str(workspace.copy_key(Path(key), f"key_{index}"))
    if not hosts:
        raise refuse("The run has no servers.")
    groups: dict[str, Any] = {}
    for name, group in _mapping("groups", parameters.get("groups") or {}).items():
        if not _GROUP.match(name) or name == "all":
            raise refuse(f"The group name {name!r} is not allowed.")
        unknown = [host for host in group.get("hosts") or () if host not in hosts]
        if unknown:
            raise refuse(f"The group {name!r} names the server {unknown[0]!r}, which is not in the run.")
        groups[name] = {
            "hosts": dict.fromkeys(group.get("hosts") or (), None),
            "children": dict.fromkeys(group.get("children") or (), None),
            "vars": _mapping(f"vars of {name}", group.get("vars") or {}),
        }
    shared = _mapping("all_vars", parameters.get("all_vars") or {})
    document = {"all": {"hosts": hosts, "vars": shared, "children": groups}}
    return "---\n" + _yaml("inventory", document, unsafe) + "\n"


def _ssh_config(workspace: Workspace) -> str:
    known = workspace.inputs / "known_hosts"
    return (
        "Host *\n"
        f"  UserKnownHostsFile {known}\n"
        "  GlobalKnownHostsFile /dev/null\n"
        "  StrictHostKeyChecking yes\n"
        "  UpdateHostKeys no\n"
        "  IdentitiesOnly yes\n"
        "  ForwardAgent no\n"
    )


def _settings(parameters: Mapping[str, Any], workspace: Workspace) -> str:
    """Return our ansible.cfg; a project's own one is never read (ANSIBLE_CONFIG names this)."""
    project = workspace.project
    fetched = project / REQUIREMENTS
    key = f"private_key_file = {workspace.inputs / 'key'}\n" if parameters.get("private_key_path") else ""
    plugins = Path(__file__).with_name("ansible_plugins") / "callback"
    return (
        "[defaults]\n"
        "host_key_checking = True\n"
        "retry_files_enabled = False\n"
        f"inject_facts_as_vars = {bool(parameters.get('inject_facts', False))}\n"
        "stdout_callback = millwright\n"
        f"callback_plugins = {plugins}\n"
        "interpreter_python = auto_silent\n"
        "nocows = True\n"
        f"callback_result_format = {'yaml' if parameters.get('result_format') == 'yaml' else 'json'}\n"
        f"timeout = {int(parameters.get('connect_timeout') or 10)}\n"
        f"local_tmp = {workspace.tmp}\n"
        f"roles_path = {project / 'roles'}:{fetched / 'roles'}\n"
        f"collections_path = {project / 'collections'}:{project}:{fetched / 'collections'}\n"
        f"{key}"
        "[inventory]\n"
        "enable_plugins = yaml\n"
        "any_unparsed_is_failed = True\n"
        "[connection]\n"
        "pipelining = True\n"
        "[ssh_connection]\n"
        "pipelining = True\n"
        f"ssh_args = -F {workspace.inputs / 'ssh_config'} -C -o ControlMaster=auto -o ControlPersist=60s\n"
        f"scp_extra_args = -F {workspace.inputs / 'ssh_config'}\n"
        f"sftp_extra_args = -F {workspace.inputs / 'ssh_config'}\n"
        f"control_path_dir = {workspace.sockets}\n"
    )


def _strings(name: str, value: Any) -> Sequence[str]:
    items = [value] if isinstance(value, str) else list(value or ())
    return [_argument(name, item, 200) for item in items]


def command_line(parameters: Mapping[str, Any], workspace: Workspace) -> list[str]:
    """Return the argv of ansible-playbook; every value is checked, none can be taken for an option."""
    inputs = workspace.inputs
    argv = [str(executable(parameters)), "-i", str(inputs / "inventory.yml")]
    forks = int(parameters.get("forks") or 5)
    if not 1 <= forks <= MAX_FORKS:
        raise refuse(f"forks must be between 1 and {MAX_FORKS}.")
    argv += ["--forks", str(forks)]
    if parameters.get("extra_vars"):
        argv += ["-e", f"@{inputs / 'extra_vars.yml'}"]
    if parameters.get("limit"):
        argv += ["--limit", _argument("limit", parameters["limit"])]
    for option, name in (("--tags", "tags"), ("--skip-tags", "skip_tags")):
        if words := _strings(name, parameters.get(name)):
            argv += [option, ",".join(words)]
    if parameters.get("start_at_task"):
        argv += ["--start-at-task", _argument("start_at_task", parameters["start_at_task"])]
    verbosity = int(parameters.get("verbosity") or 0)
    if not 0 <= verbosity <= MAX_VERBOSITY:
        raise refuse(f"verbosity must be between 0 and {MAX_VERBOSITY}.")
    if verbosity:
        argv.append("-" + "v" * verbosity)
    argv += [f"--{name}" for name in ("check", "diff") if parameters.get(name)]
    if parameters.get("syntax_check"):
        argv.append("--syntax-check")
    if parameters.get("remote_user"):
        argv += ["--user", _argument("remote_user", parameters["remote_user"], 100)]
    become = _mapping("become", parameters.get("become") or {})
    if become.get("enabled"):
        argv.append("--become")
    for name in ("user", "method"):
        if become.get(name):
            argv += [f"--become-{name}", _argument(f"become {name}", become[name], 100)]
    if become.get("password"):
        argv += ["--become-password-file", str(inputs / "become_password")]
    if parameters.get("connection_password"):
        argv += ["--connection-password-file", str(inputs / "connection_password")]
    for index, vault in enumerate(parameters.get("vault_passwords") or ()):
        label = vault.get("id") or "default"
        if not _VARIABLE.match(label):
            raise refuse(f"The vault name {label!r} is not allowed.")
        argv += ["--vault-id", f"{label}@{inputs / f'vault_{index}'}"]
    return [*argv, "--", playbook_path(parameters)]
