"""`antrean serve` and `antrean work`: one process each, for production."""

from __future__ import annotations

import getpass
import ipaddress
import logging
import sys
from pathlib import Path

import structlog
import uvloop

from admission.core.errors import ConfigurationError
from admission.settings import Settings, load_settings

READY = "ready"  # printed with the ports once a process answers; `up` waits for it
EMBEDDED_URL = "redis-url"  # in the data folder, while `antrean up` runs: where its own Redis is


def log_as_json() -> None:
    """One JSON object a line on stderr, times in UTC; stdout stays for what programs read."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def needed_redis(settings: Settings) -> str:
    """The URL of Redis: the one that is set, else that of an `antrean up` which runs on the same data folder.

    Raises:
        ConfigurationError: when there is neither.
    """
    if settings.redis_url is not None:
        return settings.redis_url.get_secret_value()
    try:
        return (settings.data_dir / EMBEDDED_URL).read_text(encoding="utf-8")
    except OSError as error:
        problem = "ANTREAN_REDIS_URL: not set; name the Redis that gateways and workers share"
        raise ConfigurationError([problem]) from error


def whoami() -> str:
    """The name of the user who runs the command."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user may have none
        return "unknown"


def is_loopback(host: str) -> bool:
    """Whether an address to listen on is reached from this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_scheme(settings: Settings) -> None:
    """Refuse to guess how applicants reach a gateway that listens off loopback.

    Raises:
        ConfigurationError: telling both ways out.
    """
    if settings.public_scheme is None and not is_loopback(settings.host):
        raise ConfigurationError(
            [
                f"ANTREAN_PUBLIC_SCHEME: not set, and {settings.host} is reached from other machines; set https "
                "when a proxy ends TLS in front of this gateway, or http to serve cookies without protection"
            ]
        )


def run_gateway(*, host: str | None, port: int | None, metrics_port: int | None, data_dir: Path | None) -> None:
    """Serve until SIGTERM; prints the ports once ready.

    Raises:
        ConfigurationError: settings, secrets or records that cannot be used.
    """
    from gateway.serve import serve

    log_as_json()
    settings = load_settings(host=host, port=port, metrics_port=metrics_port, data_dir=data_dir)
    check_scheme(settings)
    redis_url = needed_redis(settings)
    uvloop.run(serve(settings, redis_url, lambda public, metrics: print(READY, public, metrics, flush=True)))


def run_worker(*, metrics_port: int | None, data_dir: Path | None, dry_run: bool = False) -> None:
    """Work until SIGTERM; prints the metrics port once ready. A dry run only logs what it would do.

    Raises:
        ConfigurationError: settings or records that cannot be used.
    """
    from admission.worker.work import work

    log_as_json()
    settings = load_settings(metrics_port=metrics_port, data_dir=data_dir)
    redis_url = needed_redis(settings)
    uvloop.run(work(settings, redis_url, lambda metrics: print(READY, metrics, flush=True), dry_run=dry_run))
