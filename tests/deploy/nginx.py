"""deploy/nginx/millwright.conf as it is, but for ports, certificate files and the folder of logs."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.support.certificates import Authority
from tests.support.databases import ROOT
from tests.support.servers import _find

SOURCE = ROOT / "deploy" / "nginx" / "millwright.conf"
HOST = "millwright.example.org"


def nginx_program() -> str:
    """The program; skips the test without it."""
    found = _find("nginx")
    if found is None:
        pytest.skip("no nginx (Debian package nginx)")
    return found


def as_started_here(folder: Path, authority: Authority, clear_port: int, tls_port: int, web_port: int) -> Path:
    """Write a whole configuration that includes the product's file; returns its path."""
    made = authority.server("nginx", hosts=(HOST, "localhost"))
    text = SOURCE.read_text(encoding="utf-8")
    text = re.sub(r"^ *listen \[::\].*\n", "", text, flags=re.MULTILINE)
    text = text.replace("listen 80;", f"listen 127.0.0.1:{clear_port};")
    text = text.replace("listen 443 ssl", f"listen 127.0.0.1:{tls_port} ssl")
    text = text.replace("/etc/ssl/millwright/fullchain.pem", str(made.certificate))
    text = text.replace("/etc/ssl/millwright/privkey.pem", str(made.key))
    text = text.replace("server 127.0.0.1:8000;", f"server 127.0.0.1:{web_port};")
    (folder / "millwright.conf").write_text(text, encoding="utf-8")
    kinds = "\n".join(f"    {name}_temp_path {folder}/{name};" for name in ("proxy", "fastcgi", "uwsgi", "scgi"))
    whole = folder / "nginx.conf"
    whole.write_text(
        f"{'user root;' if os.geteuid() == 0 else ''}\n"
        f"daemon off;\npid {folder}/nginx.pid;\nerror_log stderr info;\nworker_processes 1;\n"
        f"events {{ worker_connections 256; }}\n"
        f"http {{\n    access_log off;\n    client_body_temp_path {folder}/body;\n{kinds}\n"
        f"    include {folder}/millwright.conf;\n}}\n",
        encoding="utf-8",
    )
    return whole
