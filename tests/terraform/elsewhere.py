"""A person's own terraform beside the platform, and the platform that reads what it keeps."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.core import runtime
from tests.terraform.house import Workshop

SECRET = "planted-secret-of-a-state-4711"
DECLARED = """
variable "names" {{
  type    = set(string)
  default = ["a"]
}}
resource "terraform_data" "one" {{
  for_each = var.names
  input    = each.key
}}
output "names" {{
  value = sort([for one in terraform_data.one : one.output])
}}
output "password" {{
  value     = "{secret}"
  sensitive = true
}}
"""


@dataclass
class OwnTerraform:
    """A folder in which somebody works with the bare command line."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def declare(self, backend: str) -> None:
        """Write the configuration with this backend block, and initialise it."""
        self.folder.mkdir(exist_ok=True)
        text = DECLARED.format(secret=SECRET)
        (self.folder / "main.tf").write_text(f"terraform {{\n{backend}\n}}\n{text}", encoding="utf-8")
        self.run("init", "-input=false", "-reconfigure")

    def apply(self, *names: str) -> None:
        """Apply with resources of these names."""
        told = ", ".join(f'"{name}"' for name in names)
        self.run("apply", "-input=false", "-auto-approve", f"-var=names=[{told}]")

    def run(self, *arguments: str, code: int = 0) -> str:
        """Run terraform, which ends with this code; what it prints."""
        around = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "CHECKPOINT_DISABLE": "1", **self.environment}
        done = subprocess.run(
            ["terraform", *arguments], cwd=self.folder, env=around, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr


def open_folders(*folders: Path) -> None:
    """Let workers read local states below these folders, until the workshop closes."""
    told = {"terraform_local_state_roots": [str(folder) for folder in folders]}
    runtime.configure(runtime.settings().model_copy(update=told))


def register(workshop: Workshop, code: int = 201, workspace: str = "shop", **body: Any) -> Any:
    """Register a state that lives elsewhere."""
    return workshop.of_project("POST", "/workspaces", code, json={"workspace": workspace, **body})


def read(workshop: Workshop, workspace: str = "shop") -> Any:
    """Have it read; return the execution."""
    return workshop.ended(workshop.ask(execution_type="refresh", workspace=workspace))


def where(workshop: Workshop, workspace: str = "shop") -> Any:
    """Return where it lives and how the last reading went."""
    return workshop.of_project("GET", f"/workspaces/{workspace}/backend")


def versions(workshop: Workshop, workspace: str = "shop") -> list[Any]:
    """Return what was read so far, the newest first."""
    found: list[Any] = workshop.of_project("GET", f"/workspaces/{workspace}/versions")
    return found
