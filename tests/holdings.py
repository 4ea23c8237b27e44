"""What a tenant has, made through the product's own doors: a server, a playbook, a launch, its job, a ticket."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

from flask import Flask

from app.accounts.models import Tenant
from app.core.clock import utc_now
from app.core.db import db, unit_of_work
from app.core.tenancy import system_scope
from app.inventory.models import HostKey
from app.playbooks.models import ProjectSync, SyncStatus
from app.terraform.models_configuration import TerraformResource
from app.terraform.models_infrastructure import InfrastructureResource, InfrastructureStatus
from app.terraform.models_modules import TerraformModule
from app.terraform.models_state import TerraformState
from tests import factories
from tests.factories import PersonMade

CONTENT = "- hosts: all\n  gather_facts: false\n  tasks:\n    - name: Say hello\n      ansible.builtin.ping:\n"
_count = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Holdings:
    """Ids of one row of each kind. The launch waits: nobody carries it."""

    user_id: int
    server_id: int
    group_id: int
    host_key_id: int
    playbook_id: int
    project_id: int
    project_uuid: str
    sync_uuid: str
    launch_uuid: str
    saved_uuid: str
    grant_id: int
    job_id: str
    ticket_id: str
    rule_id: int
    team_uuid: str
    tenant_uuid: str
    terraform_uuid: str
    terraform_revision_uuid: str
    variable_uuid: str
    resource_uuid: str
    execution_uuid: str
    rule_uuid: str
    set_uuid: str
    set_variable_uuid: str
    module_uuid: str
    infrastructure_uuid: str
    price_uuid: str


def make_holdings(app: Flask, owner: PersonMade) -> Holdings:
    """Make one of each in the tenant of ``owner``, an administrator."""
    number, headers = next(_count), factories.bearer(factories.make_key(owner))

    def send(path: str, **body: Any) -> Any:
        answer = app.test_client().post(f"/api/v1{path}", json=body, headers=headers)
        assert answer.status_code < 300, f"{path}: {answer.get_data(as_text=True)}"
        return answer.json

    server = send("/servers", hostname=f"host-{number}.example.org", ip_address="192.0.2.9")
    group = send("/server-groups", name=f"group-{number}")
    playbook = send("/playbooks", name=f"Hello {number}", file_name="hello.yml", content=CONTENT)
    send(f"/playbooks/{playbook['id']}/approve")
    job = send("/jobs", playbook_id=playbook["id"], server_id=server["id"])
    saved = send(
        "/saved-launches", name=f"Saved {number}", playbook_id=playbook["id"], selection={"server_ids": [server["id"]]}
    )
    grant = send(f"/saved-launches/{saved['uuid']}/grants", act="launch", role="viewer")
    ticket = send("/tickets", title="Backups are late", job_id=job["job_id"])
    rule = send("/ticket-rules", name="Ours first", priority="high")
    terraform = send("/terraform/projects", name=f"Network {number}")
    path = f"/terraform/projects/{terraform['id']}"
    saved_file = app.test_client().put(f"/api/v1{path}/files/main.tf", json={"content": "# nothing\n"}, headers=headers)
    assert saved_file.status_code == 200, saved_file.get_data(as_text=True)
    revision = saved_file.json
    assert revision
    variable = send(f"{path}/variables", name="size", value=1)
    execution = send(f"{path}/executions")
    server_rule = send(f"{path}/server-rules", resource_type="aws_instance", hostname="{id}", ip_address="{id}")
    variable_set = send("/terraform/variable-sets", name=f"Shared {number}")
    set_variable = send(f"/terraform/variable-sets/{variable_set['id']}/variables", name="region", value="eu")
    price = send(
        "/infrastructure/prices",
        type="aws_instance",
        attribute="instance_type",
        value=f"t{number}",
        price_per_hour=0.01,
    )
    team = send("/teams", name=f"Team {number}")
    shown = app.test_client().get("/api/v1/playbook-projects", headers=headers).json
    assert shown
    with factories.context(), system_scope("test"), unit_of_work():
        key = HostKey(
            tenant_id=owner.tenant_id,
            server_id=server["id"],
            key_type="ssh-ed25519",
            public_key="AAAA",
            fingerprint=f"SHA256:{number}",
        )
        db.session.add(key)
        db.session.flush()
        key_id = key.id
        sync = ProjectSync(
            tenant_id=owner.tenant_id, project_id=shown[0]["id"], status=SyncStatus.FAILED, finished_at=utc_now()
        )
        db.session.add(sync)
        db.session.flush()
        sync_uuid = sync.uuid
        resource = TerraformResource(
            tenant_id=owner.tenant_id,
            project_id=terraform["number"],
            resource_type="terraform_data",
            resource_name="first",
            terraform_address="terraform_data.first",
        )
        db.session.add(resource)
        db.session.flush()
        resource_uuid = resource.uuid
        module = TerraformModule(
            tenant_id=owner.tenant_id,
            project_id=terraform["number"],
            name="net",
            version="1",
            terraform_address="module.net",
        )
        state = TerraformState(tenant_id=owner.tenant_id, project_id=terraform["number"], workspace="default")
        db.session.add_all([module, state])
        db.session.flush()
        instance = InfrastructureResource(
            tenant_id=owner.tenant_id,
            project_id=terraform["number"],
            state_id=state.id,
            type="terraform_data",
            name="first",
            address="terraform_data.first",
            status=InfrastructureStatus.CREATED,
        )
        db.session.add(instance)
        db.session.flush()
        module_uuid, infrastructure_uuid = module.uuid, instance.uuid
    return Holdings(
        owner.id,
        server["id"],
        group["id"],
        key_id,
        playbook["id"],
        shown[0]["id"],
        shown[0]["uuid"],
        sync_uuid,
        job["launch_uuid"],
        saved["uuid"],
        grant["id"],
        job["job_id"],
        ticket["ticket_id"],
        rule["id"],
        team["uuid"],
        next(tenant.uuid for tenant in factories.rows(Tenant) if tenant.id == owner.tenant_id),
        terraform["id"],
        revision["id"],
        variable["id"],
        resource_uuid,
        execution["id"],
        server_rule["id"],
        variable_set["id"],
        set_variable["id"],
        module_uuid,
        infrastructure_uuid,
        price["id"],
    )
