"""Which nestings of groups are allowed: no circle, not too deep."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from app.core.errors import InvalidInput
from app.inventory import group_graph

MAXIMUM_DEPTH = 20  # levels below ``all``
Edge = tuple[int, int]  # parent, child


def check_nesting(names: Mapping[int, str], wanted: Collection[Edge], coming: Collection[Edge]) -> None:
    """Raise InvalidInput when ``wanted`` holds a circle (the way is named) or more than 20 levels.

    ``coming`` are the new pairs among ``wanted``; what was there before is known to be sound.
    """
    children: dict[int, list[int]] = {}
    for parent, child in wanted:
        children.setdefault(parent, []).append(child)
    for parent, child in sorted(coming):
        way = group_graph.path(child, parent, children)
        if way is not None:
            said = " > ".join(names[key] for key in [parent, *way])
            raise InvalidInput(child_ids=f"This would be a circle of groups: {said}. Take one of them out first.")
    parents = group_graph.inverted(children)
    deepest = max(group_graph.depths(list(names), parents).values(), default=0)
    if deepest > MAXIMUM_DEPTH:
        raise InvalidInput(child_ids=f"At most {MAXIMUM_DEPTH} levels of groups. Nest less deeply.")
