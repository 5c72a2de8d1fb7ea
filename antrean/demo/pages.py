"""The demo site's pages: templates, style and the headers that go with them."""

import base64
import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from urllib.parse import urlsplit

import jinja2
from aiohttp import web
from markupsafe import Markup

from antrean.demo.form import Form
from antrean.demo.texts import LANGUAGES, TEXTS

# Field, input type, keyboard, and what a browser may fill in. A NIK by nobody: phones are shared.
_INPUTS = (
    ("nik", "text", "numeric", "off"),
    ("name", "text", "text", "name"),
    ("mobile", "tel", "tel", "tel"),
    ("email", "email", "email", "email"),
)

_ZONES = (("WIB", 7), ("WITA", 8), ("WIT", 9))

# Seconds a browser is asked to wait before it sends a form again to a full site.
BUSY_RETRY_SECONDS = 5


class Pages:
    """Renders every page.

    Args:
        gateway: the waiting room's public address: a form sent after the door closed is redirected there, and
            browsers follow only to addresses named in `form-action`.
    """

    def __init__(self, gateway: str) -> None:
        loader = jinja2.PackageLoader("antrean.demo")
        self._templates = jinja2.Environment(
            loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
        )
        style = files("antrean.demo").joinpath("templates/style.css").read_text(encoding="utf-8")
        self._style = Markup(style)  # noqa: S704
        parts = urlsplit(gateway)
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        self._headers = {
            "Content-Security-Policy": (
                f"default-src 'none'; base-uri 'none'; frame-ancestors 'none'; style-src 'sha256-{digest}';"
                f" form-action 'self' {parts.scheme}://{parts.netloc}"
            ),
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }

    def form(self, language: str, form: Form, session_expires_us: int, *, status: int = 200) -> web.Response:
        """The form with what was typed, its mistakes, and until when it can be sent."""
        typed = form.typed if any(form.typed.values()) or form.mistakes else {}
        values: dict[str, object] = {
            "typed": typed,
            "mistakes": form.mistakes,
            "inputs": _INPUTS,
            "deadline": deadline(session_expires_us),
        }
        return self._page("form.html", language, status, values)

    def registered(self, language: str, number: int) -> web.Response:
        """The registration number."""
        return self._page("registered.html", language, 200, {"number": f"{number:06d}"})

    def busy(self, language: str, typed: Mapping[str, str]) -> web.Response:
        """503, with a button that sends the same form again."""
        response = self._page("busy.html", language, 503, {"typed": typed})
        response.headers["Retry-After"] = str(BUSY_RETRY_SECONDS)
        return response

    def _page(self, name: str, language: str, status: int, values: Mapping[str, object]) -> web.Response:
        other = next(tag for tag in LANGUAGES if tag != language)
        text = self._templates.get_template(name).render(
            values, language=language, other=other, text=TEXTS[language], style=self._style
        )
        return web.Response(status=status, text=text, content_type="text/html", headers=self._headers)


def deadline(session_expires_us: int) -> str:
    """The moment in Indonesia's three zones, as `13.05 WIB · 14.05 WITA · 15.05 WIT`; lines break between them."""
    moment = datetime.fromtimestamp(session_expires_us / 1_000_000, UTC)
    times = (f"{moment + timedelta(hours=hours):%H.%M}\N{NO-BREAK SPACE}{zone}" for zone, hours in _ZONES)
    return "\N{NO-BREAK SPACE}· ".join(times)
