"""What is played at this moment: the one place where the edges find the world of the present history."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulation.broker import Broker
    from simulation.checks import Judge
    from simulation.engine import Engines
    from simulation.play import Play
    from simulation.world import World


PAUSES = (1.0, 6.0, 25.0)


class Stage:
    """The present history; None between two of them."""

    world: World | None = None
    judge: Judge | None = None
    engines: Engines | None = None
    broker: Broker | None = None
    play: Play | None = None
    servers: dict[int, str]  # id -> host name, for all histories
    slowness: float = 1.0  # how much longer short pauses take in this history: polls, tries again

    def pause(self, seconds: float) -> float:
        """How long a watcher's pause really is: a busy machine, and fewer looks at nothing."""
        assert self.world is not None
        quiet = self.play is None or self.world.now > self.play.quiet_after
        return seconds * self.world.rng.choice(PAUSES[:2] if quiet else PAUSES)


stage = Stage()
