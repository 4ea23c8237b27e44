"""What may differ from the rules, each with its reason. A line that is no longer needed fails the tests."""

from __future__ import annotations

# Service functions that do not begin with ``require(actor, ...)``: "module.function" -> why.
SERVICES_WITHOUT_REQUIRE: dict[str, str] = {
    "app.audit.service.record": "called by services after their own require; recording is never refused",
    "app.audit.service.record_refusal": "records that a permission was refused; asking for one would hide it",
    "app.audit.service.savepoint": "a context manager around another rule: it acts for nobody by itself",
    "app.playbooks.service.secrets_of_launch": "opens a row that its caller has loaded for an actor with the right",
    "app.jobs.service.secret_context": "names what a secret is bound to: a pure function of the run's ids",
}

# Modules outside app/core that commit or roll back themselves: "module" -> why.
COMMITTERS: dict[str, str] = {
    "app.jobs.database_port": "begin() takes back its own claim when a job was cancelled meanwhile; it commits nothing",
}

# Files over 400 lines: "path" -> why. Meant to stay empty.
LONG_FILES: dict[str, str] = {
    "app/runners/ansible_plugins/COPYING": "the text of a licence, which is not ours to shorten",
}
