"""What automatic tickets say. Plain text for people; the log line is a link beside it, not part of it."""

from __future__ import annotations

from collections.abc import Sequence

from app.runners.base import FailureCode
from app.tickets.priority import Rule

TITLE_LIMIT = 255
HOSTS_NAMED = 20
ERROR_LIMIT = 4000  # characters of the first error that are quoted

# code -> (title after "<playbook>: ", what to know and do)
_WORDS: dict[str, tuple[str, str]] = {
    FailureCode.UNREACHABLE: (
        "servers cannot be reached",
        "Ansible could not log in. Check that the servers are up, then test their connection on the server page.",
    ),
    FailureCode.LOST: (
        "run lost, its end is unknown",
        "The worker or its machine went away after it had begun. It may be half done: changes before the last line of "
        "the log were made, what came after it is unknown. Check what it works on before you launch it again.",
    ),
    FailureCode.TIMEOUT: (
        "stopped at its time limit",
        "The run took longer than allowed and was stopped. The task that ran last may be half done. "
        "Look at what it was waiting for, or give the launch more time.",
    ),
    FailureCode.HASH_MISMATCH: (
        "file changed after approval, not run",
        "The playbook's files are not those that were approved, so nothing was run. "
        "Review the change and approve it, or restore the files.",
    ),
    FailureCode.DISK_FULL: (
        "stopped because the worker's disk is full",
        "The log could not be kept any more, so the run was stopped; it may be half done. "
        "Free space on the worker's data folder, then launch it again.",
    ),
    FailureCode.NO_HOSTS: (
        "matches none of its servers",
        "The playbook's 'hosts' line names none of the servers of this launch, so nothing was run.",
    ),
    FailureCode.ENGINE_ERROR: (
        "could not be run",
        "The engine gave up before or between the tasks. Its own words are below; for a playbook it is often a syntax "
        "error.",
    ),
    FailureCode.POISON: (
        "could not be started",
        "Five attempts to start it failed. Nothing was run. See the message below and the workers' log.",
    ),
    FailureCode.SHUTDOWN: (
        "stopped because its worker was stopped",
        "The worker was stopped while this ran. It may be half done on these servers: check them, then launch again.",
    ),
    FailureCode.MEMORY_LIMIT: (
        "stopped at its memory limit",
        "The run needed more memory than one run may have on a worker (MILLWRIGHT_RUN_MEMORY_BYTES). "
        "It may be half done. Use fewer forks or smaller data, or raise the limit.",
    ),
    FailureCode.PROCESS_LIMIT: (
        "stopped at its limit of processes",
        "The run had more processes than one run may have on a worker (MILLWRIGHT_RUN_MAX_PROCESSES). "
        "It may be half done. Look for something that starts processes without end, or raise the limit.",
    ),
    FailureCode.NOT_REACHED: (
        "stopped before it reached its servers",
        "The play ended elsewhere, often on localhost, before these servers had their turn.",
    ),
    FailureCode.INCOMPLETE: (
        "stopped before its end",
        "The play ended elsewhere before it was done on these servers. What had run there by then was kept.",
    ),
}


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def title(subject: str, code: str, task: str) -> str:
    """Return "<playbook>: <task> failed", or the words of another cause; at most 255 characters."""
    what = _WORDS[code][0] if code in _WORDS else f"{task} failed" if task else "failed"
    if len(subject) + len(what) + 2 > TITLE_LIMIT:
        subject = _cut(subject, max(20, TITLE_LIMIT - len(what) - 2))
    return _cut(f"{subject}: {what}", TITLE_LIMIT)


def name_hosts(hosts: Sequence[str]) -> str:
    """Return "a, b and c", the first HOSTS_NAMED of them by name."""
    named = list(hosts[:HOSTS_NAMED])
    rest = len(hosts) - len(named)
    if rest:
        return f"{', '.join(named)} and {rest} more"
    return " and ".join(filter(None, [", ".join(named[:-1]), named[-1]])) if named else ""


def description(*, code: str, task: str, module: str, error: str, hosts: Sequence[str], stopped: Sequence[str]) -> str:
    """Return what happened: advice, failing hosts, hosts the play never came to, the first error."""
    parts = []
    if code in _WORDS:
        parts.append(_WORDS[code][1])
    if task and code not in _WORDS:
        parts.append(f"Task: {task}" + (f" ({module})" if module else ""))
    if hosts:
        parts.append(f"Failed on {name_hosts(hosts)}.")
    if stopped:
        parts.append(f"The play then stopped before its end on {name_hosts(stopped)}.")
    if error:
        parts.append(f"First error:\n{_cut(error.strip(), ERROR_LIMIT)}")
    return "\n\n".join(parts)


def rule_in_words(rule: Rule) -> str:
    """Return a rule's conditions as a sentence without its end."""
    parts = []
    if rule.environments:
        parts.append(f"environment {' or '.join(sorted(rule.environments))}")
    if rule.tag:
        parts.append(f"tag {rule.tag}")
    if rule.failure_code:
        parts.append(f"cause {rule.failure_code.replace('_', ' ')}")
    if rule.check_mode is not None:
        parts.append("check mode" if rule.check_mode else "not in check mode")
    if rule.min_servers > 1:
        parts.append(f"at least {rule.min_servers} servers hit")
    if rule.min_share:
        parts.append(f"at least {rule.min_share}% of the run's")
    return ", ".join(parts) or "always"
