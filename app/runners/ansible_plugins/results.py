# Copyright The Millwright authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# mypy: ignore-errors
"""What ansible's results say, for the output plugin: why a task failed, and facts, bounded before they are sent.

Loaded into ansible-playbook's process, so it uses no Python newer than 3.8 and nothing of Millwright.
"""

from __future__ import annotations

import json

MAX_MESSAGE = 2000
GATHERING = ("setup", "gather_facts")
MAX_FACT = 256 * 1024  # characters of one fact as JSON; the supervisor cuts the sum further
MAX_FACTS = 1024 * 1024
MAX_FACT_NAMES = 1000
MAX_DEPTH = 20
# The remote account's environment: people keep tokens there, and nobody looks for a server by it.
PRIVATE_FACTS = ("ansible_env", "env")


def facts_of(result):
    """What a gathering on this very host brought, each fact measured; None for any other result."""
    task = result._task
    action = str(task.action).rpartition(".")[2]
    if action not in GATHERING or task.delegate_to or task.no_log or result._result.get("_ansible_no_log"):
        return None
    facts = result._result.get("ansible_facts")
    if not isinstance(facts, dict) or not facts:
        return None
    kept, left_out, sent, used = {}, [], 0, 0
    for name, value in facts.items():
        name = str(name)[:200]
        if name in PRIVATE_FACTS:
            continue
        try:
            size = len(json.dumps(value, default=str)) + len(name)
        except (RecursionError, TypeError, ValueError):
            left_out.append(name)
            continue
        sent += size
        fits = size <= MAX_FACT and used + size <= MAX_FACTS and len(kept) < MAX_FACT_NAMES
        if fits and _is_shallow(value):
            kept[name] = value
            used += size
        elif len(left_out) < MAX_FACT_NAMES:
            left_out.append(name)
    return {"d": kept, "z": sent, "x": left_out}


def _is_shallow(value):
    """Tell whether a value nests at most MAX_DEPTH levels; without recursion, since a stranger wrote it."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            part
            for item in level
            if isinstance(item, (dict, list, tuple))
            for part in (item.values() if isinstance(item, dict) else item)
        ]
        if not level:
            return True
    return False


def message_of(result):
    """One paragraph on why it failed; of a loop, why its first failed item did."""
    if result.get("censored"):
        return str(result["censored"])
    for item in result.get("results") or ():
        if isinstance(item, dict) and (item.get("failed") or item.get("unreachable")):
            return message_of(item)
    parts = [str(result.get("msg") or "").strip()]
    error = str(result.get("stderr") or result.get("module_stderr") or "").strip()
    if error:
        parts.append(error.splitlines()[-1])
    return ": ".join(part for part in parts if part)[:MAX_MESSAGE]
