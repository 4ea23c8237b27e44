"""Teams: who is in one, and what else a team is."""

from __future__ import annotations

import pytest
from flask import Flask

from app.accounts.models_teams import Team, TeamMember
from app.accounts.queries_teams import teams_of
from app.core.actor import Actor
from app.core.db import db, unit_of_work
from app.core.tenancy import tenant_scope
from tests import factories
from tests.factories import PersonMade


def make_team(person: PersonMade, name: str, *, is_active: bool = True) -> int:
    with factories.context(), tenant_scope(person.tenant_id), unit_of_work():
        team = Team(tenant_id=person.tenant_id, name=name, is_active=is_active)
        db.session.add(team)
        db.session.flush()
        db.session.add(TeamMember(tenant_id=person.tenant_id, team_id=team.id, user_id=person.id))
        return team.id


@pytest.mark.database
def test_a_person_is_in_the_active_teams_that_hold_them(app: Flask) -> None:
    tenant = factories.make_tenant("Default")
    ada, bob = factories.make_person(tenant.id), factories.make_person(tenant.id)
    web, _gone, other = make_team(ada, "web"), make_team(ada, "gone", is_active=False), make_team(bob, "network")
    with app.app_context(), tenant_scope(tenant.id), unit_of_work(writes=False):
        assert teams_of(ada.actor) == [web]
        assert teams_of(bob.actor) == [other]
        assert teams_of(Actor.system(tenant.id)) == []
