"""Reads of playbooks and projects. Every one starts from ``scoped``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from sqlalchemy import ColumnElement, String, cast, exists, false, func, not_, or_, select, true

from app.accounts.models import User
from app.core.actor import Actor, Role
from app.core.db import db
from app.core.errors import NotFound
from app.core.pagination import COUNT_CAP, Page, paginate
from app.core.permissions import Permission, require
from app.core.searching import begins
from app.core.sorting import SortKeys
from app.core.tenancy import scoped
from app.jobs.models import Job, Launch
from app.playbooks.models import Playbook, PlaybookApproval, PlaybookProject, ProjectSource

KIND = "ansible"  # job kind of playbook launches
SUBJECT = "playbook"  # subject_type of their launches
MAXIMUM_ID = 2**31 - 1
PLAYBOOK_SORT = SortKeys("-id", {"id": Playbook.id, "name": Playbook.name})


def get_playbook(actor: Actor, playbook_id: int) -> Playbook:
    """Return one playbook, active or not; NotFound when it is unknown or another tenant's."""
    known = 0 < playbook_id <= MAXIMUM_ID  # beyond it a driver may overflow
    found = db.session.scalar(scoped(actor, Playbook).where(Playbook.id == playbook_id)) if known else None
    if found is None:
        raise NotFound("The playbook")
    return found


def view_playbook(actor: Actor, playbook_id: int) -> Playbook:
    """As ``get_playbook``, for showing it."""
    require(actor, Permission.PLAYBOOK_VIEW)
    return get_playbook(actor, playbook_id)


def get_project(actor: Actor, project_uuid: str) -> PlaybookProject:
    """Return one project by UUID; NotFound when it is unknown or another tenant's."""
    require(actor, Permission.PLAYBOOK_VIEW)
    found = db.session.scalar(scoped(actor, PlaybookProject).where(PlaybookProject.uuid == project_uuid))
    if found is None:
        raise NotFound("The project")
    return found


def sample_project(actor: Actor) -> PlaybookProject | None:
    """Return the adopted sample project, None before."""
    return db.session.scalar(
        scoped(actor, PlaybookProject).where(PlaybookProject.source == ProjectSource.SAMPLE).limit(1)
    )


def project_of(actor: Actor, playbook: Playbook) -> PlaybookProject:
    """Return the project that a playbook lies in."""
    return db.session.scalars(scoped(actor, PlaybookProject).where(PlaybookProject.id == playbook.project_id)).one()


def _is_small(actor: Actor) -> bool:
    ids = select(Playbook.id).where(Playbook.tenant_id == actor.tenant_id).limit(COUNT_CAP + 1).subquery()
    return (db.session.scalar(select(func.count()).select_from(ids)) or 0) <= COUNT_CAP


def _has_tag(tag: str) -> ColumnElement[bool]:
    """Tags are a JSON list; the databases keep its text with characters beyond ASCII as they are or escaped."""
    texts = {json.dumps(tag), json.dumps(tag, ensure_ascii=False)}
    return or_(*(cast(Playbook.tags, String).contains(text, autoescape=True) for text in sorted(texts)))


def _is_approved() -> ColumnElement[bool]:
    return exists().where(
        PlaybookApproval.tenant_id == Playbook.tenant_id,
        PlaybookApproval.playbook_id == Playbook.id,
        PlaybookApproval.manifest_hash == Playbook.manifest_hash,
        PlaybookApproval.file_hash == Playbook.file_hash,
        PlaybookApproval.revoked_at.is_(None),
    )


def list_playbooks(
    actor: Actor,
    *,
    q: str | None = None,
    active: bool | None = True,
    project_id: int | None = None,
    tag: str | None = None,
    approved: bool | None = None,
    sort: str | None = None,
    page: int = 1,
    page_size: int = 50,
    after: int | None = None,
) -> Page[Playbook]:
    """Return playbooks, newest first or by ``sort`` (PLAYBOOK_SORT).

    ``q`` is looked for in name, description and file path; beyond COUNT_CAP playbooks only at the beginning of the
    name, where an index finds it. ``approved`` asks for the approval of the present content.
    """
    require(actor, Permission.PLAYBOOK_VIEW)
    statement = scoped(actor, Playbook)
    if active is not None:
        statement = statement.where(Playbook.is_active == active)
    if project_id is not None:
        statement = statement.where(Playbook.project_id == project_id)
    if tag:
        statement = statement.where(_has_tag(tag))
    if approved is not None:
        statement = statement.where(_is_approved() if approved else not_(_is_approved()))
    if q and not _is_small(actor):
        statement = statement.where(begins(Playbook.name, q))
    elif q:
        columns = (Playbook.name, Playbook.description, Playbook.file_path)
        statement = statement.where(or_(*(column.contains(q, autoescape=True) for column in columns)))
    return paginate(statement, Playbook.id, page=page, page_size=page_size, after=after, sort=PLAYBOOK_SORT.pick(sort))


def list_projects(
    actor: Actor,
    *,
    q: str | None = None,
    source: str | None = None,
    engine: str | None = None,
    page: int = 1,
    page_size: int = 50,
    after: int | None = None,
) -> Page[PlaybookProject]:
    """Return projects, newest first; ``q`` is looked for in the name."""
    require(actor, Permission.PLAYBOOK_VIEW)
    statement = scoped(actor, PlaybookProject)
    if q:
        statement = statement.where(PlaybookProject.name.contains(q, autoescape=True))
    if source:
        statement = statement.where(PlaybookProject.source == ProjectSource(source))
    if engine:
        statement = statement.where(PlaybookProject.engine == engine)
    return paginate(statement, PlaybookProject.id, page=page, page_size=page_size, after=after)


def projects_by_id(actor: Actor, ids: Iterable[int]) -> dict[int, PlaybookProject]:
    """Return projects by id."""
    statement = scoped(actor, PlaybookProject).where(PlaybookProject.id.in_(set(ids)))
    return {row.id: row for row in db.session.scalars(statement)}


def playbooks_by_id(actor: Actor, ids: Iterable[int]) -> dict[int, Playbook]:
    """Return playbooks by id."""
    wanted = set(ids)
    if not wanted:
        return {}
    return {row.id: row for row in db.session.scalars(scoped(actor, Playbook).where(Playbook.id.in_(wanted)))}


def playbooks_by_project(actor: Actor, project_ids: Iterable[int]) -> dict[int, list[Playbook]]:
    """Return the active playbooks of some projects by project id (one query, at most 1,000 rows)."""
    wanted = set(project_ids)
    found: dict[int, list[Playbook]] = {project_id: [] for project_id in wanted}
    if not wanted:
        return found
    statement = scoped(actor, Playbook).where(Playbook.project_id.in_(wanted), Playbook.is_active == true())
    for row in db.session.scalars(statement.order_by(Playbook.project_id, Playbook.name).limit(1000)):
        found[row.project_id].append(row)
    return found


def list_approvals(
    actor: Actor,
    *,
    playbook_id: int | None = None,
    project_id: int | None = None,
    kind: str | None = None,
    revoked: bool | None = None,
    page: int = 1,
    page_size: int = 50,
    after: int | None = None,
) -> Page[PlaybookApproval]:
    """Return approvals of any content, newest row first; withdrawn ones too unless ``revoked`` is False."""
    require(actor, Permission.PLAYBOOK_VIEW)
    statement = scoped(actor, PlaybookApproval)
    if playbook_id is not None:
        statement = statement.where(PlaybookApproval.playbook_id == playbook_id)
    if project_id is not None:
        own = select(Playbook.id).where(Playbook.tenant_id == actor.tenant_id, Playbook.project_id == project_id)
        statement = statement.where(PlaybookApproval.playbook_id.in_(own))
    if kind:
        statement = statement.where(PlaybookApproval.kind == kind)
    if revoked is not None:
        withdrawn = PlaybookApproval.revoked_at.is_not(None)
        statement = statement.where(withdrawn if revoked else PlaybookApproval.revoked_at.is_(None))
    return paginate(statement, PlaybookApproval.id, page=page, page_size=page_size, after=after)


def approver_names(actor: Actor, limit: int = 3) -> list[str]:
    """Return the names of some people who may approve content, for a sentence."""
    return list(
        db.session.scalars(
            select(User.username)
            .where(
                User.tenant_id == actor.tenant_id,
                User.role == Role.ADMIN,
                User.is_active == true(),
                User.is_system == false(),
            )
            .order_by(User.username)
            .limit(limit)
        )
    )


def search_playbooks(actor: Actor, text: str, limit: int = 8) -> Sequence[Playbook]:
    """Return active playbooks whose name contains ``text``, by name; for the command palette."""
    require(actor, Permission.PLAYBOOK_VIEW)
    if not text.strip():
        return []
    return db.session.scalars(
        scoped(actor, Playbook)
        .where(Playbook.is_active == true(), Playbook.name.contains(text, autoescape=True))
        .order_by(Playbook.name)
        .limit(max(1, min(limit, 20)))
    ).all()


def approvals_of(actor: Actor, playbooks: Sequence[Playbook]) -> dict[int, PlaybookApproval]:
    """Return the approval of the present content by playbook id; without one (or withdrawn) it is missing."""
    wanted = {playbook.id: (playbook.manifest_hash, playbook.file_hash) for playbook in playbooks}
    if not wanted:
        return {}
    rows = db.session.scalars(
        scoped(actor, PlaybookApproval).where(
            PlaybookApproval.playbook_id.in_(wanted), PlaybookApproval.revoked_at.is_(None)
        )
    )
    return {row.playbook_id: row for row in rows if (row.manifest_hash, row.file_hash) == wanted[row.playbook_id]}


def approval_of(actor: Actor, playbook: Playbook) -> PlaybookApproval | None:
    """Return the approval of the playbook's present content, None when it may not run."""
    return approvals_of(actor, [playbook]).get(playbook.id)


def last_approval(actor: Actor, playbook: Playbook) -> PlaybookApproval | None:
    """Return the newest approval of any content of a playbook that was not withdrawn; what a diff compares with."""
    return db.session.scalar(
        scoped(actor, PlaybookApproval)
        .where(PlaybookApproval.playbook_id == playbook.id, PlaybookApproval.revoked_at.is_(None))
        .order_by(PlaybookApproval.created_at.desc(), PlaybookApproval.id.desc())
        .limit(1)
    )


def user_names(actor: Actor, ids: Sequence[int]) -> dict[int, str]:
    """Return user names by id."""
    rows = db.session.execute(
        select(User.id, User.username).where(User.tenant_id == actor.tenant_id, User.id.in_(ids))
    ).all()
    return {row.id: row.username for row in rows}


def recent_launches(actor: Actor, playbook: Playbook, limit: int = 10) -> Sequence[Launch]:
    """Return the newest launches of a playbook."""
    return db.session.scalars(
        scoped(actor, Launch)
        .where(Launch.subject_type == SUBJECT, Launch.subject_id == playbook.id)
        .order_by(Launch.id.desc())
        .limit(limit)
    ).all()


def has_jobs(actor: Actor, playbook: Playbook) -> bool:
    """Say whether any job ever ran, or is to run, this playbook."""
    return (
        db.session.scalar(scoped(actor, Job).with_only_columns(Job.id).where(Job.playbook_id == playbook.id).limit(1))
        is not None
    )
