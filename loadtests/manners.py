"""How applicants behave."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Manner:
    """How somebody behaves; the default is a person who does what the page says, at once.

    Args:
        bearer: an app with the ticket in hand; else a browser with cookies.
        alternates: each request goes to the next gateway.
        identity_of: number of the person whose NIK is used; None: the own.
        group: what is chosen at the join, where the event asks.
        rejoin_seconds: joins again from the same device so often while waiting; None: never.
        rejoins_after_error: joins again as soon as a poll or a claim was not answered well.
        reload_seconds: opens the waiting page again so often; None: never.
        recover_after_seconds: from the join until the place is brought to another device; None: never.
        claims: False: a no-show, who is gone once called.
        claim_after_seconds: from hearing of the call to the claim.
        away_after_seconds, away_seconds: from the join until nothing is asked, and for how long; None: never.
        leave_after_seconds: from the join until the place is given up; None: never.
        joins_anew: once told that the turn is over.
        comes_back_after_seconds: from having completed until the same device joins once more; None: never. Who is then
            let in again does everything again.
        hold_seconds: on the site, until the form is sent.
        backoff_max_seconds: between tries while nothing is answered.
    """

    bearer: bool = False
    alternates: bool = False
    identity_of: int | None = None
    group: str | None = None
    rejoin_seconds: float | None = None
    rejoins_after_error: bool = False
    reload_seconds: float | None = None
    recover_after_seconds: float | None = None
    claims: bool = True
    claim_after_seconds: float = 0.0
    away_after_seconds: float | None = None
    away_seconds: float = 0.0
    leave_after_seconds: float | None = None
    joins_anew: bool = False
    comes_back_after_seconds: float | None = None
    hold_seconds: float = 0.5
    backoff_max_seconds: float = 3.0
