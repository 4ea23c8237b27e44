# Copyright The Millwright authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# mypy: ignore-errors
"""How often ansible looks whether a task has ended: often while much happens, seldom while little does.

Its main process asks every millisecond (``internal_poll_interval``): a twentieth of a core for as long as a task runs.
A fixed longer pause would be paid by each short task. So the pause grows with the quiet: a fiftieth of it, 20 ms at
most, and is ansible's own again with the next event. Read by ansible at each look (``StrategyBase``), in every release
since 2.2; one that did not would only keep its own pause.

Loaded into ansible-playbook's process, so it uses no Python newer than 3.8 and nothing of Millwright.
"""

from __future__ import annotations

import threading
import time

NAME = "DEFAULT_INTERNAL_POLL_INTERVAL"
LONGEST_SECONDS = 0.02
PART = 50  # of the quiet so far
FIRST_SECONDS = 0.1  # a quiet so short changes nothing


class Pace(threading.Thread):
    """Sets the pause in ansible's constants; ``stir`` with every event, from any thread."""

    def __init__(self, constants):
        super().__init__(name="millwright-pace", daemon=True)
        self._constants = constants
        self._own = float(getattr(constants, NAME, LONGEST_SECONDS))
        self._moved = time.monotonic()
        self._is_calm = threading.Event()
        self._stirred = threading.Event()

    def stir(self):
        """Something happened: look often again."""
        self._moved = time.monotonic()
        if self._is_calm.is_set():
            self._is_calm.clear()
            setattr(self._constants, NAME, self._own)
            self._stirred.set()

    def run(self):
        """Lengthen the pause as the quiet grows."""
        if self._own >= LONGEST_SECONDS:  # somebody chose so, or this ansible has no such pause
            return
        while True:
            moved = self._moved
            quiet = time.monotonic() - moved
            pause = min(LONGEST_SECONDS, max(self._own, quiet / PART))
            if pause > self._own:
                self._stirred.clear()
                self._is_calm.set()
            setattr(self._constants, NAME, pause)
            if self._moved != moved:  # stirred in between: what was just set is out of date
                continue
            if pause >= LONGEST_SECONDS:
                self._stirred.wait()
            else:
                time.sleep(max(quiet, FIRST_SECONDS))  # it has doubled then
