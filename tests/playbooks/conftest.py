"""A tenant with people in it, and servers to launch on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pytest
from flask import Flask

from app.accounts.models import Tenant, User
from app.core.actor import Actor, Role, Via
from app.core.db import db, unit_of_work
from app.core.tenancy import system_scope, tenant_scope
from app.inventory.models import Connection, Server, ServerTag

GOOD = b"""---
- name: Greet
  hosts: all
  gather_facts: false
  tasks:
    - name: Say it
      ansible.builtin.debug:
        msg: "{{ greeting | default('hello') }}"
"""


@dataclass
class House:
    """One tenant and its three people, with units of work that act in it."""

    tenant_id: int
    admin: Actor
    operator: Actor
    viewer: Actor

    @contextmanager
    def unit(self) -> Iterator[None]:
        """A unit of work inside the tenant."""
        with tenant_scope(self.tenant_id), unit_of_work():
            yield

    def add_server(self, hostname: str, **values: object) -> int:
        """A server; returns its id."""
        tags = values.get("tags") or []
        with self.unit():
            server = Server(tenant_id=self.tenant_id, hostname=hostname, ip_address="192.0.2.1", **values)
            db.session.add(server)
            db.session.flush()
            for tag in tags:  # type: ignore[attr-defined]
                db.session.add(ServerTag(tenant_id=self.tenant_id, server_id=server.id, tag=tag))
            return server.id


def make_house(name: str) -> House:
    with system_scope("test"), unit_of_work():
        tenant = Tenant(name=name, slug=name)
        db.session.add(tenant)
        db.session.flush()
        users = {}
        for role in Role:
            user = User(
                tenant_id=tenant.id,
                username=f"{name}-{role}",
                email=f"{role}@{name}.example",
                password_hash="none",
                role=role,
            )
            db.session.add(user)
            users[role] = user
        db.session.flush()
        actors = {
            role: Actor(tenant_id=tenant.id, user_id=user.id, role=role, label=user.username, via=Via.SESSION)
            for role, user in users.items()
        }
        return House(tenant.id, actors[Role.ADMIN], actors[Role.OPERATOR], actors[Role.VIEWER])


@pytest.fixture
def house(app_context: Flask) -> House:
    """A tenant with an admin, an operator and a viewer."""
    return make_house("house")


@pytest.fixture
def neighbour(house: House) -> House:
    """Another tenant."""
    return make_house("neighbour")


def with_scopes(actor: Actor, *scopes: str) -> Actor:
    """The actor through a key of these scopes."""
    return replace(actor, via=Via.API_KEY, scopes=frozenset(scopes))


__all__ = ["GOOD", "Connection", "House", "make_house", "with_scopes"]
