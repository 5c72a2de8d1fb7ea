"""Settings of a process: read once, at start, from `ANTREAN_*` variables; all problems are told at once."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from admission.core.errors import ConfigurationError
from admission.core.urls import Url
from admission.store.address import read_address

PREFIX = "ANTREAN_"
# Kubernetes sets these for every Service whose name begins so; they are not ours.
_SERVICE_LINK = re.compile(r"\w+_SERVICE_(HOST|PORT(_\w+)?)|\w+_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?")


class Settings(BaseSettings):
    """What gateways and workers need to know besides the event itself."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    redis_url: SecretStr | None = Field(
        None,
        description="Redis 7.0 or later, or Valkey: redis://, unix://, redis+sentinel:// or redis+cluster://, with "
        "rediss for TLS (docs/deploy.md shows each form). `antrean up` starts one of its own when this is unset; "
        "`serve` and `work` need it.",
    )
    redis_timeout_seconds: Annotated[float, Field(ge=0.02, le=5)] = Field(
        0.25,
        description="Bound of every call to Redis, seconds; more would hold applicants when Redis hangs.",
    )
    data_dir: Path = Field(
        Path(".antrean"),
        description="Folder of secrets, event records, entry lists of draws and, under `up`, the data of Redis.",
    )
    secrets_file: Path | None = Field(
        None,
        description="The secrets file, the same for every process; default `secrets.json` in the data folder.",
    )
    host: str = Field("127.0.0.1", description="Address on which a gateway listens; 0.0.0.0 for all.")
    port: Annotated[int, Field(ge=0, le=65535)] = Field(
        8080, description="Public port of a gateway; several gateways may share it; 0 takes a free one."
    )
    metrics_host: str = Field("127.0.0.1", description="Address of /metrics, /healthz and /readyz; never a public one.")
    metrics_port: Annotated[int, Field(ge=0, le=65535)] = Field(
        8091, description="Port of /metrics, /healthz and /readyz; one per process; 0 takes a free one."
    )
    public_scheme: Literal["https", "http"] | None = Field(
        None,
        description="How applicants' browsers reach the gateway: `https` when a proxy ends TLS; `http` for plain HTTP, "
        "whose cookies lose Secure and `__Host-`. Needed to listen off loopback.",
    )
    refresh_seconds: Annotated[float, Field(ge=0.05, le=5)] = Field(
        0.25,
        description="Age at which a gateway renews its picture of an event, seconds; polls are as old as this.",
    )
    tick_seconds: Annotated[float, Field(ge=0.02, le=2)] = Field(
        0.1,
        description="Interval of the worker's decisions, seconds; above 2 the open clock would lose time.",
    )
    prometheus_url: Url | None = Field(
        None,
        description="The Prometheus that a worker asks for the signals of events with a control law, such as "
        "http://127.0.0.1:9090; without it their expressions are not asked.",
    )
    drain_seconds: Annotated[float, Field(ge=0, le=300)] = Field(
        5.0,
        description="Time between SIGTERM and the last answer, seconds, in which load balancers look away.",
    )

    @field_validator("redis_url")
    @classmethod
    def _is_an_address(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None:
            read_address(url.get_secret_value())
        return url

    @property
    def secure_cookies(self) -> bool:
        """Whether cookies are Secure; browsers take loopback for secure, whatever the scheme."""
        return self.public_scheme != "http"

    @property
    def secrets_path(self) -> Path:
        """Where the secrets are."""
        return self.secrets_file or self.data_dir / "secrets.json"


def settings_problems(environment: Mapping[str, str]) -> list[str]:
    """Every `ANTREAN_*` variable that no setting has, each with what to do."""
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    return [
        f"{name}: no such setting; see docs/settings.md, and unset it if it is a left-over"
        for name in sorted(environment)
        if name.startswith(PREFIX) and name not in known and not _is_service_link(name, environment[name])
    ]


def _is_service_link(name: str, value: str) -> bool:
    return bool(_SERVICE_LINK.fullmatch(name)) or (name.endswith("_PORT") and "://" in value)


def load_settings(**given: Any) -> Settings:
    """The settings of this process; what is given (from the command line) wins over the environment.

    Raises:
        ConfigurationError: naming all that is wrong at once.
    """
    problems = settings_problems(os.environ)
    try:
        settings = Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        raise ConfigurationError(problems + explain(error, PREFIX)) from error
    if problems:
        raise ConfigurationError(problems)
    return settings


def explain(error: ValidationError, prefix: str = "") -> list[str]:
    """One line for each problem: which field, what is wrong; values are left out, they may be secret."""
    problems = []
    for found in error.errors(include_input=False, include_url=False):
        field = ".".join(str(part) for part in found["loc"])
        name = f"{prefix}{field.upper()}" if prefix else field
        problems.append(f"{name or 'event'}: {found['msg'].removeprefix('Value error, ')}")
    return problems
