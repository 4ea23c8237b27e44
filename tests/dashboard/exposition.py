"""Rules of Prometheus' text format and of promtool's lint, on top of the client library's own parser."""

from __future__ import annotations

import re

from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

NAME = re.compile(r"millwright_[a-z][a-z0-9]*(_[a-z0-9]+)*\Z")
UNITS_REFUSED = re.compile(r"_(ms|milliseconds|minutes|hours|days|kb|mb|kilobytes|megabytes|percent)(_|\Z)")
MOST_SERIES = 3_000


def parse(text: str) -> dict[str, Metric]:
    """Families by name; ValueError when the text is not one that the parser reads."""
    return {family.name: family for family in text_string_to_metric_families(text)}


def lint(text: str) -> list[str]:
    """What is wrong with an exposition; empty for nothing."""
    problems = []
    heads: dict[str, list[str]] = {"HELP": [], "TYPE": []}
    for line in text.splitlines():
        if line.startswith("# "):
            heads[line.split(" ")[1]].append(line.split(" ")[2])
    if sorted(heads["HELP"]) != sorted(heads["TYPE"]) or len(set(heads["HELP"])) != len(heads["HELP"]):
        problems.append("HELP and TYPE do not stand once for each family")
    series: set[tuple[str, tuple[tuple[str, str], ...]]] = set()
    for family in text_string_to_metric_families(text):
        name = family.name
        if not NAME.match(name):
            problems.append(f"{name}: not millwright_ and snake case")
        if not family.documentation or not family.documentation.endswith("."):
            problems.append(f"{name}: HELP is no sentence")
        if UNITS_REFUSED.search(name):
            problems.append(f"{name}: seconds and bytes only")
        if name.endswith("_total") or (family.type == "gauge" and re.search(r"_(count|sum|bucket)\Z", name)):
            problems.append(f"{name}: the suffix belongs to another type")
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            if key in series:
                problems.append(f"{sample.name}{sample.labels}: twice")
            series.add(key)
            if family.type == "counter" and not sample.name.endswith(("_total", "_created")):
                problems.append(f"{sample.name}: a counter ends in _total")
            if any(not value or len(value) > 191 for value in sample.labels.values()):
                problems.append(f"{sample.name}: an empty or long label")
        if family.type == "histogram":
            problems += _histogram(family)
    if len(series) > MOST_SERIES:
        problems.append(f"{len(series)} series")
    return problems


def _histogram(family: Metric) -> list[str]:
    problems = []
    groups: dict[tuple[tuple[str, str], ...], list[tuple[float, float]]] = {}
    counts: dict[tuple[tuple[str, str], ...], float] = {}
    for sample in family.samples:
        labels = tuple(sorted((key, value) for key, value in sample.labels.items() if key != "le"))
        if sample.name.endswith("_bucket"):
            groups.setdefault(labels, []).append((float(sample.labels["le"]), sample.value))
        elif sample.name.endswith("_count"):
            counts[labels] = sample.value
    for labels, buckets in groups.items():
        values = [value for _bound, value in sorted(buckets)]
        if values != sorted(values) or sorted(buckets)[-1][0] != float("inf") or values[-1] != counts[labels]:
            problems.append(f"{family.name}{labels}: its buckets do not add up")
    return problems
