"""The command with a planted fault: deriving a tag fails, and the error quotes the NIK that it was given.

Run in place of `antrean.cli`. What must never reach a log is in the message of an error that nobody expected.
"""

from __future__ import annotations

import gateway.verbs
from antrean.cli import main


def _fail(pepper: bytes, event: str, nik_digits: str) -> bytes:
    raise RuntimeError(f"no tag for {nik_digits} {' '.join(nik_digits)}")


if __name__ == "__main__":
    vars(gateway.verbs)["tag_of"] = _fail
    main()
