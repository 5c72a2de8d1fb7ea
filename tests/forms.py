"""Redis in the forms people run, for tests: with an ACL, over TLS, behind Sentinels, as a Cluster."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import redis
from redis.cluster import ClusterNode, RedisCluster

from admission.store.keys import EventKeys
from tests.samples import SLUG
from tests.servers import RedisServer, binary_of

ROOT = Path(__file__).parents[1]
CONFIGURATION = ROOT / "deploy" / "redis"
USER, PASSWORD = "antrean", "s3cret/with%signs"
URL_PASSWORD = "s3cret%2Fwith%25signs"
SERVICE = "antrean"
_READY_SECONDS = 30.0
_PAUSE_SECONDS = 0.02
_SLOTS = 16_384
# Of deploy/redis/redis.conf; a test there loads the file itself.
FENCE = ("--min-replicas-to-write", "1", "--min-replicas-max-lag", "2", "--repl-ping-replica-period", "1")
QUICK = ("--repl-diskless-sync-delay", "0", "--bind", "127.0.0.1")


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now, all different."""
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def await_ready(condition: Callable[[], Any]) -> Any:
    """The first true value of a condition, whose refusals count as not yet."""
    deadline = time.monotonic() + _READY_SECONDS
    while True:
        with suppress(redis.RedisError, OSError):
            if found := condition():
                return found
        assert time.monotonic() < deadline, f"not within {_READY_SECONDS:g} s: {condition}"
        time.sleep(_PAUSE_SECONDS)


def users_file(folder: Path) -> Path:
    """deploy/redis/users.acl with the password of tests, and a default user for the tests themselves."""
    text = (CONFIGURATION / "users.acl").read_text().replace("CHANGE-ME", PASSWORD)
    own = folder / "users.acl"
    kept = [line for line in text.splitlines() if line.startswith("user ") and not line.startswith("user default ")]
    own.write_text("\n".join([*kept, "user default on nopass ~* &* +@all", ""]))
    return own


class AclServer(RedisServer):
    """A server whose user for us may do what deploy/redis/users.acl says and nothing else."""

    def __init__(self, flavour: str) -> None:
        super().__init__(flavour)
        self._options = ("--aclfile", str(users_file(self.folder)))
        self.url = f"unix://{USER}:{URL_PASSWORD}@{self.socket}"


def make_certificates(folder: Path, names: str = "DNS:localhost") -> None:
    """A CA of our own, and certificates of a server (of these names) and of a client."""

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    usage = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=test CA", *usage)
    for name in ("server", "client"):
        (folder / f"{name}.ext").write_text(f"subjectAltName={names}\nbasicConstraints=CA:FALSE\n")
        openssl("req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        signed = ("-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", f"{name}.ext")
        openssl("x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.crt", *signed)


def tls_settings(folder: Path, port: int) -> dict[str, str]:
    """Of a server that takes TLS with a client's certificate on a port, and nothing else."""
    return {
        **{"port": "0", "tls-port": str(port), "tls-auth-clients": "yes", "tls-replication": "yes"},
        **{"tls-ca-cert-file": str(folder / "ca.crt"), "tls-cert-file": str(folder / "server.crt")},
        **{"tls-key-file": str(folder / "server.key"), "bind": "127.0.0.1"},
    }


def tls_options(folder: Path, port: int) -> list[str]:
    """The same on the command line."""
    return [word for name, value in tls_settings(folder, port).items() for word in (f"--{name}", value)]


def tls_files(folder: Path) -> dict[str, str]:
    """What a client of them needs, as redis-py names it."""
    files = {"ssl_ca_certs": "ca.crt", "ssl_certfile": "client.crt", "ssl_keyfile": "client.key"}
    return {name: str(folder / file) for name, file in files.items()}


def tls_parameters(folder: Path) -> str:
    """The parameters of the URL."""
    return "?" + "&".join(f"{name}={file}" for name, file in tls_files(folder).items())


class TlsServer(AclServer):
    """The same over TLS: both sides show a certificate, and the host name is checked."""

    def __init__(self, flavour: str = "redis") -> None:
        super().__init__(flavour)
        make_certificates(self.folder)
        (self.port,) = free_ports(1)
        self._options = (*self._options, *tls_options(self.folder, self.port))
        self.url = f"rediss://{USER}:{URL_PASSWORD}@localhost:{self.port}/0{tls_parameters(self.folder)}"


class Sentinels:
    """A master, two replicas and three Sentinels. What tests write by themselves goes to whichever is master.

    Args:
        fenced: a master that hears of no replica refuses writes.
        tls: between all of them, and to us.
    """

    def __init__(self, flavour: str = "redis", *, fenced: bool = True, tls: bool = False) -> None:
        self.flavour = flavour
        self._tls = tls
        self._folder = Path(tempfile.mkdtemp(prefix="antrean-"))
        self._fence = FENCE if fenced else ()
        self._ports = free_ports(6)
        self.servers: list[RedisServer] = []
        self.sentinels: list[subprocess.Popen[bytes]] = []
        hosts = ",".join(f"127.0.0.1:{port}" for port in self._ports[3:])
        self.url = f"redis+sentinel://{hosts}/{SERVICE}"
        if tls:
            make_certificates(self._folder, "IP:127.0.0.1")
            self.url = f"rediss+sentinel://{hosts}/{SERVICE}{tls_parameters(self._folder)}"

    def start(self) -> Sentinels:
        """Start all and wait until they know each other and the master takes writes."""
        master = self._ports[0]
        for port in self._ports[:3]:
            following = ("--replicaof", "127.0.0.1", str(master)) if port != master else ()
            listening = tls_options(self._folder, port) if self._tls else ("--port", str(port))
            options = (*listening, *QUICK, *self._fence, *following)
            self.servers.append(RedisServer(self.flavour, aof=True, options=options).start())
        for port in self._ports[3:]:
            self._start_sentinel(port, master)
        for port in self._ports[3:]:
            await_ready(lambda port=port: self._agrees(port))
        await_ready(lambda: self.servers[0].client.set("written", "1"))
        await_ready(lambda: all(each.client.get("written") for each in self.servers))
        return self

    def _start_sentinel(self, port: int, master: int) -> None:
        text = (CONFIGURATION / "sentinel.conf").read_text()
        for old, new in {
            "port 26379": f"port {port}",
            "bind 127.0.0.1 -::1": "bind 127.0.0.1",
            "dir /tmp": f"dir {self._folder}",
            f"sentinel monitor {SERVICE} 127.0.0.1 6379 2": f"sentinel monitor {SERVICE} 127.0.0.1 {master} 2",
        }.items():
            assert f"\n{old}\n" in text, old
            text = text.replace(f"\n{old}\n", f"\n{new}\n")
        if self._tls:
            settings = tls_settings(self._folder, port)
            text = text.replace(
                f"port {port}\n", "\n".join(f"{name} {value}" for name, value in settings.items()) + "\n"
            )
        own = self._folder / f"sentinel-{port}.conf"
        own.write_text(text)
        command = ["setpriv", "--pdeathsig", "KILL", binary_of(self.flavour), str(own), "--sentinel"]
        self.sentinels.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

    def _ask_sentinel(self, port: int, *words: str) -> Any:
        files = {"ssl": True, **tls_files(self._folder)} if self._tls else {}
        options: dict[str, Any] = {"protocol": 2, "decode_responses": True, "socket_timeout": 2, **files}
        with redis.Redis(host="127.0.0.1", port=port, **options) as client:
            return client.execute_command("SENTINEL", *words)

    def _agrees(self, port: int) -> bool:
        told = self._ask_sentinel(port, "MASTER", SERVICE)
        fields = told if isinstance(told, dict) else dict(zip(told[::2], told[1::2], strict=True))
        return int(fields["num-slaves"]) == 2 and int(fields["num-other-sentinels"]) == 2

    @property
    def master(self) -> RedisServer:
        """The server that the first Sentinel names."""
        _, port = self._ask_sentinel(self._ports[3], "GET-MASTER-ADDR-BY-NAME", SERVICE)
        return self.servers[self._ports.index(int(port))]

    @property
    def client(self) -> redis.Redis:
        """A client of the master."""
        return self.master.client

    @property
    def socket(self) -> Path:
        """The master's unix socket."""
        return self.master.socket

    @property
    def folder(self) -> Path:
        """The master's folder."""
        return self.master.folder

    def empty(self) -> None:
        """See RedisServer."""
        self.master.empty()

    def stop(self) -> None:
        """End all processes and remove their folders."""
        for sentinel in self.sentinels:
            sentinel.kill()
            sentinel.wait()
        for server in self.servers:
            server.stop()
        shutil.rmtree(self._folder, ignore_errors=True)


class _Client(RedisCluster):
    """Routes keys; what it says of a server is said of the one that has the event of most tests."""

    def info(self, section: str | None = None, **_: Any) -> Any:
        return super().info(section, target_nodes=self.get_node_from_key(EventKeys(SLUG).event))

    def config_set(self, name: str, value: Any, *_: Any, **__: Any) -> Any:
        return super().config_set(name, value, target_nodes=RedisCluster.PRIMARIES)

    def config_resetstat(self, **_: Any) -> Any:
        return super().config_resetstat(target_nodes=RedisCluster.PRIMARIES)

    def save(self, **_: Any) -> Any:
        return super().save(target_nodes=RedisCluster.PRIMARIES)


class Cluster:
    """Three masters, each with a replica or none. `client` routes what tests write by themselves.

    Args:
        node_timeout_ms: how long a node is silent before a replica takes its place.
        tls: between all of them, and to us.
    """

    def __init__(
        self, flavour: str = "redis", *, replicas: bool = True, node_timeout_ms: int = 15_000, tls: bool = False
    ) -> None:
        self.flavour = flavour
        count = 6 if replicas else 3
        ports = free_ports(2 * count)
        self.ports, self._bus_ports = ports[:count], ports[count:]
        # The events of other masters go on while one is away.
        self._options = ("--cluster-node-timeout", str(node_timeout_ms), "--cluster-require-full-coverage", "no")
        self.servers: list[RedisServer] = []
        hosts = ",".join(f"127.0.0.1:{port}" for port in self.ports[:3])
        self.url = f"redis+cluster://{hosts}"
        self._certificates = Path(tempfile.mkdtemp(prefix="antrean-")) if tls else None
        if self._certificates is not None:
            make_certificates(self._certificates, "IP:127.0.0.1")
            self.url = f"rediss+cluster://{hosts}{tls_parameters(self._certificates)}"

    def start(self) -> Cluster:
        """Start the nodes, make them a Cluster and wait until all agree."""
        for port, bus in zip(self.ports, self._bus_ports, strict=True):
            listening = ("--port", str(port))
            if self._certificates is not None:
                listening = (*tls_options(self._certificates, port), "--tls-cluster", "yes")
            own = (*listening, "--cluster-enabled", "yes", "--cluster-port", str(bus), *QUICK, *self._options)
            self.servers.append(RedisServer(self.flavour, options=own).start())
        first, share = self.servers[0], _SLOTS // 3 + 1
        for rank, server in enumerate(self.servers):
            server.client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", rank + 1)
            first.client.execute_command("CLUSTER", "MEET", "127.0.0.1", self.ports[rank], self._bus_ports[rank])
            if rank < 3:
                last = min((rank + 1) * share, _SLOTS) - 1
                server.client.execute_command("CLUSTER", "ADDSLOTSRANGE", rank * share, last)
        masters = [server.client.execute_command("CLUSTER", "MYID") for server in self.servers[:3]]
        await_ready(lambda: all(self._told(each, "cluster_known_nodes") == len(self.servers) for each in self.servers))
        for server, master in zip(self.servers[3:], masters, strict=False):
            await_ready(
                lambda server=server, master=master: server.client.execute_command("CLUSTER", "REPLICATE", master)
            )
        await_ready(lambda: all(self._told(each, "cluster_state") == "ok" for each in self.servers))
        await_ready(lambda: all(self._follows(each) for each in self.servers[3:]))
        nodes = [ClusterNode("127.0.0.1", port) for port in self.ports[:3]]
        files = {"ssl": True, **tls_files(self._certificates)} if self._certificates else {}
        self.client: Any = _Client(startup_nodes=nodes, protocol=2, **files)
        return self

    def _told(self, server: RedisServer, name: str) -> int | str:
        told = server.client.execute_command("CLUSTER", "INFO")
        fields = told if isinstance(told, dict) else dict(line.split(":") for line in told.decode().split())
        return int(fields[name]) if fields[name].isdecimal() else fields[name]

    @staticmethod
    def _follows(server: RedisServer) -> bool:
        return server.client.info("replication").get("master_link_status") == "up"

    @property
    def folder(self) -> Path:
        """The folder of the server that has the event of most tests."""
        return self.server_of(EventKeys(SLUG).event).folder

    def server_of(self, key: str) -> RedisServer:
        """The master that has a key."""
        node = self.client.get_node_from_key(key)
        return self.servers[self.ports.index(node.port)]

    def empty(self) -> None:
        """See RedisServer."""
        for server in self.servers[:3]:
            server.empty()

    def stop(self) -> None:
        """End all processes and remove their folders."""
        if hasattr(self, "client"):
            self.client.close()
        for server in self.servers:
            server.stop()
        if self._certificates is not None:
            shutil.rmtree(self._certificates, ignore_errors=True)
