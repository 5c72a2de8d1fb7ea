"""Every state that the waiting page can be in, with texts as long as real ones."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from admission.core.draw import DrawSource
from admission.core.event import Event, EventTexts, GroupBy, Order, Wave
from admission.core.nik import parse_nik
from admission.core.quota import Chance
from gateway.page_problems import PROBLEMS
from gateway.page_views import Choice, View
from gateway.pages import Pages

OPENING = datetime(2026, 4, 11, 12, tzinfo=UTC)
NOW = OPENING + timedelta(hours=1, seconds=7)
NIK = "0071 2345 0590 0123"
LONGEST_NUMBER = 5_965_048

TEXTS = {
    "id": EventTexts(
        title="Pendaftaran Kartu Prakerja Gelombang 1",
        prepare=("NIK (Nomor Induk Kependudukan)", "Nama lengkap sesuai KTP", "Nomor ponsel", "Alamat surel"),
        controller="Manajemen Pelaksana Program",
        purpose="Menjaga urutan antrean dan memastikan setiap orang mendaftar satu kali.",
        kept="Kode hasil hitungan dari NIK, sampai 30 hari setelah gelombang ditutup.",
        erasure="Pilih “Keluar dari antrean”, atau hubungi pusat bantuan.",
        help="telepon 0800 0000 000, setiap hari 08.00–20.00 WIB",
    ),
    "en": EventTexts(
        title="Kartu Prakerja registration, wave 1",
        prepare=(
            "NIK (national identity number)",
            "Full name as on the card",
            "Mobile number",
            "E-mail",
        ),
        controller="The programme's management office",
        purpose="Keeping the order of the queue, and one registration for each person.",
        kept="A code computed from the NIK, until 30 days after the wave has closed.",
        erasure="Choose “Leave the queue”, or ask the help desk.",
        help="call 0800 0000 000, every day 08:00–20:00 WIB",
    ),
}
MESSAGES = {
    "id": "Verifikasi surel sedang lambat. Tim kami sedang menanganinya.",
    "en": "E-mail verification is slow at the moment. Our team is working on it.",
}
EVENT = Event(
    slug="prakerja",
    origin="http://127.0.0.1:8090",
    opens_at=OPENING,
    closes_at=OPENING + timedelta(days=5),
    texts=TEXTS,
)
DRAWN_EVENT = EVENT.model_copy(
    update={
        "order": Order.DRAW,
        "prequeue_at": OPENING - timedelta(days=2),
        "draw_source": DrawSource(
            kind="published",
            says="IHSG, angka penutupan 11 April 2020 (Jakarta Composite Index, closing figure of 11 April 2020)",
        ),
    }
)
WAVES_EVENT = EVENT.model_copy(update={"waves": (Wave(opens_at=OPENING + timedelta(days=7)),)})
CHOICES = (Choice("pagi", "Sesi pagi, Senin sampai Jumat", True), Choice("malam", "Sesi malam, akhir pekan", False))
CHOICE_EVENT = WAVES_EVENT.model_copy(
    update={
        "group_by": GroupBy.CHOICE,
        "groups": {choice.code: {"id": choice.name, "en": choice.name} for choice in CHOICES},
        "texts": {code: text.model_copy(update={"choice": "Pelatihan"}) for code, text in TEXTS.items()},
    }
)
OTHER_EVENT = Event(slug="beasiswa", origin="https://beasiswa.example", identity=False, texts=TEXTS)

_NEWCOMER = View(event=EVENT, event_state="open", now=NOW)
_CHOOSING = replace(_NEWCOMER, event=CHOICE_EVENT, choices=CHOICES)
_WAITING = replace(
    _NEWCOMER,
    state="waiting",
    number=1204,
    epoch=7183481080378905,
    place=(0, 1204),
    ahead=1189,
    wait_seconds=(540, 900),
    progress_ratio=0.37,
    next_poll_seconds=12,
    recovery_code="7KQF-M2XD-9TRA",
)
_CALLED = replace(
    _WAITING,
    state="called",
    ahead=0,
    called_until=NOW + timedelta(minutes=4, seconds=32),
    next_poll_seconds=3,
)
_BEFORE_OPENING = OPENING - timedelta(days=1, hours=2, minutes=14, seconds=9)
_FROZEN = OPENING - timedelta(minutes=4, seconds=9)
_ENTERED = replace(
    _WAITING,
    event=DRAWN_EVENT,
    event_state="frozen",
    state="entered",
    now=_FROZEN,
    place=None,
    ahead=None,
    wait_seconds=None,
    progress_ratio=None,
    next_poll_seconds=60,
)


def views(language: str) -> dict[str, View]:
    """Every state by a name; the operator's message is the only part that depends on the language."""
    return (
        _newcomers()
        | _holders()
        | _notices()
        | {
            "line-message": replace(_WAITING, message=MESSAGES[language]),
        }
    )


def _newcomers() -> dict[str, View]:
    return {
        "countdown": replace(_NEWCOMER, event_state="scheduled", now=_BEFORE_OPENING),
        "countdown-unknown": replace(
            _NEWCOMER, event_state="scheduled", event=EVENT.model_copy(update={"opens_at": None})
        ),
        "countdown-prequeue": replace(
            _NEWCOMER, event_state="scheduled", event=DRAWN_EVENT, now=OPENING - timedelta(days=3)
        ),
        "join": _NEWCOMER,
        "join-prequeue": replace(_NEWCOMER, event=DRAWN_EVENT, event_state="prequeue", now=_BEFORE_OPENING),
        "join-frozen": replace(_NEWCOMER, event=DRAWN_EVENT, event_state="frozen", now=_FROZEN),
        "join-anonymous": replace(_NEWCOMER, event=OTHER_EVENT),
        "join-choice": _CHOOSING,
        "join-second-person": replace(_NEWCOMER, slot=2),
        "paused": replace(_NEWCOMER, event_state="paused"),
        "full": replace(_NEWCOMER, event_state="full"),
        "full-next-wave": replace(_NEWCOMER, event_state="full", event=WAVES_EVENT),
        "countdown-postponed": replace(
            _NEWCOMER, event_state="scheduled", now=_BEFORE_OPENING, postponed_from=OPENING - timedelta(days=2)
        ),
        "closed": replace(_NEWCOMER, event_state="closed"),
        "stale": replace(_NEWCOMER, as_of_seconds=float("inf")),
    }


def _holders() -> dict[str, View]:
    return {
        "entered": replace(_ENTERED, event_state="prequeue", now=_BEFORE_OPENING),
        "entered-frozen": _ENTERED,
        "entered-sealed": replace(_ENTERED, entry=1204, entries=LONGEST_NUMBER),
        "line-drawn": replace(_WAITING, event=DRAWN_EVENT, entry=1204, entries=LONGEST_NUMBER),
        "entered-overdue": replace(_ENTERED, now=NOW),
        "entered-postponed": replace(
            _ENTERED,
            event_state="scheduled",
            now=OPENING - timedelta(days=3),
            postponed_from=OPENING - timedelta(days=9),
        ),
        "line": _WAITING,
        "line-postponed": replace(
            _WAITING,
            event_state="scheduled",
            now=_BEFORE_OPENING,
            wait_seconds=None,
            postponed_from=OPENING - timedelta(days=2),
        ),
        "line-next-wave": replace(
            _WAITING, event_state="scheduled", now=_BEFORE_OPENING, wait_seconds=None, wave=2, seats_left=164_872
        ),
        **{f"line-{chance}": replace(_WAITING, seats_left=1_188, chance=chance) for chance in Chance},
        "line-group-full": replace(
            _WAITING, event_state="full", event=WAVES_EVENT, group="DKI Jakarta", group_full=True
        ),
        "line-choice-full": replace(
            _WAITING,
            event_state="full",
            event=CHOICE_EVENT,
            choices=CHOICES,
            group=CHOICES[0].name,
            group_full=True,
        ),
        "called-postponed": replace(_CALLED, event_state="scheduled", now=_BEFORE_OPENING, called_until=None),
        "line-closed": replace(_WAITING, event_state="closed", event=WAVES_EVENT),
        "line-prequeue": replace(_WAITING, event_state="prequeue", now=_BEFORE_OPENING, wait_seconds=None),
        "line-long": replace(
            _WAITING,
            number=LONGEST_NUMBER,
            place=(0, LONGEST_NUMBER),
            ahead=LONGEST_NUMBER - 1,
            wait_seconds=(95_000, 160_000),
            slot=5,
        ),
        "line-no-place": replace(_WAITING, place=None, ahead=None, wait_seconds=None, progress_ratio=None),
        "line-no-wait": replace(_WAITING, wait_seconds=None),
        "line-stale": replace(_WAITING, as_of_seconds=75.0),
        "line-paused": replace(_WAITING, event_state="paused"),
        "called": _CALLED,
        "called-paused": replace(_CALLED, event_state="paused"),
        "admitted": replace(_CALLED, state="admitted", called_until=None),
        "completed": replace(_CALLED, state="completed", called_until=None, recovery_code=None),
        "lapsed": replace(_CALLED, state="lapsed", recovery_code=None),
        "left": replace(_CALLED, state="left", recovery_code=None),
        "expired": replace(_CALLED, state="expired", recovery_code=None),
        "full-waiting": replace(_WAITING, event_state="full"),
        "closed-waiting": replace(_WAITING, event_state="closed"),
    }


def _notices() -> dict[str, View]:
    return {
        "nik-invalid": replace(_NEWCOMER, notice="nik-invalid", form_nik="0071 2345 0590 01"),
        "group-invalid": replace(_CHOOSING, notice="group-invalid", form_nik=NIK),
        "recovery-refused": replace(_NEWCOMER, notice="recovery-refused", form_nik=NIK),
        "store-unavailable": replace(
            _NEWCOMER, notice="store-unavailable", notice_retry_seconds=5, as_of_seconds=31.0, form_nik=NIK
        ),
        "not-called": replace(_WAITING, notice="not-called"),
        "door-busy": replace(_CALLED, notice="door-busy", notice_retry_seconds=2.4),
        "identity-in-line": replace(_CALLED, notice="identity-in-line"),
    }


def all_pages(pages: Pages, language: str) -> dict[str, str]:
    """Every page there is, rendered: the states, the confirmation, the list, and each problem."""
    states = views(language)
    unlikely = parse_nik("0071 2399 0590 0123")
    return (
        {name: pages.waiting(view, language) for name, view in states.items()}
        | {f"problem-{slug}": pages.problem(slug, 400, language, retry_seconds=5) for slug in PROBLEMS}
        | {
            "confirm": pages.confirm(states["join"], parse_nik(NIK), language),
            "confirm-choice": pages.confirm(
                replace(states["join-choice"], form_group="malam"), parse_nik(NIK), language
            ),
            "confirm-unlikely": pages.confirm(states["join"], unlikely, language),
            "events": pages.event_list([EVENT, OTHER_EVENT], language),
            "no-events": pages.event_list([], language),
        }
    )
