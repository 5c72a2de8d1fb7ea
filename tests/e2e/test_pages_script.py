"""What the script of the waiting page does, on a clock that the test turns."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

import gateway
from gateway.page_language import Language
from gateway.page_views import View
from gateway.pages import Pages
from tests.e2e.page_site import Site, serving
from tests.eventually import eventually
from tests.unit.page_samples import NIK, NOW, OPENING, views

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

PAGES = Pages()
VIEWS = views("id")
MINE = "GET /v1/events/prakerja/tickets/current"
SHARED = "GET /v1/events/prakerja/status"
RELOAD = "GET /prakerja"
FAST_BY = timedelta(hours=1)  # as phones are that were set by hand
STATIC = Path(gateway.__file__).parent / "static"


@pytest_asyncio.fixture(loop_scope="session")
async def site() -> AsyncIterator[Site]:
    async with serving(PAGES) as site:
        yield site


@pytest_asyncio.fixture(loop_scope="session")
async def page(chromium: Browser, site: Site) -> AsyncIterator[Page]:
    """A page on a phone whose clock is wrong, stands still, and moves only when the test says so."""
    context = await chromium.new_context(timezone_id="Asia/Jayapura", viewport={"width": 360, "height": 640})
    page = await context.new_page()
    page.on("request", lambda request: site.in_flight.add(request))
    page.on("requestfinished", lambda request: site.in_flight.discard(request))
    page.on("requestfailed", lambda request: site.in_flight.discard(request))
    await page.clock.install(time=NOW)
    await page.clock.pause_at(NOW + FAST_BY)
    yield page
    await context.close()


async def _open(page: Page, site: Site, view: View) -> None:
    """Shows a view, and counts what is asked from then on."""
    site.html = PAGES.waiting(view, "id")
    await page.goto(f"{site.url}/prakerja")
    site.asked.clear()


async def _pass_seconds(page: Page, site: Site, seconds: float) -> None:
    """Turns the clock, never past an answer that is still on its way: the script would give it up."""
    for _ in range(int(seconds * 2)):
        await page.clock.run_for(500)
        await eventually(lambda: not site.in_flight)


def _current(**changes: Any) -> dict[str, Any]:
    """An answer of `tickets/current` for the sample of a waiting applicant."""
    return {
        "event": "prakerja",
        "event_state": "open",
        "state": "waiting",
        "place": {"segment": 0, "rank": 1204},
        "ahead": 1000,
        "wait_seconds": {"low": 480, "high": 720},
        "next_poll_seconds": 12,
        "called_until": None,
        "seats": None,
        "message": None,
        "as_of_seconds": 0.4,
    } | changes


def _status(**changes: Any) -> dict[str, Any]:
    """An answer of `status` in which 100 people were called."""
    return {
        "event": "prakerja",
        "state": "open",
        "opens_at": OPENING.isoformat(),
        "serving": {"segment": 0, "rank": 100},
        "segments": [{"id": 0, "order": "first_come", "size": 1204}],
        "message": None,
    } | changes


async def test_the_place_moves_without_loading_the_page_again(page: Page, site: Site) -> None:
    await _open(page, site, VIEWS["line"])
    site.current = _current()
    await _pass_seconds(page, site, 15)
    await expect(page.locator("#place")).to_have_text("1.001")
    await expect(page.locator("#ahead")).to_have_text("1.000")
    await expect(page.locator("#wait")).to_have_text("sekitar 8–12 menit")
    await expect(page).to_have_title(re.compile(r"^Posisi 1\.001 – "))
    assert await page.locator("#progress").evaluate("bar => bar.value") > 0.45
    assert site.count(RELOAD) == 0


async def test_between_its_own_polls_it_subtracts_from_the_shared_status(page: Page, site: Site) -> None:
    await _open(page, site, replace(VIEWS["line"], next_poll_seconds=300))
    site.status = _status()
    await _pass_seconds(page, site, 90)
    await expect(page.locator("#place")).to_have_text("1.104")
    assert site.count(MINE) == 0


async def test_people_of_earlier_segments_count_and_those_of_later_ones_do_not(page: Page, site: Site) -> None:
    await _open(page, site, replace(VIEWS["line"], next_poll_seconds=300, place=(2, 7), ahead=900))
    segments = [{"id": 0, "size": 150}, {"id": 1, "size": 20}, {"id": 2, "size": 500}, {"id": 3, "size": 9000}]
    site.status = _status(segments=segments)
    await _pass_seconds(page, site, 90)
    await expect(page.locator("#ahead")).to_have_text("76")


@pytest.mark.promise("B3")
async def test_the_distance_never_grows(page: Page, site: Site) -> None:
    await _open(page, site, VIEWS["line"])
    site.current = _current(ahead=1500)
    await _pass_seconds(page, site, 15)
    await expect(page.locator("#wait")).to_have_text("sekitar 8–12 menit")
    await expect(page.locator("#place")).to_have_text("1.190")


@pytest.mark.promise("B3")
async def test_the_distance_never_grows_over_reloads_and_every_poll_tells_what_was_shown(
    page: Page, site: Site
) -> None:
    """Also where a gateway that knows an older mark answers the reload; another ticket begins anew."""
    view = VIEWS["line"]
    await _open(page, site, view)
    site.current = _current(ahead=700)
    await _pass_seconds(page, site, 15)
    await expect(page.locator("#place")).to_have_text("701")
    assert site.told == [str(view.ahead)]
    await page.reload()
    await expect(page.locator("#place")).to_have_text("701")
    site.current = _current(state="called")
    async with page.expect_navigation(url=re.compile(rf"ahead=700\.{view.number}\.")):
        await _pass_seconds(page, site, 15)
    assert site.told == [str(view.ahead), "700"]
    await _open(page, site, replace(view, number=1205))
    await expect(page.locator("#place")).to_have_text("1.190")


async def test_a_mark_that_reached_the_place_makes_it_ask_for_itself(page: Page, site: Site) -> None:
    await _open(page, site, replace(VIEWS["line"], next_poll_seconds=300))
    site.status = _status(serving={"segment": 0, "rank": 1204})
    site.current = _current(state="called")
    await _pass_seconds(page, site, 90)
    assert site.count(SHARED) == 1
    assert site.count(MINE) == 1
    await eventually(lambda: site.count(RELOAD) == 1)


@pytest.mark.parametrize(
    "change",
    [
        {"state": "called"},
        {"state": "lapsed"},
        {"event_state": "paused"},
        {"event_state": "full"},
        {"message": {"id": "Mohon bersabar.", "en": "Please be patient."}},
    ],
    ids=lambda change: "-".join(str(part) for part in next(iter(change.items()))[:2])[:20],
)
async def test_what_needs_another_layout_loads_the_page_once(page: Page, site: Site, change: dict[str, Any]) -> None:
    await _open(page, site, VIEWS["line"])
    site.current = _current(**change)
    async with page.expect_navigation(url=re.compile(r"/prakerja\?slot=1&.*lang=id$")):
        await _pass_seconds(page, site, 15)
    await _pass_seconds(page, site, 1)
    assert site.count(RELOAD) == 1


async def test_a_lost_connection_is_told_and_healed_without_losing_the_place(page: Page, site: Site) -> None:
    await _open(page, site, VIEWS["line"])
    site.current = _current()
    await page.context.set_offline(True)
    await _pass_seconds(page, site, 15)
    await expect(page.locator("#status")).to_have_text("Koneksi terputus. Mencoba menyambung kembali…")
    await expect(page.locator("#place")).to_have_text("1.190")
    await page.context.set_offline(False)
    await _pass_seconds(page, site, 1)
    await expect(page.locator("#place")).to_have_text("1.001")
    await expect(page.locator("#status")).to_be_empty()


async def test_failures_are_met_with_longer_and_longer_pauses(page: Page, site: Site) -> None:
    await _open(page, site, VIEWS["line"])
    site.current = 503
    await _pass_seconds(page, site, 600)
    assert 3 <= site.count(MINE) <= 16, "ten minutes without an answer"


async def test_old_facts_are_told_with_their_age(page: Page, site: Site) -> None:
    await _open(page, site, VIEWS["line"])
    site.current = _current(as_of_seconds=42.6)
    await _pass_seconds(page, site, 15)
    await expect(page.locator("#stale")).to_contain_text("Data terakhir: 42 detik yang lalu.")


async def test_a_screen_reader_hears_a_change_at_most_every_half_minute(page: Page, site: Site) -> None:
    await _open(page, site, VIEWS["line"])
    spoken = page.locator("#spoken")
    site.current = _current()
    await _pass_seconds(page, site, 15)
    await expect(page.locator("#place")).to_have_text("1.001")
    await expect(spoken).to_be_empty()
    await _pass_seconds(page, site, 16)
    await expect(spoken).to_have_text("Posisi Anda: 1.001. Perkiraan waktu tunggu: sekitar 8–12 menit.")


async def test_a_phone_that_saves_data_asks_half_as_often(page: Page, site: Site) -> None:
    await page.add_init_script("Object.defineProperty(navigator, 'connection', {value: {saveData: true}})")
    await _open(page, site, VIEWS["line"])
    site.current = _current()
    await _pass_seconds(page, site, 20)
    assert site.count(MINE) == 0
    await _pass_seconds(page, site, 8)
    await eventually(lambda: site.count(MINE) == 1)


async def test_a_hidden_page_asks_less_and_once_more_when_seen_again(page: Page, site: Site) -> None:
    await page.add_init_script("Object.defineProperty(document, 'hidden', {get: () => window.unseen === true})")
    await _open(page, site, VIEWS["line"])
    site.current = _current()
    show = "(unseen) => { window.unseen = unseen; document.dispatchEvent(new Event('visibilitychange')); }"
    await page.evaluate(show, True)
    await _pass_seconds(page, site, 15)
    await eventually(lambda: site.count(MINE) == 1)
    await expect(page.locator("#place")).to_have_text("1.001")
    await _pass_seconds(page, site, 18)
    assert site.count(MINE) == 1
    await page.evaluate(show, False)
    await eventually(lambda: site.count(MINE) == 2)


async def test_what_is_half_typed_survives_a_change(page: Page, site: Site) -> None:
    await _open(page, site, VIEWS["join"])
    site.status = _status(state="paused")
    await page.fill("#nik", NIK[:9])
    await _pass_seconds(page, site, 70)
    await expect(page.locator("#status")).to_contain_text("Ada perubahan.")
    await expect(page.locator("#nik")).to_have_value(NIK[:9])
    assert site.count(RELOAD) == 0


async def test_the_countdown_ticks_and_the_page_opens_by_itself(page: Page, site: Site) -> None:
    await _open(page, site, replace(VIEWS["countdown"], now=OPENING.replace(hour=11, minute=58)))
    await _pass_seconds(page, site, 30)
    await expect(page.locator("[data-unit='60']")).to_have_text("1")
    async with page.expect_navigation():
        await _pass_seconds(page, site, 120)
    assert site.count(RELOAD) == 1


async def test_a_postponed_opening_shows_at_once(page: Page, site: Site) -> None:
    await _open(page, site, VIEWS["countdown"])
    site.status = _status(state="scheduled", opens_at=NOW.isoformat())
    async with page.expect_navigation():
        await _pass_seconds(page, site, 70)


async def test_a_called_applicant_sees_the_time_left_and_the_heading_has_the_focus(page: Page, site: Site) -> None:
    await _open(page, site, VIEWS["called"])
    await expect(page.locator("#left")).to_have_text(re.compile(r"^4:3[0-2]$"))
    await expect(page.locator("h1")).to_be_focused()


async def test_a_busy_door_is_tried_again_by_itself_and_then_opens(page: Page, site: Site) -> None:
    target = f"{site.url}/daftar?a=1#bagian"
    await _open(page, site, replace(VIEWS["called"], target=target, nonce_hash="n0nce"))
    site.passes = [
        (429, {"Retry-After": "2"}, {}),
        (201, {}, {"pass": "abc.def.ghi", "session": "s", "expires_in_seconds": 120, "target": target}),
    ]
    site.current = _current(state="called", next_poll_seconds=300)
    async with page.expect_request(lambda request: request.url.endswith("/passes?slot=1")) as asked:
        await page.click("text=Masuk sekarang")
    assert (await asked.value).post_data_json == {"target": target, "nonce_hash": "n0nce"}
    await expect(page.locator("#door")).to_contain_text("Dicoba lagi secara otomatis dalam 2 detik.")
    async with page.expect_navigation(url=f"{site.url}/daftar?a=1&antrean_pass=abc.def.ghi#bagian"):
        await _pass_seconds(page, site, 3.5)


async def test_a_door_that_refuses_falls_back_to_the_form(page: Page, site: Site) -> None:
    await _open(page, site, VIEWS["called"])
    site.passes = [(409, {}, {"type": "urn:antrean:problem:identity-in-line"})]
    await page.click("text=Masuk sekarang")
    await eventually(lambda: site.count("POST /prakerja/enter") == 1)


async def test_the_zone_of_the_phone_comes_first(chromium: Browser, page: Page, site: Site) -> None:
    await _open(page, site, VIEWS["called"])
    await expect(page.locator("main .lead")).to_contain_text("pukul 22.04 WIT · 20.04 WIB · 21.04 WITA.")
    abroad = await chromium.new_page(timezone_id="Europe/Berlin")
    await abroad.goto(f"{site.url}/prakerja")
    await expect(abroad.locator("main .lead")).to_contain_text("15.04 GMT+2 · 20.04 WIB · 21.04 WITA")
    await abroad.close()


@pytest.mark.parametrize("language", ["id", "en"])
async def test_script_and_server_tell_a_wait_in_the_same_words(page: Page, site: Site, language: str) -> None:
    site.html = PAGES.waiting(VIEWS["line"], language)
    await page.goto(f"{site.url}/prakerja")
    lows = [1, 50, 61, 540, 1200, 1201, 3000, 5400, 5401, 20_000, 21_601, 90_000, 172_800, 500_000]
    ranges = [(low, high) for low in lows for high in (low + 1, low * 3 // 2, low * 4) if high > low]
    source = "".join((STATIC / name).read_text(encoding="utf-8") for name in ("page.js", "times.js"))
    told = await page.evaluate(
        f"(ranges) => {{ {source}\nreturn ranges.map(([low, high]) => waitText({{ low, high }})); }}", ranges
    )
    assert told == [Language(language).wait(each) for each in ranges]
