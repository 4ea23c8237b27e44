"""One application and one database for all histories of a process, with every edge replaced."""

from __future__ import annotations

import functools
import logging
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask import Flask

from simulation import clocks, database, remember
from simulation.stage import stage
from simulation.world import Host

MEMORY = Path("/dev/shm")  # noqa: S108 - a memory disk; the folder in it is made by mkdtemp
PREFIX = "millwright-simulation-"
SERVERS = ("a", "b", "c")
LEASE_SECONDS = 20


def new_folder() -> Path:
    """Make a folder on the memory disk, or where temporary files lie; remove those of processes that were killed."""
    parent = MEMORY if MEMORY.is_dir() else Path(tempfile.gettempdir())
    for left in parent.glob(f"{PREFIX}*"):
        pid = left.name.removeprefix(PREFIX).partition("-")[0]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists():
            shutil.rmtree(left, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=parent))


def migrate() -> None:
    """Bring the database of the present application to the newest schema."""
    import flask_migrate

    flask_migrate.upgrade(str(Path(__file__).resolve().parents[1] / "migrations"))
    logging.disable(logging.CRITICAL)


class House:
    """The stage's furniture: application, database, hosts' settings, a tenant with three servers."""

    def __init__(self, template: Path | None = None, folder: Path | None = None) -> None:
        """``template`` is a migrated SQLite file to copy; made here when it is not given."""
        self.folder = folder or new_folder()
        self.folder.mkdir(exist_ok=True)
        self.path = self.folder / "simulation.db"
        if template is not None:
            database.copy(str(template), str(self.path))
        self._is_migrated = template is not None
        self.app = self._application()
        _replace_edges(self.app)
        self.outside: database.Outside
        self.tenant_id = self.user_id = self.playbook_id = 0
        self._furnish()
        self.outside = database.Outside(str(self.path))

    def copy_to(self, target: Path) -> None:
        """Store the database as a template for other houses."""
        self.outside.copy_to(str(target))

    def close(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def settings(self, **changes: Any) -> Any:
        """Settings on this database; ``changes`` by field."""
        from config import Settings

        keys = ("secret_key", "api_key_pepper", "password_pepper", "audit_key", "master_key")
        return Settings(
            **{
                "database_url": f"sqlite:///{self.path}",
                "redis_url": "redis://127.0.0.1:1/0",
                "data_dir": self.folder / "data",
                "lease_seconds": LEASE_SECONDS,
                "lock_ageing_seconds": 20,
                "drain_seconds": 3,
                "minimum_free_bytes": 0,
                "bcrypt_rounds": 4,
                "public_url": "http://localhost",
                # Keys of a database that lives for minutes and holds nothing.
                **{name: str(number) * 64 for number, name in enumerate(keys, 1)},
                **changes,
            },
        )

    @functools.cache  # noqa: B019 - one house for a process's life
    def host(self, name: str, self_fence: int) -> Any:
        """Settings of a host: its own name and folders."""
        made = self.settings(host_name=name, data_dir=self.folder / name)
        # Past the settings' own check: it asks for a longer lease than a history has.
        return made.model_copy(update={"self_fence_seconds": self_fence})

    def new_host(self, name: str, self_fence: int = 0) -> Host:
        """A host as new, with an empty spool folder."""
        settings = self.host(name, self_fence)
        shutil.rmtree(settings.data_dir, ignore_errors=True)
        settings.spool_root.mkdir(parents=True)
        return Host(name, settings)

    def in_context(self, work: Callable[[], None]) -> Callable[[], None]:
        """``work`` inside an application context of its own, hence with a session of its own."""

        def within() -> None:
            with self.app.app_context():
                work()

        return within

    def _application(self) -> Flask:
        from sqlalchemy import Engine, event

        from app import wiring
        from app.core.db import engine_options
        from app.core.queue import celery_app

        logging.disable(logging.CRITICAL)
        event.listen(Engine, "connect", database.on_connect)
        clocks.put(wiring, engine_options=database.options(engine_options))
        app = wiring.build(self.settings())
        logging.disable(logging.CRITICAL)
        celery_app.flask_app = app
        return app

    def _furnish(self) -> None:
        from app.accounts.models import Tenant, User
        from app.accounts.passwords import NO_PASSWORD
        from app.core.actor import Role
        from app.core.db import db, unit_of_work
        from app.core.tenancy import system_scope
        from app.inventory.models import Connection, Server
        from app.playbooks.models import Playbook, PlaybookProject, ProjectSource

        with self.app.app_context(), system_scope("simulation"):
            if not self._is_migrated:
                migrate()
            if stored := _stored():
                self.tenant_id, self.user_id, self.playbook_id, stage.servers = stored
                return
            with unit_of_work():
                tenant = db.session.get(Tenant, 1) or Tenant(name="One", slug="one")
                db.session.add(tenant)
                db.session.flush()
                user = User(
                    tenant_id=tenant.id,
                    username="ada",
                    email="a@example.org",
                    password_hash=NO_PASSWORD,
                    role=Role.ADMIN,
                )
                system = User(
                    tenant_id=tenant.id,
                    username="system",
                    email="s@localhost",
                    password_hash=NO_PASSWORD,
                    role=Role.ADMIN,
                    is_system=True,
                )
                project = PlaybookProject(tenant_id=tenant.id, name="Project", source=ProjectSource.UPLOAD)
                db.session.add_all([user, system, project])
                db.session.flush()
                playbook = Playbook(
                    tenant_id=tenant.id, project_id=project.id, name="Test", file_path="site.yml",
                    file_hash="0" * 64, manifest_hash="0" * 64,
                )  # fmt: skip
                servers = [
                    Server(tenant_id=tenant.id, hostname=name, ip_address="127.0.0.1", connection=Connection.LOCAL)
                    for name in SERVERS
                ]
                db.session.add_all([playbook, *servers])
                db.session.flush()
                self.tenant_id, self.user_id, self.playbook_id = tenant.id, user.id, playbook.id
                stage.servers = {server.id: server.hostname for server in servers}


def _stored() -> tuple[int, int, int, dict[int, str]] | None:
    """Return what a furnished template holds; None when it is bare."""
    from app.core.db import db, unit_of_work
    from app.inventory.models import Server
    from app.playbooks.models import Playbook

    with unit_of_work(writes=False):
        playbook = db.session.scalars(db.select(Playbook).where(Playbook.file_path == "site.yml")).first()
        servers = {row.id: row.hostname for row in db.session.scalars(db.select(Server))}
        user = db.session.scalar(db.text("SELECT id FROM users WHERE username = 'ada'"))
        return None if playbook is None else (playbook.tenant_id, user, playbook.id, servers)


def _replace_edges(app: Flask) -> None:
    """Put the simulated edges in the place of the real ones. For the life of this process."""
    from app.core import queue, wake
    from app.jobs import engine_list, events, host_load, keeper, kinds, self_fence, tasks, watchdog, workers
    from app.runners import cgroup, launcher
    from simulation import engine, kind, processes, threads

    assert keeper and tasks  # loaded, so that they get simulated time
    clocks.install()
    remember.install()
    put = clocks.put
    put(wake, _quickly=lambda _act: True)
    put(queue, ring=lambda run_id, _to="": stage.broker.ring(run_id) if stage.broker else True)
    put(engine_list, announcement=lambda: {"default": {"version": "simulated"}})
    put(workers, this_process=processes.this_process)
    put(self_fence, threading=threads)
    put(watchdog, is_alive=processes.is_alive, boot_id=processes.boot_id)
    put(launcher, is_alive=processes.is_alive, census=processes.census, prepare=engine.prepare)
    machine = processes.Machine()
    put(host_load, psutil=machine, os=machine)
    put(workers, os=machine)
    put(cgroup, machine_memory_bytes=lambda: processes.MEMORY_BYTES, sentence=lambda _limits: "simulated")
    put(cgroup, end_run=lambda marker, _groups: processes.kill_marked(marker), clear_empty=lambda _limits: 0)
    kinds.register(kind.SimulatedKind())
    events.run_finished.receivers.clear()
    events.run_finished.connect(kind.told, weak=False)
