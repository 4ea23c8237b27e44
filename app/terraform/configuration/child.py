"""The reading process: files as JSON on standard input, what was found as JSON on standard output."""

from __future__ import annotations

import base64
import json
import sys

from app.terraform.configuration.reader import read
from app.terraform.configuration.shapes import to_data


def main() -> None:
    """Read one configuration."""
    asked = json.load(sys.stdin)
    files = {path: base64.b64decode(data) for path, data in asked["files"].items()}
    json.dump(to_data(read(files, asked["working_directory"])), sys.stdout)


if __name__ == "__main__":
    main()
