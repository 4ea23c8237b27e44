"""Asks for readings of configurations, in the transaction that makes them due."""

from __future__ import annotations

from sqlalchemy import update

from app.core import queue
from app.core.db import db
from app.terraform.models_files import TerraformRevision

READ = "terraform.read_configuration"


def read_soon(revision: TerraformRevision) -> None:
    """Ring for a new revision once it is committed."""
    queue.send_after_commit(READ, revision_id=revision.id)


def read_again(tenant_id: int, revision_id: int) -> None:
    """Make a revision due again, because it is now looked at differently; ring once that is committed."""
    db.session.execute(
        update(TerraformRevision)
        .where(TerraformRevision.tenant_id == tenant_id, TerraformRevision.id == revision_id)
        .values(read_at=None, read_attempts=0, read_after=None)
        .execution_options(synchronize_session=False)
    )
    queue.send_after_commit(READ, revision_id=revision_id)
