"""Where Redis is, read from one URL: alone, behind Sentinels, or a Cluster."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from redis.asyncio.connection import parse_url


class Form(StrEnum):
    """How Redis is run."""

    SINGLE = "single"
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


_SCHEMES = {
    "redis": Form.SINGLE,
    "rediss": Form.SINGLE,
    "unix": Form.SINGLE,
    "redis+sentinel": Form.SENTINEL,
    "rediss+sentinel": Form.SENTINEL,
    "redis+cluster": Form.CLUSTER,
    "rediss+cluster": Form.CLUSTER,
}
_PORTS = {Form.SINGLE: 6379, Form.SENTINEL: 26379, Form.CLUSTER: 6379}
_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_TLS = (*_FILES, "ssl_check_hostname", "ssl_cert_reqs", "ssl_min_version", "ssl_ciphers")
_SENTINELS = ("sentinel_username", "sentinel_password")


@dataclass(frozen=True, slots=True)
class Address:
    """What a URL of Redis says.

    Args:
        hosts: of the server, the Sentinels, or some nodes of the Cluster; empty for a unix socket.
        service: the name by which the Sentinels know the master; '' without Sentinels.
        options: what redis-py's connections take: user, password, database, socket, TLS. Secret.
        sentinel_options: user and password of the Sentinels themselves. Secret.
    """

    form: Form
    tls: bool
    hosts: tuple[tuple[str, int], ...] = ()
    service: str = ""
    options: dict[str, Any] = field(default_factory=dict, repr=False)
    sentinel_options: dict[str, Any] = field(default_factory=dict, repr=False)


def read_address(url: str) -> Address:
    """Read a URL.

    `redis://[user:password@]host[:port][/db]`, `unix://[user:password@]/path`,
    `redis+sentinel://[user:password@]host[:port],…/service[/db]`, `redis+cluster://[user:password@]host[:port],…`;
    with rediss for TLS, which takes redis-py's parameters `ssl_…`.

    Raises:
        ValueError: saying what is wrong without quoting the URL, which may hold a password.
    """
    try:
        split = urlsplit(url)
    except ValueError:
        raise ValueError("cannot be read as a URL; write special characters of the password as %XX") from None
    form = _SCHEMES.get(split.scheme)
    if form is None:
        raise ValueError(f"begins with none of {', '.join(f'{scheme}://' for scheme in _SCHEMES)}")
    tls = split.scheme.startswith("rediss")
    if split.scheme == "unix":
        _query(split, form, tls=tls)
        if not split.path.startswith("/"):
            raise ValueError("names no socket: unix:///run/redis.sock")
        return Address(form, tls, options={**parse_url(url), "path": unquote(split.path)})
    credentials, _, netloc = split.netloc.rpartition("@")
    hosts = tuple(_hosts(netloc, _PORTS[form]))
    if form is Form.SINGLE and len(hosts) > 1:
        raise ValueError("names several hosts, which takes redis+sentinel:// or redis+cluster://")
    query = _query(split, form, tls=tls)
    service, database = _path(split, form)
    # redis-py reads the rest as it would for one host.
    plain = split._replace(
        scheme="rediss" if tls else "redis", netloc=f"{credentials}@host" if credentials else "host", path=database
    )
    options: dict[str, Any] = dict(parse_url(plain.geturl()))
    for name in ("host", "port", "connection_class"):
        options.pop(name, None)
    sentinels = {name.removeprefix("sentinel_"): options.pop(name) for name in _SENTINELS if name in query}
    return Address(form, tls, hosts, service, options, sentinels)


def _query(split: SplitResult, form: Form, *, tls: bool) -> dict[str, str]:
    query = {name: values[0] for name, values in parse_qs(split.query, keep_blank_values=True).items()}
    known = (
        *(("db",) if form is not Form.CLUSTER else ()),
        *(_TLS if tls else ()),
        *(_SENTINELS if form is Form.SENTINEL else ()),
    )
    if split.fragment or query.keys() - set(known):  # not quoted: it may be the rest of a password
        raise ValueError(
            f"has parameters behind ? or # that {split.scheme}:// does not take: {', '.join(known) or 'none'}"
        )
    if missing := [name for name in _FILES if name in query and not Path(query[name]).is_file()]:
        raise ValueError(f"{', '.join(missing)}: there is no such file")
    return query


def _hosts(netloc: str, port: int) -> Iterator[tuple[str, int]]:
    for each in netloc.split(","):
        try:
            split = urlsplit(f"//{each}")
            host, own = split.hostname, split.port
        except ValueError:
            host, own = None, None
        if not host:
            raise ValueError("names no host, or a port that is none: host:port, several with commas between them")
        yield host, own or port


def _path(split: SplitResult, form: Form) -> tuple[str, str]:
    """The service, and the path that names the database."""
    parts = [unquote(part) for part in split.path.split("/")[1:] if part]
    service = parts.pop(0) if parts and form is Form.SENTINEL else ""
    if form is Form.SENTINEL and not service:
        raise ValueError("names no service: redis+sentinel://host:port,host:port/service, as `sentinel monitor` has it")
    if not parts:
        return service, ""
    if form is Form.CLUSTER or len(parts) > 1 or not parts[0].isdecimal():
        raise ValueError("ends in what is no number of a database (a Cluster has only one, and takes none)")
    return service, f"/{parts[0]}"
