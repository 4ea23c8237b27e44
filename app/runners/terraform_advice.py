"""What to do about an error of terraform, where its own words do not say it: a sentence for people."""

from __future__ import annotations

import re

LOCK_SUMMARY = "Error acquiring the state lock"
_HELD = "already locked"  # in the detail of that error: it is held, and not out of reach
LOCKED = (
    "The state is locked by somebody else; the page of the workspace says by whom. Wait for the end; if nothing is "
    "under way there any more, unlock it there, then start this again."
)
_ADVICE = tuple(
    (re.compile(pattern), said)
    for pattern, said in (
        (
            r"(?i)remote state endpoint (requires|invalid) auth",
            "The platform did not take the token of this run: it had ended there, or its project is out of use.",
        ),
        (
            r"(?i)query available provider packages|failed to install provider|available releases match",
            "Workers install providers from the mirror (MILLWRIGHT_TERRAFORM_MIRROR) if there is one, else from their "
            "registries: put this provider there or let the workers reach it, or correct required_providers.",
        ),
        (
            r"(?i)no valid credential sources|InvalidClientTokenId|InvalidAccessKeyId|SignatureDoesNotMatch|AuthFailure"
            r"|UnrecognizedClient|ExpiredToken|AuthenticationFailed|invalid_grant|unauthorized|StatusCode: 40[13]"
            r"|status code: 40[13]|403 forbidden",
            "The provider found no credentials, or they were refused: see the environment of providers on the page "
            "Variables.",
        ),
        (
            r"(?i)unsupported (terraform|opentofu) core version",
            "Choose a version that these files allow on the project's page.",
        ),
        (r"(?i)saved plan is stale", "The state was changed after this plan was made. Plan again."),
        (
            r"(?i)(loading|refreshing|reading) (the )?state\b.*(refused|timeout|giving up)|remote state.*giving up",
            "The worker could not reach the platform's state: see that the platform runs and that "
            "MILLWRIGHT_INTERNAL_URL, else MILLWRIGHT_PUBLIC_URL, is right for workers, then start this again.",
        ),
        (r"\.(tf|tofu)(\.json)? line \d+", "Correct the file, then plan again."),
    )
)


def advice_for(message: str) -> str:
    """Return what to do about it; empty for what is not known, or says it by itself."""
    return next((said for pattern, said in _ADVICE if pattern.search(message)), "")


def about_lock(summary: str, detail: str, holder: str) -> str:
    """Return our words for a lock that somebody else holds; ``holder`` is a sentence that names them, or empty."""
    if summary != LOCK_SUMMARY or _HELD not in detail:
        return ""
    return f"{summary}. {holder or LOCKED}"
