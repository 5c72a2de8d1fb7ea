"""The page, or the problem, that somebody gets who cannot go in now: what happened, and what to do."""

import base64
import hashlib
import json
from html import escape

from antrean.connectors.door import Refuse

_STYLE = (
    "body{font:1.125rem/1.5 system-ui,sans-serif;color:#1a1a1a;background:#fff;max-width:36rem;margin:0 auto;"
    "padding:1rem;overflow-wrap:anywhere}a{display:inline-block;padding:.75rem 1.25rem;border-radius:.5rem;"
    "background:#0b5394;color:#fff}section{margin-top:2rem;padding-top:1rem;border-top:1px solid #767676}"
)

# Nothing is loaded and nothing runs: the page is text, one link and one style, known by its hash.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; style-src 'sha256-"
    + base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    + "'"
)

_COOKIES = (
    "Peramban Anda tidak menyimpan kuki. Izinkan kuki untuk situs ini (jangan gunakan mode penyamaran), lalu"
    " tekan tombol di bawah. Posisi Anda tetap tersimpan.",
    "Your browser does not keep cookies. Allow cookies for this site (do not use a private window), then"
    " press the button below. Your place is kept.",
)
_AWAY = (
    "Kami belum dapat memeriksa izin masuk Anda. Tunggu beberapa detik, lalu tekan tombol di bawah.",
    "We cannot check your pass yet. Wait a few seconds, then press the button below.",
)
_OTHER = (
    "Izin masuk ini tidak berlaku di peramban ini, atau waktunya sudah habis. Tekan tombol di bawah: jika"
    " giliran Anda masih berlaku, Anda langsung masuk kembali.",
    "This pass does not open the site in this browser, or its time is over. Press the button below: while"
    " your turn lasts, you are let in again at once.",
)
_WORDS = {"cookies-off": _COOKIES, "circle": _COOKIES, "pass-unbound": _COOKIES, "keys-away": _AWAY}

_PAGE = """<!doctype html>
<html lang="id"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>Belum dapat masuk</title><style>{style}</style></head>
<body><main><h1>Belum dapat masuk</h1>
<p>{indonesian}</p>
<p><a href="{page}">Ke halaman antrean</a></p>
<section lang="en"><h2>You cannot go in yet</h2>
<p>{english}</p>
<p><a href="{page}">To the waiting page</a></p></section>
</main></body></html>
"""


def refusal_page(refuse: Refuse) -> str:
    """The page in Indonesian, then English: what happened, and one button that leads on."""
    indonesian, english = _WORDS.get(refuse.reason, _OTHER)
    return _PAGE.format(
        style=_STYLE, indonesian=indonesian, english=english, page=escape(refuse.waiting_page, quote=True)
    )


def refusal_problem(refuse: Refuse) -> str:
    """The problem (RFC 9457) for programs, as JSON; `waiting_page` is where a person gets a pass."""
    missing = refuse.reason == "pass-missing"
    problem = {
        "type": "urn:antrean:problem:" + ("pass-missing" if missing else "pass-refused"),
        "title": "A pass is needed" if missing else "The pass was refused",
        "status": refuse.status,
        "detail": "Get a pass at the waiting page, in a browser that keeps cookies.",
        "reason": refuse.reason,
        "waiting_page": refuse.waiting_page,
    }
    return json.dumps(problem)
