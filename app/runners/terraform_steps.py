"""Command lines of terraform (or tofu) for each operation. python-terraform puts the arguments together, no more.

Its ``cmd`` would hold all output back and hand the worker's whole environment on, so nothing of it is run.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from python_terraform import IsFlagged, Terraform

from app.runners import terraform_elsewhere
from app.runners.base import FailureCode
from app.runners.terraform_outcome import VARIABLES_NAME
from app.runners.workspace import Workspace, WorkspaceError

PLAN_NAME = "millwright.tfplan"  # in the inputs of the run, not among its files
RC_NAME = "terraform.rc"
# *_override.tf replaces the backend or cloud block of the files. Of several the last by name wins: after override.tf.
OVERRIDE_NAME = "~millwright_override.tf"
OPERATIONS = ("init", "plan", "apply", "destroy", "refresh", "read")


@dataclass(frozen=True, slots=True)
class Step:
    """One command; with ``capture`` its output is data of that name. ``good``: exit codes that are no error."""

    name: str
    argv: tuple[str, ...]
    capture: str = ""
    good: tuple[int, ...] = (0,)
    is_optional: bool = False  # its failure is said, and the run goes on


def folder_of(parameters: Mapping[str, Any], workspace: Workspace) -> str:
    """Return the directory that holds the configuration: the project's, or a folder in it."""
    inside = str(parameters.get("working_directory") or "")
    path = os.path.normpath(workspace.project / inside)
    if path != str(workspace.project) and not path.startswith(f"{workspace.project}{os.sep}"):
        raise WorkspaceError(FailureCode.ENGINE_ERROR, f"The folder {inside!r} lies outside of the project.")
    return path


def steps(parameters: Mapping[str, Any], workspace: Workspace) -> list[Step]:
    """Return the commands of a run in their order; raises WorkspaceError for an unknown operation."""
    operation = parameters.get("operation")
    if operation not in OPERATIONS:
        raise WorkspaceError(FailureCode.ENGINE_ERROR, f"terraform has no operation {operation!r} here.")
    make = _Maker(parameters, workspace)
    if operation == "read":
        return [make.init_elsewhere(), make.pull()]
    first = [make.init()]
    if operation == "init":
        return first
    if operation == "plan":
        return [*first, make.plan(), make.show(), make.show_json(), make.graph()]
    if operation == "refresh":
        return [*first, make.refresh()]
    return [*first, make.apply()]


class _Maker:
    def __init__(self, parameters: Mapping[str, Any], workspace: Workspace) -> None:
        self._given = parameters
        self._inputs = workspace.inputs
        binary = str(parameters["binary"])
        self._terraform = Terraform(working_dir=folder_of(parameters, workspace), terraform_bin_path=binary)

    def _command(self, command: str, *arguments: str, **options: Any) -> tuple[str, ...]:
        return tuple(self._terraform.generate_cmd_string(command, *arguments, **options))

    def _locking(self) -> dict[str, Any]:
        if self._given.get("is_speculative"):
            return {"lock": False}
        return {"lock_timeout": f"{int(self._given.get('lock_timeout_seconds') or 0)}s"}

    def _changing(self) -> dict[str, Any]:
        options: dict[str, Any] = {"input": False, "json": IsFlagged, **self._locking()}
        if self._given.get("parallelism"):
            options["parallelism"] = int(self._given["parallelism"])
        return options

    def _variables(self) -> dict[str, Any]:
        # An own file outside of the project, not named *.auto.tfvars: it wins over those that lie among the files.
        return {"var_file": [str(self._inputs / VARIABLES_NAME)]}

    def init(self) -> Step:
        return Step("init", self._command("init", input=False, no_color=IsFlagged))

    def init_elsewhere(self) -> Step:
        told = f"-backend-config={self._inputs / terraform_elsewhere.CONFIG_NAME}"
        return Step("init", self._command("init", told, input=False, no_color=IsFlagged))

    def pull(self) -> Step:
        return Step("state pull", self._command("state pull", no_color=IsFlagged), terraform_elsewhere.ARTIFACT)

    def plan(self) -> Step:
        options = {**self._changing(), **self._variables(), "out": str(self._inputs / PLAN_NAME)}
        options["detailed_exitcode"] = IsFlagged
        for name, flag in (("is_destroy", "destroy"), ("is_refresh_only", "refresh_only")):
            if self._given.get(name):
                options[flag] = IsFlagged
        for name, flag in (("targets", "target"), ("replaces", "replace")):
            addresses: Sequence[str] = self._given.get(name) or ()
            if addresses:
                options[flag] = list(addresses)
        return Step("plan", self._command("plan", **options), good=(0, 2))

    def show(self) -> Step:
        return Step("show", self._command("show", str(self._inputs / PLAN_NAME), no_color=IsFlagged), "plan_text")

    def show_json(self) -> Step:
        return Step("show", self._command("show", str(self._inputs / PLAN_NAME), json=IsFlagged), "plan_json")

    def graph(self) -> Step:
        return Step("graph", self._command("graph"), "graph", is_optional=True)

    def apply(self) -> Step:
        return Step("apply", self._command("apply", str(self._inputs / PLAN_NAME), **self._changing()))

    def refresh(self) -> Step:
        # Not apply -refresh-only: where nothing is in the state yet, that fails ("non-applyable plan", 1.11); and
        # nothing is after a run that was killed early.
        return Step("refresh", self._command("refresh", **self._changing(), **self._variables()))
