"""States in S3 with DynamoDB, read by the real terraform from a server that speaks both protocols (moto)."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from app.tickets.models import Ticket
from tests import factories
from tests.terraform.elsewhere import SECRET, OwnTerraform, read, register, versions, where
from tests.terraform.house import Workshop
from tests.terraform.test_command_line import dump

BUCKET, TABLE, KEY = "acme-terraform", "terraform-locks", "network/terraform.tfstate"
ACCESS = {"access_key": "AKIAPLANTED4711EXAMP", "secret_key": "planted-secret-key-of-s3-4711"}
EVERYBODY = "inf"  # requests that moto takes without looking at their credentials


@dataclass
class Cloud:
    """A bucket and a table on this machine."""

    address: str

    def client(self, service: str) -> Any:
        """The vendor's client, as somebody else would look."""
        return boto3.client(
            service,
            endpoint_url=self.address,
            region_name="us-east-1",
            aws_access_key_id=ACCESS["access_key"],
            aws_secret_access_key=ACCESS["secret_key"],
        )

    def config(self, **changes: Any) -> dict[str, Any]:
        """Return what the platform is told."""
        services = {f"endpoint_{name}": self.address for name in ("s3", "dynamodb", "sts", "iam")}
        found = {"bucket": BUCKET, "key": KEY, "region": "us-east-1", "dynamodb_table": TABLE, "use_path_style": True}
        return {**found, **services, "skip_metadata_api_check": True, **ACCESS, **changes}

    def block(self) -> str:
        """Return the backend block of somebody who works there."""
        told = ", ".join(f'{name} = "{self.address}"' for name in ("s3", "dynamodb", "sts", "iam"))
        return f"""  backend "s3" {{
    bucket                  = "{BUCKET}"
    key                     = "{KEY}"
    region                  = "us-east-1"
    dynamodb_table          = "{TABLE}"
    use_path_style          = true
    skip_metadata_api_check = true
    access_key              = "{ACCESS["access_key"]}"
    secret_key              = "{ACCESS["secret_key"]}"
    endpoints               = {{ {told} }}
  }}"""

    def rows(self) -> list[Any]:
        """Return the table's rows: locks, and digests of states."""
        found: list[Any] = self.client("dynamodb").scan(TableName=TABLE)["Items"]
        return found

    def objects(self) -> list[tuple[str, str, Any]]:
        """Return key, digest and time of everything in the bucket."""
        listed = self.client("s3").list_objects_v2(Bucket=BUCKET).get("Contents", [])
        return [(one["Key"], one["ETag"], one["LastModified"]) for one in listed]

    def check_credentials(self, after: str) -> None:
        """Let so many requests more pass with any credentials."""
        request = urllib.request.Request(
            f"{self.address}/moto-api/reset-auth", after.encode(), {"Content-Type": "text/plain"}, method="POST"
        )
        urllib.request.urlopen(request, timeout=10).close()


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    """A server with an empty bucket and an empty table."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    found = Cloud(f"http://{host}:{port}")
    try:
        urllib.request.urlopen(
            urllib.request.Request(f"{found.address}/moto-api/reset", method="POST"), timeout=10
        ).close()
        found.client("s3").create_bucket(Bucket=BUCKET)
        found.client("dynamodb").create_table(
            TableName=TABLE,
            KeySchema=[{"AttributeName": "LockID", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "LockID", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        yield found
    finally:
        found.check_credentials(EVERYBODY)
        server.stop()


@pytest.fixture
def own(cloud: Cloud, tmp_path: Path) -> OwnTerraform:
    """Somebody whose state is in the bucket, locked by the table."""
    found = OwnTerraform(tmp_path / "own")
    found.declare(cloud.block())
    found.apply("a")
    return found


def test_a_state_in_s3_is_read_without_a_lock_and_without_a_trace(
    workshop: Workshop, cloud: Cloud, own: OwnTerraform
) -> None:
    register(workshop, backend="s3", backend_config=cloud.config())
    before = cloud.objects(), cloud.rows()
    assert [row["LockID"]["S"] for row in before[1]] == [f"{BUCKET}/{KEY}-md5"], "the digest, and no lock"
    done = read(workshop)
    assert done["status"] == "success", workshop.log(done)
    assert (cloud.objects(), cloud.rows()) == before
    own.apply("a", "b", "c")
    read(workshop)
    assert [(row["resources_count"], row["read_from"]) for row in versions(workshop)] == [
        (3, f"s3://{BUCKET}/{KEY}"),
        (1, f"s3://{BUCKET}/{KEY}"),
    ]
    kept = dump(workshop.app)
    for secret in (*ACCESS.values(), SECRET):
        assert secret.encode() not in kept
        assert secret not in workshop.log(done)
        assert secret not in str(where(workshop))


def test_it_is_read_while_somebody_holds_the_lock(workshop: Workshop, cloud: Cloud, own: OwnTerraform) -> None:
    register(workshop, backend="s3", backend_config=cloud.config())
    held = {"LockID": {"S": f"{BUCKET}/{KEY}"}, "Info": {"S": '{"ID": "x", "Who": "eve"}'}}
    cloud.client("dynamodb").put_item(TableName=TABLE, Item=held)
    assert read(workshop)["status"] == "success"
    assert held in cloud.rows()


def test_credentials_may_come_from_the_projects_environment(
    workshop: Workshop, cloud: Cloud, own: OwnTerraform
) -> None:
    config = {name: value for name, value in cloud.config().items() if name not in ACCESS}
    register(workshop, backend="s3", backend_config=config)
    assert "There are no credentials for it" in read(workshop)["error_message"]
    for name, value in zip(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), ACCESS.values(), strict=True):
        workshop.of_project("PUT", f"/environment/{name}", json={"value": value})
    assert read(workshop)["status"] == "success"


def test_what_is_wrong_there_is_said_and_opens_a_ticket(workshop: Workshop, cloud: Cloud, own: OwnTerraform) -> None:
    register(workshop, backend="s3", backend_config=cloud.config())

    def told(**changes: Any) -> str:
        config = cloud.config(**changes)
        workshop.of_project("PATCH", "/workspaces/shop/backend", json={"backend_config": config})
        done = read(workshop)
        assert done["status"] == "failed", workshop.log(done)
        said = str(where(workshop)["read_error"])
        assert ACCESS["secret_key"] not in said
        return said

    assert "There is no such bucket." in told(bucket="no-such-bucket")
    assert "There is no state there" in told(key="another/key")
    cloud.check_credentials("0")
    assert "The credentials are wrong" in told()
    cloud.check_credentials(EVERYBODY)
    assert "It was not reached" in told(endpoint_s3="http://127.0.0.1:9", endpoint_sts="http://127.0.0.1:9")
    assert factories.rows(Ticket)
    assert versions(workshop) == []


def test_what_does_not_match_its_digest_is_not_taken(workshop: Workshop, cloud: Cloud, own: OwnTerraform) -> None:
    register(workshop, backend="s3", backend_config=cloud.config())
    body = cloud.client("s3").get_object(Bucket=BUCKET, Key=KEY)["Body"].read()
    cloud.client("s3").put_object(Bucket=BUCKET, Key=KEY, Body=body.replace(b'"serial": ', b'"serial": 1'))
    done = read(workshop)
    assert "does not match its digest in DynamoDB" in str(done["error_message"]), workshop.log(done)
    assert versions(workshop) == []


def test_a_workspace_there_is_read_by_its_name(workshop: Workshop, cloud: Cloud, own: OwnTerraform) -> None:
    own.run("workspace", "new", "production")
    own.apply("a", "b")
    made = register(workshop, backend="s3", backend_config=cloud.config(remote_workspace="production"))
    assert made["location"] == f"s3://{BUCKET}/env:/production/{KEY}"
    assert read(workshop)["status"] == "success"
    assert versions(workshop)[0]["resources_count"] == 2
