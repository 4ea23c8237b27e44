"""A state of 50 MB with 20,000 resources: taken, given back, shown and compared in bounded memory; more is refused."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.datastructures import FileStorage
from werkzeug.test import encode_multipart

from app.core import runtime
from app.terraform.models_state import TerraformStateFile
from tests import factories
from tests.factories import PersonMade
from tests.terraform.conftest import LINEAGE, Backend, state_of

pytestmark = pytest.mark.database
RESOURCES = 20_000
MOST = 10  # times the size of a state that one request may need beside what the process has; measured: 6


@pytest.fixture(scope="module")
def large() -> bytes:
    """The bytes of such a state, as terraform writes resources."""
    provider = 'provider["registry.terraform.io/hashicorp/aws"]'
    rows = []
    for number in range(RESOURCES):
        tags = {"Name": f"web-{number}", "Owner": "operations"}
        attributes = {"id": f"i-{number:012}", "tags": tags, "user_data": f"{number:06}" * 370, "ebs": [number, True]}
        instance = {"schema_version": 1, "attributes": attributes, "sensitive_attributes": []}
        head = {"mode": "managed", "type": "aws_instance", "name": f"web_{number}", "provider": provider}
        rows.append({**head, "instances": [instance]})
    outputs = {"count": {"value": RESOURCES, "type": "number"}}
    made = {"version": 4, "terraform_version": "1.11.4", "serial": 1, "lineage": LINEAGE, "outputs": outputs}
    return json.dumps({**made, "resources": rows}).encode()


def _kilobytes(name: str) -> int:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith(f"{name}:")))


@contextmanager
def bounded(size: int) -> Iterator[None]:
    """Fail when this process grows by more than MOST times ``size`` meanwhile (proc(5): clear_refs, VmHWM)."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before = _kilobytes("VmRSS")
    yield
    grown = (_kilobytes("VmHWM") - before) * 1024
    assert grown < MOST * size, f"{grown / size:.1f} times the state"


def sent(browser: FlaskClient, path: str, file: bytes, said: str = "", **fields: str) -> int:
    """Send a file by a form; return the status of the answer, which has to say this."""
    data = {"csrf_token": factories.csrf_token(browser), "file": FileStorage(io.BytesIO(file), "sent"), **fields}
    boundary, body = encode_multipart(data)  # in memory: the client's own files would stay open
    answer = browser.post(path, data=body, content_type=f'multipart/form-data; boundary="{boundary}"')
    assert said in answer.get_data(as_text=True)
    return answer.status_code


def test_a_state_of_50_mb_is_taken_given_back_shown_and_compared_in_bounded_memory(
    backend: Backend, app: Flask, admin: PersonMade, large: bytes
) -> None:
    assert len(large) > 50_000_000
    changed = large.replace(b'"serial": 1', b'"serial": 2').replace(b'"web-77"', b'"web-changed"')
    browser = factories.sign_in(app.test_client(), admin)
    page = f"/terraform/{backend.project}/workspaces/default"
    for state in (large, changed):
        with bounded(len(state)):
            assert backend.ask("POST", state).status_code == 200
    with bounded(len(large)):
        assert backend.ask("GET").data == changed
    with bounded(len(large)):
        shown = browser.get(f"{page}?before=1&after=2").get_data(as_text=True)
    assert "aws_instance.web_77" in shown and "web-changed" in shown and "20000" in shown
    with bounded(len(large)):
        assert browser.get(f"{page}/versions/1/download").data == large


def test_states_and_archives_larger_than_other_requests_are_taken_on_the_pages(
    backend: Backend, app: Flask, admin: PersonMade
) -> None:
    size = 2 * runtime.settings().max_request_bytes
    browser = factories.sign_in(app.test_client(), admin)
    project = f"/terraform/{backend.project}"
    state = state_of(1, "a", text="x" * size)
    assert sent(browser, f"{project}/import", state, workspace="default") == 302
    assert backend.ask("GET").data == state
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("main.tf", "# nothing\n")
        archive.writestr("large.bin", os.urandom(size))
    assert sent(browser, f"{project}/archive", packed.getvalue()) == 303
    assert [file["path"] for file in backend.api("GET", "/files").json["files"]] == ["large.bin", "main.tf"]


def test_what_is_over_the_limit_is_refused_in_words_and_nothing_of_it_is_kept(
    backend: Backend, app: Flask, admin: PersonMade
) -> None:
    before = runtime.settings()
    runtime.configure(before.model_copy(update={"state_max_bytes": 100_000}))
    try:
        state = state_of(1, "a", text="x" * 100_000)
        refused = backend.ask("POST", state)
        assert refused.status_code == 413
        assert "larger than 100,000 bytes" in refused.json["message"], refused.json
        browser = factories.sign_in(app.test_client(), admin)
        for more in (10, 100_000):  # the form as a whole is let through, and is not
            state = state_of(1, "a", text="x" * (100_000 + more))
            assert sent(browser, f"/terraform/{backend.project}/import", state, "MAX_BYTES", workspace="default") == 413
    finally:
        runtime.configure(before)
    assert factories.rows(TerraformStateFile) == []
