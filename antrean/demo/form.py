"""What an applicant types, and what is wrong with it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

FIELDS = ("nik", "name", "mobile", "email")

# Characters kept of each field: longer is refused by the checks, and never needed to show a mistake.
TYPED_MAX_CHARACTERS = 300

_SEPARATORS = re.compile(r"[ .\-]")
_NIK = re.compile(r"[0-9]{16}")
_MOBILE = re.compile(r"(?:\+62|62|0)(8[0-9]{7,11})")
_EMAIL = re.compile(r"[^\s@,;<>]{1,64}@[^\s@,;<>.]+(?:\.[^\s@,;<>.]+)+")
_NAME_MAX_CHARACTERS = 100
_EMAIL_MAX_CHARACTERS = 254


@dataclass(frozen=True, slots=True)
class Application:
    """A form without mistakes.

    Args:
        nik: 16 digits.
        name: 1 to 100 characters with a letter among them, inner spaces single.
        mobile: +628 and 7 to 11 more digits.
        email: an address by its shape.
    """

    nik: str
    name: str
    mobile: str
    email: str


@dataclass(frozen=True, slots=True)
class Form:
    """What was typed, and the mistakes in it: field to message key, in the order of the fields."""

    typed: Mapping[str, str]
    mistakes: Mapping[str, str]


def read_form(posted: Mapping[str, object]) -> Application | Form:
    """The application in a posted form, or the form with its mistakes and all that was typed.

    Message keys are `<field>-missing` and `<field>-wrong`.
    """
    typed = read_typed(posted)
    nik = _SEPARATORS.sub("", typed["nik"])
    name = " ".join(typed["name"].split())
    mobile = _MOBILE.fullmatch(re.sub(r"[ .\-()]", "", typed["mobile"]))
    email = typed["email"].strip()
    good = {
        "nik": _NIK.fullmatch(nik) is not None,
        "name": len(name) <= _NAME_MAX_CHARACTERS and any(map(str.isalpha, name)) and name.isprintable(),
        "mobile": mobile is not None,
        "email": len(email) <= _EMAIL_MAX_CHARACTERS and _EMAIL.fullmatch(email) is not None,
    }
    if mobile is not None and all(good.values()):
        return Application(nik, name, f"+62{mobile[1]}", email)
    mistakes = {
        field: f"{field}-wrong" if typed[field].strip() else f"{field}-missing" for field in FIELDS if not good[field]
    }
    return Form(typed, mistakes)


def read_typed(posted: Mapping[str, object]) -> dict[str, str]:
    """What was typed into each field, unchecked; a field that is absent, or a file, is empty."""
    values = {field: posted.get(field) for field in FIELDS}
    return {field: v[:TYPED_MAX_CHARACTERS] if isinstance(v, str) else "" for field, v in values.items()}
