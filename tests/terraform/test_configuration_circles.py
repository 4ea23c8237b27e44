"""Circles among dependencies, and the dependencies of terraform's own graph."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.terraform.configuration import reader
from app.terraform.configuration.shapes import Configuration


def read(folder: str = "", /, **texts: str) -> Configuration:
    """Read files given as name=text; __ is a slash, and .tf is added."""
    return reader.read({f"{name.replace('__', '/')}.tf": text.encode() for name, text in texts.items()}, folder)


def edges(found: Configuration) -> set[tuple[str, str, str]]:
    return {(one.source, one.target, one.kind) for one in found.dependencies}


def reasons(found: Configuration) -> str:
    return "\n".join(f"{one.file}:{one.line} {one.reason}" for one in found.problems)


def test_a_circle_is_named_with_its_addresses() -> None:
    found = read(
        main="""
        resource "a_b" "one" { x = local.two }
        locals { two = module.m.out }
        module "m" {
          source = "./m"
          x      = a_b.one.id
        }
        """,
        m__main='variable "x" {}\nresource "a_b" "in" { x = var.x }\noutput "out" { value = a_b.in.id }',
    )
    (problem,) = found.problems
    assert "circle" in problem.reason and problem.file == "main.tf"
    for name in ("a_b.one", "local.two", "module.m.a_b.in", "module.m.output.out", "module.m.var.x"):
        assert name in problem.reason


def test_a_module_may_use_what_another_of_its_outputs_does_not_need() -> None:
    found = read(
        main="""
        module "m" {
          source = "./m"
          x      = a_b.one.id
        }
        resource "a_b" "one" { y = module.m.free }
        """,
        m__main='variable "x" {}\nresource "a_b" "in" { x = var.x }\noutput "free" { value = 1 }',
    )
    assert found.problems == [], "free needs nothing, so there is no circle"


@settings(max_examples=60, deadline=None)
@given(st.sets(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=14))
def test_a_circle_is_found_exactly_when_there_is_one(pairs: set[tuple[int, int]]) -> None:
    blocks = []
    for node in range(7):
        needs = sorted(target for source, target in pairs if source == node)
        body = " ".join(f"v{target} = a_b.n{target}.id\n" for target in needs)
        blocks.append(f'resource "a_b" "n{node}" {{\n{body}}}\n')
    found = read(main="".join(blocks))
    reached = {(source, target) for source, target in pairs}
    for middle in range(7):
        reached |= {(a, d) for a, b in reached for c, d in reached if b == c == middle}
    circular = any(source == target for source, target in reached)
    assert any("circle" in one.reason for one in found.problems) == circular
    assert edges(found) == {(f"a_b.n{a}", f"a_b.n{b}", "implicit") for a, b in pairs if a != b}


NESTED = {
    "main.tf": """
variable "size" { default = 1 }
locals {
  base = { for key, one in terraform_data.base : key => one.id }
  all  = merge(local.base, { "x" = module.a.out })
}
resource "terraform_data" "base" {
  for_each = toset(["x", "y"])
  input    = "${var.size}-${each.key}"
}
resource "terraform_data" "free" { input = "terraform_data.base" }
module "a" {
  source = "./a"
  given  = local.base
}
module "b" {
  source     = "./a"
  given      = terraform_data.free.id
  depends_on = [module.a]
}
resource "terraform_data" "last" {
  input = <<-EOT
    %{for key in keys(local.all)}${key}%{endfor} ${module.b.out}
  EOT
}
resource "terraform_data" "whole" { input = values(module.a) }
""",
    "a/main.tf": """
variable "given" {}
resource "terraform_data" "in" { input = var.given }
resource "terraform_data" "alone" {}
module "inner" {
  source = "./inner"
  count  = length(terraform_data.in.id)
}
output "out" { value = [for one in module.inner : one.id] }
output "plain" { value = terraform_data.alone.id }
""",
    "a/inner/main.tf": 'resource "terraform_data" "deep" {}\noutput "id" { value = terraform_data.deep.id }\n',
}


def ancestors(direct: set[tuple[str, str]]) -> set[tuple[str, str]]:
    found = set(direct)
    while further := {(a, d) for a, b in found for c, d in direct if b == c} - found:
        found |= further
    return found


def test_dependencies_are_those_of_terraforms_own_graph(tmp_path: Path) -> None:
    program = shutil.which("terraform")
    if program is None:
        pytest.skip("no terraform on this machine")
    for name, content in NESTED.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    quiet = {"cwd": tmp_path, "capture_output": True, "text": True, "timeout": 60}
    init = subprocess.run([program, "init", "-input=false", "-no-color"], **quiet)
    assert init.returncode == 0, init.stderr
    graph = subprocess.run([program, "graph"], **quiet)
    drawn = set(re.findall(r'"([^"]+)" -> "([^"]+)"', graph.stdout))
    found = reader.read({name: content.encode() for name, content in NESTED.items()})
    assert found.problems == []
    assert ancestors({(one.source, one.target) for one in found.dependencies}) == ancestors(drawn)
