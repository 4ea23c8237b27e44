"""Prices that people maintain: what instances cost by them, per instance and per project."""

from __future__ import annotations

from typing import Any

import pytest

from app.core.actor import Role
from app.terraform.infrastructure_facts import kept_address, region_of, tags_of
from app.terraform.models_infrastructure import ResourcePrice
from app.terraform.prices import price_of
from app.terraform.regions import is_odd
from app.terraform.schemas_infrastructure import money
from tests import factories
from tests.terraform.conftest import Backend
from tests.terraform.test_infrastructure import WEB, follow_all, instance, listed, push, state

MICRO = {"type": "aws_instance", "attribute": "instance_type", "value": "t3.micro", "price_per_hour": 0.0104}


@pytest.fixture
def backend(backend: Backend, app_context: Any) -> Backend:
    """The backend, with workers in this process."""
    return backend


def ask(backend: Backend, method: str, path: str = "", code: int = 200, **body: Any) -> Any:
    """Call the API of prices."""
    options: dict[str, Any] = {"json": body} if body else {}
    answer = backend.app.test_client().open(
        f"/api/v1/infrastructure/prices{path}", method=method, headers=factories.bearer(backend.key), **options
    )
    assert answer.status_code == code, answer.get_data(as_text=True)
    return answer.json if answer.get_data() else None


def costs(backend: Backend) -> list[Any]:
    follow_all()
    return [row["cloud_status"]["cost_per_hour"] for row in listed(backend, sort="address")]


def total(backend: Backend) -> Any:
    return backend.api("GET", "/costs").json


@pytest.mark.database
def test_instances_cost_what_the_price_that_says_most_of_them_says(backend: Backend) -> None:
    other = instance(id="i-2", instance_type="m5.large", region="us-east-1")
    push(backend, state(1, aws_instance__a=[other], aws_instance__web=[WEB], aws_vpc__x=[instance(id="vpc-1")]))
    assert costs(backend) == [None, None, None]
    made = ask(backend, "POST", "", 201, **MICRO)
    assert made["price_per_hour"] == "0.0104" and costs(backend) == [None, "0.0104", None]
    ask(backend, "POST", "", 201, type="aws_instance", price_per_hour=0.5)
    assert costs(backend) == ["0.50", "0.0104", None]
    here = ask(
        backend, "POST", "", 201, **{**MICRO, "region": "eu-central-1", "price_per_hour": 0.012, "currency": "EUR"}
    )
    assert costs(backend) == ["0.50", "0.012", None]
    assert total(backend) == [
        {"currency": "EUR", "cost_per_hour": "0.012", "count": 1},
        {"currency": "USD", "cost_per_hour": "0.50", "count": 1},
    ]
    ask(backend, "PATCH", f"/{here['id']}", price_per_hour=1, version=1)
    assert costs(backend) == ["0.50", "1.00", None]
    ask(backend, "DELETE", f"/{here['id']}", 204)
    assert costs(backend) == ["0.50", "0.0104", None]
    push(backend, state(2, aws_instance__web=[WEB]))
    assert total(backend) == [{"currency": "USD", "cost_per_hour": "0.0104", "count": 1}], "what is gone costs nothing"


@pytest.mark.database
def test_bad_prices_are_refused_with_the_field_and_stale_edits_with_a_conflict(backend: Backend) -> None:
    for field, wrong in (
        ("type", "Instance"),
        ("type", "ä_b"),
        ("region", "eu-nowhere-9"),
        ("price_per_hour", -1),
        ("price_per_hour", 2_000_000),
        ("currency", "usd"),
        ("value", ""),
        ("attribute", "ä"),
        ("nothing", 1),
    ):
        said = ask(backend, "POST", "", 422, **{**MICRO, field: wrong})
        assert field in str(said["errors"]), said
    made = ask(backend, "POST", "", 201, **MICRO)
    assert ask(backend, "POST", "", 409, **MICRO)["error"] == "name_taken"
    ask(backend, "PATCH", f"/{made['id']}", value="t3.small", version=1)
    ask(backend, "PATCH", f"/{made['id']}", 409, value="t3.large", version=1)
    assert [row["value"] for row in ask(backend, "GET")] == ["t3.small"]
    assert len(factories.rows(ResourcePrice)) == 1


@pytest.mark.database
def test_prices_and_instances_are_a_tenants_own(backend: Backend, as_other: Any) -> None:
    push(backend, state(1, aws_instance__web=[WEB]))
    made = ask(backend, "POST", "", 201, **MICRO)
    (row,) = listed(backend)
    stranger = as_other(Role.ADMIN, elsewhere=True)
    assert ask(stranger, "GET") == [] == listed(stranger)
    ask(stranger, "PATCH", f"/{made['id']}", 404, value="t3.small")
    path = f"/api/v1/infrastructure/resources/{row['id']}"
    headers = factories.bearer(stranger.key)
    assert backend.app.test_client().get(path, headers=headers).status_code == 404
    ask(as_other(Role.VIEWER), "POST", "", 403, **MICRO)


@pytest.mark.parametrize(
    ("attributes", "region"),
    [
        ({"region": "eu-west-1", "arn": "arn:aws:s3:us-east-1:1:x"}, "eu-west-1"),
        ({"arn": "arn:aws-cn:ec2:cn-north-1:1:vpc/x"}, "cn-north-1"),
        ({"arn": "arn:aws:s3:::bucket", "availability_zone": "us-west-2b"}, "us-west-2"),
        ({"location": "West Europe"}, "westeurope"),
        ({"zone": "europe-west3-b"}, "europe-west3"),
        ({"zone": "somewhere"}, None),
        ({"region": "(sensitive value)"}, None),
        ({"region": 7}, None),
    ],
)
def test_regions_are_read_from_what_attributes_say(attributes: dict[str, Any], region: str | None) -> None:
    assert region_of(attributes) == region


def test_a_region_that_the_list_has_not_is_odd_and_an_unknown_provider_never_is() -> None:
    assert is_odd("aws_instance", "eu-nowhere-9") and not is_odd("aws_instance", "eu-central-1")
    assert is_odd("google_compute_instance", "eu-central-1") and not is_odd("azurerm_subnet", "westeurope")
    assert not is_odd("hcloud_server", "nbg1") and not is_odd("aws_instance", None)


def test_hidden_tags_are_left_out_and_long_addresses_stay_apart() -> None:
    assert tags_of({"tags": {"a": "1", "b": "(sensitive value)", "c": None, "d": 4}, "tags_all": "x"}) == {
        "a": "1",
        "d": "4",
    }
    one, other = (kept_address(f"aws_vpc.{'ü' * 400}{end}") for end in "ab")
    assert one != other and len(one) <= 700 and one.isascii()


def test_money_has_the_digits_that_it_needs() -> None:
    assert [money(x) for x in (0.0104, 1.0, 12.5, 0.000001, None)] == ["0.0104", "1.00", "12.50", "0.000001", None]
    assert price_of([], {}, None) is None
