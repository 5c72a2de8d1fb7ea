"""Bringing a place to another device with its recovery code, also while Redis is learning places anew."""

from __future__ import annotations

from admission.core.errors import Refused, StoreUnavailable
from gateway.gateway import Gateway
from gateway.room import Room
from gateway.verbs import Issued

_FRESH_SECONDS = 0.2  # what was read just now, on a busy machine


async def recover(gateway: Gateway, room: Room, nik_text: str, code: str, browser_key: str) -> Issued:
    """See Verbs.recover. A code is not refused while Redis may still learn the place that it lost.

    Raises:
        Refused: `recovery-refused`.
        StoreUnavailable: instead, for everybody alike, while places are being learnt or the line is not there.
    """
    try:
        return await gateway.verbs.recover(room, nik_text, code, browser_key)
    except Refused as refused:
        if refused.problem != "recovery-refused":
            raise
        await gateway.refresh(room.event.slug)
        if room.learning_until is not None or room.age_seconds > _FRESH_SECONDS:
            raise StoreUnavailable("places are being learnt") from refused
        raise
