"""What is kept of an instance in a state: its id, region, tags, a few attributes, and how it stands at its provider.

Attributes are taken by an allow-list. A state marks what people declared sensitive, and newer programs what a provider
says is; older ones leave the latter in clear without a mark (``random_password.result``), so nothing else is taken.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from app.terraform.models_infrastructure import MAX_TAG_NAME, MAX_TAG_VALUE
from app.terraform.state_document import HIDDEN, Instance

MAX_TAGS, MAX_TEXT, MAX_ADDRESS = 100, 500, 700
# Plain words and numbers under these names are kept; they say what a thing is, and what it costs.
SHOWN = (
    *("name", "display_name", "arn", "self_link", "kind", "sku", "sku_name", "tier", "edition"),
    *("ami", "instance_type", "instance_class", "machine_type", "vm_size", "size", "node_type", "type", "family"),
    *("instance_state", "current_status", "status", "state", "power_state", "provisioning_state", "lifecycle_state"),
    *("engine", "engine_version", "runtime", "os_type", "architecture", "storage_type", "allocated_storage"),
    *("region", "location", "availability_zone", "zone", "vpc_id", "subnet_id", "network", "cidr_block"),
    *("private_ip", "public_ip", "private_dns", "public_dns", "dns_name", "domain_name", "fqdn", "hosted_zone_id"),
    *("ip_address", "ipv4_address", "private_ip_address", "public_ip_address", "hostname", "endpoint", "port"),
    *("desired_capacity", "min_size", "max_size", "node_count", "memory_size", "multi_az", "bucket", "url"),
)
# By type, then by any: which attribute says how it stands, and where it is reached.
_STATUS_OF = {
    "aws_instance": ("instance_state",),
    "aws_db_instance": ("status",),
    "aws_rds_cluster": ("status",),
    "aws_eks_cluster": ("status",),
    "aws_nat_gateway": ("status", "state"),
    "google_compute_instance": ("current_status",),
    "azurerm_linux_virtual_machine": ("power_state", "provisioning_state"),
    "azurerm_windows_virtual_machine": ("power_state", "provisioning_state"),
}
_STATUS = ("instance_state", "current_status", "power_state", "status", "state", "lifecycle_state")
_IP = ("public_ip", "public_ip_address", "ipv4_address", "ip_address", "private_ip", "private_ip_address")
_URL = ("url", "website_endpoint", "endpoint", "fqdn", "dns_name", "domain_name", "public_dns")
_ARN = re.compile(r"arn:[a-z-]+:[a-z0-9-]*:([a-z0-9-]+):")
_ZONE = re.compile(r"([a-z]{2}(?:-[a-z]+)+-[0-9]+)[a-z]\Z")  # eu-central-1a
_GOOGLE_ZONE = re.compile(r"([a-z]+-[a-z]+[0-9]+)-[a-z]\Z")  # europe-west3-b
_PROVIDER = re.compile(r'provider\["([^"]+)"\](?:\.([A-Za-z0-9_-]+))?\Z')


@dataclass(frozen=True, slots=True)
class Standing:
    """How an instance stands at its provider."""

    status: str = "unknown"
    ip_address: str | None = None
    url: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Facts:
    """What is kept of an instance."""

    address: str
    type: str
    name: str
    cloud_id: str | None
    region: str | None
    tags: dict[str, str]
    shown: dict[str, Any]
    standing: Standing
    is_tainted: bool


def facts_of(instance: Instance, provider_regions: Mapping[tuple[str, str], str]) -> Facts:
    """Return what is kept of an instance; ``provider_regions``: (name, alias) of a provider -> its region."""
    attributes = instance.shown()
    shown = {name: attributes[name] for name in SHOWN if _is_plain(attributes.get(name))}
    return Facts(
        address=kept_address(instance.address),
        type=instance.type[:200],
        name=instance.name[:200],
        cloud_id=_text(attributes.get("id")),
        region=region_of(attributes) or provider_regions.get(provider_of(instance.provider)),
        tags=tags_of(attributes),
        shown=shown,
        standing=_standing(instance, attributes),
        is_tainted=instance.is_tainted,
    )


def kept_address(address: str) -> str:
    """Return an address as rows keep it: in ASCII, and with a digest at the end of one that is too long."""
    plain = address.encode("ascii", "backslashreplace").decode("ascii")
    if len(plain) <= MAX_ADDRESS:
        return plain
    return f"{plain[: MAX_ADDRESS - 65]}~{hashlib.sha256(plain.encode()).hexdigest()}"


def provider_of(text: str) -> tuple[str, str]:
    """Return (name, alias) of the provider that a state names by ``provider["host/space/aws"].west``."""
    found = _PROVIDER.search(text)
    return (found[1].rsplit("/", 1)[-1], found[2] or "") if found else ("", "")


def region_of(attributes: Mapping[str, Any]) -> str | None:
    """Return the region that attributes name, by themselves, in an ARN or by a zone; None when they do not."""
    for name in ("region", "location"):
        if text := _text(attributes.get(name), 100):
            return text.lower().replace(" ", "")  # Azure has "West Europe" and "westeurope"
    if found := _ARN.match(_text(attributes.get("arn")) or ""):
        return found[1]
    for name in ("availability_zone", "zone"):
        zone = _text(attributes.get(name)) or ""
        if found := _ZONE.search(zone) or _GOOGLE_ZONE.search(zone):
            return found[1]
    return None


def tags_of(attributes: Mapping[str, Any]) -> dict[str, str]:
    """Return tags or labels, those that the provider adds too; what is sensitive is left out."""
    found: dict[str, str] = {}
    for name in ("labels", "effective_labels", "tags", "tags_all"):
        tags = attributes.get(name)
        if isinstance(tags, Mapping):
            found |= {
                str(key)[:MAX_TAG_NAME]: str(value)[:MAX_TAG_VALUE]
                for key, value in tags.items()
                if isinstance(value, str | int | float) and value != HIDDEN
            }
    return dict(sorted(found.items())[:MAX_TAGS])


def _standing(instance: Instance, attributes: Mapping[str, Any]) -> Standing:
    status = next(
        (text for name in (*_STATUS_OF.get(instance.type, ()), *_STATUS) if (text := _text(attributes.get(name), 50))),
        "unknown",
    )
    metadata = {
        name: text for name in ("arn", "instance_type", "availability_zone") if (text := _plain(attributes, name))
    }
    return Standing(status.lower(), _ip(attributes), _url(attributes), metadata)


def _ip(attributes: Mapping[str, Any]) -> str | None:
    for name in _IP:
        try:
            return str(ipaddress.ip_address(_text(attributes.get(name)) or ""))
        except ValueError:
            continue
    return None


def _url(attributes: Mapping[str, Any]) -> str | None:
    for name in _URL:
        text = (_text(attributes.get(name)) or "").rstrip(".")
        if not text:
            continue
        made = text if "://" in text else f"https://{text}"
        try:
            parts = urlsplit(made)
            if parts.scheme in ("http", "https") and parts.hostname and "." in parts.hostname and "@" not in made:
                return f"{parts.scheme}://{parts.netloc}{parts.path}"  # a query may hold a signature
        except ValueError:
            continue
    return None


def _plain(attributes: Mapping[str, Any], name: str) -> Any:
    return attributes[name] if _is_plain(attributes.get(name)) else None


def _is_plain(value: Any) -> bool:
    if isinstance(value, str):
        return 0 < len(value) <= MAX_TEXT and value != HIDDEN
    return isinstance(value, int | float)


def _text(value: Any, longest: int = MAX_TEXT) -> str | None:
    """Return a plain text, None for what is none, hidden, or empty."""
    return value[:longest] if isinstance(value, str) and value and value != HIDDEN else None
