"""The reader of configurations: what files declare, without a database and without terraform."""

from __future__ import annotations

import json
from typing import Any

import pytest

from app.terraform.configuration import reader, references
from app.terraform.configuration.shapes import Configuration


def read(folder: str = "", /, **texts: str) -> Configuration:
    """Read files given as name=text; __ is a slash, and .tf is added."""
    return reader.read({f"{name.replace('__', '/')}.tf": text.encode() for name, text in texts.items()}, folder)


def edges(found: Configuration) -> set[tuple[str, str, str]]:
    return {(one.source, one.target, one.kind) for one in found.dependencies}


def reasons(found: Configuration) -> str:
    return "\n".join(f"{one.file}:{one.line} {one.reason}" for one in found.problems)


def test_references_become_implicit_dependencies_through_locals_variables_and_outputs() -> None:
    found = read(
        main="""
        locals {
          one = aws_vpc.main.id
          two = "${local.one}-x"
        }
        resource "aws_vpc" "main" {}
        resource "aws_subnet" "a" { vpc = local.two }
        module "net" {
          source = "./net"
          vpc    = local.two
        }
        resource "aws_instance" "web" { subnet = module.net.id }
        """,
        net__main="""
        variable "vpc" {}
        resource "aws_route" "r" { vpc = var.vpc }
        output "id" { value = aws_route.r.id }
        """,
    )
    assert edges(found) == {
        ("aws_subnet.a", "aws_vpc.main", "implicit"),
        ("module.net.aws_route.r", "aws_vpc.main", "implicit"),
        ("aws_instance.web", "module.net.aws_route.r", "implicit"),
    }
    assert found.problems == [] and found.is_whole


def test_depends_on_is_explicit_and_a_data_source_is_data() -> None:
    found = read(
        main="""
        data "aws_ami" "ubuntu" {}
        resource "aws_vpc" "main" {}
        resource "aws_instance" "web" {
          ami        = data.aws_ami.ubuntu.id
          vpc        = aws_vpc.main.id
          depends_on = [aws_vpc.main, module.net]
        }
        module "net" {
          source     = "./net"
          depends_on = [aws_eip.ip]
        }
        resource "aws_eip" "ip" {}
        """,
        net__main='resource "aws_route" "r" {}',
    )
    assert edges(found) == {
        ("aws_instance.web", "data.aws_ami.ubuntu", "data"),
        ("aws_instance.web", "aws_vpc.main", "explicit"),
        ("aws_instance.web", "module.net.aws_route.r", "explicit"),
        ("aws_instance.web", "aws_eip.ip", "explicit"),
        ("module.net.aws_route.r", "aws_eip.ip", "explicit"),
    }


def test_names_that_a_for_makes_and_text_are_no_references() -> None:
    found = read(
        main="""
        resource "aws_vpc" "main" {}
        resource "aws_x" "a" {
          text   = "aws_vpc.main and $${aws_vpc.main.id}"
          listed = [for aws_vpc in [1] : aws_vpc.main]
          # aws_vpc.main.id
          lifecycle { ignore_changes = [aws_vpc.main] }
        }
        resource "aws_x" "b" {
          script = <<-EOT
            %{for v in local.all}${v.id}%{endfor}
            echo ${upper(aws_vpc.main["x"].id)} aws_x.a.id
          EOT
        }
        """
    )
    assert edges(found) == {("aws_x.b", "aws_vpc.main", "implicit")}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("a.b.c", {("a", "b", "c")}),
        ("a.b[c.d].e.f", {("a", "b", "e"), ("c", "d")}),
        ("a.b[*].c", {("a", "b", "c")}),
        ("a.b.*.c", {("a", "b", "c")}),
        ("a.b.0.c", {("a", "b", "c")}),
        ("f(a.b).c.d", {("a", "b")}),
        ("provider::x::f(a.b)", {("a", "b")}),
        (
            '{ (a.b) = c.d, "${e.f}" = "${g.h}-${"${i.j}"}" }',
            {("a", "b"), ("c", "d"), ("e", "f"), ("g", "h"), ("i", "j")},
        ),
        ("[for k, v in a.b : v.c if k.d]", {("a", "b")}),
        ("x ? a.b : c.d", {("a", "b"), ("c", "d")}),
        ('"}" == a.b ? c.d : "${"', {("a", "b"), ("c", "d")}),
        ("1.5 + a.b", {("a", "b")}),
    ],
)
def test_expressions_of_every_form_are_searched(expression: str, expected: set[tuple[str, ...]]) -> None:
    assert references.in_template(f"${{{expression}}}") == expected


def test_modules_nest_and_each_call_is_its_own() -> None:
    found = read(
        "live",
        live__main="""
        module "a" { source = "../modules/a" }
        module "b" { source = "../modules/a" }
        module "far" {
          source  = "terraform-aws-modules/vpc/aws"
          version = "~> 5.0"
        }
        """,
        modules__a__main='module "inner" { source = "./inner" }\nresource "x_y" "z" { v = module.inner.o }',
        modules__a__inner__main='resource "x_y" "q" {}\noutput "o" { value = x_y.q.id }',
    )
    assert {(one.address, one.parent, one.path, one.version) for one in found.modules} == {
        ("module.a", "", "modules/a", None),
        ("module.b", "", "modules/a", None),
        ("module.far", "", "", "~> 5.0"),
        ("module.a.module.inner", "module.a", "modules/a/inner", None),
        ("module.b.module.inner", "module.b", "modules/a/inner", None),
    }
    assert edges(found) == {
        ("module.a.x_y.z", "module.a.module.inner.x_y.q", "implicit"),
        ("module.b.x_y.z", "module.b.module.inner.x_y.q", "implicit"),
    }


def test_a_module_that_calls_itself_or_leads_out_is_a_problem() -> None:
    found = read(
        main='module "a" { source = "./a" }\nmodule "out" { source = "../x" }\nmodule "none" { source = "./none" }',
        a__main='module "b" { source = "../a" }',
    )
    said = reasons(found)
    assert "a/main.tf:1 module b calls itself" in said
    assert "main.tf:2 module out leads out of the project" in said and "main.tf:3 module none has no .tf files" in said


def test_json_syntax_says_the_same_as_hcl() -> None:
    document: dict[str, Any] = {
        "//": "made by a program",
        "resource": {
            "aws_vpc": {"main": {"cidr": "${var.cidr}"}},
            "aws_subnet": {"a": {"vpc": "${aws_vpc.main.id}", "depends_on": ["aws_eip.ip"]}},
            "aws_eip": {"ip": [{}]},
        },
        "variable": {"cidr": {"type": "string", "default": "10.0.0.0/8"}},
        "output": {"id": {"value": "${aws_vpc.main.id}", "sensitive": True}},
    }
    found = reader.read({"main.tf.json": json.dumps(document).encode()})
    assert edges(found) == {
        ("aws_subnet.a", "aws_vpc.main", "implicit"),
        ("aws_subnet.a", "aws_eip.ip", "explicit"),
    }
    (variable,) = found.variables
    assert (variable.type, variable.default, variable.is_required) == ("string", "10.0.0.0/8", False)
    assert [(one.name, one.sensitive) for one in found.outputs] == [("id", True)]


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ('resource "a_b" "c" {\n  x = = 3\n}\n', 2, "not expected"),
        ('resource "a_b" "c" {\n  x = 3\n', 2, "missing"),
        ("x = @\n", 1, "not expected"),
        ('\nresource "a_b" {\n}\n', 2, "2 labels"),
        ('\n\nresource "a_b" "c d" {\n}\n', 3, "is no name"),
        ('resource "a_b" "c" {}\nresource "a_b" "c" {}\n', 2, "declared twice"),
    ],
)
def test_bad_hcl_is_named_with_file_line_and_reason(text: str, line: int, reason: str) -> None:
    found = read(main=text, other='resource "a_b" "fine" {}')
    (problem,) = found.problems
    assert (problem.file, problem.line) == ("main.tf", line) and reason in problem.reason, problem
    assert "a_b.fine" in {one.address for one in found.resources}, "the other files are read all the same"


def test_bad_json_and_bytes_that_are_no_text_are_named_too() -> None:
    found = reader.read({"a.tf.json": b'{\n "resource": ]\n}', "b.tf": b"# ok\n# \xff\n", "c.tf.json": b'["\\ud800"]'})
    assert [(one.file, one.line) for one in found.problems] == [("a.tf.json", 2), ("b.tf", 2), ("c.tf.json", 1)]
    assert not found.is_whole


def test_providers_are_those_configured_required_and_used() -> None:
    found = read(
        main="""
        terraform {
          required_providers {
            aws = {
              source  = "hashicorp/aws"
              version = "~> 5.0"
            }
          }
        }
        provider "aws" {
          region     = "eu-central-1"
          access_key = "AKIA-planted"
          token      = var.token
        }
        provider "aws" {
          alias  = "west"
          region = var.west
        }
        resource "aws_vpc" "main" { provider = aws.west }
        resource "null_resource" "x" {}
        module "net" {
          source    = "./net"
          providers = { aws = aws.west }
        }
        """,
        net__main='resource "aws_eip" "ip" {}',
    )
    assert [(one.name, one.alias, one.version, one.region) for one in found.providers] == [
        ("aws", "", "~> 5.0", "eu-central-1"),
        ("aws", "west", None, "${var.west}"),
        ("null", "", None, None),
    ]
    assert found.providers[0].configuration["access_key"] == "(sensitive value)"
    assert found.providers[0].configuration["token"] == "${var.token}"
    used = {one.address: (one.provider, one.provider_alias) for one in found.resources}
    assert used["aws_vpc.main"] == used["module.net.aws_eip.ip"] == ("aws", "west")


def test_variables_are_read_with_type_default_rules_and_without_secret_defaults() -> None:
    found = read(
        main="""
        variable "sizes" {
          type        = list(object({ a = string, b = optional(number, 3) }))
          default     = [{ a = "x" }]
          description = "Some"
          validation {
            condition     = length(var.sizes) > 0
            error_message = "One at least."
          }
        }
        variable "needed" {}
        variable "nothing" { default = null }
        variable "secret" {
          default   = "planted"
          sensitive = true
        }
        """
    )
    sizes, needed, nothing, secret = found.variables
    assert sizes.type and sizes.type.startswith("list(object(") and sizes.default == [{"a": "x"}]
    assert sizes.validation_rules == [{"condition": "${length(var.sizes) > 0}", "error_message": "One at least."}]
    assert (needed.is_required, nothing.is_required, secret.is_required) == (True, False, False)
    assert (secret.sensitive, secret.default) == (True, None)
