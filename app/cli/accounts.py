"""``flask first-start`` and ``flask user ...``: people without a browser."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec

import click
from flask import Flask
from flask.cli import AppGroup, with_appcontext

from app.accounts import queries_users, service_users
from app.accounts.first_start import one_time_password, system_actor
from app.accounts.passwords import prepare_password
from app.accounts.sign_in import normal_username
from app.accounts.trail import DEFAULT_TENANT
from app.core.actor import Actor, Role, Via
from app.core.db import unit_of_work
from app.core.errors import AppError
from app.core.tenancy import tenant_scope

Arguments = ParamSpec("Arguments")
users = AppGroup("user", help="Add people, reset passwords, change roles, deactivate.")
ROLES = click.Choice([role.value for role in Role])


def _said_plainly(command: Callable[Arguments, None]) -> Callable[Arguments, None]:
    """Turn an expected error into one line and exit code 1."""

    @wraps(command)
    def run(*args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except AppError as error:
            fields = [text for texts in error.errors.values() for text in texts]
            raise click.ClickException(" ".join(fields) or error.message) from error

    return run


def _as_operator(act: Callable[[Actor], Any]) -> None:
    with unit_of_work(writes=False):
        user_id = system_actor(DEFAULT_TENANT).user_id
    if user_id is None:
        raise click.ClickException("Nobody is here yet. Run `flask first-start` first.")
    actor = Actor(DEFAULT_TENANT, user_id, Role.ADMIN, "system", Via.CLI)
    with tenant_scope(DEFAULT_TENANT), unit_of_work():
        act(actor)


def _id_of(actor: Actor, name: str) -> int:
    return queries_users.find_user(actor, name).id


@users.command("create")
@click.argument("username")
@click.option("--email", required=True, help="Unique over the whole platform.")
@click.option("--role", type=ROLES, default=Role.VIEWER.value, show_default=True)
@_said_plainly
def create(username: str, email: str, role: str) -> None:
    """Add a person to the default tenant and print a one-time password."""
    clear = one_time_password()
    password = prepare_password(clear, username=username)
    name = normal_username(username)
    _as_operator(
        lambda actor: service_users.create_user(actor, username=name, email=email, role=Role(role), password=password)
    )
    click.echo(f"{name} can sign in once with the password {clear} and chooses an own one then.")


@users.command("set-password")
@click.argument("username")
@_said_plainly
def set_password(username: str) -> None:
    """Give a person a one-time password; all of their sessions end."""
    clear = one_time_password()
    password = prepare_password(clear, username=username)
    name = normal_username(username)
    _as_operator(lambda actor: service_users.reset_password(actor, _id_of(actor, name), password=password))
    click.echo(f"{name} can sign in once with the password {clear} and chooses an own one then.")


@users.command("deactivate")
@click.argument("username")
@_said_plainly
def deactivate(username: str) -> None:
    """Refuse a person everywhere from now on, with sessions and keys."""
    name = normal_username(username)
    _as_operator(lambda actor: service_users.edit_user(actor, _id_of(actor, name), {"is_active": False}))
    click.echo(f"{name} is deactivated.")


@users.command("set-role")
@click.argument("username")
@click.argument("role", type=ROLES)
@_said_plainly
def set_role(username: str, role: str) -> None:
    """Change what a person may do; all of their sessions end."""
    name = normal_username(username)
    _as_operator(lambda actor: service_users.edit_user(actor, _id_of(actor, name), {"role": Role(role)}))
    click.echo(f"{name} is {role} now.")


@users.command("reactivate")
@click.argument("username")
@_said_plainly
def reactivate(username: str) -> None:
    """Let a deactivated person sign in again; earlier keys stay revoked."""
    name = normal_username(username)
    _as_operator(lambda actor: service_users.edit_user(actor, _id_of(actor, name), {"is_active": True}))
    click.echo(f"{name} is active again.")


@users.command("unlock")
@click.argument("username")
@_said_plainly
def unlock(username: str) -> None:
    """Forget the failed tries that keep a person from signing in."""
    name = normal_username(username)
    _as_operator(lambda actor: service_users.unlock_user(actor, _id_of(actor, name)))
    click.echo(f"{name} may try again.")


@users.command("platform-admin")
@click.argument("username")
@click.option("--remove", is_flag=True, help="Take it away again.")
@_said_plainly
def platform_admin(username: str, remove: bool) -> None:
    """Let a person administer the platform's tenants; all of their sessions and keys end."""
    name = normal_username(username)
    _as_operator(lambda actor: service_users.set_platform_admin(actor, _id_of(actor, name), granted=not remove))
    click.echo(f"{name} is {'no longer a' if remove else 'a'} platform administrator.")


@click.command("first-start")
@with_appcontext
def first_start() -> None:
    """Make the first administrator, and what the default tenant must have; safe to repeat."""
    from app.wiring import first_start as run

    made = run()
    if made is None:
        click.echo("The platform has people already; nothing was changed for them.")
        return
    click.echo(f"User name:          {made.username}")
    click.echo(f"One-time password:  {made.password}")
    click.echo("It is shown only now. Sign in and choose an own one.")


def register(app: Flask) -> None:
    """Add the commands."""
    app.cli.add_command(users)
    app.cli.add_command(first_start)
