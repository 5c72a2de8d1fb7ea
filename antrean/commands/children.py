"""Child processes of `antrean up`: started, waited for, started again when they die, stopped in order."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from admission.core.errors import ConfigurationError

_START_SECONDS = 30.0  # a cold disk on a small machine; a failure ends at once and is not waited for
_STOP_SECONDS = 15.0
_RESTART_PAUSE_SECONDS = 1.0
_QUICK_SECONDS = 10.0
_QUICK_DEATHS = 3  # in a row, each within the quick time: this does not mend itself
_TAIL_LINES = 8
_PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None)


def _die_with_parent() -> None:
    """In the child: be told to stop when `up` is gone, even by SIGKILL; an orphan would share the next one's port."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


@dataclass
class Child:
    """One process and how to start it.

    Args:
        name: shown to people, and the name of its log.
        command: what to run.
        ready: whether a line on stdout says that it answers; None: it answers once `ready_path` exists.
    """

    name: str
    command: list[str]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    ready: Callable[[str], bool] | None = None
    ready_path: Path | None = None
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> str:
        """Start and wait until it answers; returns the line with which it said so.

        Raises:
            ConfigurationError: when it ends or stays silent; with the last lines of its log.
        """
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *self.command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if self.ready else log,
                stderr=log,
                env={**os.environ, **self.environment},
                start_new_session=True,  # Ctrl-C reaches `up` alone, which stops all in order
                preexec_fn=_die_with_parent,
            )
        try:
            async with asyncio.timeout(_START_SECONDS):
                return await self._until_ready(self.process)
        except TimeoutError:
            await self.stop()
            raise self._failure(f"did not answer within {_START_SECONDS:.0f} s") from None

    async def _until_ready(self, process: asyncio.subprocess.Process) -> str:
        if self.ready is None:
            while self.ready_path is not None and not self.ready_path.exists():
                if process.returncode is not None:
                    raise self._failure(f"ended with code {process.returncode}")
                await asyncio.sleep(0.02)
            return ""
        if process.stdout is None:
            raise RuntimeError("a child with a ready line has its stdout read")
        while line := (await process.stdout.readline()).decode():
            if self.ready(line):
                return line.strip()
        raise self._failure(f"ended with code {await process.wait()}")

    def _failure(self, what: str) -> ConfigurationError:
        lines = self.log.read_text(errors="replace").splitlines()[-_TAIL_LINES:]
        return ConfigurationError([f"{self.name} {what}; {self.log} ends with:", *(f"  {line}" for line in lines)])

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL for one that does not listen."""
        if self.process is None or self.process.returncode is not None:
            return
        self.process.terminate()
        try:
            await asyncio.wait_for(self.process.wait(), _STOP_SECONDS)
        except TimeoutError:
            self.process.kill()
            await self.process.wait()


async def keep_running(child: Child, tell: Callable[[str], None]) -> None:
    """Start a child again whenever it dies; returns when it cannot be kept alive.

    Args:
        tell: takes a sentence for people.
    """
    loop = asyncio.get_running_loop()
    deaths = 0
    while child.process is not None:
        started = loop.time()
        code = await child.process.wait()
        deaths = deaths + 1 if loop.time() - started < _QUICK_SECONDS else 1
        if deaths >= _QUICK_DEATHS:
            tell(f"{child.name} keeps ending (code {code}); see {child.log}")
            return
        tell(f"{child.name} ended with code {code}; started again")
        await asyncio.sleep(_RESTART_PAUSE_SECONDS)
        try:
            await child.start()
        except ConfigurationError as error:
            tell("\n".join(error.problems))
            return
