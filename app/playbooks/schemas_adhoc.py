"""Shapes of running one module, shared by the page and the REST API."""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, fields

from app.core.schemas import Schema, Strict
from app.playbooks import adhoc
from app.playbooks.launch_options import LaunchOptions, options_from
from app.playbooks.schemas import NewLaunchSchema, text


def _text_or_object(value: Any) -> None:
    if not isinstance(value, str | dict):
        raise ValidationError(f"Give text or an object. {adhoc.ADVICE}")
    if isinstance(value, str) and len(value) > adhoc.MAXIMUM_BYTES:
        raise ValidationError(f"At most {adhoc.MAXIMUM_BYTES // 1024} KiB.")


class AdhocLaunchSchema(NewLaunchSchema):
    """POST /adhoc-launches and the page: as a launch, with a module in place of a playbook."""

    class Meta(Strict.Meta):
        """Marshmallow's options."""

        exclude = ("playbook_id", "extra_vars", "tags", "skip_tags")

    module = text(1, 200, required=True, metadata={"description": "Of the allow-list.", "example": "ping"})
    arguments = fields.Raw(
        load_default="",
        validate=_text_or_object,
        metadata={
            "description": "name=value text or an object. Text, never templates; no secrets: they are shown.",
            "example": {"name": "nginx", "state": "started"},
        },
    )
    become = fields.Boolean(load_default=False, metadata={"description": "Become root, or the server's become user."})


class AdhocModuleSchema(Schema):
    """A module that the caller may run."""

    name = fields.String()
    reads_only = fields.Boolean(metadata={"description": "It changes nothing and shares the servers."})


class NoQuerySchema(Strict):
    """No query parameters."""


def to_adhoc_options(data: dict[str, Any]) -> LaunchOptions:
    """Return the options of loaded AdhocLaunchSchema data."""
    return options_from(data)
