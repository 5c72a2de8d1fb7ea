"""The secrets of a deployment, and those of an event under its wrapping key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from joserfc import jwe, jws
from joserfc.errors import JoseError
from joserfc.jwk import OctKey, OKPKey

from admission.core.errors import ConfigurationError
from admission.core.record import EventRecord
from admission.core.ticket import TicketKeys


class RecordSeal:
    """Signs records of events as compact JWS (RFC 7515, HS256): only who has their key can make one.

    Args:
        key: 32 bytes.
    """

    def __init__(self, key: bytes) -> None:
        self._key = OctKey.import_key(key)

    def sign(self, record: EventRecord) -> str:
        """A record as text for machines."""
        return jws.serialize_compact({"alg": "HS256"}, record.model_dump_json(), self._key)

    def read(self, text: str | bytes) -> EventRecord:
        """The record in a text.

        Raises:
            ConfigurationError: when these secrets did not sign it, or it holds no record.
        """
        try:
            return EventRecord.model_validate_json(jws.deserialize_compact(text, self._key, ["HS256"]).payload)
        except (JoseError, ValueError) as error:
            problem = "a record of an event was not made with these secrets: give every process the same secrets file"
            raise ConfigurationError([problem]) from error


@dataclass(frozen=True, repr=False)
class Keyring:
    """Every secret that a gateway needs; made once a deployment, kept in a file, never in Redis.

    Args:
        tickets: HMAC keys of tickets by key id.
        passes: Ed25519 private keys of passes; the first signs, all are published.
        recovery: HMAC key of recovery codes, 32 bytes.
        wrapping: key under which the peppers and seeds of events are encrypted, 32 bytes.
        origin_keys: by event slug, the key with which its origin sends reports.
    """

    tickets: TicketKeys
    passes: tuple[OKPKey, ...]
    recovery: bytes
    wrapping: bytes
    origin_keys: Mapping[str, str]

    def __repr__(self) -> str:
        return f"Keyring(tickets={self.tickets!r}, passes={len(self.passes)})"


def wrap(secret: bytes, wrapping: bytes) -> str:
    """A pepper or a seed as compact JWE (RFC 7516, dir with A256GCM)."""
    header = {"alg": "dir", "enc": "A256GCM"}
    return jwe.encrypt_compact(header, secret, OctKey.import_key(wrapping))


def unwrap(wrapped: str, wrapping: bytes) -> bytes:
    """The pepper of an event, or the seed of its draw.

    Raises:
        ConfigurationError: when it was wrapped under another key.
    """
    try:
        found = jwe.decrypt_compact(wrapped, OctKey.import_key(wrapping)).plaintext
    except (JoseError, ValueError) as error:
        problem = "the event's secrets were wrapped under another key: give every process the same secrets file"
        raise ConfigurationError([problem]) from error
    if not found:
        raise ConfigurationError(["the event's secrets are empty: create the event again"])
    return found
