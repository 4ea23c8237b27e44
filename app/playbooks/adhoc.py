"""One module on some servers: which modules may run, how their arguments are read, and the play that is made of them.

The play is data: module and argument names are checked words, every value is ``!unsafe`` text that Ansible never
takes for a template, and none of it stands on a command line.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from typing import Any

from app.core.runtime import settings
from app.runners.ansible_text import to_yaml

BUILTIN = "ansible.builtin."
FILE_NAME = "adhoc.yml"
# They change nothing, so they share the servers and production asks for no name.
READING = frozenset(
    BUILTIN + name for name in ("ping", "setup", "stat", "service_facts", "package_facts", "find", "getent", "slurp")
)
# They run on the worker itself, evaluate what they get, or change what a play is: no setting allows them.
NEVER = frozenset(
    BUILTIN + name
    for name in (
        *("add_host", "assemble", "assert", "debug", "fail", "fetch", "gather_facts", "group_by", "import_playbook"),
        *("import_role", "import_tasks", "include_role", "include_tasks", "include_vars", "meta", "pause", "raw"),
        *("script", "set_fact", "set_stats", "template", "validate_argument_spec"),
    )
)
FREE_FORM = frozenset({BUILTIN + "command", BUILTIN + "shell"})  # text without "=" is their ``cmd``
# Their ``src`` is a file of the worker unless ``remote_src`` says otherwise.
READS_WORKER = frozenset({BUILTIN + "copy", BUILTIN + "unarchive"})
MODULE = re.compile(r"[a-z][a-z0-9_]{0,63}(?:\.[a-z][a-z0-9_]{0,63}){0,4}\Z")
ARGUMENT = re.compile(r"[a-z][a-z0-9_]{0,63}\Z")
SECRET = re.compile(r"(?:^|_)(?:password|passwd|passphrase|secret|token|api_?key|private_?key)\Z")
NOT_SECRET = frozenset({"update_password"})
MAXIMUM_BYTES = 16_384
MAXIMUM_ARGUMENTS = 50
TEMPLATE_MARKS = ("{{", "{%", "{#")
ADVICE = 'Write name=value pairs, with quotes around blanks, or one JSON object: {"name": "nginx", "state": "started"}.'


def full_name(module: str) -> str:
    """Return a module's name with its collection; a bare word is one of ansible.builtin. Raises ValueError."""
    name = module.strip()
    if not MODULE.match(name):
        raise ValueError("Give a module's name, for example ping or ansible.builtin.service.")
    return name if "." in name else BUILTIN + name


def short_name(module: str) -> str:
    """Return a module's name as people say it: without ansible.builtin."""
    return module.removeprefix(BUILTIN)


def is_allowed(module: str) -> bool:
    """Say whether the settings let anybody run this module."""
    limits = settings()
    return module in map(allowed_name, (*limits.adhoc_modules, *limits.adhoc_operator_modules))


def allowed_name(name: str) -> str | None:
    """Return the full name of a module that a setting lists; None for what no setting may allow."""
    try:
        full = full_name(name)
    except ValueError:
        return None
    # The legacy names are other names of the same modules.
    return None if full in NEVER or full.startswith("ansible.legacy.") else full


def read_arguments(module: str, given: str | Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of ``name=value`` text, of JSON text, or of an object; checked. Raises ValueError."""
    found = dict(given) if isinstance(given, Mapping) else _from_text(module, given.strip())
    check_arguments(module, found)
    return found


def _from_text(module: str, text: str) -> dict[str, Any]:
    if len(text.encode("utf-8", "replace")) > MAXIMUM_BYTES:
        raise ValueError(f"At most {MAXIMUM_BYTES // 1024} KiB.")
    if text.startswith("{"):
        try:
            found = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"This is no JSON object. {ADVICE}") from error
        assert isinstance(found, dict)  # it began with a brace
        return found
    if module in FREE_FORM and text and not text.startswith(("cmd=", "argv=")):
        return {"cmd": text}
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ValueError(f"A quote is not closed. {ADVICE}") from error
    pairs: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise ValueError(f"'{word[:50]}' is no name=value pair. {ADVICE}")
        if name in pairs:
            raise ValueError(f"'{name[:50]}' stands there twice.")
        pairs[name] = value
    return pairs


def check_arguments(module: str, arguments: Mapping[str, Any]) -> None:
    """Raise ValueError for names, values or sizes that cannot be handed to a module."""
    if len(arguments) > MAXIMUM_ARGUMENTS:
        raise ValueError(f"At most {MAXIMUM_ARGUMENTS} arguments.")
    for name in arguments:
        if not isinstance(name, str) or not ARGUMENT.match(name):
            raise ValueError(f"'{str(name)[:50]}' is no argument's name: small letters, digits and underscores.")
        if SECRET.search(name) and name not in NOT_SECRET:
            raise ValueError(
                f"'{name}' would be stored and shown with the launch. Use a playbook with a variable of type secret."
            )
    if module in READS_WORKER and "src" in arguments and _word(arguments.get("remote_src")) not in ("true", "yes", "1"):
        raise ValueError("'src' would be a file of the worker. Give 'content', or set remote_src=true.")
    try:
        text = to_yaml(dict(arguments))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"These values cannot be used: {error}.") from error
    if len(text) > MAXIMUM_BYTES * 2:
        raise ValueError(f"At most {MAXIMUM_BYTES // 1024} KiB.")
    _check_texts(arguments)


def _check_texts(value: Any) -> None:
    if isinstance(value, str):
        if "\x00" in value:
            raise ValueError("Values cannot hold NUL characters.")
        if any(mark in value for mark in TEMPLATE_MARKS):
            raise ValueError("Values are text, never templates: without '{{', '{%' and '{#'.")
    elif isinstance(value, Mapping):
        for key, item in value.items():
            _check_texts(key)
            _check_texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            _check_texts(item)


def _word(value: Any) -> str:
    return str(value).lower()


def play(module: str, arguments: Mapping[str, Any], *, become: bool) -> bytes:
    """Return the playbook file: one play on all servers of the run, one task."""
    if not MODULE.match(module):
        raise ValueError(f"{module!r} is no module's name")
    title = to_yaml(short_name(module), unsafe=False)
    lines = ["---", f"- name: {title}", "  hosts: all", "  gather_facts: false"]
    lines += ["  become: true"] if become else []
    lines += ["  tasks:", f"    - name: {title}", f"      {module}: {to_yaml(dict(arguments))}", ""]
    return "\n".join(lines).encode()
