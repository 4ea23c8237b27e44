"""A real nginx with the product's file in front of a real gunicorn: TLS, headers, live lines, true addresses."""

from __future__ import annotations

import http.client
import json
import re
import ssl
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from tests import factories
from tests.deploy.nginx import HOST, as_started_here, nginx_program
from tests.e2e.conftest import Site
from tests.e2e.conftest import site as site
from tests.support.certificates import Authority
from tests.support.processes import accepts_connections, free_port, start, wait_until

pytestmark = pytest.mark.stack
PLAYBOOK = """
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.debug:
        msg: first
    - ansible.builtin.wait_for:
        path: "{{ release }}"
        timeout: 60
"""
SPECS = [{"name": "release", "type": "text", "required": True}]


class Front:
    """nginx, and a client that trusts its certificate."""

    def __init__(self, folder: Path, web_port: int) -> None:
        self.clear_port, self.port = free_port(), free_port()
        authority = Authority(folder / "tls")
        folder.mkdir(exist_ok=True)
        path = as_started_here(folder, authority, self.clear_port, self.port, web_port)
        argv = [nginx_program(), "-p", str(folder), "-c", str(path)]
        self.process = start(argv, name="nginx", log=folder / "nginx.log")
        self.tls = ssl.create_default_context(cafile=str(authority.ca))
        wait_until(lambda: accepts_connections("127.0.0.1", self.port), message=self.process.output())
        self.cookie = ""

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    def ask(
        self, method: str, path: str, body: str | None = None, **headers: str
    ) -> tuple[http.client.HTTPResponse, str]:
        connection = http.client.HTTPSConnection("localhost", self.port, context=self.tls, timeout=60)
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.cookie:
            given["Cookie"] = self.cookie
        connection.request(method, path, body, given)
        answer = connection.getresponse()
        content = answer.read().decode()
        connection.close()
        set_cookie = answer.headers.get("Set-Cookie")
        if set_cookie:
            self.cookie = set_cookie.split(";")[0]
        return answer, content


@pytest.fixture
def front(site: Site, tmp_path: Path) -> Iterator[Front]:
    made = Front(tmp_path / "nginx", site.stack.port)
    site.stack.settings["MILLWRIGHT_PUBLIC_URL"] = made.url
    site.stack.settings["MILLWRIGHT_PROXY_HOPS"] = "1"
    yield made
    made.process.stop()


def test_through_nginx_people_sign_in_lines_flow_one_by_one_and_addresses_are_true(
    site: Site, front: Front, tmp_path: Path
) -> None:
    site.stack.start()
    clear = http.client.HTTPConnection("127.0.0.1", front.clear_port, timeout=10)
    clear.request("GET", "/servers?x=1", headers={"Host": HOST})
    moved = clear.getresponse()
    assert (moved.status, moved.headers["Location"]) == (301, f"https://{HOST}/servers?x=1")
    clear.close()

    # A lie about where one comes from, and about the protocol, is not passed on.
    lies = {"X_Forwarded_For": "203.0.113.66", "X_Forwarded_Host": "evil.example", "Forwarded": "for=203.0.113.66"}
    answer, page = front.ask("GET", "/sign-in", **lies)
    assert answer.status == 200
    assert answer.headers["Strict-Transport-Security"].startswith("max-age=31536000")
    assert "nginx/" not in answer.headers["Server"]
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "evil.example" not in page
    token = re.findall(r'name="csrf_token" value="([^"]+)"', page)[0]
    form = {"csrf_token": token, "username": site.username, "password": factories.PASSWORD}
    encoded = {"Content_Type": "application/x-www-form-urlencoded", "Referer": f"{front.url}/sign-in", **lies}
    answer, _ = front.ask("POST", "/sign-in", urllib.parse.urlencode(form), **encoded)
    assert answer.status in (302, 303), answer.headers
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-millwright=")
    assert "Secure" in cookie
    assert front.ask("GET", "/")[0].status == 200
    engine = site.stack.database.engine()
    with engine.connect() as connection:
        seen = set(connection.scalars(text("SELECT ip_address FROM audit_logs WHERE event = 'session:create'")))
    engine.dispose()
    assert seen == {"127.0.0.1"}

    team, release = site.team, tmp_path / "release"
    server = team.add_local("local")
    launch = team.launch(team.upload("Wait", PLAYBOOK, variable_specs=SPECS), [server], extra_vars={
        "release": str(release)
    })  # fmt: skip
    job_id = team.jobs(launch)["local"]["job_id"]
    connection = http.client.HTTPSConnection("localhost", front.port, context=front.tls, timeout=90)
    connection.request("GET", f"/api/v1/jobs/{job_id}/stream", headers={"Authorization": f"Bearer {team.key}"})
    stream = connection.getresponse()
    assert stream.headers["Content-Type"].startswith("text/event-stream")
    first = _next_lines(stream)
    assert any("first" in line["x"] for line in first)  # here while the job still runs: nothing was held back
    assert team.jobs(launch)["local"]["status"] == "running"
    released = time.monotonic()
    release.touch()
    rest = stream.read().decode()
    assert "event: end" in rest
    connection.close()
    assert team.finished(launch)["status"] == "success"
    site.say(f"through nginx: the stream ended {time.monotonic() - released:.1f} s after the job was let go")


def _next_lines(stream: http.client.HTTPResponse) -> list[dict[str, str]]:
    found: list[dict[str, str]] = []
    name = ""
    while not any("first" in line["x"] for line in found):
        line = stream.readline().decode()
        assert line, "the stream ended before the line came"
        if line.startswith("event: "):
            name = line.removeprefix("event: ").strip()
        elif line.startswith("data: ") and name == "lines":
            found += json.loads(line.removeprefix("data: "))["lines"]
    return found
