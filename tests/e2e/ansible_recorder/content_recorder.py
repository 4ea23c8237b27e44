# mypy: ignore-errors
"""Ansible plugin of the tests: writes what an ansible-playbook at the shell did, as JSON, to $CONTENT_RECORD.

``tasks``: [name, {host: result}] in the order they began, ``hosts``: the counts of the recap. It takes nothing from
Millwright's own plugin, so that both cannot share a mistake.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    """Notes results beside the ordinary output."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "content_recorder"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self):
        super().__init__()
        self.tasks = []

    def v2_playbook_on_task_start(self, task, is_conditional):
        self.tasks.append([task.get_name().strip(), {}])

    def v2_playbook_on_handler_task_start(self, task):
        self.tasks.append([task.get_name().strip(), {}])

    def _note(self, result, status):
        self.tasks[-1][1][result._host.get_name()] = status

    def v2_runner_on_ok(self, result):
        self._note(result, "changed" if result._result.get("changed") else "ok")

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._note(result, "ignored" if ignore_errors else "failed")

    def v2_runner_on_skipped(self, result):
        self._note(result, "skipped")

    def v2_runner_on_unreachable(self, result):
        self._note(result, "unreachable")

    def v2_playbook_on_stats(self, stats):
        hosts = {host: stats.summarize(host) for host in stats.processed}
        Path(os.environ["CONTENT_RECORD"]).write_text(json.dumps({"tasks": self.tasks, "hosts": hosts}))
