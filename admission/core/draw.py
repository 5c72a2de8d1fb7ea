"""The facts of an event's draw as its record holds them: they become known one after the other, and never change."""

from __future__ import annotations

import unicodedata
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from antrean.draw import Permutation, key_of

_Hex = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_Words = Annotated[str, Field(min_length=1, max_length=300)]
# Bytes of what the status document says, which stays under 2 kB; a drand value has 64.
_SAYS_BYTES, _VALUE_BYTES = 100, 72


def _short(limit_bytes: int) -> AfterValidator:
    def check(text: str) -> str:
        if len(text.encode()) > limit_bytes:
            raise ValueError(f"at most {limit_bytes} bytes")
        return text

    return AfterValidator(check)


class DrawSource(BaseModel):
    """Where the value will come from, named before anybody joins.

    Args:
        kind: `drand` (a round of the public randomness beacon), `published` (a number that somebody else publishes) or
            `witness` (a word that somebody says in public).
        says: which round, number or witness, and when, in words for everybody; at most 100 bytes.
        round: of a drand round its number.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["drand", "published", "witness"]
    says: Annotated[_Words, _short(_SAYS_BYTES)]
    round: Annotated[int, Field(ge=1)] | None = None


class Draw(BaseModel):
    """One draw.

    Args:
        commitment: to the seed; public from the event's first minute.
        sealed_seed: the seed, encrypted under the wrapping key.
        root, size: of the entry list; None until it is sealed, after the freeze.
        value, value_by: the public value, and whose word it is; None until it is given.
        seed: in the clear, from the moment at which the value is given.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    commitment: _Hex
    sealed_seed: str
    root: _Hex | None = None
    size: Annotated[int, Field(ge=0)] | None = None
    value: Annotated[_Words, _short(_VALUE_BYTES)] | None = None
    value_by: _Words | None = None
    value_at: AwareDatetime | None = None
    seed: _Hex | None = None

    @property
    def drawn(self) -> bool:
        """Whether everything is known that the order follows from."""
        return self.seed is not None

    def permutation(self) -> Permutation | None:
        """The order; None before the draw, and when nobody is in it."""
        if self.seed is None or self.root is None or self.value is None or not self.size:
            return None
        return Permutation(key_of(bytes.fromhex(self.seed), bytes.fromhex(self.root), self.size, self.value), self.size)


def plain_value(text: str) -> str:
    """A value as it goes into the key: in one Unicode spelling (NFC), without blanks around it."""
    return unicodedata.normalize("NFC", text).strip()
