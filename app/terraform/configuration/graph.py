"""What depends on what: references of every module resolved to addresses, and the circles among them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from app.terraform.configuration import references
from app.terraform.configuration.hcl_files import Block
from app.terraform.configuration.scopes import Limited, Scope
from app.terraform.configuration.shapes import FoundDependency, Problem

MAX_DEPENDENCIES = 20_000
SHOWN_OF_A_CIRCLE = 12  # addresses
_LEFT_OUT = frozenset({"depends_on", "provider", "providers"})

Node = tuple[str, str, str]  # address of the module; resource, data, local, var, output, begin or end; name
Edges = dict[Node, dict[Node, bool]]  # target: whether it is explicit


def address_of(node: Node) -> str:
    """Return how people name a node."""
    module, kind, name = node
    if kind in ("begin", "end"):
        return module
    shown = name if kind == "resource" else f"{kind}.{name}"
    return f"{module}.{shown}" if module else shown


class Graph:
    """Nodes of all modules. A module begins before what is in it, and ends after it, as terraform has it."""

    def __init__(self, scopes: Iterable[Scope]) -> None:
        self.edges: Edges = {}
        self.places: dict[Node, Block] = {}
        self._scopes = list(scopes)
        for scope in self._scopes:
            self._add_scope(scope)

    def _add_scope(self, scope: Scope) -> None:
        at = scope.address
        begin: list[Node] = [(at, "begin", "")] if at else []
        inner: list[Node] = []
        for (is_data, kind, name), block in scope.resources.items():
            node = (at, "data" if is_data else "resource", f"{kind}.{name}")
            self._add(node, block, scope, block.body, block.body.get("depends_on"), begin)
            inner.append(node)
        for name, (value, block) in scope.locals.items():
            self._add((at, "local", name), block, scope, value, None)
        for name, block in scope.outputs.items():
            node = (at, "output", name)
            self._add(node, block, scope, block.body, block.body.get("depends_on"), begin)
            inner.append(node)
        if scope.parent is not None and scope.call is not None:
            body = scope.call.body
            for name, block in scope.variables.items():
                self._add((at, "var", name), block, scope.parent, body.get(name), None)
            repeated = {name: body[name] for name in ("count", "for_each") if name in body}
            above: list[Node] = [(scope.parent.address, "begin", "")] if scope.parent.address else []
            self._add(begin[0], scope.call, scope.parent, repeated, body.get("depends_on"), above)
            inner.extend((child.address, "end", "") for child in scope.children.values())
            self.edges[(at, "end", "")] = dict.fromkeys([*inner, *begin], False)
            self.places[(at, "end", "")] = scope.call

    def _add(
        self, node: Node, block: Block, scope: Scope, value: Any, depends_on: Any, further: Iterable[Node] = ()
    ) -> None:
        out: dict[Node, bool] = dict.fromkeys(further, False)
        for chain in references.in_value(_referring(value)):
            for target in _resolve(scope, chain, explicit=False):
                out.setdefault(target, False)
        for text in depends_on if isinstance(depends_on, list) else [depends_on]:
            if isinstance(text, str):
                for chain in references.in_expression(text):
                    out.update(dict.fromkeys(_resolve(scope, chain, explicit=True), True))
        self.edges[node] = out
        self.places[node] = block

    # --- dependencies between resources

    def dependencies(self) -> list[FoundDependency]:
        """Return what each resource needs, through locals, variables and outputs. Raises Limited."""
        found: list[FoundDependency] = []
        for node in self.edges:
            if node[1] in ("resource", "data"):
                for target, explicit in sorted(self._needs(node).items()):
                    kind = "data" if target[1] == "data" else "explicit" if explicit else "implicit"
                    found.append(FoundDependency(address_of(node), address_of(target), kind))
            if len(found) > MAX_DEPENDENCIES:
                raise Limited(f"There are more than {MAX_DEPENDENCIES:,} dependencies; none is kept.")
        return found

    def _needs(self, start: Node) -> dict[Node, bool]:
        needs: dict[Node, bool] = {}
        seen: set[tuple[Node, bool]] = set()
        left = [(target, explicit) for target, explicit in self.edges[start].items()]
        while left:
            state = left.pop()
            if state in seen:
                continue
            seen.add(state)
            node, explicit = state
            if node[1] in ("resource", "data"):
                if node != start:
                    needs[node] = needs.get(node, False) or explicit
                continue
            left.extend((target, explicit or more) for target, more in self.edges.get(node, {}).items())
        return needs

    # --- circles

    def circles(self) -> Iterator[Problem]:
        """Return a problem for each group of nodes that need each other, with one circle in words."""
        for group in strongly_connected({node: list(out) for node, out in self.edges.items()}):
            start = min(group)
            if len(group) == 1 and start not in self.edges[start]:
                continue
            names = [address_of(node) for node in self._circle(start, set(group))]
            names = [name for number, name in enumerate(names) if number == 0 or name != names[number - 1]]
            if len(names) == 1:
                names *= 2
            shown = names if len(names) <= SHOWN_OF_A_CIRCLE else [*names[: SHOWN_OF_A_CIRCLE - 1], "...", names[-1]]
            place = self.places[start]
            yield Problem(place.file, place.line, f"These need each other in a circle: {' -> '.join(shown)}.")

    def _circle(self, start: Node, group: set[Node]) -> list[Node]:
        before: dict[Node, Node] = {}
        left = deque([start])
        while left:
            node = left.popleft()
            for target in self.edges[node]:
                if target == start:
                    path = [start, node]
                    while path[-1] != start:
                        path.append(before[path[-1]])
                    return path[::-1] if path[-1] == start and node != start else [start, start]
                if target in group and target not in before:
                    before[target] = node
                    left.append(target)
        return [start, start]


def strongly_connected(edges: Mapping[Any, Iterable[Any]]) -> list[list[Any]]:
    """Return the groups of nodes that reach each other (Tarjan, without recursion); targets outside do not count."""
    index: dict[Any, int] = {}
    low: dict[Any, int] = {}
    open_nodes: dict[Any, None] = {}
    groups: list[list[Any]] = []
    for root in edges:
        if root in index:
            continue
        index[root] = low[root] = len(index)
        open_nodes[root] = None
        work = [(root, iter(edges[root]))]
        while work:
            node, targets = work[-1]
            for target in targets:
                if target not in edges:
                    continue
                if target not in index:
                    index[target] = low[target] = len(index)
                    open_nodes[target] = None
                    work.append((target, iter(edges[target])))
                    break
                if target in open_nodes:
                    low[node] = min(low[node], index[target])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    group = []
                    while True:
                        last, _ = open_nodes.popitem()
                        group.append(last)
                        if last == node:
                            break
                    groups.append(group)
    return groups


def _referring(body: Any) -> Any:
    """Return the part of a body whose references are dependencies."""
    if not isinstance(body, dict):
        return body
    found = {name: value for name, value in body.items() if name not in _LEFT_OUT}
    if isinstance(lifecycle := found.get("lifecycle"), list | dict):
        entries = lifecycle if isinstance(lifecycle, list) else [lifecycle]
        found["lifecycle"] = [
            {name: value for name, value in one.items() if name != "ignore_changes"}
            for one in entries
            if isinstance(one, dict)
        ]
    return found


def _resolve(scope: Scope, chain: references.Chain, *, explicit: bool) -> list[Node]:
    """Return the nodes that a reference in a module means; none for what is not declared."""
    at, head, rest = scope.address, chain[0], chain[1:]
    if head == "resource" and len(rest) == 2:
        head, rest = rest[0], rest[1:]
    if head == "local":
        return [(at, "local", rest[0])] if rest[0] in scope.locals else []
    if head == "var":
        return [(at, "var", rest[0])] if scope.parent is not None and rest[0] in scope.variables else []
    if head == "data":
        known = len(rest) == 2 and (True, rest[0], rest[1]) in scope.resources
        return [(at, "data", f"{rest[0]}.{rest[1]}")] if known else []
    if head == "module":
        child = scope.children.get(rest[0])
        if child is None:
            return []
        if explicit:
            return [(child.address, "end", "")]
        if len(rest) > 1:
            return [(child.address, "output", rest[1])] if rest[1] in child.outputs else []
        return [(child.address, "output", name) for name in child.outputs]
    return [(at, "resource", f"{head}.{rest[0]}")] if (False, head, rest[0]) in scope.resources else []
