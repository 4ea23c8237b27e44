"""Settings: one typed class, read once from the environment, loud on a bad or missing value.

Every setting is an environment variable ``MILLWRIGHT_<NAME>``. A secret (and any other setting) may
instead be given as ``MILLWRIGHT_<NAME>_FILE``, the path of a file that holds the value; a trailing newline
is dropped. Giving both is an error. Units stand in the names.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "MILLWRIGHT_"
ROOT = Path(__file__).resolve().parent
# Keys that people paste from examples; a start with one of them is refused (ASVS 5.0 13.2.3).
WELL_KNOWN_KEYS = frozenset({"changeme", "secret", "dev", "development", "password", "millwright"})
MINIMUM_KEY_LENGTH = 32
SELF_FENCE_MARGIN_SECONDS = 20  # grace, kill and census take up to fifteen
MINIMUM_BCRYPT_ROUNDS = 12  # the core document's; tests that build Settings themselves may be quicker
# Without shell: whoever needs a shell writes a playbook that somebody approves.
ADHOC_MODULES = (
    "ping setup stat service_facts package_facts find getent command service systemd_service package apt dnf user "
    "group file copy lineinfile reboot hostname cron wait_for uri"
)
ADHOC_OPERATOR_MODULES = "ping setup stat service_facts package_facts"


class SettingsError(RuntimeError):
    """A setting is missing or wrong; the message names each one and says what to do."""


class Settings(BaseSettings):
    """Everything that can be set. Frozen: a change needs a restart."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    # Keys. Five different ones, so that one leak does not open the rest.
    secret_key: SecretStr = Field(description="Signs cookies and CSRF tokens; at least 32 characters.")
    api_key_pepper: SecretStr = Field(description="Keys the digests of API keys and session ids.")
    password_pepper: SecretStr = Field(description="Keys the pre-hash of passwords before bcrypt.")
    audit_key: SecretStr = Field(description="Keys the hash chain of the audit log.")
    master_key: SecretStr = Field(description="Wraps the data keys of encrypted columns.")

    # Data stores
    database_url: str = Field(description="SQLAlchemy URL: sqlite:///..., mysql+pymysql://...")
    migration_database_url: str | None = Field(
        None, description="URL of the account that may change the schema; database_url when not given."
    )
    archiver_database_url: str | None = Field(
        None, description="URL of the account that may delete archived audit entries; for `flask audit archive` alone."
    )
    database_ssl_ca: Path | None = Field(None, description="CA file: TLS (1.2 or newer) to the database.")
    database_pool_size: int = Field(20, ge=1, le=200, description="Connections kept open by a web process.")
    database_pool_timeout_seconds: int = Field(30, ge=1, le=300, description="Wait for a pooled connection.")
    database_pool_recycle_seconds: int = Field(3600, ge=30, description="Age at which one is replaced.")
    database_max_overflow: int = Field(10, ge=0, le=200, description="Connections above the pool in a burst.")
    redis_url: str = Field("redis://127.0.0.1:6379/0", description="redis://, rediss:// or redis+socket:///path.")
    redis_ssl_ca: Path | None = Field(None, description="CA file for rediss://.")

    # Places
    data_dir: Path = Field(ROOT / "var", description="Folder of workspaces, spools and the audit anchor.")
    sample_playbooks_dir: Path = Field(
        ROOT / "playbooks", description="The read-only sample project that each tenant can adopt."
    )
    ssh_key_root: Path | None = Field(
        None, description="Folder under which servers' private keys must lie; <data_dir>/ssh_keys by default."
    )
    terraform_binaries: list[str] = Field(
        [], description="JSON list of programs or folders with terraform or tofu, beside those in PATH."
    )
    terraform_mirror: str | None = Field(None, description="Folder with provider packages that workers install from.")
    terraform_plugin_cache: bool = Field(True, description="Keep installed providers in the worker's data folder.")
    terraform_local_state_roots: list[str] = Field([], description="JSON list of folders whose local states are read.")
    terraform_memory_megabytes: int = Field(700, ge=50, description="Free memory for one run of terraform on a worker.")
    internal_url: str | None = Field(None, description="How workers reach the platform; public_url when not given.")
    engines: dict[str, str] = Field(
        default_factory=dict,
        description="JSON object, engine name -> virtual environment folder; 'default' is the platform's own.",
    )
    approve_own_content: bool = Field(
        True, description="false: whoever brought content in may not be the one who approves it (four eyes)."
    )

    # Content of projects
    git_allowed_hosts: list[str] = Field(
        default_factory=list,
        description='JSON list of hosts to clone from, "*.example.org" too; any public one when empty.',
    )
    git_allowed_networks: list[str] = Field(
        default_factory=list,
        description="JSON list of networks (CIDR) whose addresses git may reach although they are not public.",
    )
    git_local_root: Path | None = Field(
        None, description="Folder on the workers whose repositories may be cloned as file:// URLs; none by default."
    )
    project_sync_seconds: int = Field(600, ge=10, le=7200, description="Longest time that one project sync may take.")
    project_clone_bytes: int = Field(268_435_456, ge=1_048_576, description="Disk that one project sync may use.")
    project_max_files: int = Field(2000, ge=1, le=20_000, description="Files of one project.")
    project_max_bytes: int = Field(33_554_432, ge=65_536, description="Size of one project's files together.")
    archive_max_bytes: int = Field(8_388_608, ge=65_536, description="Largest archive that can be uploaded.")
    state_max_bytes: int = Field(
        104_857_600, ge=1_048_576, le=536_870_912, description="Largest Terraform state that is taken."
    )
    galaxy_server: str = Field(
        "https://galaxy.ansible.com", description="Where roles and collections of a requirements.yml come from."
    )
    requirements_pinned: bool = Field(
        False, description="Refuse a requirements.yml with an entry that names no exact version; a warning otherwise."
    )
    requirements_max_bytes: int = Field(
        67_108_864, ge=65_536, description="Unpacked size of all roles and collections of one project's requirements."
    )

    # Web
    public_url: str = Field("http://127.0.0.1:8000", description="How people reach the platform; links use it.")
    trusted_hosts: list[str] = Field(
        default_factory=list,
        description="JSON list of accepted Host values; the public URL's host when empty.",
    )
    proxy_hops: int = Field(0, ge=0, le=5, description="Reverse proxies whose X-Forwarded-* are believed.")
    session_idle_minutes: int = Field(60, ge=5, le=1440, description="A session unused this long ends.")
    session_absolute_hours: int = Field(12, ge=1, le=168, description="A session this old ends.")
    max_request_bytes: int = Field(2_097_152, ge=65_536, description="Larger request bodies get 413.")
    rate_limit_per_minute: int = Field(600, ge=10, description="Requests a minute for one key or address.")
    max_stream_viewers: int = Field(
        224, ge=1, description="Live streams of one web process; below its threads, then 429 and polling."
    )

    metrics_token: SecretStr | None = Field(
        None,
        description="A scraper of /metrics sends it as `Authorization: Bearer ...`; unset: this machine alone.",
    )

    # Accounts
    bcrypt_rounds: int = Field(12, ge=4, le=16, description="bcrypt cost; a start with less than 12 is refused.")
    password_minimum_length: int = Field(12, ge=8, le=128, description="Shortest accepted password.")
    password_max_age_days: int = Field(
        0, ge=0, le=3650, description="A password this old must be changed at the next page; 0: never. Keys go on."
    )
    sign_in_user_limit: int = Field(10, ge=3, description="Failed sign-ins of one user in the window.")
    sign_in_address_limit: int = Field(50, ge=3, description="Failed sign-ins from one address in the window.")
    sign_in_window_minutes: int = Field(15, ge=1, description="The window of both limits.")
    idempotency_days: int = Field(7, ge=1, le=365, description="A repeated Idempotency-Key is known this long.")
    api_key_days: int = Field(90, ge=1, le=3650, description="Lifetime of an API key unless given.")

    # Engine
    worker_concurrency: int = Field(4, ge=1, le=256, description="Runs that one worker carries at a time.")
    job_timeout_seconds: int = Field(3600, ge=5, description="Timeout of a run unless the launch gives one.")
    job_timeout_limit_seconds: int = Field(86_400, ge=5, description="Longest timeout that may be asked.")
    run_max_processes: int = Field(
        4096, ge=0, description="Processes and threads that one run may have at a time; 0 is no limit."
    )
    run_memory_bytes: int | None = Field(
        None,
        ge=0,
        description="Memory that one run's processes may use together; 0 is no limit. None: three quarters of the "
        "machine's memory, where a control group can be made.",
    )
    run_cpu_weight: int = Field(
        20,
        ge=1,
        le=100,
        description="One run's share of processor time where there is not enough; 100 is as much as the worker itself "
        "has. By control group, else by niceness.",
    )
    run_cgroup: Path | None = Field(
        None,
        description="Folder of a cgroup v2 hierarchy that is handed to the worker, for its runs' groups; beside the "
        "worker's own group by default.",
    )
    max_servers_per_launch: int = Field(2000, ge=1, description="Servers in one launch.")
    lease_seconds: int = Field(300, ge=10, description="A run whose host is silent this long is lost.")
    self_fence_seconds: int = Field(
        0,
        ge=0,
        description="A worker without word to the database this long stops its runs by itself; 0 is never. For workers "
        "on several hosts: 240 with a lease of 300.",
    )
    lock_ageing_seconds: int = Field(
        60, ge=0, description="A run waiting this long for its servers is overtaken by nobody any more."
    )
    drain_seconds: int = Field(60, ge=0, description="What running runs get when a worker is stopped.")
    adhoc_modules: list[str] = Field(
        default_factory=lambda: [f"ansible.builtin.{name}" for name in ADHOC_MODULES.split()],
        description="JSON list of the modules that administrators may run by themselves, without a playbook.",
    )
    adhoc_operator_modules: list[str] = Field(
        default_factory=lambda: [f"ansible.builtin.{name}" for name in ADHOC_OPERATOR_MODULES.split()],
        description="JSON list of those that operators may run too; the default ones change nothing.",
    )
    max_job_log_bytes: int = Field(104_857_600, ge=1_048_576, description="Kept log text of one job.")
    job_log_days: int = Field(
        90, ge=0, description="Log lines and task results are removed after this time; 0 keeps them. Jobs stay."
    )
    failed_job_log_days: int | None = Field(
        None, ge=0, description="The same for runs that failed; as MILLWRIGHT_JOB_LOG_DAYS when not given."
    )
    cancelled_job_log_days: int | None = Field(
        None, ge=0, description="The same for runs that were cancelled; as MILLWRIGHT_JOB_LOG_DAYS when not given."
    )
    seal_after_days: int = Field(
        3, ge=0, description="Lines of runs that ended this long ago move into compressed segments; 0 is never."
    )
    segment_store: Literal["database", "folder", "s3"] = Field(
        "database", description="Where new segments are kept. Those that exist are read where they are."
    )
    segment_dir: Path | None = Field(
        None, description="Folder of segments, the same for web and keepers; <data_dir>/log-segments by default."
    )
    segment_s3_bucket: str | None = Field(None, description="Bucket of segments; needs requirements-s3.txt.")
    segment_s3_prefix: str = Field("log-segments/", max_length=200, description="Beginning of their names in it.")
    segment_s3_endpoint_url: str | None = Field(None, description="An S3-compatible store; AWS itself when not given.")
    segment_s3_region: str | None = Field(None, description="Its region, where it has some.")
    segment_s3_access_key: str | None = Field(None, description="Its key id; else boto3 looks where it always does.")
    segment_s3_secret_key: SecretStr | None = Field(None, description="The secret of that key.")
    minimum_free_bytes: int = Field(
        268_435_456, ge=0, description="A worker with less free disk under data_dir claims nothing."
    )

    # Tickets
    ticket_reopen_days: int = Field(7, ge=0, description="The same fingerprint within this time reopens.")
    ticket_close_days: int = Field(7, ge=0, description="Resolved tickets are closed after this time.")
    audit_anchor_path: Path | None = Field(
        None, description="Append-only file outside the database; <data_dir>/audit-anchor.jsonl by default."
    )
    audit_days: int = Field(
        400, ge=367, description="Audit entries stay in the database this long; a year and a day is the least."
    )
    audit_archive_dir: Path | None = Field(
        None, description="Folder of the archive files; <data_dir>/audit-archive by default."
    )
    audit_verify_hours: int = Field(
        24, ge=0, le=8760, description="The keeper verifies each audit chain this often; 0 is never."
    )
    audit_anchor_seconds: int = Field(600, ge=1, description="How often the newest hashes are anchored.")

    # Process
    host_name: str = Field(default_factory=socket.gethostname, description="Name of this machine.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Of the log output.")
    environment_allow: list[str] = Field(
        default_factory=list,
        description="JSON list of environment variables that playbooks may see beside the fixed few.",
    )
    inject_facts: bool = Field(
        False,
        description="Plays see facts as variables too (ansible_os_family), as at the shell; else as ansible_facts.",
    )

    @field_validator("secret_key", "api_key_pepper", "password_pepper", "audit_key", "master_key")
    @classmethod
    def _strong(cls, value: SecretStr) -> SecretStr:
        text = value.get_secret_value()
        if len(text) < MINIMUM_KEY_LENGTH or text.lower() in WELL_KNOWN_KEYS:
            raise ValueError(
                f"needs at least {MINIMUM_KEY_LENGTH} random characters; `openssl rand -hex 32` makes some"
            )
        return value

    @field_validator("metrics_token")
    @classmethod
    def _long(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < MINIMUM_KEY_LENGTH:
            raise ValueError(f"needs at least {MINIMUM_KEY_LENGTH} characters; `openssl rand -hex 32` makes some")
        return value

    @field_validator("database_url", "migration_database_url", "archiver_database_url")
    @classmethod
    def _known_database(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("sqlite:///", "mysql+pymysql://")):
            raise ValueError("must start with sqlite:/// or mysql+pymysql://")
        return value

    @field_validator("git_allowed_networks")
    @classmethod
    def _networks(cls, value: list[str]) -> list[str]:
        for text in value:
            ipaddress.ip_network(text)
        return value

    @model_validator(mode="after")
    def _five_keys(self) -> Settings:
        keys = [self.secret_key, self.api_key_pepper, self.password_pepper, self.audit_key, self.master_key]
        if len({key.get_secret_value() for key in keys}) != len(keys):
            raise ValueError("the five keys must differ from each other")
        return self

    @model_validator(mode="after")
    def _fence_before_the_lease(self) -> Settings:
        if self.self_fence_seconds and self.self_fence_seconds > self.lease_seconds - SELF_FENCE_MARGIN_SECONDS:
            raise ValueError(
                f"MILLWRIGHT_SELF_FENCE_SECONDS must be at least {SELF_FENCE_MARGIN_SECONDS} s below "
                "MILLWRIGHT_LEASE_SECONDS: what runs has to be stopped before another takes it for lost"
            )
        return self

    @model_validator(mode="after")
    def _tls_is_asked_for_twice_or_not_at_all(self) -> Settings:
        if self.redis_ssl_ca is not None and not self.redis_url.startswith("rediss://"):
            raise ValueError("MILLWRIGHT_REDIS_SSL_CA needs a MILLWRIGHT_REDIS_URL that begins with rediss://")
        if self.database_ssl_ca is not None and self.is_sqlite:
            raise ValueError("MILLWRIGHT_DATABASE_SSL_CA is of no use with SQLite")
        return self

    @model_validator(mode="after")
    def _a_store_has_its_bucket(self) -> Settings:
        if self.segment_store == "s3" and not self.segment_s3_bucket:
            raise ValueError("MILLWRIGHT_SEGMENT_STORE=s3 needs a MILLWRIGHT_SEGMENT_S3_BUCKET")
        if (self.segment_s3_access_key is None) != (self.segment_s3_secret_key is None):
            raise ValueError("MILLWRIGHT_SEGMENT_S3_ACCESS_KEY and _SECRET_KEY belong together: give both or none")
        return self

    @property
    def workspace_root(self) -> Path:
        """Folder of the runs' private workspaces on this machine."""
        return self.data_dir / "work"

    @property
    def spool_root(self) -> Path:
        """Folder of the runs' log spools on this machine."""
        return self.data_dir / "spool"

    @property
    def sync_root(self) -> Path:
        """Folder of what project syncs fetch, on this machine; emptied after each."""
        return self.data_dir / "sync"

    @property
    def key_root(self) -> Path:
        """Folder under which the private keys of servers lie."""
        return self.ssh_key_root or self.data_dir / "ssh_keys"

    @property
    def anchor_path(self) -> Path:
        """The audit anchor: one JSON line per tenant and anchoring."""
        return self.audit_anchor_path or self.data_dir / "audit-anchor.jsonl"

    @property
    def archive_dir(self) -> Path:
        """Folder of the audit log's archive files."""
        return self.audit_archive_dir or self.data_dir / "audit-archive"

    @property
    def segment_folder(self) -> Path:
        """Folder of sealed log lines, where they are kept in one."""
        return self.segment_dir or self.data_dir / "log-segments"

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is the embedded one."""
        return self.database_url.startswith("sqlite")


def _read_files(environment: Mapping[str, str]) -> dict[str, str]:
    values: dict[str, str] = {}
    for name in Settings.model_fields:
        variable = f"{PREFIX}{name.upper()}"
        path = environment.get(f"{variable}_FILE")
        if path is None:
            continue
        if variable in environment:
            raise SettingsError(f"{variable} and {variable}_FILE are both set: keep one of them.")
        try:
            values[name] = Path(path).read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{variable}_FILE={path} cannot be read: {error}") from error
    return values


def load_settings(**overrides: Any) -> Settings:
    """Read the settings from the environment; ``overrides`` (by field name) win.

    Raises SettingsError with one line per bad or missing setting.
    """
    known = {f"{PREFIX}{name.upper()}{suffix}" for name in Settings.model_fields for suffix in ("", "_FILE")}
    unknown = sorted(
        name
        for name in os.environ
        if name.startswith(PREFIX) and name not in known and not name.startswith((f"{PREFIX}TEST_", f"{PREFIX}RUN"))
    )
    if unknown:
        raise SettingsError(f"Unknown setting {', '.join(unknown)}: docs/settings.md lists them.")
    try:
        settings = Settings(**{**_read_files(os.environ), **overrides})
    except ValidationError as error:
        lines = []
        for problem in error.errors():
            name = str(problem["loc"][0]) if problem["loc"] else ""
            label = f"{PREFIX}{name.upper()}" if name else "settings"
            lines.append(f"{label}: {problem['msg']}")
        raise SettingsError("The settings are not usable:\n  " + "\n  ".join(lines)) from error
    if settings.bcrypt_rounds < MINIMUM_BCRYPT_ROUNDS:
        raise SettingsError(f"{PREFIX}BCRYPT_ROUNDS: {MINIMUM_BCRYPT_ROUNDS} or more, passwords are too easy to try.")
    return settings
