"""A cloud on this machine: moto's server speaks the API of AWS, as a process of its own with nothing behind it.

cloud.url                        what AWS_ENDPOINT_URL is set to
cloud.client("ec2", "eu-west-1") the vendor's own client, as somebody else would look
cloud.instances("eu-west-1")     the instances that there are
cloud.calls()                    what terraform asked for, with whose key and where
"""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.support.processes import Process, free_port, start, wait_until

IMAGE = "ami-12c6146b"  # one of those that moto has from the start


@dataclass(frozen=True)
class Credentials:
    """What somebody signs in with. ``token`` is empty for those of a user."""

    key_id: str
    secret: str
    token: str = ""


@dataclass(frozen=True)
class Call:
    """One request of terraform's provider: ``action`` as policies name it (ec2:RunInstances)."""

    action: str
    key_id: str
    region: str


_SIGNED = re.compile(r"Credential=([^/]+)/\d+/([^/]+)/([^/]+)/")


def new_credentials() -> Credentials:
    """Credentials of the account that moto gives to whoever it does not know, as random as real ones."""
    return Credentials("AKIA" + secrets.token_hex(8).upper(), secrets.token_hex(20))


class Cloud:
    """One mock of AWS, in memory."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._record = folder / "calls"
        around = {
            **os.environ,
            "MOTO_ENABLE_RECORDING": "1",
            "MOTO_RECORDER_FILEPATH": str(self._record),
            **environment,
        }
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
        self.process: Process = start(command, name="moto", log=folder / "moto.log", env=around)
        wait_until(self._answers, 60, "the mock of AWS")

    def _answers(self) -> bool:
        assert self.process.running, self.process.output()
        try:
            urllib.request.urlopen(f"{self.url}/moto-api/", timeout=2).close()
        except OSError:
            return False
        return True

    def client(self, service: str, region: str = "eu-central-1", credentials: Credentials | None = None) -> Any:
        """A client of one service, as an own user unless said otherwise."""
        who = credentials or new_credentials()
        return boto3.client(
            service,
            region_name=region,
            endpoint_url=self.url,
            aws_access_key_id=who.key_id,
            aws_secret_access_key=who.secret,
            aws_session_token=who.token or None,
        )

    def other_account(self, account: str) -> Credentials:
        """Credentials of another account, by a role in it."""
        role = f"arn:aws:iam::{account}:role/platform"
        given = self.client("sts").assume_role(RoleArn=role, RoleSessionName="platform")["Credentials"]
        return Credentials(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])

    def instances(self, region: str) -> list[dict[str, Any]]:
        """Instances that are not terminated."""
        found = self.client("ec2", region).describe_instances()["Reservations"]
        every = [one for reservation in found for one in reservation["Instances"]]
        return [one for one in every if one["State"]["Name"] != "terminated"]

    def calls(self) -> list[Call]:
        """Every request of terraform's provider so far, in its order."""
        found = []
        for line in self._record.read_text(encoding="utf-8").splitlines():
            entry = json.loads(line)
            headers = {name.lower(): value for name, value in entry["headers"].items()}
            signed = _SIGNED.search(headers.get("authorization", ""))
            if signed is None or "terraform" not in headers.get("user-agent", "").lower():
                continue
            body = base64.b64decode(entry["body"]).decode() if entry["body_encoded"] else entry["body"]
            action = urllib.parse.parse_qs(body).get("Action", ["?"])[0]
            found.append(Call(f"{signed[3]}:{action}", signed[1], signed[2]))
        return found


@pytest.fixture
def closed_cloud(tmp_path: Path) -> Iterator[Cloud]:
    """A cloud that knows nobody: every key is a wrong one."""
    made = Cloud(tmp_path, INITIAL_NO_AUTH_ACTION_COUNT="0")
    yield made
    made.process.stop()


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    """A cloud with nothing in it."""
    made = Cloud(tmp_path)
    yield made
    made.process.stop()
