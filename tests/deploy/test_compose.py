"""What ``docker compose up`` would start. No container engine runs here: the files are read, the secrets are made."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import sqlalchemy as sa
import yaml

from config import Settings
from tests.support.databases import ROOT, TestDatabase, run_flask
from tests.support.environment import process_environment, settings_environment

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = sorted(name for name, service in SERVICES.items() if service["image"] == "millwright")


@pytest.fixture(scope="module")
def init_secrets() -> ModuleType:
    spec = importlib.util.spec_from_file_location("init_secrets", ROOT / "deploy" / "init_secrets.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _settings_from(secrets: Path, service: dict[str, Any]) -> Settings:
    values = {}
    for name, value in service["environment"].items():
        if name.startswith("MILLWRIGHT_") and name.endswith("_FILE"):
            path = secrets / Path(value).relative_to("/secrets")
            values[name.removeprefix("MILLWRIGHT_").removesuffix("_FILE").lower()] = path.read_text(encoding="ascii")
    return Settings(**values)


@pytest.mark.parametrize("name", ["web", "worker", "keeper", "migrate", "first-start"])
def test_each_process_gets_settings_that_load(name: str, init_secrets: ModuleType, tmp_path: Path) -> None:
    assert init_secrets.main(tmp_path) == 0
    settings = _settings_from(tmp_path, SERVICES[name])
    assert settings.database_url.startswith("mysql+pymysql://millwright_app:")
    known = {f"MILLWRIGHT_{field.upper()}{suffix}" for field in Settings.model_fields for suffix in ("", "_FILE")}
    given = {variable for variable in SERVICES[name]["environment"] if variable.startswith("MILLWRIGHT_")}
    assert given <= known


def test_secrets_are_made_once_and_each_is_another(init_secrets: ModuleType, tmp_path: Path) -> None:
    assert init_secrets.main(tmp_path) == 0
    first = {path: path.read_bytes() for path in tmp_path.glob("*/*")}
    assert init_secrets.main(tmp_path) == 0
    assert {path: path.read_bytes() for path in tmp_path.glob("*/*")} == first
    random = [word for text in first.values() for word in set(re.findall(r"[0-9a-f]{64}", text.decode()))]
    # Each account's password stands in a URL and in the SQL file, Redis' in three files; the rest stands once.
    assert len(set(random)) == 5 + 3 + 1 + 1
    assert all(path.stat().st_mode & 0o222 == 0 for path in first if path.name != ".complete")
    assert {path.stat().st_mode & 0o077 for path in first if path.parent.name in ("app", "migrate")} <= {0, 0o044}


def test_half_a_set_of_secrets_is_never_completed(
    init_secrets: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert init_secrets.main(tmp_path) == 0
    (tmp_path / "app" / ".complete").unlink()
    before = (tmp_path / "app" / "audit_key").read_bytes()
    assert init_secrets.main(tmp_path) == 1
    assert (tmp_path / "app" / "audit_key").read_bytes() == before
    assert "backup" in capsys.readouterr().err


def test_nothing_secret_stands_in_the_compose_file() -> None:
    for name, service in SERVICES.items():
        for variable, value in (service.get("environment") or {}).items():
            if re.search(r"KEY|PEPPER|PASSWORD|DATABASE_URL|REDIS_URL", variable):
                assert str(value).startswith("/secrets/"), f"{name}: {variable}"


@pytest.mark.parametrize("name", OURS)
def test_our_containers_run_without_privileges(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert not service.get("privileged")
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert re.findall(r"^USER (\S+)", dockerfile, re.MULTILINE)[-1] == "10001:10001"


@pytest.mark.parametrize("name", ["web", "worker", "keeper"])
def test_the_application_never_sees_the_schema_accounts_password(name: str) -> None:
    folders = {mount.split(":")[0] for mount in SERVICES[name]["volumes"]}
    assert folders == {"secrets-app", "data"}
    assert "MILLWRIGHT_MIGRATION_DATABASE_URL_FILE" not in SERVICES[name]["environment"]


def test_every_volume_and_service_that_is_named_exists() -> None:
    for service in SERVICES.values():
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            assert (ROOT / source).exists() if source.startswith("./") else source in COMPOSE["volumes"]
        assert set(service.get("depends_on", {})) <= set(SERVICES)


def test_the_databases_are_reached_from_inside_alone() -> None:
    assert "ports" not in SERVICES["mysql"]
    assert "ports" not in SERVICES["redis"]
    assert SERVICES["web"]["ports"] == ["${MILLWRIGHT_LISTEN:-127.0.0.1:8000}:8000"]


@pytest.mark.database
def test_the_three_accounts_of_an_installation_can_do_their_work_and_no_more(
    bare_database: TestDatabase, init_secrets: ModuleType, tmp_path: Path
) -> None:
    server = bare_database.server
    if server is None:
        return  # SQLite has no accounts
    assert init_secrets.main(tmp_path) == 0
    statements = (tmp_path / "mysql" / "accounts.sql").read_text(encoding="ascii").split(";\n")
    server.execute("DROP DATABASE IF EXISTS millwright", *(s for s in statements if s.strip()))
    try:
        urls = {
            name: (tmp_path / path).read_text(encoding="ascii").replace("@mysql:3306", f"@127.0.0.1:{server.port}")
            for name, path in (("app", "app/database_url"), ("migrator", "migrate/database_url"))
        }
        settings = {"MILLWRIGHT_MIGRATION_DATABASE_URL": urls["migrator"]}
        environment = process_environment({**settings_environment(urls["app"], tmp_path / "data"), **settings})
        for command in (["db", "upgrade"], ["db", "grants", "--apply"]):
            done = run_flask(environment, *command)
            assert done.returncode == 0, done.stdout + done.stderr
        engine = sa.create_engine(urls["app"])
        with engine.begin() as connection:
            connection.execute(sa.text("SELECT COUNT(*) FROM audit_logs"))
            connection.execute(sa.text("UPDATE users SET role = role"))
        for statement in ("DELETE FROM audit_logs", "UPDATE audit_logs SET seq = 1", "DROP TABLE tickets"):
            with pytest.raises(sa.exc.OperationalError, match="denied"), engine.begin() as connection:
                connection.execute(sa.text(statement))
        engine.dispose()
    finally:
        server.execute(
            "DROP DATABASE millwright", *(f"DROP USER 'millwright_{n}'@'%'" for n in ("migrator", "app", "archiver"))
        )


def test_the_first_start_program_needs_nothing_but_python() -> None:
    text = (ROOT / "deploy" / "init_secrets.py").read_text(encoding="utf-8")
    imported = set(re.findall(r"^(?:import|from) (\w+)", text, re.MULTILINE))
    assert imported <= sys.stdlib_module_names
