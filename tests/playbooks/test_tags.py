"""Tags of playbooks: words for filtering, checked wherever they come from."""

from __future__ import annotations

from typing import Any

import pytest

from app.core.errors import InvalidInput
from app.playbooks import queries, service_content
from tests.playbooks.conftest import GOOD, House


@pytest.mark.database
@pytest.mark.parametrize("wrong", [["x" * 51], [""], ["a,b"], ["a\nb"], [7], "web", ["x"] * 51, {"a": 1}])
def test_tags_of_a_playbook_are_checked_and_canonical(house: House, wrong: Any) -> None:
    with house.unit():
        made = service_content.upload_playbook(
            house.admin, name="Greet", file_name="site.yml", data=GOOD, tags=[" web ", "demo", "web"]
        )
        assert made.tags == ["demo", "web"]
        number = made.id
    with pytest.raises(InvalidInput) as caught, house.unit():
        service_content.edit_playbook(house.admin, number, {"tags": wrong})
    assert "tags" in caught.value.errors
    with house.unit():
        assert queries.get_playbook(house.admin, number).tags == ["demo", "web"]
