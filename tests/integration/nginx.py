"""A real nginx for tests: our configuration with other ports and paths, ended by pid."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.eventually import eventually
from tests.integration.failover import free_port

CONFIGURATION = Path(__file__).parents[2] / "deploy" / "nginx" / "antrean.conf"
HOST = "antre.example.go.id"
BINARY = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")  # Debian's is not on everybody's PATH
_START_SECONDS = 15.0
_OUTER = """
daemon off;
{user}
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    include {folder}/antrean.conf;
}}
"""


class Nginx:
    """A running proxy, as a browser meets it that looks up the public name."""

    def __init__(self, folder: Path, *gateway_ports: int) -> None:
        self.folder = folder
        (folder / "cache").mkdir(parents=True)
        self.plain_port, self.tls_port = free_port(), free_port()
        changes = {
            "listen 80;": f"listen 127.0.0.1:{self.plain_port};",
            "listen 443 ssl http2;": f"listen 127.0.0.1:{self.tls_port} ssl http2;",
            "/etc/ssl/antrean/": f"{folder}/",
            "/var/cache/nginx/": f"{folder}/cache/",
            "/var/log/nginx/": f"{folder}/",
            "127.0.0.1:8081": f"127.0.0.1:{gateway_ports[0]}",
            "127.0.0.1:8082": f"127.0.0.1:{gateway_ports[-1]}",
            "keepalive_timeout 4s": "keepalive_timeout 400ms",  # below the drain of the tests, as 4 s is below 5 s
        }
        text = CONFIGURATION.read_text()
        for ours, theirs in changes.items():
            assert ours in text, ours
            text = text.replace(ours, theirs)
        (folder / "antrean.conf").write_text(text)
        user = "user root;" if os.geteuid() == 0 else ""  # its workers must read this folder
        (folder / "nginx.conf").write_text(_OUTER.format(folder=folder, user=user))
        _make_certificate(folder)
        self.command = [str(BINARY), "-e", f"{folder}/error.log", "-c", f"{folder}/nginx.conf"]
        self.trust = ssl.create_default_context(cafile=str(folder / "fullchain.pem"))
        self.log = folder / "antrean.log"

    def test(self) -> str:
        """What `nginx -t` says; fails when it is not content."""
        done = subprocess.run([*self.command, "-t"], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stderr

    def start(self) -> subprocess.Popen[bytes]:
        """Run it."""
        return subprocess.Popen(["setpriv", "--pdeathsig", "TERM", *self.command])

    def url(self, path: str, *, scheme: str = "https") -> str:
        """Where it listens for a path."""
        return f"{scheme}://127.0.0.1:{self.tls_port if scheme == 'https' else self.plain_port}{path}"

    def asking(self, client: aiohttp.ClientSession, method: str, path: str, **options: Any) -> Any:
        """A request to the public name, over TLS."""
        headers = {"Host": HOST, **options.pop("headers", {})}
        return client.request(
            method,
            self.url(path),
            headers=headers,
            ssl=self.trust,
            server_hostname=HOST,
            allow_redirects=False,
            **options,
        )


def _make_certificate(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "fullchain.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "privkey.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


@asynccontextmanager
async def nginx(folder: Path, *gateway_ports: int) -> AsyncIterator[Nginx]:
    """Run one in front of one or two gateways."""
    proxy = Nginx(folder, *gateway_ports)
    process = proxy.start()
    async with aiohttp.ClientSession() as client:

        async def answers() -> bool:
            assert process.poll() is None, (folder / "error.log").read_text()
            try:
                async with proxy.asking(client, "GET", "/healthz"):
                    return True
            except aiohttp.ClientConnectionError:
                return False

        try:
            await eventually(answers, within_seconds=_START_SECONDS)
            yield proxy
        finally:
            process.terminate()
            process.wait(_START_SECONDS)
