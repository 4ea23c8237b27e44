"""Changing one's own e-mail address, which asks for the password: a stolen session must not take the account over."""

from __future__ import annotations

from app.accounts.identity import Origin
from app.accounts.password_check import confirm_password
from app.accounts.person_rules import check_email
from app.accounts.service_profile import set_own_email
from app.core.actor import Actor
from app.core.db import unit_of_work
from app.core.permissions import Permission, require
from app.core.tenancy import tenant_scope


def change_own_email(actor: Actor, email: str, current_password: str, origin: Origin) -> None:
    """Set a new address. Opens units of work of its own.

    Raises InvalidInput (fields ``email``, ``current_password``), Conflict when the address is taken.
    """
    require(actor, Permission.PROFILE_OWN)
    email = email.strip().lower()
    check_email(email)
    confirm_password(actor, current_password, origin, "user:update")
    with tenant_scope(actor.tenant_id), unit_of_work():
        set_own_email(actor, email=email)
