"""Writes and reads histories, whose lines `loadtests.lines` describes."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from loadtests.lines import Act, AnyLine, Effect, Fault, Life, Proof, Sample, Start, Step

_BUFFER_BYTES = 1 << 20  # a write to the disk each few thousand lines, so that the event loop hardly waits for it


@dataclass
class Held:
    """When a fault surely held. Call `holds` once it does, and `ends` right before it is mended."""

    since_at: float | None = None
    until_at: float | None = None

    def holds(self) -> None:
        """From now on."""
        self.since_at = time.monotonic()

    def ends(self) -> None:
        """Until now."""
        self.until_at = time.monotonic()


class History:
    """Writes a history; use it as a context manager, or close it.

    Args:
        path: the file, which is made anew.

    Attributes:
        counts: lines so far, by kind and, for steps, by `op` and `status`, such as `join 201`.
    """

    def __init__(self, path: Path, *, seed: int = 0, what: str = "") -> None:
        self.path = path
        self.counts: Counter[str] = Counter()
        self._file = path.open("wb", buffering=_BUFFER_BYTES)
        self._encode = msgspec.json.Encoder().encode
        self.write(Start(at=time.monotonic(), wall_us=time.time_ns() // 1000, seed=seed, what=what))

    def write(self, line: AnyLine) -> None:
        """Add a line."""
        self._file.write(self._encode(line) + b"\n")
        name = f"{line.op} {line.status}" if isinstance(line, Step) else type(line).__name__.lower()
        self.counts[name] += 1

    @contextmanager
    def fault(self, name: str, *effects: Effect, targets: tuple[str, ...] = ()) -> Iterator[Held]:
        """A fault that lasts as long as the block; its proof is another line."""
        at, held = time.monotonic(), Held()
        self.write(Fault(at=at, name=name, effects=effects, targets=targets))
        try:
            yield held
        finally:
            self.write(
                Fault(
                    at=at,
                    name=name,
                    effects=effects,
                    targets=targets,
                    until_at=time.monotonic(),
                    surely_at=held.since_at,
                    surely_until=held.until_at,
                )
            )

    @contextmanager
    def life(self, *, seen: bool = True, lost_seconds: float = 0.0) -> Iterator[None]:
        """A new life of Redis' data that begins inside the block."""
        at = time.monotonic()
        yield
        self.write(Life(at=at, until_at=time.monotonic(), seen=seen, lost_seconds=lost_seconds))

    def prove(self, fault: str, what: str, *, happened: bool = True) -> None:
        """Say how it is known that a fault happened."""
        self.write(Proof(at=time.monotonic(), fault=fault, what=what, happened=happened))

    def sample(self, what: str, value: float, source: str = "") -> None:
        """A figure."""
        self.write(Sample(at=time.monotonic(), what=what, value=value, source=source))

    def act(self, what: str) -> None:
        """What an operator did."""
        self.write(Act(at=time.monotonic(), what=what))

    def flush(self) -> None:
        """Hand what was written to the operating system, for somebody who reads the file meanwhile."""
        self._file.flush()

    def close(self) -> None:
        """Write everything and close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_history(*paths: Path) -> list[AnyLine]:
    """The lines of the files, by `at`.

    Raises:
        msgspec.MsgspecError: for a line that is none of the kinds, or lacks a field. A last line without an end is
            left out: its writer was killed.
    """
    decoder = msgspec.json.Decoder(AnyLine)
    lines: list[AnyLine] = []
    for path in paths:
        with path.open("rb") as file:
            lines += [decoder.decode(line) for line in file if line.endswith(b"\n")]
    return sorted(lines, key=attrgetter("at"))
