"""Pages of saved launches: list, one of them, its form, rights. ``routes`` adds them to the slice's blueprint."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.core.actor import Role
from app.core.db import db
from app.core.edit_version import typed_version
from app.core.errors import AppError, InvalidInput
from app.core.flask_app import current_actor
from app.core.listing_export import PAGE_SIZE, export_format, export_rows
from app.core.permissions import Permission, require
from app.jobs import listings, references
from app.jobs import queries as job_queries
from app.jobs.queries import LaunchFilter
from app.playbooks import queries, queries_saved, saved_rights, service, service_grants, service_saved
from app.playbooks.declarations import VariableType, parse_specs
from app.playbooks.form_fields import form_fields
from app.playbooks.models import Playbook
from app.playbooks.models_saved import GrantAct, SavedLaunch
from app.playbooks.queries_saved import SavedFilter
from app.playbooks.saved_inputs import ASKABLE, VARIABLE, selection_from
from app.playbooks.saved_listing import saved_rows
from app.playbooks.schemas_saved import SavedQuery
from app.playbooks.service_saved import SavedInput
from app.playbooks.targets import choices_with
from app.playbooks.web_forms import errors_for_form, from_inputs, load, typed_values
from app.playbooks.web_saved_form import read_saved_form

COLUMNS = (
    *("uuid", "name", "description", "playbook_name", "owner_name", "tags", "ask", "is_active", "runs_30d"),
    *("success_rate", "usual_seconds", "last_status", "last_launched_at", "created_at", "updated_at"),
)


def _query(*without: str) -> dict[str, Any]:
    given = {name: value for name, value in request.args.items() if value and name not in without}
    return load(SavedQuery(), given)


def _paging(query: dict[str, Any]) -> dict[str, Any]:
    return {name: query.pop(name) for name in ("page", "page_size", "after")}


def saved_launches() -> str:
    """List saved launches."""
    actor = current_actor()
    query = _query()
    paging, sort = _paging(query), query.pop("sort", None)
    page = queries_saved.list_saved(actor, SavedFilter(**query), sort=sort, **paging)
    return render_template(
        "playbooks/saved_launches.html",
        page=page.with_items(saved_rows(actor, page.items)),
        tags=[(tag, tag) for tag in queries_saved.tags_in_use(actor)],
        default_sort=queries_saved.SORT_KEYS.default,
    )


def saved_export() -> Response:
    """Download the saved launches that the filters leave."""
    actor = current_actor()
    form, query = export_format(request.args.get("format")), _query("format")
    _paging(query)
    sort = query.pop("sort", None)
    return export_rows(
        lambda after: queries_saved.list_saved(
            actor, SavedFilter(**query), sort=sort, after=after, page_size=PAGE_SIZE
        ),
        lambda rows: saved_rows(actor, rows),
        COLUMNS,
        name="saved-launches",
        form=form,
    )


def saved_launch(saved_uuid: Any) -> str:
    """Show one saved launch: what it does, what it asks for, its history, who may press it."""
    actor = current_actor()
    found = queries_saved.get_saved(actor, str(saved_uuid))
    playbook = queries.get_playbook(actor, found.playbook_id)
    page = job_queries.list_launches(actor, LaunchFilter(origin_uuid=found.uuid), page_size=20)
    selection = selection_from(found.selection)
    servers = queries_saved.hostnames(actor, selection.server_ids[:50])
    may_grant = saved_rights.may_grant(actor, found)
    return render_template(
        "playbooks/saved_launch.html",
        saved=saved_rows(actor, [found])[0],
        is_approved=queries.approval_of(actor, playbook) is not None and playbook.is_active,
        selection=selection,
        servers=servers,
        asked=_asked(found, playbook),
        launches=listings.launch_rows(page.items),
        grants=queries_saved.grants_of(actor, found),
        may_grant=may_grant,
        people=queries_saved.people(actor) if may_grant else [],
        teams=queries_saved.teams(actor) if may_grant else [],
        roles=[role.value for role in Role],
    )


def _asked(saved: SavedLaunch, playbook: Playbook) -> list[str]:
    labels = {spec.name: spec.label or spec.name for spec in parse_specs(playbook.variable_specs)}
    return [
        ASKABLE.get(word) or labels.get(word.removeprefix(VARIABLE), word.removeprefix(VARIABLE)) for word in saved.ask
    ]


def saved_new() -> ResponseReturnValue:
    """Make one: from nothing, from the launch form (``act=save``), or from a past launch (``from_launch``)."""
    actor = current_actor()
    require(actor, Permission.SAVED_LAUNCH_EDIT)
    past = request.values.get("from_launch") or None
    wish = service_saved.wish_from_launch(actor, past) if past else None
    number = wish["playbook_id"] if wish else request.values.get("playbook_id", type=int)
    if number is None:
        choices = queries.list_playbooks(actor, page_size=100).items
        return render_template("playbooks/saved_choose.html", playbooks=choices)
    playbook = queries.get_playbook(actor, number)
    kept = service.secrets_of_launch(service.get_launch(actor, past)).keys() if past else ()
    specs = parse_specs(playbook.variable_specs)
    if request.method == "GET" or request.form.get("act") == "save":
        form: dict[str, Any] = {}
        if wish:
            inputs = {**wish["options"], "extra_vars": wish["extra_vars"]}
            form = from_inputs(inputs, wish["selection"].server_ids)
        elif request.method == "POST":
            form = typed_values(specs, request.form)
        form.setdefault("name", "")
        return _form_page(playbook, form=form, kept=kept, from_launch=past)

    def act() -> SavedLaunch:
        data = read_saved_form(playbook, request.form)
        return service_saved.create_saved(actor, SavedInput(playbook_id=playbook.id, **data), secrets_of=past)

    return _try(act, playbook, "Saved. It can be launched with one press now.", kept=kept, from_launch=past)


def saved_edit(saved_uuid: Any) -> ResponseReturnValue:
    """Change a saved launch."""
    actor = current_actor()
    require(actor, Permission.SAVED_LAUNCH_EDIT)
    found = queries_saved.get_saved(actor, str(saved_uuid))
    saved_rights.require_edit(actor, found)
    playbook = queries.get_playbook(actor, found.playbook_id)
    kept = found.secret_names or ()
    if request.method == "GET":
        selection = selection_from(found.selection)
        form = from_inputs({**found.options, "extra_vars": found.variables}, selection.server_ids)
        form |= {"name": found.name, "description": found.description or "", "labels": ", ".join(found.tags or [])}
        form |= {"groups": list(selection.groups), "tags": list(selection.tags), "ask": found.ask}
        form |= {"environment": selection.environment or "", "limit": selection.limit or ""}
        return _form_page(playbook, form=form, kept=kept, saved=found)

    def act() -> SavedLaunch:
        data = read_saved_form(playbook, request.form)
        return service_saved.edit_saved(actor, found.uuid, data, version=typed_version())

    return _try(act, playbook, "Saved.", kept=kept, saved=found)


def _try(act: Callable[[], SavedLaunch], playbook: Playbook, said: str, **page: Any) -> ResponseReturnValue:
    try:
        with db.session.begin_nested():  # a refused form leaves nothing half done although it is shown again
            made = act()
    except AppError as error:
        if error.status not in (404, 409, 422):
            raise
        typed = typed_values(parse_specs(playbook.variable_specs), request.form)
        typed["ask"] = request.form.getlist("ask")
        return _form_page(playbook, form=typed, errors=errors_for_form(error), **page), error.status
    flash(said, "success")
    return redirect(url_for("playbooks.saved_launch", saved_uuid=made.uuid), 303)


def _form_page(playbook: Playbook, *, form: dict[str, Any], kept: Any, **more: Any) -> str:
    actor = current_actor()
    specs = parse_specs(playbook.variable_specs)
    secrets = {spec.name for spec in specs if spec.type is VariableType.SECRET}
    choices, left_out = choices_with(actor, [int(x) for x in form.get("server_ids") or () if str(x).isdigit()])
    optional = [{**field, "required": False} for field in form_fields(specs, playbook.variables or {}, kept=kept)]
    return render_template(
        "playbooks/saved_form.html",
        playbook={"id": playbook.id, "name": playbook.name},
        fields=optional,
        references=references.offered(actor),
        askable=[*ASKABLE.items(), *((VARIABLE + spec.name, spec.label or spec.name) for spec in specs)],
        secret_names=sorted(secrets),
        left_out=left_out,
        selected=[],
        form=form,
        **{"saved": None, "from_launch": None, **more},
        **choices,
    )


def saved_copy(saved_uuid: Any) -> ResponseReturnValue:
    """Copy it, then show the copy's form."""
    made = service_saved.copy_saved(current_actor(), str(saved_uuid))
    flash("This is the copy. Give it its own name.", "success")
    return redirect(url_for("playbooks.saved_edit", saved_uuid=made.uuid), 303)


def saved_remove(saved_uuid: Any) -> ResponseReturnValue:
    """Take it out of use; one that was never launched is deleted."""
    gone = service_saved.remove_saved(current_actor(), str(saved_uuid), version=typed_version())
    flash("Deleted." if gone else "Deactivated. Its history stays.", "success")
    return redirect(url_for("playbooks.saved_launches"), 303)


def saved_activate(saved_uuid: Any) -> ResponseReturnValue:
    """Take it back into use."""
    service_saved.edit_saved(current_actor(), str(saved_uuid), {"is_active": True}, version=typed_version())
    flash("Active again.", "success")
    return redirect(url_for("playbooks.saved_launch", saved_uuid=saved_uuid), 303)


def saved_mark(saved_uuid: Any) -> ResponseReturnValue:
    """Set or take away one's own mark."""
    service_saved.mark_favourite(current_actor(), str(saved_uuid), request.form.get("marked") == "1")
    back = "playbooks.saved_launches" if request.form.get("back") == "list" else "playbooks.saved_launch"
    values = {} if back.endswith("launches") else {"saved_uuid": saved_uuid}
    return redirect(url_for(back, **values), 303)


def saved_grant(saved_uuid: Any) -> ResponseReturnValue:
    """Give a right; ``to`` is user:<id>, team:<uuid> or role:<name>."""
    require(current_actor(), Permission.SAVED_LAUNCH_EDIT)
    kind, _, value = request.form.get("to", "").partition(":")
    act = request.form.get("act", "")
    try:
        to: dict[str, Any] = {"user_id": int(value)} if kind == "user" else {"team_uuid": value}
        to = {"role": Role(value)} if kind == "role" else to
        service_grants.grant(current_actor(), str(saved_uuid), act=GrantAct(act), **to)
    except ValueError:
        raise InvalidInput(to="Choose who gets the right, and which.") from None
    except InvalidInput as error:
        flash(" ".join(text for texts in error.errors.values() for text in texts), "error")
        return redirect(url_for("playbooks.saved_launch", saved_uuid=saved_uuid, _anchor="rights"), 303)
    flash("The right is given.", "success")
    return redirect(url_for("playbooks.saved_launch", saved_uuid=saved_uuid, _anchor="rights"), 303)


def saved_revoke(saved_uuid: Any, grant_id: int) -> ResponseReturnValue:
    """Take a right back."""
    service_grants.revoke_grant(current_actor(), str(saved_uuid), grant_id)
    flash("The right is taken back.", "success")
    return redirect(url_for("playbooks.saved_launch", saved_uuid=saved_uuid, _anchor="rights"), 303)


def routes(blueprint: Blueprint) -> None:
    """Add the pages to the slice's blueprint."""
    one = "/saved-launches/<uuid:saved_uuid>"
    views: tuple[tuple[str, Callable[..., Any], list[str]], ...] = (
        ("/saved-launches", saved_launches, ["GET"]),
        ("/saved-launches/export", saved_export, ["GET"]),
        ("/saved-launches/new", saved_new, ["GET", "POST"]),
        (one, saved_launch, ["GET"]),
        (f"{one}/edit", saved_edit, ["GET", "POST"]),
        (f"{one}/copy", saved_copy, ["POST"]),
        (f"{one}/remove", saved_remove, ["POST"]),
        (f"{one}/activate", saved_activate, ["POST"]),
        (f"{one}/mark", saved_mark, ["POST"]),
        (f"{one}/grants", saved_grant, ["POST"]),
        (f"{one}/grants/<int:grant_id>/revoke", saved_revoke, ["POST"]),
    )
    for path, view, methods in views:
        blueprint.add_url_rule(path, view_func=view, methods=methods)
