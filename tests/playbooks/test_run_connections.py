"""What a run's inventory says of each kind of connection. No Windows and no router is here: the data is checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from app.inventory import service_credentials
from app.inventory.models import Connection
from app.playbooks.run_hosts import hosts_for_run
from app.runners import ansible_inputs
from app.runners.ansible import extra_secrets
from app.runners.workspace import Workspace
from tests.playbooks.conftest import House

PASSWORD = "correct-horse-battery"


def of(house: House, server_id: int) -> dict[str, Any]:
    with house.unit():
        return hosts_for_run(house.tenant_id, [server_id]).hosts[0]


def test_winrm_is_guarded_unless_an_administrator_said_otherwise(house: House) -> None:
    plain = house.add_server("win-1", connection=Connection.WINRM, ssh_port=5986, ssh_user="Administrator")
    assert of(house, plain)["vars"] == {
        "ansible_connection": "winrm",
        "ansible_host": "192.0.2.1",
        "ansible_port": 5986,
        "ansible_user": "Administrator",
        "ansible_shell_type": "powershell",
        "ansible_winrm_scheme": "https",
        "ansible_winrm_server_cert_validation": "validate",
    }
    loose = house.add_server(
        "win-2",
        connection=Connection.WINRM,
        winrm_transport="ntlm",
        winrm_scheme="http",
        winrm_cert_validation="ignore",
        become=True,
        become_method="runas",
        become_user="SYSTEM",
    )
    variables = of(house, loose)["vars"]
    assert variables["ansible_winrm_transport"] == "ntlm" and variables["ansible_winrm_scheme"] == "http"
    assert variables["ansible_winrm_server_cert_validation"] == "ignore"
    assert variables["ansible_become_method"] == "runas" and variables["ansible_become_user"] == "SYSTEM"


def test_a_network_device_has_its_platform_enable_mode_and_passwords(house: House, tmp_path: Path) -> None:
    router = house.add_server(
        "router-1",
        connection=Connection.NETWORK_CLI,
        network_os="cisco.ios.ios",
        become=True,
        become_method="enable",
    )
    with house.unit():
        service_credentials.set_credential(house.admin, router, "connection", PASSWORD)
        service_credentials.set_credential(house.admin, router, "become", PASSWORD + "-enable")
    host = of(house, router)
    assert host["vars"]["ansible_network_os"] == "cisco.ios.ios" and host["vars"]["ansible_become_method"] == "enable"
    assert PASSWORD not in str(host["vars"])
    assert host["secrets"] == {"ansible_password": PASSWORD, "ansible_become_password": PASSWORD + "-enable"}
    workspace = Workspace.create(tmp_path / "w")
    (workspace.project / "site.yml").write_text("- hosts: all\n")
    parameters = {"playbook": "site.yml", "hosts": [host]}
    ansible_inputs.write_all(parameters, workspace)
    text = (workspace.inputs / "inventory.yml").read_text()
    assert f'!unsafe "{PASSWORD}"' in text and (workspace.inputs / "inventory.yml").stat().st_mode & 0o077 == 0
    assert PASSWORD not in " ".join(ansible_inputs.command_line(parameters, workspace))
    assert PASSWORD in extra_secrets(parameters, workspace)

    class Loader(yaml.SafeLoader):
        """Reads ``!unsafe`` as the text it is."""

    Loader.add_constructor("!unsafe", lambda loader, node: loader.construct_scalar(node))  # type: ignore[arg-type]
    read = yaml.load(text, Loader=Loader)
    assert read["all"]["hosts"]["router-1"]["ansible_password"] == PASSWORD


@pytest.mark.parametrize("connection", [Connection.SSH, Connection.LOCAL])
def test_other_connections_carry_nothing_of_windows_or_routers(house: House, connection: Connection) -> None:
    server = house.add_server("web-1", connection=connection, network_os="x.y.z", winrm_scheme="http")
    assert not [name for name in of(house, server)["vars"] if "winrm" in name or "network" in name]
