"""Sample contexts of the pages of values: a project's, and those of variable sets."""

from __future__ import annotations

from typing import Any

from app.terraform.models_variable_sets import Category
from app.terraform.queries_variable_sets import InForce, ProjectValues
from app.terraform.set_values import AppliedSet, Candidate
from tests.browser.sample_pages import listing, row
from tests.browser.sample_terraform import PROJECT, UUID
from tests.browser.sample_terraform_resources import ENVIRONMENT, VARIABLES
from tests.browser.samples import NOW, XSS, page


def _set(number: int, name: str, *, is_global: bool = False) -> Any:
    found = {"id": number, "uuid": UUID, "name": name, "description": XSS, "is_global": is_global}
    return row(**found, created_at=NOW, updated_at=NOW, version=1)


SETS = [_set(1, "AWS, staging"), _set(2, XSS, is_global=True), _set(3, "a" * 200)]


def _value(name: str, value: Any, category: Category = Category.TERRAFORM, *, sensitive: bool = False) -> Any:
    found = {"uuid": UUID, "name": name, "value": value, "category": category, "sensitive": sensitive}
    return row(**found, description=XSS, updated_at=NOW, version=1)


VALUES = [
    _value("region", "eu-central-1"),
    _value("zones", [XSS, 2]),
    _value("token", None, sensitive=True),
    _value("AWS_REGION", "eu-central-1", Category.ENVIRONMENT),
]


def _in_force(name: str, own: Any, *values: Any) -> InForce:
    return InForce(name, own, [Candidate(one, value) for one, value in zip(SETS, values, strict=False)])


class _OfProject(InForce):
    """A row of the project's own environment, which is no row of the database here."""

    @property
    def has_own_value(self) -> bool:
        """Whether the project has it."""
        return self.own is not None


def _variables(**changes: Any) -> dict[str, Any]:
    own = {found.name: found for found in VARIABLES}
    names = [_in_force(name, found, VALUES[0]) for name, found in own.items() if name not in ("zones", "password")]
    names += [_in_force("zones", own["zones"], VALUES[1], VALUES[1]), _in_force("password", own["password"], VALUES[0])]
    names += [
        _in_force("needed", row(**{**vars(own["zones"]), "name": "needed"})),
        _in_force("further", None, VALUES[2]),
    ]
    around = [_OfProject(found.name, found, []) for found in ENVIRONMENT]
    around += [_OfProject("CLOUD_REGION", None, [Candidate(SETS[0], VALUES[3])])]
    applied = [AppliedSet(SETS[0], True), AppliedSet(SETS[2], True), AppliedSet(SETS[1], False)]
    found = {"project": PROJECT, "values": ProjectValues(applied, names, around), "free": SETS[:1]}
    return {**found, "form": {}, "errors": {}, **changes}


page("terraform/variables", "terraform/variables.html")(_variables)
page("terraform/variables-empty", "terraform/variables.html")(
    lambda: _variables(
        values=ProjectValues([], [], []), free=[], form={"name": XSS}, errors={"name": ["It has a value."]}
    )
)
page("terraform/variable-sets", "terraform/variable_sets.html")(
    lambda: {"page": listing(SETS, 3), "counts": {1: (4, 2)}, "default_sort": "name"}
)
page("terraform/variable-sets-empty", "terraform/variable_sets.html")(lambda: {"page": listing([], 0), "counts": {}})
page("terraform/variable-set", "terraform/variable_set.html")(
    lambda: {"found": SETS[0], "variables": VALUES, "projects": [PROJECT], "others": [PROJECT]}
)
page("terraform/variable-set-empty", "terraform/variable_set.html")(
    lambda: {"found": SETS[1], "variables": [], "projects": [], "others": []}
)
page("terraform/variable-set-form", "terraform/variable_set_form.html")(
    lambda: {"found": SETS[1], "form": {}, "errors": {"name": ["This name is taken."]}}
)
page("terraform/set-variable-form", "terraform/set_variable_form.html")(
    lambda: {"found": SETS[0], "row": VALUES[2], "text": "", "is_json": False, "form": {}, "errors": {}}
)
page("terraform/set-variable-form-new", "terraform/set_variable_form.html")(
    lambda: {"found": SETS[0], "row": None, "text": "", "is_json": False, "form": {}, "errors": {"name": ["No name."]}}
)
