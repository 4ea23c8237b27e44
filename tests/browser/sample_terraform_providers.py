"""Sample contexts of the pages of providers."""

from __future__ import annotations

from typing import Any

from tests.browser.sample_pages import row
from tests.browser.sample_terraform import PROJECT
from tests.browser.samples import NOW, XSS, page


def _settings(**changes: Any) -> Any:
    found = {"region": "us-west-2", "configuration": {"max_retries": 5, "default_tags": {}}, "updated_at": NOW}
    return row(**{**found, "credential_names": ["access_key", "secret_key"], "version": 3, **changes})


INSTANCES = [
    row(
        instance="aws",
        is_declared=True,
        declared=row(version="~> 5.0", region=f"${{var.region}} {XSS}"),
        settings=None,
    ),
    row(instance="aws.west", is_declared=True, declared=row(version=None, region="eu-west-1"), settings=_settings()),
    row(
        instance="hcloud",
        is_declared=False,
        declared=None,
        settings=_settings(region=None, configuration=None, credential_names=["token"]),
    ),
    row(instance="random", is_declared=False, declared=row(version="3.7.2", region=None), settings=None),
]


def _form(**changes: Any) -> dict[str, Any]:
    found = {"project": PROJECT, "instance": "aws.west", "row": INSTANCES[1].settings, "why_none": ""}
    found |= {"names": ("access_key", "secret_key", "token"), "configuration": '{\n  "max_retries": 5\n}'}
    return {**found, "form": {}, "errors": {}, **changes}


page("terraform/providers", "terraform/providers.html")(
    lambda: {"project": PROJECT, "instances": INSTANCES, "form": {}, "errors": {}}
)
page("terraform/providers-empty", "terraform/providers.html")(
    lambda: {"project": PROJECT, "instances": [], "form": {}, "errors": {}}
)
page("terraform/provider-form", "terraform/provider_form.html")(_form)
page("terraform/provider-form-errors", "terraform/provider_form.html")(
    lambda: _form(
        row=None,
        form={"region": XSS, "configuration": "{"},
        errors={"configuration": ["This is no JSON."], "credentials": ["AWS needs access_key and secret_key."]},
    )
)
page("terraform/provider-form-without", "terraform/provider_form.html")(
    lambda: _form(instance="homemade.one", row=None, names=(), why_none="How it finds its credentials is unknown.")
)
