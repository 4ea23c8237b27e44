"""What every test can use; each module of tests/support says what its fixtures give."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# A loaded machine is slow; that says nothing about the code.
settings.register_profile("millwright", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("millwright")

pytest_plugins = [
    "tests.support.parts",
    "tests.support.databases",
    "tests.support.application",
    "tests.support.git_repositories",
    "tests.playbooks.git_project",
    "tests.support.hosts",
    "tests.support.old_engine",
    "tests.support.chroot_hosts",
    "tests.support.redis",
    "tests.support.stack",
    "tests.support.statements",
    "tests.support.terraform_mirror",
    "tests.support.cloud",
]
