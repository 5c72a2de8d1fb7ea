"""The pages as text: what they say in each language, what they carry along, and what they never let out."""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

import gateway.problems
from admission.core.event import LANGUAGES
from admission.core.nik import parse_nik
from gateway.group_names import PROVINCES
from gateway.page_language import Language
from gateway.page_problems import PROBLEMS, problem_text
from gateway.page_views import SLOTS_MAX
from gateway.page_words import script_words
from gateway.pages import Pages
from tests.unit.page_samples import EVENT, NIK, NOW, OPENING, OTHER_EVENT, all_pages, views

GATEWAY = Path(gateway.__file__).parent
PAGE_BYTES_MAX = 14 * 1000
METHODS = [("**.html", "jinja2.ext:babel_extract"), ("**.py", "python")]
KEYWORDS: dict[str, tuple[int, ...] | None] = {
    **dict.fromkeys(("_", "N_", "_say"), None),
    "ngettext": (1, 2),
}
PLACEHOLDER = re.compile(r"%\((\w+)\)s")
SAME_IN_BOTH = {"NIK"}
PAGES = Pages()


def _messages() -> set[str | tuple[str, ...]]:
    """Every message that a template or a module asks the catalogue for."""
    return {message for _, _, message, _, _ in extract_from_dir(GATEWAY, METHODS, keywords=KEYWORDS)}


def _forms(message: str | Sequence[str]) -> tuple[str, ...]:
    return (message,) if isinstance(message, str) else tuple(message)


def _rendered() -> Iterator[tuple[str, str, str]]:
    """Every page in every language, as (language, name, text)."""
    for language in LANGUAGES:
        for name, page in all_pages(PAGES, language).items():
            yield language, name, page


def _visible(page: str) -> str:
    """What a reader sees, on one line."""
    body = re.sub(r"(?s)<(style|script|title)\b.*?</\1>", "", page)
    inline = re.sub(r"</?(?:strong|b|span|time)\b[^>]*>", "", body)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", inline)).split())


def test_every_message_is_translated_with_the_same_placeholders() -> None:
    with (GATEWAY / "locale" / "id" / "LC_MESSAGES" / "antrean.po").open("rb") as file:
        catalogue = {m.id: m for m in read_po(file, locale="id", abort_invalid=True) if m.id}
    messages = _messages()
    assert len(messages) > 100
    assert messages - set(catalogue) == set(), "not translated"
    assert set(catalogue) - messages == set(), "left over"
    for message, entry in catalogue.items():
        assert not entry.fuzzy, message
        wanted = set(PLACEHOLDER.findall(_forms(message)[-1]))
        for text in _forms(entry.string or ""):
            assert text.strip(), message
            assert text not in _forms(message) or text in SAME_IN_BOTH, f"still English: {message}"
            assert set(PLACEHOLDER.findall(text)) == wanted, message
            assert "%" not in PLACEHOLDER.sub("", text), message


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_message_is_rendered_by_some_page(language: str) -> None:
    translations = Language(language).translations
    words = json.dumps(script_words(translations), ensure_ascii=False)
    shown = html.unescape(" ".join(all_pages(PAGES, language).values())) + words
    for message in _messages():
        forms = _forms(message)
        text = translations.ngettext(*forms, 5) if len(forms) == 2 else translations.gettext(forms[0])
        for fragment in re.split(r"%\(\w+\)s", text):
            assert fragment.strip() in shown, f"{language}: never shown: {text}"


def test_no_page_shows_a_placeholder_or_the_word_none() -> None:
    for language, name, page in _rendered():
        visible = _visible(page)
        assert "%(" not in visible, (language, name)
        assert "None" not in visible, (language, name)
        assert "{" not in visible, (language, name)


def test_every_page_fits_the_first_flight_of_a_connection() -> None:
    sizes = {(lang, name): len(gzip.compress(page.encode(), 9)) for lang, name, page in _rendered()}
    assert max(sizes.values()) < PAGE_BYTES_MAX, max(sizes, key=lambda key: sizes[key])


def test_nothing_is_fetched_from_elsewhere() -> None:
    for language, name, page in _rendered():
        links = re.findall(r"""\b(?:src|href|action|url)\s*=\s*["']?([^"'\s>]+)""", page)
        outside = [link for link in links if not link.startswith(("/", "data:image/svg+xml,"))]
        assert outside == [], (language, name)
        assert "@import" not in page, (language, name)
        assert " style=" not in page, "inline style attributes break the policy"
        assert not re.search(r"\son\w+=", page), "inline handlers break the policy"


def test_the_policy_allows_exactly_the_style_and_the_script_of_the_pages() -> None:
    policy = PAGES.csp([EVENT.origin, "https://daftar.example/mulai?x=1"])
    assert policy.startswith("default-src 'none'; ")
    assert "form-action 'self' http://127.0.0.1:8090 https://daftar.example:443;" in policy
    for _, name, page in _rendered():
        for tag in ("style", "script"):
            for text in re.findall(rf"(?s)<{tag}>(.*?)</{tag}>", page):
                digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
                assert f"{tag}-src 'sha256-{digest}'" in policy, name


def test_a_target_cannot_add_to_the_policy() -> None:
    with pytest.raises(ValueError, match="URL"):
        PAGES.csp(["https://a.example/; script-src *"])


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_has_its_language_one_heading_and_a_title_with_the_state(language: str) -> None:
    titles = set()
    for name, page in all_pages(PAGES, language).items():
        assert f'<html lang="{language}">' in page, name
        assert page.count("<h1") == 1, name
        titles.add(re.findall(r"(?s)<title>(.*?)</title>", page)[0])
    assert any(re.match(r"^(Posisi 1\.190|Position 1,190) – ", title) for title in titles)
    assert all(title == title.strip() and "\n" not in title for title in titles)


@pytest.mark.parametrize(
    ("name", "phrase"),
    [
        ("line", "Anda berada dalam antrean"),
        ("line", "Posisi Anda: 1.190"),
        ("line", "Orang di depan Anda 1.189"),
        ("line", "Perkiraan waktu tunggu sekitar 9–15 menit"),
        ("line", "Nomor antrean Anda: 1.204"),
        ("line", "Halaman ini diperbarui secara otomatis."),
        ("line", "Posisi Anda tetap tersimpan."),
        ("line", "Perbarui halaman"),
        ("line-stale", "Posisi Anda tetap tersimpan. Data terakhir: 75 detik yang lalu."),
        ("line-paused", "Antrean sedang dijeda. Posisi Anda tidak berubah."),
        ("line-message", "Verifikasi surel sedang lambat."),
        ("called", "Giliran Anda telah tiba"),
        ("called", "Silakan masuk sebelum pukul 20.04 WIB · 21.04 WITA · 22.04 WIT."),
        ("called", "Masuk sekarang"),
        ("called", "Keluar dari antrean"),
        ("called", "Daftarkan orang lain di ponsel ini"),
        ("countdown", "Sabtu, 11 April 2026 19.00 WIB · 20.00 WITA · 21.00 WIT"),
        ("countdown", "1 hari"),
        ("full", "Kuota gelombang ini sudah terpenuhi"),
        ("door-busy", "Coba lagi dalam 3 detik."),
        ("confirm", "Apakah ini benar?"),
        ("confirm", "0071 2345 0590 0123"),
        ("confirm", "5 Mei 1990"),
    ],
)
def test_the_indonesian_page_says(name: str, phrase: str) -> None:
    assert phrase in _visible(all_pages(PAGES, "id")[name])


def test_without_scripts_the_page_refreshes_only_where_nothing_can_be_typed() -> None:
    for name, view in views("id").items():
        page = PAGES.waiting(view, "id")
        assert page.count('http-equiv="refresh"') == page.count('<noscript><meta http-equiv="refresh"'), name
        if view.refresh_seconds is not None:
            assert view.refresh_seconds >= 20, name
            assert 'name="nik"' not in page or view.scene == "countdown", name
    assert PAGES.waiting(views("id")["line"], "id").count('http-equiv="refresh"') == 1


@pytest.mark.parametrize("state", [None, "left", "lapsed", "expired"])
def test_while_paused_whoever_has_no_place_can_take_one(state: str | None) -> None:
    page = PAGES.waiting(replace(views("id")["paused"], state=state), "id")
    assert 'action="/prakerja/join"' in page and 'name="nik"' in page


def test_the_countdown_refreshes_at_the_opening_and_at_least_every_ten_minutes() -> None:
    countdown = views("id")["countdown"]
    assert countdown.refresh_seconds == 600
    assert replace(countdown, now=OPENING - timedelta(seconds=90)).refresh_seconds in range(91, 101)
    assert replace(countdown, now=OPENING - timedelta(seconds=3)).refresh_seconds == 25


def test_target_and_nonce_hash_stay_in_every_form_and_link() -> None:
    target = "https://daftar.example/mulai?a=1&b=2"
    for name, view in views("en").items():
        page = PAGES.waiting(replace(view, target=target, nonce_hash="n0nce", slot=2), "en")
        forms = page.count("<form")
        assert page.count(f'name="target" value="{html.escape(target)}"') == forms, name
        assert page.count('name="nonce_hash" value="n0nce"') == forms, name
        assert page.count('name="slot" value="2"') == forms, name
        links = re.findall(r'href="(/prakerja[^"]*|/beasiswa[^"]*)"', page)
        assert links and all("nonce_hash=n0nce" in link and "target=https%3A" in link for link in links), name


def test_what_came_from_outside_is_shown_as_text() -> None:
    nasty = '"></script><script>alert(1)</script>'
    view = replace(views("id")["nik-invalid"], form_nik=nasty, target=nasty, message=nasty, nonce_hash=nasty)
    page = PAGES.waiting(view, "id")
    assert "alert(1)</script>" not in page
    assert page.count("</script>") == 2


def test_a_nik_is_never_part_of_an_address() -> None:
    digits = NIK.replace(" ", "")
    for language, name, page in _rendered():
        for link in re.findall(r'(?:href|action|url)="?([^"\s>]+)', page):
            assert digits not in re.sub(r"\D", "", link), (language, name)
        if "confirm" not in name:
            assert digits not in page, (language, name)


def test_the_confirmation_carries_the_nik_and_a_way_back_that_keeps_it() -> None:
    view = replace(views("id")["join"], form_nik=NIK)
    page = PAGES.confirm(view, parse_nik(NIK), "id")
    assert '<input type="hidden" name="nik" value="0071234505900123">' in page
    assert '<input type="hidden" name="confirmed" value="yes">' in page
    assert f'name="nik" value="{NIK}"' in page
    assert page.count('action="/prakerja/join"') == 2


@pytest.mark.parametrize(
    ("nik", "shown"),
    [
        ("3273015508050001", ("15 Agustus 2005", "Jawa Barat")),
        ("9601010101990001", ("1 Januari 1999", "Papua Barat Daya")),
        ("0001013113900001", ("31-13-90", "00", "Tanggal lahir pada NIK ini tidak ada")),
    ],
)
def test_the_confirmation_tells_what_the_nik_encodes(nik: str, shown: tuple[str, ...]) -> None:
    visible = _visible(PAGES.confirm(views("id")["join"], parse_nik(nik), "id"))
    assert all(text in visible for text in shown)


def test_there_are_38_provinces() -> None:
    assert len(PROVINCES) == len(set(PROVINCES.values())) == 38


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("slug", PROBLEMS)
def test_every_problem_says_what_happened_and_what_to_do(slug: str, language: str) -> None:
    translate = Language(language).translations.gettext
    for page in (
        PAGES.problem(slug, 400, language, retry_seconds=1),
        PAGES.waiting(replace(views(language)["join"], notice=slug), language),
    ):
        assert html.escape(translate(PROBLEMS[slug].happened)) in page
        assert html.escape(translate(PROBLEMS[slug].advice)) in page


def test_the_pages_have_words_for_every_problem_of_the_gateway() -> None:
    assert set(PROBLEMS) == set(gateway.problems.PROBLEMS)


def test_an_unknown_problem_is_told_as_ours() -> None:
    assert problem_text("never-heard-of") == PROBLEMS["internal"]


def test_a_phone_holds_five_people_and_no_more() -> None:
    line = views("id")["line"]
    another = "Daftarkan orang lain di ponsel ini"
    assert another in PAGES.waiting(replace(line, slot=SLOTS_MAX - 1), "id")
    assert another not in PAGES.waiting(replace(line, slot=SLOTS_MAX), "id")
    assert "slot=2&amp;lang=id" in PAGES.waiting(line, "id")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        ((10, 40), "kurang dari 1 menit"),
        ((30, 130), "kurang dari 3 menit"),
        ((540, 900), "sekitar 9–15 menit"),
        ((720, 720), "sekitar 12 menit"),
        ((1500, 2700), "sekitar 25–45 menit"),
        ((5000, 9000), "80 menit sampai 2,5 jam"),
        ((7200, 9000), "sekitar 2–2,5 jam"),
        ((100_000, 160_000), "sekitar 27–45 jam"),
        ((200_000, 400_000), "sekitar 2–5 hari"),
    ],
)
def test_a_wait_is_told_as_an_honest_range(seconds: tuple[int, int], text: str) -> None:
    assert Language("id").wait(seconds) == text


def test_english_has_its_own_numbers_dates_and_plurals() -> None:
    english = Language("en")
    assert english.number(1204) == "1,204"
    assert english.wait((3600 * 2, 3600 * 3)) == "about 2–3 hours"
    assert english.age(1) == "1 second"
    assert english.moment(OPENING).date == "Saturday, 11 April 2026"
    assert english.moment(OPENING).clocks[0] == "19:00 WIB"


def test_a_zone_where_it_is_already_tomorrow_says_so() -> None:
    late = OPENING + timedelta(hours=4, minutes=30)
    assert Language("id").moment(late).clocks == ("23.30 WIB", "00.30 WITA (12 April)", "01.30 WIT (12 April)")


@pytest.mark.parametrize(
    ("state", "event_state", "scene"),
    [
        (None, "scheduled", "countdown"),
        (None, "open", "join"),
        (None, "paused", "paused"),
        ("waiting", "paused", "line"),
        ("waiting", "scheduled", "line"),
        ("called", "paused", "called"),
        ("called", "full", "full"),
        ("lapsed", "open", "again"),
        ("left", "paused", "paused"),
        ("expired", "closed", "closed"),
        ("admitted", "closed", "admitted"),
        ("completed", "full", "completed"),
    ],
)
def test_the_scene_follows_from_both_states(state: str | None, event_state: str, scene: str) -> None:
    assert replace(views("id")["join"], state=state, event_state=event_state).scene == scene


def test_a_place_that_still_lives_can_be_left_and_watched() -> None:
    living = {name for name, view in views("id").items() if view.living}
    assert {"line", "called", "admitted", "full-waiting", "line-paused"} <= living
    assert not living & {"join", "completed", "lapsed", "left", "expired", "closed-waiting"}


def test_the_script_gets_the_facts_of_the_view() -> None:
    page = PAGES.waiting(replace(views("id")["called"], now=NOW), "id")
    facts = json.loads(re.findall(r'(?s)id="facts">(.*?)</script>', page)[0])
    assert facts["scene"] == "called"
    assert facts["called_until_ms"] - facts["now_ms"] == 272_000
    assert facts["words"]["title"] == "Posisi {place}"


def test_the_list_names_every_event_or_says_that_there_is_none() -> None:
    page = PAGES.event_list([EVENT, OTHER_EVENT], "en")
    assert 'href="/prakerja?lang=en"' in page and 'href="/beasiswa?lang=en"' in page
    assert "There is no registration at the moment" in PAGES.event_list([], "en")


def test_who_joins_before_a_later_wave_is_not_told_of_a_draw() -> None:
    first = views("en")["join-prequeue"]
    assert "The order is drawn for everyone at once" in PAGES.waiting(first, "en")
    assert "The list of the draw is closed" in PAGES.waiting(replace(first, wave=2), "en")


def test_a_turn_without_an_end_is_not_told_to_end() -> None:
    called = views("en")["called"]
    assert "After that your turn is over" in PAGES.waiting(called, "en")
    assert "After that your turn is over" not in PAGES.waiting(replace(called, called_until=None), "en")
