# Copyright The Millwright authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# mypy: ignore-errors
# ruff: noqa: D102, N812, PTH100, PTH109, PTH118, PTH120
"""Ansible output plugin: what ansible's default plugin would print, and what it means, over a private socket.

ansible-playbook loads this file into its own process; Millwright itself never imports it. It derives from
ansible's default plugin and is therefore under ansible's licence. It has to run on every ansible-core the
installation offers, so it uses no Python newer than 3.8.

One JSON object per line goes to the socket named by MILLWRIGHT_EVENTS; the variable is taken out of the
environment at once. Nothing that a host prints can become such an object: text is only ever a value in one.
Without the variable (an ansible-playbook started by a task) it is ansible's default plugin and nothing more.

Objects, by "e"::

    hello  ver
    play   id, p, batch: [host], all: [host] (only with the first batch)
    task   s, p, n, m, f, y
    text   x, h or null, s, v, c (level of the lines after the first)
    res    h, s, st, d, df, n, m, msg, all (true: ansible drops the whole batch for it)
    facts  h, d: {name: value}, z: bytes before anything was left out, x: [names left out]
    nomore                                     the play was stopped for all hosts of the present batch
    stats  hosts: {host: counts}, left: [[host]] (per play that was never begun)
"""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import sys
import threading
import time

from ansible import constants as C
from ansible.playbook.block import Block
from ansible.plugins.callback.default import CallbackModule as Default
from ansible.release import __version__ as ansible_version

DOCUMENTATION = """
    name: millwright
    type: stdout
    short_description: Output and events for Millwright
    description:
        - Prints nothing itself and hands text and events to the supervisor of the run.
    extends_documentation_fragment:
      - default_callback
      - result_format_callback
"""

ENVIRONMENT_VARIABLE = "MILLWRIGHT_EVENTS"
MAX_DIFF = 1024 * 1024
FREE_STRATEGIES = ("free", "host_pinned")


def _beside(name):
    """Load a module that lies beside this folder: in it, ansible would take the file for a plugin."""
    path = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), name + ".py")
    spec = importlib.util.spec_from_file_location("millwright_" + name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


results = _beside("results")
pace = _beside("pace")


class _Link:
    """The connection to the supervisor; it exists once per process however often the plugin is made."""

    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.connect(path)
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._pace = pace.Pace(C)
        self._pace.start()

    def send(self, **event):
        self._pace.stir()
        data = json.dumps(event, default=str).encode("ascii") + b"\n"
        with self._lock:
            self._socket.sendall(data)

    def is_mine(self):
        """Tell whether this is the process that connected, not one forked from it."""
        return os.getpid() == self._pid


class _Scope:
    """What is being rendered: lines shown meanwhile, in this thread, belong to it."""

    def __init__(self, host=None, seq=0, ignored=False, detail_from=None):
        self.host = host
        self.seq = seq
        self.ignored = ignored
        self.detail = detail_from
        self.shown = []


class CallbackModule(Default):
    """Renders as ansible's default plugin does and sends instead of printing."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "millwright"

    _link = None

    def __init__(self):
        cls = type(self)
        if cls._link is None:
            path = os.environ.pop(ENVIRONMENT_VARIABLE, None)
            cls._link = _Link(path) if path else None
        self._local = threading.local()
        self._seq = 0
        self._tasks = {}
        self._finished = set()
        self._started = {}
        self._diffs = {}
        self._plays = []
        self._begun = {}
        self._play_name = ""
        super().__init__()
        if self._link is not None:
            sys.stdout.flush()  # what was printed before stands before what is sent
            self._link.send(e="hello", ver=ansible_version)
            self._take_over_display()

    # --- text

    def _take_over_display(self):
        display = self._display
        original = display.display

        def show(msg, color=None, stderr=False, screen_only=False, log_only=False, newline=True, caplevel=None):
            if not self._link.is_mine():  # a worker: ansible hands it on to the main process, which comes here
                return original(
                    msg,
                    color=color,
                    stderr=stderr,
                    screen_only=screen_only,
                    log_only=log_only,
                    newline=newline,
                )
            if not log_only:
                self._show(msg, color, caplevel)
            return None

        display.display = show

    def _show(self, msg, color, caplevel):
        text = msg.replace("\r\n", "\n")
        text = text[:-1] if text.endswith("\n") else text
        scope = getattr(self._local, "scope", None)
        level = _level(color, caplevel)
        if scope is None:
            self._link.send(e="text", x=text, h=None, s=0, v=level)
            return
        scope.shown.append(text)
        if scope.ignored and level in ("ERROR", "INFO"):
            level = "WARNING"
        detail = scope.detail if level == "INFO" and scope.detail else level
        self._link.send(e="text", x=text, h=scope.host, s=scope.seq, v=level, c=detail)

    def _render(self, scope, method, *args, **kwargs):
        self._local.scope = scope
        try:
            method(*args, **kwargs)
        finally:
            self._local.scope = None
        return scope

    def _print_task_banner(self, task):
        if self._link is None:
            super()._print_task_banner(task)
        else:
            self._last_task_banner = task._uuid  # the task event says it

    # --- plays and tasks

    def v2_playbook_on_start(self, playbook):
        super().v2_playbook_on_start(playbook)
        if self._link is not None:
            self._plays = playbook.get_plays()

    def v2_playbook_on_play_start(self, play):
        if self._link is None:
            super().v2_playbook_on_play_start(play)
            return
        self._play = play
        self._play_name = play.get_name().strip()
        self._tasks = {}
        self._finished = set()
        event = {"e": "play", "id": play._uuid, "p": self._play_name}
        event["batch"] = _names(play, play.hosts, ignore_restrictions=False)
        if play._uuid not in self._begun:
            self._begun[play._uuid] = True
            event["all"] = _names(play, play.hosts, ignore_restrictions=True)
        self._link.send(**event)

    def _task_start(self, task, prefix=None):
        super()._task_start(task, prefix=prefix)
        if self._link is None:
            return
        if not (self._is_free() and task._uuid in self._tasks):
            self._announce(task)

    def _announce(self, task):
        self._seq += 1
        self._tasks[task._uuid] = self._seq
        kind = "handler" if self._task_type_cache.get(task._uuid) == "RUNNING HANDLER" else "task"
        self._link.send(
            e="task",
            s=self._seq,
            p=self._play_name,
            n=task.get_name().strip(),
            m=str(task.action),
            f=_place(task),
            y=kind,
        )
        return self._seq

    def _seq_for(self, host, task):
        seq = self._tasks.get(task._uuid)
        if seq is None or (host, seq) in self._finished:  # it runs once more (a handler flushed twice)
            seq = self._announce(task)
        return seq

    def v2_runner_on_start(self, host, task):
        self._started[(host.get_name(), task._uuid)] = time.monotonic()
        super().v2_runner_on_start(host, task)

    # --- results

    def _scope_of(self, result, ignored=False):
        host = result._host.get_name()
        always = result._result.get("_ansible_verbose_always")
        detail = "DEBUG" if self._display.verbosity > 0 and not always else None
        return _Scope(host, self._seq_for(host, result._task), ignored, detail)

    def _finish(self, result, status, render, ignored=False, **kwargs):
        if self._link is None:
            render(result, **kwargs)
            return
        task = result._task
        failed = status in ("failed", "rescued", "ignored", "unreachable")
        message = results.message_of(result._result) if failed else ""
        scope = self._scope_of(result, ignored)
        self._render(scope, render, result, **kwargs)
        started = self._started.pop((scope.host, task._uuid), None)
        self._finished.add((scope.host, scope.seq))
        self._link.send(
            e="res",
            h=scope.host,
            s=scope.seq,
            st=status,
            d=0 if started is None else int((time.monotonic() - started) * 1000),
            df=self._diffs.pop((scope.host, scope.seq), None),
            n=task.get_name().strip(),
            m=str(task.action),
            msg=message,
            all=self._stops_all(task, status),
        )

    def _stops_all(self, task, status):
        """Tell whether ansible gives up the whole batch for this result; it sends no event for that."""
        if status not in ("failed", "unreachable") or (status == "unreachable" and _is_rescued(task)):
            return False
        return bool(task.run_once or (task.any_errors_fatal and not self._is_free()))

    def _is_free(self):
        return (self._play.strategy or "").rpartition(".")[2] in FREE_STRATEGIES

    def v2_runner_on_ok(self, result):
        status = "changed" if result._result.get("changed", False) else "ok"
        facts = results.facts_of(result) if self._link is not None else None  # taken before rendering may shorten them
        self._finish(result, status, super().v2_runner_on_ok)
        if facts is not None:
            self._link.send(e="facts", h=result._host.get_name(), **facts)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        status = "ignored" if ignore_errors else "rescued" if _is_rescued(result._task) else "failed"
        render = super().v2_runner_on_failed
        self._finish(result, status, render, ignored=bool(ignore_errors), ignore_errors=ignore_errors)

    def v2_runner_on_unreachable(self, result):
        ignored = bool(result._task.ignore_unreachable)
        render = super().v2_runner_on_unreachable
        self._finish(result, "ignored" if ignored else "unreachable", render, ignored=ignored)

    def v2_runner_on_skipped(self, result):
        self._finish(result, "skipped", super().v2_runner_on_skipped)

    def _part(self, render, result):
        """Render something that comes before the result of the same host and task."""
        if self._link is None:
            render(result)
            return None
        fields = getattr(result, "_task_fields", None) or {}
        ignored = fields.get("ignore_errors", result._task.ignore_errors) is True
        return self._render(self._scope_of(result, ignored and bool(result._result.get("failed"))), render, result)

    def v2_runner_item_on_ok(self, result):
        self._part(super().v2_runner_item_on_ok, result)

    def v2_runner_item_on_failed(self, result):
        self._part(super().v2_runner_item_on_failed, result)

    def v2_runner_item_on_skipped(self, result):
        self._part(super().v2_runner_item_on_skipped, result)

    def v2_runner_retry(self, result):
        self._part(super().v2_runner_retry, result)

    def v2_runner_on_async_poll(self, result):
        self._part(super().v2_runner_on_async_poll, result)

    def v2_runner_on_async_ok(self, result):
        self._part(super().v2_runner_on_async_ok, result)

    def v2_runner_on_async_failed(self, result):
        self._part(super().v2_runner_on_async_failed, result)

    def v2_on_file_diff(self, result):
        scope = self._part(super().v2_on_file_diff, result)
        if scope is not None and scope.shown:
            text = "\n".join(scope.shown)
            if len(text) > MAX_DIFF:
                text = text[:MAX_DIFF] + "\n[the rest of the difference is in the log]"
            self._diffs[(scope.host, scope.seq)] = text

    def v2_playbook_on_notify(self, handler, host):
        if self._link is None:
            super().v2_playbook_on_notify(handler, host)
        else:
            self._render(_Scope(host.get_name()), super().v2_playbook_on_notify, handler, host)

    # --- ends

    def v2_playbook_on_no_hosts_remaining(self):
        super().v2_playbook_on_no_hosts_remaining()
        if self._link is not None:
            self._link.send(e="nomore")

    def v2_playbook_on_stats(self, stats):
        super().v2_playbook_on_stats(stats)
        if self._link is not None:
            left = [_names(play, play.hosts, True) for play in self._plays if play._uuid not in self._begun]
            hosts = {host: stats.summarize(host) for host in stats.processed}
            self._link.send(e="stats", hosts=hosts, left=left)


def _place(task):
    """File and line of a task, relative to the project, which is the directory ansible was started in."""
    path = task.get_path() or ""
    base = os.path.join(os.getcwd(), "")
    return path[len(base) :] if path.startswith(base) else path


def _level(color, caplevel):
    if caplevel == -1 or color in (C.COLOR_ERROR, C.COLOR_UNREACHABLE):
        return "ERROR"
    if caplevel == -2 or color in (C.COLOR_WARN, C.COLOR_DEPRECATE):
        return "WARNING"
    if color == C.COLOR_VERBOSE or (caplevel is not None and caplevel >= 0):
        return "DEBUG"
    return "INFO"


def _names(play, pattern, ignore_restrictions):
    """Names of the hosts a play is aimed at; all of the run's when the pattern cannot be evaluated yet."""
    manager = play.get_variable_manager()
    inventory = manager._inventory
    try:
        if "{{" in str(pattern) or "{%" in str(pattern):
            from ansible.template import Templar

            variables = manager.get_vars(play=play)
            pattern = Templar(loader=play.get_loader(), variables=variables).template(pattern)
        hosts = inventory.get_hosts(pattern, ignore_restrictions=ignore_restrictions)
    except Exception:
        hosts = inventory.get_hosts("all", ignore_restrictions=ignore_restrictions)
    return [host.get_name() for host in hosts]


def _is_rescued(task):
    """Tell whether a failure of this task is caught: a block with a rescue part is around it."""
    child, parent = task, task._parent
    while parent is not None:
        if isinstance(parent, Block) and parent.rescue and any(part._uuid == child._uuid for part in parent.block):
            return True
        child, parent = parent, parent._parent
    return False
