"""Errors that a user can mend, in plain words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.text import Text

from admission.core.errors import ConfigurationError, StoreUnavailable
from admission.settings import explain

_CONFIGURATION_EXIT = 2
_stderr = Console(stderr=True, highlight=False, soft_wrap=True)


@contextmanager
def told_plainly() -> Iterator[None]:
    """Turn what a user can mend into plain words and exit code 2."""
    try:
        yield
    except ConfigurationError as error:
        problems = error.problems
    except ValidationError as error:
        problems = explain(error)
    except StoreUnavailable as error:
        problems = [f"Redis does not answer ({error.reason}): check ANTREAN_REDIS_URL and that the server runs"]
    except OSError as error:
        problems = [f"{error.strerror or error}: choose another port or address, or end what uses it"]
    else:
        return
    for problem in problems:
        _stderr.print(Text.assemble(("✗", "red"), f" {problem}"))
    raise typer.Exit(_CONFIGURATION_EXIT)
