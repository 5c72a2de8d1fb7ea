"""The product as its users start it: `antrean up`, on free ports, in a folder that is gone afterwards."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

_STOP_SECONDS = 30.0


class NotReady(Exception):
    """The product did not start; the message is what it said."""


@contextmanager
def running(options: Sequence[str]) -> Iterator[str]:
    """Start it and give the address of the registration site; stop it at the end.

    Raises:
        NotReady: when it ends without getting ready.
    """
    with tempfile.TemporaryDirectory(prefix="antrean-load-") as folder:
        said = Path(folder) / "said"
        ports = ("--port", "0", "--origin-port", "0", "--metrics-port", "0")
        command = [sys.executable, "-m", "antrean.cli", "up", *ports, "--data-dir", f"{folder}/data", *options]
        with said.open("wb") as errors:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        try:
            yield _site(process, said)
        finally:
            _stop(process)


def _site(process: subprocess.Popen[str], said: Path) -> str:
    line = process.stdout.readline() if process.stdout is not None else ""  # it gives up by itself after half a minute
    if not line.startswith("ready "):
        raise NotReady(said.read_text(errors="replace").strip() or "it said nothing")
    return line.split()[2].rstrip("/")


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
