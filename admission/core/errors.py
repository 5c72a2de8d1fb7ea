"""What can be refused or fail, as values that every layer shares."""


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


class StoreUnavailable(AntreanError):
    """Redis did not answer, or answered that it cannot serve; nothing may be assumed to be written.

    Args:
        reason: a few words for logs; never holds data of an applicant.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ConfigurationError(AntreanError):
    """Settings that cannot work. `problems` names all of them at once, each with what to do."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
