"""What engines hand over besides lines: kept as pieces in the order of the spool, whole once the last one is there."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, insert, select, true

from app.core.db import db
from app.jobs.log_models import RunArtifact
from app.jobs.port import ArtifactPiece


def keep(tenant_id: int, run_id: int, pieces: Sequence[ArtifactPiece]) -> None:
    """Store pieces; part of the shipping unit of work, which takes care that each is stored once."""
    if not pieces:
        return
    db.session.execute(
        insert(RunArtifact),
        [
            {
                "tenant_id": tenant_id,
                "run_id": run_id,
                "name": piece.name,
                "piece": piece.number,
                "is_last": piece.is_last,
                "data": piece.data,
            }
            for piece in pieces
        ],
    )


def read(tenant_id: int, run_id: int, name: str) -> bytes | None:
    """Return an artifact of a run; None when there is none, or not all of it (its run was killed)."""
    rows = db.session.execute(
        select(RunArtifact.piece, RunArtifact.is_last, RunArtifact.data)
        .where(RunArtifact.tenant_id == tenant_id, RunArtifact.run_id == run_id, RunArtifact.name == name)
        .order_by(RunArtifact.piece)
    ).all()
    if not rows or not rows[-1].is_last:
        return None
    return b"".join(row.data for row in rows)


def exists(tenant_id: int, run_id: int, name: str) -> bool:
    """Say whether a run has handed this artifact over as a whole."""
    last = select(RunArtifact.id).where(
        RunArtifact.tenant_id == tenant_id,
        RunArtifact.run_id == run_id,
        RunArtifact.name == name,
        RunArtifact.is_last == true(),
    )
    return db.session.scalar(last.limit(1)) is not None


def remove(tenant_id: int, run_id: int, *names: str) -> None:
    """Remove artifacts of a run that nobody needs any more; without a name all of them."""
    statement = delete(RunArtifact).where(RunArtifact.tenant_id == tenant_id, RunArtifact.run_id == run_id)
    if names:
        statement = statement.where(RunArtifact.name.in_(names))
    db.session.execute(statement, execution_options={"synchronize_session": False})
