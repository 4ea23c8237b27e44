"""Fingerprints: the same problem gets the same one, whichever host, process or moment it shows on.

A fingerprint is the SHA-256 of what names a problem: the playbook (or other subject), the failing task and
module, the failure code and the message without its changing parts. The rules are this platform's own; the
idea of a deduplication key is PagerDuty's and Alerta's.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable

from app.runners.base import FailureCode

RULES = 1  # goes into every digest: better rules make new fingerprints, never wrong joins
READ_LIMIT = 20_000  # characters of a message that are looked at
MESSAGE_LIMIT = 2000  # characters of the normalised message that count; the first error says what it is

SIMILAR_WORDS = 6  # of a message: what went wrong, before it says with what

# Where such a run was when it ended says nothing about why, and the message names hosts and times only.
NAMED_BY_CODE_ALONE = frozenset(
    {
        FailureCode.LOST,
        FailureCode.TIMEOUT,
        FailureCode.DISK_FULL,
        FailureCode.HASH_MISMATCH,
        FailureCode.NO_HOSTS,
        FailureCode.POISON,
        FailureCode.SHUTDOWN,
        FailureCode.MEMORY_LIMIT,
        FailureCode.PROCESS_LIMIT,
    }
)

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")  # ECMA-48: CSI, OSC, others
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_DAY = r"(?:mon|tue|wed|thu|fri|sat|sun)[a-z]{0,6},?\s+"
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}"
_CLOCK = r"\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?"
_ZONE = r"(?:z|utc|gmt|[a-z]{2,4}t|[+-]\d{2}:?\d{2})\b"
# In this order: longer and more telling shapes first, bare numbers last.
_SHAPES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?:/[\w.~-]+)*/\.?ansible/tmp/[^\s'\",:;)\]]*"), "<tmp>"),
    (re.compile(r"(?:/private)?(?:/var)?/tmp/[^\s'\",:;)\]]*|/dev/shm/[^\s'\",:;)\]]*"), "<tmp>"),
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "<uuid>"),
    (re.compile(rf"\b\d{{4}}-\d{{2}}-\d{{2}}(?:[t ]{_CLOCK}\s?(?:{_ZONE})?)?"), "<time>"),
    (
        re.compile(
            rf"\b(?:{_DAY})?(?:{_MONTH}\s+\d{{1,2}}\b|\d{{1,2}}\s+{_MONTH}\b),?(?:\s+\d{{4}}\b)?"
            rf"(?:\s+{_CLOCK})?(?:\s+{_ZONE})?(?:\s+\d{{4}}\b)?"
        ),
        "<time>",
    ),
    (re.compile(rf"\b{_CLOCK}\b"), "<time>"),
    (re.compile(r"\b(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\b"), "<mac>"),
    (re.compile(r"(?<![\w:])(?=[0-9a-f:]*:[0-9a-f:]*:)[0-9a-f:]{3,39}(?:%\w+)?(?![\w:])"), "<host>"),  # IPv6
    (re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b"), "<host>"),
    (re.compile(r"\b(?=[\w.-]*[a-z])[\w-]+(?:\.[\w-]+){2,}\b"), "<host>"),  # three labels: also module names
    (re.compile(r"\b0x[0-9a-f]+\b|\b(?=[0-9a-f]*\d)[0-9a-f]{8,}\b"), "<n>"),
    (re.compile(r"\d+(?:[.,]\d+)*"), "<n>"),
    (re.compile(r"\s+"), " "),
)


def _without_hosts(text: str, hosts: Iterable[str]) -> str:
    names = set()
    for host in hosts:
        name = host.strip().lower()
        if name:
            names.add(name)
            if not re.fullmatch(r"[\d.]+|.*:.*", name):
                names.add(name.partition(".")[0])
    if not names:
        return text
    either = "|".join(re.escape(name) for name in sorted(names, key=lambda name: (-len(name), name)))
    return re.sub(rf"(?<![\w.-])(?:{either})(?![\w-])", "<host>", text)


def normalise_task(task: str, hosts: Iterable[str] = ()) -> str:
    """Return a task's name without the names in ``hosts`` (templated names carry them); numbers stay."""
    text = _CONTROL.sub(" ", _ANSI.sub("", task)).lower()
    return re.sub(r"\s+", " ", _without_hosts(text, hosts)).strip()


def normalise_message(message: str, hosts: Iterable[str] = ()) -> str:
    """Return a message without what changes from host to host and from run to run.

    ANSI codes, the names in ``hosts`` (with their short forms), addresses, temporary paths, UUIDs, times, hex
    and numbers give way to placeholders. At most MESSAGE_LIMIT characters, lower case.
    """
    text = _without_hosts(_CONTROL.sub(" ", _ANSI.sub("", message[:READ_LIMIT])).lower(), hosts)
    for shape, placeholder in _SHAPES:
        text = shape.sub(placeholder, text)
    return text.strip()[:MESSAGE_LIMIT]


def fingerprint(
    *, subject: str, task: str = "", module: str = "", code: str, message: str = "", hosts: Iterable[str] = ()
) -> str:
    """Return 64 hex digits that name a problem of ``subject`` (e.g. "playbook:7").

    ``hosts`` are the names and addresses of the run's servers, so that the texts can be freed of them. An
    unreachable server is named by its message alone: at which task it fell silent is chance.
    """
    known = list(hosts)
    if code in NAMED_BY_CODE_ALONE:
        parts = [subject, "", "", code, ""]
    elif code == FailureCode.UNREACHABLE:
        parts = [subject, "", "", code, normalise_message(message, known)]
    else:
        parts = [subject, normalise_task(task, known), module, code, normalise_message(message, known)]
    return hashlib.sha256(json.dumps([RULES, *parts]).encode()).hexdigest()


def similar_keys(
    *, subject: str, task: str = "", module: str = "", code: str, message: str = "", hosts: Iterable[str] = ()
) -> tuple[str | None, str | None]:
    """Return two looser names of a problem, 32 hex digits each, None where the texts say too little.

    The first: the same task of the same subject. The second: the same module (or cause) and the first
    SIMILAR_WORDS words of the normalised message, whichever playbook it was.
    """
    known = list(hosts)
    task_key = _short(["task", subject, normalise_task(task, known), module]) if task.strip() else None
    words = normalise_message(message, known).split()[:SIMILAR_WORDS]
    return task_key, _short(["message", module, code, *words]) if len(words) > 1 else None


def _short(parts: list[str]) -> str:
    return hashlib.sha256(json.dumps([RULES, *parts]).encode()).hexdigest()[:32]
