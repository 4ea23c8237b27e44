"""What many histories come to. Plain data: it goes between processes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Summary:
    """Sums over histories. ``broken`` is (seed, invariant and what was seen, faults)."""

    histories: int = 0
    steps: int = 0
    commits: int = 0
    simulated_seconds: float = 0.0
    engines: int = 0
    lost: int = 0
    seconds: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    crashes: Counter[str] = field(default_factory=Counter)  # by the place in the product's code
    jobs: Counter[str] = field(default_factory=Counter)  # by their last status
    broken: list[tuple[int, str, str]] = field(default_factory=list)

    def add(self, other: Summary) -> None:
        """Add another piece."""
        self.histories += other.histories
        self.steps += other.steps
        self.commits += other.commits
        self.simulated_seconds += other.simulated_seconds
        self.engines += other.engines
        self.lost += other.lost
        self.faults += other.faults
        self.crashes += other.crashes
        self.jobs += other.jobs
        self.broken += other.broken

    def document(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {
            "histories": self.histories,
            "steps": self.steps,
            "commits": self.commits,
            "simulated_hours": round(self.simulated_seconds / 3600, 1),
            "engines": self.engines,
            "runs_ended_as_lost": self.lost,
            "faults": dict(sorted(self.faults.items())),
            "crashes": dict(self.crashes.most_common()),
            "jobs": dict(sorted(self.jobs.items())),
            "seconds": round(self.seconds, 1),
            "broken": [{"seed": seed, "what": what, "faults": faults} for seed, what, faults in self.broken],
        }

    def text(self) -> str:
        """Return it for people."""
        rate = self.histories / self.seconds if self.seconds else 0.0
        lines = [
            f"{self.histories} histories ({rate:.1f} a second), {self.steps} steps, {self.commits} commits, "
            f"{self.engines} engines, {sum(self.faults.values())} faults, {sum(self.crashes.values())} crashes in "
            f"{len(self.crashes)} places, "
            f"{self.simulated_seconds / 3600:.1f} simulated hours",
        ]
        lines += [f"seed {seed}: {what}\n  faults: {faults}" for seed, what, faults in self.broken[:20]]
        if self.broken:
            found = Counter(what.partition(":")[0] for _seed, what, _faults in self.broken)
            kinds = ", ".join(f"{number} {name}" for name, number in sorted(found.items()))
            lines.append(f"{len(self.broken)} histories broke an invariant: {kinds}")
        else:
            lines.append("every invariant held")
        if self.broken:
            lines.append(f"replay one: python -m simulation --replay {self.broken[0][0]}")
        return "\n".join(lines)
