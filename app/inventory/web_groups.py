"""Pages of server groups: list, one group with its servers, add, edit, delete; a server's variables by origin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import yaml
from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from marshmallow import RAISE, ValidationError

from app.core.errors import AppError, Conflict, InvalidInput, NotFound
from app.core.flask_app import current_actor
from app.core.listing_export import PAGE_SIZE, export_format, export_rows
from app.core.pagination import Page
from app.core.permissions import Permission, require
from app.inventory import forms, group_names, queries, queries_groups, service_groups
from app.inventory.group_draft import GroupInput
from app.inventory.models_groups import ServerGroup
from app.inventory.schemas_groups import GroupEdit, GroupQuery

blueprint = Blueprint("server_groups", __name__, template_folder="templates")
COLUMNS = ("name", "description", "servers", "groups_inside", "inside_of", "variables", "priority", "updated_at")
NAMED = 5  # of unknown names in a message


def _query() -> dict[str, Any]:
    given = {name: value for name, value in request.args.items() if value != "" and name != "format"}
    try:
        found: dict[str, Any] = GroupQuery().load(given, unknown=RAISE)
    except ValidationError as error:
        raise InvalidInput("These filters cannot be used: correct the address or clear the filters.") from error
    return found


def _rows(groups: Sequence[ServerGroup]) -> list[dict[str, Any]]:
    actor = current_actor()
    nesting = queries_groups.read_nesting(actor.tenant_id)
    counts = queries_groups.count_members(actor, [group.id for group in groups])
    return [
        {
            "id": group.id,
            "name": group.name,
            "description": group.description,
            "servers": counts.get(group.id, 0),
            "groups_inside": nesting.sorted_names(nesting.children.get(group.id, ())),
            "inside_of": nesting.sorted_names(nesting.parents.get(group.id, ())),
            "variables": len(group.variables or {}),
            "priority": group.priority,
            "updated_at": group.updated_at,
        }
        for group in groups
    ]


@blueprint.get("/server-groups")
def index() -> str:
    """List groups by name."""
    query, actor = _query(), current_actor()
    page = queries_groups.list_groups(
        actor,
        text=query.get("q"),
        page=query["page"],
        page_size=query["page_size"],
        after=query.get("after"),
        sort=query.get("sort"),
    )
    everybody = queries_groups.view_all(actor)
    return render_template(
        "inventory/groups.html",
        page=page.with_items(_rows(page.items)),
        everybody=len((everybody.variables if everybody else None) or {}),
        default_sort="name",
    )


@blueprint.get("/server-groups/export")
def export() -> Response:
    """Give the filtered list as CSV or JSON lines."""
    query, actor = _query(), current_actor()

    def fetch(after: int | None) -> Page[ServerGroup]:
        return queries_groups.list_groups(
            actor, text=query.get("q"), page_size=PAGE_SIZE, after=after, sort=query.get("sort")
        )

    form = export_format(request.args.get("format"))
    return export_rows(fetch, _rows, COLUMNS, name="server-groups", form=form)


@blueprint.get("/server-groups/<int:group_id>")
def group(group_id: int) -> str:
    """Show one group: what is in it, what it is in, its servers and variables."""
    actor = current_actor()
    found = queries_groups.get_group(actor, group_id)
    nesting = queries_groups.read_nesting(actor.tenant_id)
    nested = request.args.get("nested") == "1"
    number = request.args.get("page", "1")
    page = queries_groups.list_members(
        actor,
        nesting.below([found.id]) if nested else {found.id},
        page=int(number) if number.isascii() and number.isdigit() and 0 < int(number[:6]) <= 10_000 else 1,
        after=request.args.get("after", type=int),
    )
    return render_template(
        "inventory/group.html",
        group=found,
        page=page,
        nested=nested,
        children=_links(nesting, nesting.children.get(found.id, ())),
        parents=_links(nesting, nesting.parents.get(found.id, ())),
        is_plain=group_names.is_plain(found.name),
    )


def _links(nesting: queries_groups.Nesting, ids: Sequence[int]) -> list[tuple[int, str]]:
    return sorted(((key, nesting.names[key]) for key in ids), key=lambda pair: pair[1])


def _text_of(variables: dict[str, Any] | None) -> str:
    return yaml.safe_dump(variables, sort_keys=False, allow_unicode=True) if variables else ""


def _form_page(found: ServerGroup | None, error: AppError | None = None) -> ResponseReturnValue:
    actor = current_actor()
    nesting = queries_groups.read_nesting(actor.tenant_id)
    own = found.id if found else None
    form: dict[str, Any] = request.form.to_dict() if error else {}
    chosen = {
        name: request.form.getlist(name) if error else [str(key) for key in edges.get(own or 0, ())]
        for name, edges in (("child_ids", nesting.children), ("parent_ids", nesting.parents))
    }
    errors = {name: list(said) for name, said in error.errors.items()} if error else {}
    if error and not errors:
        errors = {"_form": [error.message]}
    page = render_template(
        "inventory/group_form.html",
        group=found,
        form=form,
        errors=errors,
        chosen=chosen,
        choices=[(key, name) for key, name in queries_groups.group_choices(actor) if key != own],
        variables_text=_text_of(found.variables if found else None),
    )
    return page, error.status if error else 200


def _read_form() -> tuple[GroupInput, int | None]:
    form = request.form
    given: dict[str, Any] = {
        "name": form.get("name", "").strip(),
        "description": form.get("description", "").strip() or None,
        "variables": forms.read_variables(form.get("variables", "")),
    }
    for name in ("priority", "version"):
        text = form.get(name, "").strip()
        if text:
            given[name] = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else text
    for name in ("child_ids", "parent_ids"):
        words = form.getlist(name)
        given[name] = [int(word) if word.isascii() and word.isdigit() and len(word) < 11 else word for word in words]
    try:
        loaded = GroupEdit().load(given)
    except ValidationError as error:
        messages = cast(dict[str, Any], error.messages)
        raise InvalidInput(**{name: forms.first_sentence(said) for name, said in messages.items()}) from error
    version: int | None = loaded.pop("version", None)
    return cast(GroupInput, loaded), version


@blueprint.route("/server-groups/new", methods=["GET", "POST"])
def group_new() -> ResponseReturnValue:
    """Add a group."""
    actor = current_actor()
    require(actor, Permission.SERVER_EDIT)
    if request.method == "GET":
        return _form_page(None)
    try:
        given, _version = _read_form()
        made = service_groups.create_group(actor, given)
    except (InvalidInput, Conflict, NotFound) as error:
        return _form_page(None, error)
    flash(f"The group {made.name} was added. Put servers into it next.", "success")
    return redirect(url_for(".group", group_id=made.id))


@blueprint.route("/server-groups/<int:group_id>/edit", methods=["GET", "POST"])
def group_edit(group_id: int) -> ResponseReturnValue:
    """Edit a group."""
    actor = current_actor()
    require(actor, Permission.SERVER_EDIT)
    found = queries_groups.get_group(actor, group_id)
    if request.method == "GET":
        return _form_page(found)
    try:
        given, version = _read_form()
        service_groups.update_group(actor, group_id, given, version=version)
    except (InvalidInput, Conflict, NotFound) as error:
        return _form_page(found, error)
    flash(f"The group {found.name} was saved.", "success")
    return redirect(url_for(".group", group_id=group_id))


@blueprint.route("/server-groups/all", methods=["GET", "POST"])
def everybody() -> ResponseReturnValue:
    """The variables of every server; administrators change them."""
    actor = current_actor()
    found = queries_groups.view_all(actor)
    errors: dict[str, list[str]] = {}
    status = 200
    if request.method == "POST":
        require(actor, Permission.SERVER_ADMIN)
        text = request.form.get("version", "")
        version = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
        try:
            variables = forms.read_variables(request.form.get("variables", ""))
            service_groups.set_all_variables(actor, variables, version=version)
        except (InvalidInput, Conflict) as error:
            errors, status = {name: list(said) for name, said in error.errors.items()}, error.status
            errors = errors or {"_form": [error.message]}
        else:
            flash("The variables of all servers were saved.", "success")
            return redirect(url_for(".everybody"))
    page = render_template(
        "inventory/group_all.html",
        version=found.version if found else 0,
        variables=(found.variables if found else None) or {},
        variables_text=_text_of(found.variables if found else None),
        form=request.form.to_dict() if errors else {},
        errors=errors,
    )
    return page, status


@blueprint.post("/server-groups/<int:group_id>/delete")
def group_delete(group_id: int) -> ResponseReturnValue:
    """Delete a group, after a question that says what it affects."""
    actor = current_actor()
    require(actor, Permission.SERVER_EDIT)
    found = queries_groups.get_group(actor, group_id)
    if request.form.get("confirmed") != "1":
        count = queries_groups.count_members(actor, [found.id]).get(found.id, 0)
        return render_template(
            "confirm.html",
            title=f"Delete the group {found.name}?",
            message=f"{count} servers lose it and its {len(found.variables or {})} variables; playbooks that name it "
            "find no such group any more. The servers and the groups inside it stay.",
            expected_name=None,
            action=url_for(".group_delete", group_id=group_id),
            hidden={"version": found.version},
            action_label="Delete",
            back_url=url_for(".group", group_id=group_id),
        )
    version = request.form.get("version", type=int)
    service_groups.delete_group(actor, group_id, version=version)
    flash(f"The group {found.name} was deleted.", "success")
    return redirect(url_for(".index"))


@blueprint.post("/server-groups/<int:group_id>/members")
def members(group_id: int) -> ResponseReturnValue:
    """Put servers into the group by name, or take the ticked ones out."""
    actor = current_actor()
    require(actor, Permission.SERVER_EDIT)
    queries_groups.get_group(actor, group_id)
    words = request.form.get("names", "").replace(",", " ").lower().split()
    add, missing = queries_groups.find_named_servers(actor, words) if words else ([], [])
    remove = request.form.getlist("remove_server_ids", type=int)
    added, removed = service_groups.change_members(actor, group_id, add=add, remove=remove)
    if missing:
        more = f" and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
        flash(f"No active server is named {', '.join(name[:60] for name in missing[:NAMED])}{more}.", "warning")
    if added or removed:
        said = [f"{count} {'server' if count == 1 else 'servers'} {verb}" for count, verb in
                ((added, "put in"), (removed, "taken out")) if count]  # fmt: skip
        flash(", ".join(said) + ".", "success")
    elif not missing:
        flash("Nothing changed: name servers, or tick some.", "info")
    return redirect(url_for(".group", group_id=group_id))


@blueprint.get("/servers/<int:server_id>/variables")
def server_variables(server_id: int) -> str:
    """Show a server's groups, and every variable it has in a run with where it comes from."""
    actor = current_actor()
    server = queries.get_server(actor, server_id)
    nesting = queries_groups.read_nesting(actor.tenant_id)
    direct = queries_groups.memberships(actor.tenant_id, [server.id]).get(server.id, [])
    found = queries_groups.effective_variables(actor, server)
    return render_template(
        "inventory/server_variables.html",
        server=server,
        direct=_links(nesting, direct),
        inherited=_links(nesting, sorted(nesting.above(direct) - set(direct))),
        automatic=group_names.automatic_groups(server.tags, server.environment),
        variables=[
            {"name": name, "value": origin.value, "source": origin.source, "hidden": origin.hidden}
            for name, origin in found.items()
        ],
        group_ids={name: key for key, name in nesting.names.items()},
    )
