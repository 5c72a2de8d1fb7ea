"""A request as the door sees it, and the addresses made from it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote_plus, urlencode

_SLOT = re.compile("[1-5]")

# Names in the query that belong to the handoff, and never stay in an address.
PASS_NAME = "antrean_pass"  # noqa: S105
BOUND_NAME = "antrean_bound"
SLOT_NAME = "antrean_slot"
_HANDOFF_NAMES = (PASS_NAME, BOUND_NAME, SLOT_NAME)

# Characters. A longer address is not carried through the waiting page: the person starts at the entry.
TARGET_MAX_CHARACTERS = 1_500


@dataclass(frozen=True, slots=True)
class Visit:
    """One request to the protected site.

    Args:
        method: in capitals.
        site: scheme and host as the client asked for them.
        path: as asked for, still percent-encoded.
        query: as asked for, without the question mark.
        cookies: name to value.
        html: whether the client accepts text/html, which is how a person's browser is told from a program.
    """

    method: str
    site: str
    path: str
    query: str
    cookies: Mapping[str, str]
    html: bool

    def values(self, name: str) -> list[str]:
        """Every value of this name in the query, decoded, in order."""
        pairs = (part.partition("=") for part in self.query.split("&"))
        return [unquote_plus(value) for key, _, value in pairs if unquote_plus(key) == name]

    def clean_path(self) -> str:
        """Path and query as asked for, byte for byte, without the handoff's own names.

        It begins with exactly one slash: after two, or a backslash, a browser would read a host.
        """
        kept = [
            part
            for part in self.query.split("&")
            if part and unquote_plus(part.partition("=")[0]) not in _HANDOFF_NAMES
        ]
        return "/" + self.path.lstrip("/\\") + ("?" + "&".join(kept) if kept else "")


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where people are sent.

    Args:
        gateway: the waiting room as browsers reach it.
        event: slug.
        site: scheme and host of the protected site. None: those of the request, which its sender chose; the
            gateway's list of targets and the relative redirects keep that harmless to everybody else.
        entry: path where a person starts who cannot be sent back to what they asked for.
    """

    gateway: str
    event: str
    site: str | None
    entry: str

    def waiting_page(self, visit: Visit, nonce_hash: str | None, *, bound: bool = False) -> str:
        """The waiting page's address, with the way back in it.

        Args:
            visit: what was asked for; only a GET or HEAD is worth coming back to.
            nonce_hash: to be put in the pass; None for programs, which keep no nonce.
            bound: marks the way back, so that a pass without nonce is sent for one only once; for whom of the
                people of a shared phone it was, the request says.
        """
        query = {"target": self._target(visit, bound=bound)}
        if nonce_hash is not None:
            query["nonce_hash"] = nonce_hash
        if bound and (slots := visit.values(SLOT_NAME)) and _SLOT.fullmatch(slots[0]):
            query["slot"] = slots[0]
        return f"{self.gateway}/{self.event}?{urlencode(query)}"

    def _target(self, visit: Visit, *, bound: bool) -> str:
        base = self.site if self.site is not None else visit.site
        path = visit.clean_path() if visit.method in ("GET", "HEAD") else self.entry
        if len(path) > TARGET_MAX_CHARACTERS:
            path = self.entry
        if bound:
            path += ("&" if "?" in path else "?") + f"{BOUND_NAME}=1"
        return base + path
