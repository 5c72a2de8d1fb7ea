"""What can be refused or fail, as values that every layer shares."""

from __future__ import annotations

from enum import StrEnum


class AntreanError(Exception):
    """Base of every error that Antrean raises on purpose."""


class Refused(AntreanError):
    """An applicant's request that cannot be granted.

    Args:
        problem: stable slug; the gateway makes a `urn:antrean:problem:<slug>`, a status and a text from it.
        retry_seconds: when asking again may help, in seconds; None when asking again changes nothing.
    """

    def __init__(self, problem: str, *, retry_seconds: float | None = None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.retry_seconds = retry_seconds


class TicketRefused(Refused):
    """A ticket that is malformed, altered, of another event or of another browser."""


class NikInvalid(Refused):
    """Text that is not a NIK. The text itself is never kept in the error."""

    def __init__(self) -> None:
        super().__init__("nik-invalid")


class FailureKind(StrEnum):
    """Why Redis did not do what it was asked; the names are labels of metrics."""

    TIMEOUT = "timeout"  # no answer in time: it may have been done
    BROKEN = "broken"  # the connection ended before the answer: it may have been done
    REFUSED = "refused"  # no connection could be made: it was not done, and so below
    TLS = "tls"  # a certificate that one side does not accept
    NO_MASTER = "no-master"  # the Sentinels name no master that answers
    READ_ONLY = "read-only"  # a replica, perhaps a master that was replaced
    NO_REPLICAS = "no-replicas"  # the fence: a master that hears of too few replicas
    LOADING = "loading"  # it reads its data from the disk
    CLUSTER_DOWN = "cluster-down"  # the slot has no node, or the cluster no majority
    MEMORY = "memory"  # maxmemory is reached
    DISK = "disk"  # the append-only file cannot be written
    LOGIN = "login"  # a user or a password that Redis does not know
    DENIED = "denied"  # a command that the ACL forbids
    OTHER = "other"  # a script's own refusal, such as NOEVENT, or an answer that is not in this list

    @property
    def refuses_writes(self) -> bool:
        """Whether Redis answers, and takes no writes."""
        return self in _REFUSES_WRITES


_REFUSES_WRITES = frozenset(
    {
        FailureKind.READ_ONLY,
        FailureKind.NO_REPLICAS,
        FailureKind.LOADING,
        FailureKind.CLUSTER_DOWN,
        FailureKind.MEMORY,
        FailureKind.DISK,
        FailureKind.LOGIN,
        FailureKind.DENIED,
    }
)


class StoreUnavailable(AntreanError):
    """Redis did not answer, or answered that it cannot serve; nothing may be assumed to be written.

    Args:
        reason: a few words for logs; never holds data of an applicant or a password.
        kind: why.
    """

    def __init__(self, reason: str, kind: FailureKind = FailureKind.OTHER) -> None:
        super().__init__(reason)
        self.reason = reason
        self.kind = kind


class ConfigurationError(AntreanError):
    """Settings that cannot work. `problems` names all of them at once, each with what to do."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
