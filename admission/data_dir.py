"""The data folder: secrets of the deployment, records, lines and entry lists of its events, as files."""

from __future__ import annotations

import json
import os
import secrets
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from math import inf
from pathlib import Path
from typing import Any, BinaryIO

import structlog
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from admission.core.entries import SALT_KEY_BYTES
from admission.core.errors import ConfigurationError
from admission.core.record import EventRecord
from admission.core.ticket import TicketKeys
from admission.keyring import Keyring, RecordSeal
from antrean.passes import new_key

_KEY_BYTES = 32
_KEEP_AGAIN_SECONDS = 5.0  # a disk that is full stays so for minutes; each try writes and signs a few kilobytes

log = structlog.get_logger()


def _encode(data: bytes) -> str:
    return urlsafe_b64encode(data).decode()


@contextmanager
def whole_file(path: Path, mode: int = 0o600) -> Iterator[BinaryIO]:
    """A file to write, whole or not at all: it takes the place of `path` when the block ends, and is gone if it fails.

    Args:
        mode: what others may do with it, less the umask; by default only its owner reads it.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def _write_private(path: Path, text: str) -> None:
    """Write a file that only its owner reads."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with whole_file(path) as file:
        file.write(text.encode())


class SecretsFile:
    """The secrets of a deployment in one JSON file with mode 0600, the same on every gateway.

    Weakness: whoever reads it can make tickets and passes; keep it like a TLS key.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def ensure(self) -> None:
        """Create the file with fresh keys unless it exists."""
        if self.path.exists():
            return
        kid = secrets.token_hex(4)
        made = {
            "ticket_keys": {"current": kid, "keys": {kid: _encode(secrets.token_bytes(_KEY_BYTES))}},
            "pass_keys": [new_key().as_dict(private=True)],
            "recovery_key": _encode(secrets.token_bytes(_KEY_BYTES)),
            "wrapping_key": _encode(secrets.token_bytes(_KEY_BYTES)),
            "record_key": _encode(secrets.token_bytes(_KEY_BYTES)),
            "origin_keys": {},
        }
        _write_private(self.path, json.dumps(made, indent=2))

    def ensure_origin_key(self, slug: str) -> str:
        """The key with which an event's origin sends reports; made once."""
        made = self._read()
        key: str = made["origin_keys"].setdefault(slug, secrets.token_urlsafe(_KEY_BYTES))
        _write_private(self.path, json.dumps(made, indent=2))
        return key

    def _read(self) -> dict[str, Any]:
        try:
            found = json.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            hint = "create it with `antrean keys`, and give every gateway the same one"
            raise ConfigurationError([f"{self.path}: there is no secrets file; {hint}"]) from error
        except (OSError, ValueError) as error:
            raise ConfigurationError([f"{self.path}: cannot be read: {type(error).__name__}"]) from error
        if not isinstance(found, dict):
            raise ConfigurationError([f"{self.path}: is not a secrets file"])
        return found

    def seal(self) -> RecordSeal:
        """What signs the records of events: all that a worker needs of the file, and all that its own need hold.

        Raises:
            ConfigurationError: when the file is missing, or without a key of records.
        """
        try:
            key = urlsafe_b64decode(self._read()["record_key"])
            if len(key) < _KEY_BYTES:
                raise ValueError("too short")
        except (KeyError, TypeError, ValueError) as error:
            problem = f"{self.path}: has no key of records ({type(error).__name__}); restore the file from a copy"
            raise ConfigurationError([problem]) from error
        return RecordSeal(key)

    def for_workers(self, path: Path) -> None:
        """Write a secrets file that holds what workers need and nothing else.

        Raises:
            ConfigurationError: see `seal`; when there is such a file already.
        """
        self.seal()
        if path.exists():
            raise ConfigurationError([f"{path}: exists already; remove it first if it is to be another"])
        _write_private(path, json.dumps({"record_key": self._read()["record_key"]}, indent=2))

    def keyring(self) -> Keyring:
        """The secrets, ready for use.

        Raises:
            ConfigurationError: when the file is missing or not whole; its contents are never in the message.
        """
        found = self._read()
        try:
            tickets = found["ticket_keys"]
            keys = {kid: urlsafe_b64decode(key) for kid, key in tickets["keys"].items()}
            passes = tuple(OKPKey.import_key(key) for key in found["pass_keys"])
            recovery, wrapping = (urlsafe_b64decode(found[name]) for name in ("recovery_key", "wrapping_key"))
            whole = tickets["current"] in keys and passes and all(key.is_private for key in passes)
            sized = all(len(key) >= _KEY_BYTES for key in (*keys.values(), recovery, wrapping))
            if not whole or not sized:
                raise ValueError("incomplete")
            return Keyring(TicketKeys(tickets["current"], keys), passes, recovery, wrapping, found["origin_keys"])
        except (KeyError, TypeError, ValueError, AttributeError, JoseError) as error:
            problem = f"{self.path}: is not a whole secrets file ({type(error).__name__}); restore it from a copy"
            raise ConfigurationError([problem]) from error


class RecordFiles:
    """Copies of the event records, one file an event: with them an empty Redis gets its events back."""

    def __init__(self, data_dir: Path, seal: RecordSeal) -> None:
        self._folder = data_dir / "events"
        self._seal = seal

    def _path(self, slug: str) -> Path:
        return self._folder / f"{slug}.jws"

    def all(self) -> list[EventRecord]:
        """Every record, by slug.

        Raises:
            ConfigurationError: naming each file that holds no record.
        """
        records, problems = [], []
        for path in sorted(self._folder.glob("[a-z0-9-]*.jws")):
            try:
                records.append(self._seal.read(path.read_text(encoding="utf-8")))
            except (OSError, ConfigurationError) as error:
                problems.append(
                    f"{path}: holds no record that these secrets signed ({type(error).__name__}); restore or remove it"
                )
        if problems:
            raise ConfigurationError(problems)
        return records

    def keep(self, record: EventRecord) -> None:
        """Write a record unless the file holds it, or a higher version, already.

        Raises:
            ConfigurationError: when the folder cannot be written, or the file holds something else.
        """
        path = self._path(record.event.slug)
        try:
            if path.exists():
                stands = self._seal.read(path.read_text(encoding="utf-8"))
                if stands.version >= record.version:
                    return
            _write_private(path, self._seal.sign(record))
        except (OSError, ConfigurationError) as error:
            problem = f"{path}: the event's record cannot be kept ({type(error).__name__}); Redis alone holds it"
            raise ConfigurationError([problem]) from error


class RecordKeeper:
    """Keeps each version of a record once; one that could not be kept is tried again until it is, at most every 5 s."""

    def __init__(self, files: RecordFiles) -> None:
        self._files = files
        self._kept: dict[str, int] = {}
        self._again_at: dict[str, float] = {}

    def due(self, record: EventRecord) -> bool:
        """Whether `keep` has anything to do for a record now."""
        slug = record.event.slug
        return record.version > self._kept.get(slug, 0) and time.monotonic() >= self._again_at.get(slug, -inf)

    def keep(self, record: EventRecord) -> None:
        """Write a record; a failure is logged and never raised, since the line must move without a disk too."""
        slug = record.event.slug
        try:
            self._files.keep(record)
        except ConfigurationError as error:
            self._again_at[slug] = time.monotonic() + _KEEP_AGAIN_SECONDS
            log.error("record-not-kept", slug=slug, version=record.version, reason=str(error))
            return
        self._kept[slug] = record.version
        if self._again_at.pop(slug, None) is not None:
            log.info("record-kept", slug=slug, version=record.version)


class EntryFiles:
    """Copies of the entry lists of draws, one file a draw: the salt key, then 12 bytes an entry.

    With them receipts and the transcript outlive Redis. Where Redis and all copies are lost nobody can prove an entry
    any more; the draw itself stands, since the order follows from the event's record and a place from its ticket.
    """

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir / "draws"

    def _path(self, slug: str, root: str) -> Path:
        return self._folder / f"{slug}.{root[:16]}"

    def holds(self, slug: str, root: str) -> bool:
        """Whether the list with this root is here."""
        return self._path(slug, root).exists()

    def keep(self, slug: str, root: str, salt_key: bytes, pieces: Iterable[bytes]) -> None:
        """Write a list.

        Raises:
            OSError: when the folder cannot be written.
        """
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with whole_file(self._path(slug, root)) as file:
            file.write(salt_key)
            file.writelines(pieces)

    def read(self, slug: str, root: str) -> tuple[bytes, bytes]:
        """The salt key and the sessions of all entries.

        Raises:
            OSError: when the list is not here.
        """
        with self._path(slug, root).open("rb") as file:
            return file.read(SALT_KEY_BYTES), file.read()

    def set_aside(self, slug: str, root: str) -> Path:
        """Take a list that is not what it was out of the way, for somebody to look at; returns where it is."""
        path = self._path(slug, root)
        return path.replace(path.with_name(f"{path.name}.damaged"))
