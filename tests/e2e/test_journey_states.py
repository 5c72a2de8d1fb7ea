"""What people see when things happen while they wait: every page comes to it by itself, and no place is lost."""

from __future__ import annotations

import re
import signal
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import Page, TimeoutError, expect

from tests.e2e import walk
from tests.e2e.browser import LAN_ADDRESS, Phone
from tests.e2e.conftest import PhoneMaker
from tests.e2e.sites import Hall
from tests.eventually import eventually
from tests.integration.applicants import new_nik

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

MESSAGE = {"id": "Mohon bersabar, kami sedang menambah kursi.", "en": "Please be patient, we are adding seats."}


async def _waiting(phone: Phone, hall: Hall, slug: str) -> int:
    """This person waits in an event's line; returns the place."""
    await phone.page.goto(hall.page(slug))
    await walk.join(phone, new_nik())
    position = await walk.place(phone)
    await walk.sees_place(phone, position)
    return position


async def _newcomer(make_phone: PhoneMaker, hall: Hall, slug: str, scene: str = "join") -> Phone:
    """Somebody without a place, who has the page open on a clock that can be turned: it asks once a minute."""
    phone = await make_phone()
    await phone.page.clock.install()
    await phone.page.goto(hall.page(slug))
    await expect(phone.page.locator(f".scene.{scene}")).to_be_visible()
    return phone


async def _told(page: Page, scene: str, heading: str, title: str) -> None:
    """The page came to this scene, and its heading and title say so."""
    await expect(page.locator(f".scene.{scene}")).to_be_visible()
    await expect(page.locator("h1")).to_have_text(heading)
    await expect(page).to_have_title(re.compile(f"^{title} – "))


async def _minutes_pass(page: Page, scene: str) -> None:
    """The phone's clock, which the test has installed, runs on by a minute at a time until the page came to a scene.

    One minute may not do: asked again within seconds, the browser gives the page the status that it kept.
    """
    for _ in range(5):
        await page.clock.fast_forward(70_000)
        with suppress(TimeoutError):
            return await page.locator(scene).wait_for(timeout=3_000)
    raise AssertionError(f"{scene} did not come")


async def _state_served(phone: Phone, hall: Hall, slug: str, state: str) -> None:
    """The gateway tells this state of the event."""

    async def served() -> bool:
        answer = await phone.context.request.get(f"{hall.url}/v1/events/{slug}/status")
        return bool((await answer.json())["state"] == state)

    await eventually(served, within_seconds=20)


async def test_a_pause_is_seen_and_ends_with_every_place_kept(make_phone: PhoneMaker, hall: Hall) -> None:
    await hall.open("jeda")
    phone, called = await make_phone(), await make_phone("en")
    newcomer = await _newcomer(make_phone, hall, "jeda")
    await called.page.goto(hall.page("jeda"))
    await walk.join(called, new_nik())
    await walk.sees_turn(called)
    async with hall.crowd("jeda") as crowd:
        await crowd.gather(waiting=2)
        await phone.page.clock.install()
        position = await _waiting(phone, hall, "jeda")
        await hall.change("jeda", paused=True)
        await expect(phone.page.locator(".state").first).to_have_text(
            "Antrean sedang dijeda. Posisi Anda tidak berubah."
        )
        await expect(phone.page.locator("#place")).to_have_text(str(position))
        await phone.look("waiting")
        await expect(called.page.locator(".state")).to_contain_text("The queue is paused. Your turn is kept")
        await expect(called.page.locator("#enter")).to_have_count(0)
        await called.look("called")
        await _minutes_pass(newcomer.page, ".scene.paused")
        await _told(newcomer.page, "paused", "Antrean sedang dijeda", "Dijeda")
        await newcomer.look("newcomer")
        await hall.change("jeda", paused=False)
        await _state_served(phone, hall, "jeda", "open")
        await _minutes_pass(phone.page, ".scene.line:not(:has-text('dijeda'))")
        await expect(phone.page.locator("#place")).to_have_text(str(position))
        await _minutes_pass(newcomer.page, ".scene.join")
        await walk.sees_turn(called)
    await walk.sees_turn(phone)


async def test_the_last_seat_goes_and_everybody_is_told(make_phone: PhoneMaker, hall: Hall) -> None:
    site = hall.site("penuh", hall.url)
    await hall.open("penuh", origin=f"http://127.0.0.1:{site.port}/", quota=2)
    winner, late, nik = await make_phone(), await make_phone(), new_nik()
    late.allowed = ["status of 409", "status of 429"]
    for phone, own in ((winner, nik), (late, new_nik())):
        await phone.page.goto(hall.page("penuh"))
        await walk.join(phone, own)
        await walk.sees_turn(phone)
    newcomer = await _newcomer(make_phone, hall, "penuh")
    await walk.enter(winner)
    await hall.change("penuh", quota=1)
    await late.page.click("#enter button")
    await expect(late.page.locator("#door")).to_have_text("Membukakan pintu untuk Anda…")
    await walk.register(winner, site.rows, nik)
    await eventually(lambda: hall.completed("penuh") == 1)
    await _told(late.page, "full", "Kuota gelombang ini sudah terpenuhi", "Kuota terpenuhi")
    await late.look("full")
    await _minutes_pass(newcomer.page, ".scene.full")
    await _told(newcomer.page, "full", "Kuota gelombang ini sudah terpenuhi", "Kuota terpenuhi")
    await newcomer.look("full-newcomer")
    await winner.page.goto(hall.page("penuh"))
    await _told(winner.page, "completed", "Pendaftaran Anda selesai", "Sudah terdaftar")


async def test_the_end_of_registration_is_told_to_who_waits(make_phone: PhoneMaker, hall: Hall) -> None:
    await hall.open("tutup")
    phone = await make_phone("en")
    async with hall.crowd("tutup") as crowd:
        await crowd.gather(waiting=2)
        await _waiting(phone, hall, "tutup")
        await hall.change("tutup", closes_at=datetime.now(UTC) - timedelta(seconds=1))
        await _told(phone.page, "closed", "Registration has closed", "Closed")
    await phone.look("closed")


async def test_the_countdown_ends_and_the_page_opens_by_itself(make_phone: PhoneMaker, hall: Hall) -> None:
    await hall.open("jadwal", opens_at=datetime.now(UTC) + timedelta(days=1, hours=2))
    phone = await _newcomer(make_phone, hall, "jadwal", "countdown")
    await _told(phone.page, "countdown", "Pendaftaran belum dibuka", "Segera dibuka")
    await expect(phone.page.locator("#countdown")).to_contain_text("1 hari")
    await expect(phone.page.locator("body")).to_contain_text("Yang perlu disiapkan")
    await phone.look("countdown")
    await hall.change("jadwal", opens_at=datetime.now(UTC) + timedelta(seconds=4))
    await _minutes_pass(phone.page, ".scene.countdown:has([data-unit='86400']:text-is('0')), .scene.join")
    await _state_served(phone, hall, "jadwal", "open")
    await _minutes_pass(phone.page, ".scene.join")
    await walk.join(phone, new_nik())


async def test_a_session_that_ran_out_is_told_on_both_sides(make_phone: PhoneMaker, hall: Hall) -> None:
    site = hall.site("habis", hall.url)
    await hall.open("habis", origin=f"http://127.0.0.1:{site.port}/", session_seconds=6)
    phone, nik = await make_phone(), new_nik()
    await phone.page.goto(hall.page("habis"))
    await walk.join(phone, nik)
    await walk.sees_turn(phone)
    await walk.enter(phone)
    watching = await phone.tab()
    await watching.clock.install()
    await watching.goto(hall.page("habis"))
    await _told(watching, "admitted", "Anda dipersilakan masuk", "Silakan masuk")
    await phone.look("admitted", watching)

    async def lapsed() -> bool:
        answer = await phone.context.request.get(f"{hall.url}/v1/events/habis/tickets/current")
        return bool((await answer.json())["state"] == "lapsed")

    await eventually(lapsed, within_seconds=20)
    await _minutes_pass(watching, ".scene.again")
    await _told(watching, "again", "Waktu Anda di situs pendaftaran sudah habis", "Antre lagi")
    await phone.page.fill("#nik", nik)
    await phone.page.click("text='Daftar'")
    await _told(phone.page, "again", "Waktu Anda di situs pendaftaran sudah habis", "Antre lagi")
    await phone.look("lapsed")
    assert site.rows.of_nik(nik) == []


async def test_a_turn_that_nobody_took_passes_and_joining_again_works(make_phone: PhoneMaker, hall: Hall) -> None:
    await hall.open("lewat")
    phone, nik = await make_phone(), new_nik()
    await phone.page.goto(hall.page("lewat"))
    await walk.join(phone, nik)
    await walk.sees_turn(phone)
    number = await phone.page.locator(".number").text_content() or ""
    hall.deployment.server.client.hincrby("antrean:{lewat}:line", "open_ms", 301_000)
    await _told(phone.page, "again", "Giliran Anda sudah lewat", "Antre lagi")
    await phone.look("expired")
    await walk.join(phone, nik)
    await walk.sees_turn(phone)
    await expect(phone.page.locator(".number")).not_to_have_text(number)


async def test_the_operator_speaks_to_who_waits_and_to_who_comes(make_phone: PhoneMaker, hall: Hall) -> None:
    await hall.open("pesan")
    phone, newcomer = await make_phone("en"), await _newcomer(make_phone, hall, "pesan")
    async with hall.crowd("pesan") as crowd:
        await crowd.gather(waiting=2)
        position = await _waiting(phone, hall, "pesan")
        await hall.change("pesan", message=MESSAGE)
        await expect(phone.page.locator(".news")).to_contain_text(MESSAGE["en"])
        await expect(phone.page.locator("#place")).to_have_text(str(position))
        await phone.look("message")
        await _minutes_pass(newcomer.page, ".news")
        await expect(newcomer.page.locator(".news")).to_contain_text(MESSAGE["id"])
        await hall.change("pesan", message=None)
        await expect(phone.page.locator(".news")).to_have_count(0)


async def test_redis_is_killed_and_comes_back_while_somebody_waits(make_phone: PhoneMaker, hall: Hall) -> None:
    await hall.open("redis")
    phone, newcomer, nik = await make_phone(), await make_phone(), new_nik()
    newcomer.allowed = ["status of 503"]
    server = hall.deployment.server
    async with hall.crowd("redis") as crowd:
        await crowd.gather(waiting=2)
        position = await _waiting(phone, hall, "redis")
        number = await phone.page.locator(".number").text_content() or ""
        await newcomer.page.goto(hall.page("redis"))
        server.kill()
        try:
            await expect(phone.page.locator("#stale")).to_contain_text("Posisi Anda tetap tersimpan. Data terakhir:")
            await expect(phone.page.locator("#place")).to_have_text(str(position))
            await phone.look("lost")
            await phone.page.reload()
            await expect(phone.page.locator("#stale")).to_be_visible()
            await walk.sees_place(phone, position)
            await newcomer.page.fill("#nik", nik)
            await newcomer.page.click(".scene button.primary")
            await newcomer.page.click(".confirm button.primary")
            await expect(newcomer.page.locator("#notice")).to_contain_text("Antrean sedang tidak dapat dihubungi")
            await expect(newcomer.page.locator("#nik")).to_have_value(nik)
            await newcomer.look("refused")
        finally:
            server.start()
        await expect(phone.page.locator("#stale")).to_be_hidden()
        await expect(phone.page.locator(".number")).to_have_text(number)
        await newcomer.page.click(".scene button.primary")
        await newcomer.page.click(".confirm button.primary")
        await expect(newcomer.page.locator("#place")).to_have_text(str(position + 1))
    await walk.sees_turn(phone)


async def test_the_gateway_is_restarted_while_somebody_waits(make_phone: PhoneMaker, hall: Hall) -> None:
    await hall.open("ulang")
    phone = await make_phone()
    phone.allowed = ["ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET", "ERR_EMPTY_RESPONSE", "status of 503"]
    async with hall.crowd("ulang") as crowd:
        await crowd.gather(waiting=2)
        position = await _waiting(phone, hall, "ulang")
        hall.gateway.send(signal.SIGTERM)
        try:
            assert hall.gateway.wait() == 0
            await expect(phone.page.locator("#status")).to_have_text("Koneksi terputus. Mencoba menyambung kembali…")
            await expect(phone.page.locator("#place")).to_have_text(str(position))
            await phone.look("away")
        finally:
            hall.start_gateway_again()
        await expect(phone.page.locator("#status")).to_be_empty()
        await walk.sees_place(phone, position)
    await walk.sees_turn(phone)


async def test_a_phone_in_the_same_network_over_plain_http(make_phone: PhoneMaker, hall: Hall) -> None:
    plain = hall.deployment.gateway(ANTREAN_HOST=LAN_ADDRESS, ANTREAN_PUBLIC_SCHEME="http")
    plain.ready()
    room = f"http://antrean.lan:{plain.port}"
    options = ("--insecure-cookies", f"--host={LAN_ADDRESS}", f"--gateway-internal=http://{LAN_ADDRESS}:{plain.port}")
    site = hall.site("rumah", room, *options)
    await hall.open("rumah", origin=f"http://daftar.lan:{site.port}/")
    phone, nik = await make_phone(), new_nik()

    async def served() -> bool:
        status = await phone.context.request.get(f"http://{LAN_ADDRESS}:{plain.port}/v1/events/rumah/status")
        return status.ok

    await eventually(served, within_seconds=10)
    await phone.page.goto(f"http://daftar.lan:{site.port}/")
    await walk.join(phone, nik)
    await walk.sees_turn(phone)
    await walk.enter(phone)
    await walk.register(phone, site.rows, nik)
    await eventually(lambda: hall.completed("rumah") == 1)
    assert {name: (c["secure"], c["httpOnly"], c["sameSite"]) for name, c in (await phone.cookies()).items()} == {
        f"{host} antrean-{name}": (False, True, "Lax")
        for host, name in (
            ("antrean.lan", "key"),
            ("antrean.lan", "lang"),
            ("antrean.lan", "ticket-rumah-1"),
            ("daftar.lan", "nonce-rumah"),
            ("daftar.lan", "door-rumah"),
        )
    }


async def test_a_gateway_meant_for_tls_takes_no_place_that_plain_http_would_lose(
    make_phone: PhoneMaker, hall: Hall
) -> None:
    await hall.open("aman")
    phone = await make_phone()
    phone.allowed = ["status of 403"]
    await phone.page.goto(f"http://antrean.loopback:{hall.gateway.port}/aman")
    await phone.page.fill("#nik", new_nik())
    await phone.page.click(".scene button.primary")
    await phone.page.click(".confirm button.primary")
    await expect(phone.page.locator("#notice")).to_contain_text("Peramban ini tidak menyimpan kuki")
    assert any("InvalidPrefix" in refused for refused in phone.refused_cookies), phone.refused_cookies
    phone.refused_cookies.clear()
