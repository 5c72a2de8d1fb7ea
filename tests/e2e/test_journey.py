"""People walk the whole way in Chromium: from the waiting page or the registration site to the row in its database."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.async_api import Playwright, expect

from tests.e2e import walk
from tests.e2e.browser import NARROW, WIDE, Phone, launched_without_cookies
from tests.e2e.conftest import PhoneMaker
from tests.e2e.sites import Hall, Whole
from tests.eventually import eventually
from tests.integration.applicants import new_nik

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


async def _counted(whole: Whole) -> None:
    """Every row in the site's database is counted as completed in the waiting room."""

    async def equal() -> bool:
        return await whole.completed() == whole.rows.registrations()

    await eventually(equal, within_seconds=20)


@pytest.mark.parametrize(
    ("language", "script", "width"),
    [("id", True, NARROW), ("en", True, WIDE), ("id", False, WIDE), ("en", False, NARROW)],
    ids=["id-script-narrow", "en-script-wide", "id-plain-wide", "en-plain-narrow"],
)
async def test_from_the_waiting_page_to_the_row(
    make_phone: PhoneMaker, whole: Whole, language: str, script: bool, width: int
) -> None:
    phone = await make_phone(language, width=width, script=script)
    nik = new_nik()
    async with whole.crowd() as crowd:
        await crowd.gather(waiting=6)
        await phone.page.goto(f"{whole.gateway}/")
        await phone.look("join")
        await walk.join(phone, nik, looked_at=True)
        position = await walk.place(phone)
        assert position >= 7
        await walk.sees_place(phone, position)
        await expect(phone.page.locator("body")).to_contain_text(walk.words(phone)["kept"])
        await phone.look("line")
        await crowd.go(2)
        await crowd.claim(2)
        await walk.comes_to(phone, position - 4)
    await walk.comes_to(phone, 0)
    await phone.look("called")
    await walk.enter(phone)
    await phone.look("form")
    await walk.register(phone, whole.rows, nik)
    await phone.look("registered")
    await _counted(whole)
    await phone.page.goto(whole.page)
    await expect(phone.page.locator("h1")).to_have_text(walk.words(phone)["complete"])
    await phone.look("completed")
    kept = await phone.cookies()
    assert {name: (c["secure"], c["httpOnly"], c["sameSite"], c["path"]) for name, c in kept.items()} == {
        f"127.0.0.1 __Host-antrean-{name}": (True, True, "Lax", "/")
        for name in ("key", "ticket-prakerja-1", "lang", "nonce-prakerja", "door-prakerja")
    }


@pytest.mark.parametrize(("language", "script"), [("id", True), ("en", False)], ids=["script", "plain"])
async def test_from_the_registration_site_and_back_to_it(
    make_phone: PhoneMaker, whole: Whole, language: str, script: bool
) -> None:
    phone, nik = await make_phone(language, script=script), new_nik()
    await phone.page.goto(f"{whole.origin}/")
    sent = phone.page.url
    assert re.fullmatch(rf"{whole.page}\?target=[^&]+&nonce_hash=[A-Za-z0-9_-]{{43}}", sent)
    await walk.join(phone, nik)
    await walk.comes_to(phone, 0)
    phone.hops.clear()
    await walk.enter(phone)
    with_pass = [hop for hop in phone.hops if "antrean_pass=" in hop]
    assert len(with_pass) == 1, "bound to the nonce from the start, it needs no second way"
    await phone.page.reload()
    await walk.sees_form(phone)
    await phone.page.go_back()
    await expect(phone.page.locator("h1")).to_be_visible()
    await phone.page.goto(f"{whole.origin}/")
    await walk.register(phone, whole.rows, nik)
    await phone.page.go_back()
    await expect(phone.page.locator("h1")).to_have_text(walk.words(phone)["done"])
    await phone.look("after-going-back")
    await _counted(whole)
    assert len(whole.rows.of_nik(nik)) == 1


async def test_a_pass_without_a_nonce_makes_one_detour_and_no_circle(make_phone: PhoneMaker, whole: Whole) -> None:
    phone = await make_phone()
    await phone.page.goto(whole.page)
    await walk.join(phone, new_nik())
    await walk.sees_turn(phone)
    phone.hops.clear()
    await walk.enter(phone)
    went = [re.sub(r"=[^&]+", "=…", hop) for hop in phone.hops]
    assert went == [
        f"GET {whole.origin}/?antrean_pass=…",
        f"GET {whole.page}?target=…&nonce_hash=…",
        f"GET {whole.origin}/?antrean_bound=…&antrean_pass=…",
        f"GET {whole.origin}/",
    ]


async def test_the_site_under_another_host_name_than_the_waiting_room(make_phone: PhoneMaker, whole: Whole) -> None:
    phone, nik = await make_phone(), new_nik()
    site = whole.origin.replace("127.0.0.1", "localhost")
    await phone.page.goto(f"{site}/")
    assert phone.page.url.startswith(whole.page)
    await walk.join(phone, nik)
    await walk.sees_turn(phone)
    await walk.enter(phone)
    assert phone.page.url == f"{site}/"
    await walk.register(phone, whole.rows, nik)
    await _counted(whole)
    assert {name for name in await phone.cookies() if name.startswith("localhost ")} == {
        "localhost __Host-antrean-nonce-prakerja",
        "localhost __Host-antrean-door-prakerja",
    }


async def test_the_waiting_room_under_another_host_name_than_the_site(make_phone: PhoneMaker, hall: Hall) -> None:
    room = hall.url.replace("127.0.0.1", "localhost")
    site = hall.site("nama", room)
    await hall.open("nama", origin=f"http://127.0.0.1:{site.port}/")
    phone, nik = await make_phone("en", script=False), new_nik()
    await phone.page.goto(f"{room}/nama")
    await walk.join(phone, nik)
    await walk.comes_to(phone, 0)
    await walk.enter(phone)
    await walk.register(phone, site.rows, nik)
    await eventually(lambda: hall.completed("nama") == 1)
    assert set(await phone.cookies()) == {
        *(f"localhost __Host-antrean-{name}" for name in ("key", "lang", "ticket-nama-1")),
        *(f"127.0.0.1 __Host-antrean-{name}" for name in ("nonce-nama", "door-nama")),
    }


async def test_two_people_on_one_phone_hold_two_places(make_phone: PhoneMaker, whole: Whole) -> None:
    phone, niks = await make_phone(), [new_nik(), new_nik()]
    async with whole.crowd() as crowd:
        await crowd.gather(waiting=2)
        await phone.page.goto(whole.page)
        await walk.join(phone, niks[0])
        position = await walk.place(phone)
        await phone.page.click("text=Daftarkan orang lain di ponsel ini")
        await walk.join(phone, niks[1])
        await walk.sees_place(phone, position + 1)
        await phone.look("second-person")
        await phone.page.click("text='Orang ke-1'")
        await walk.sees_place(phone, position)
        await expect(phone.page.locator(".people")).to_contain_text("Orang ke-2")
    for slot, nik in enumerate(niks, start=1):
        await phone.page.goto(f"{whole.page}?slot={slot}")
        await walk.sees_turn(phone)
        await walk.enter(phone)
        await walk.register(phone, whole.rows, nik)
    await _counted(whole)


async def test_a_place_moves_to_another_phone_with_its_code_and_not_without(
    make_phone: PhoneMaker, whole: Whole
) -> None:
    first, stranger, nik = await make_phone(), await make_phone(), new_nik()
    stranger.allowed = ["status of 409"]
    await first.page.goto(whole.page)
    await walk.join(first, nik)
    code = await first.page.locator(".code").text_content()
    await stranger.page.goto(whole.page)
    await walk.join(stranger, nik)
    await walk.sees_turn(stranger)
    await stranger.page.click("#enter button")
    notice = stranger.page.locator("#notice")
    await expect(notice).to_contain_text(
        "NIK ini sudah punya posisi dalam antrean, diambil dari ponsel atau peramban lain"
    )
    await expect(notice).to_contain_text("kode pemulihan")
    await stranger.look("same-nik")
    await stranger.page.fill("#recover-nik", nik)
    await stranger.page.fill("#recovery-code", code or "")
    await stranger.page.click("text=Pindahkan posisi saya ke sini")
    await walk.sees_turn(stranger)
    await expect(stranger.page.locator(".code")).to_have_text(code or "")
    await expect(stranger.page.locator("#notice")).to_have_count(0)
    await walk.enter(stranger)
    await walk.register(stranger, whole.rows, nik)


async def test_a_wrong_code_moves_nothing(make_phone: PhoneMaker, whole: Whole) -> None:
    phone = await make_phone()
    phone.allowed = ["status of 403"]
    await phone.page.goto(whole.page)
    await phone.page.click("summary:has-text('Saya sudah punya posisi')")
    await phone.page.fill("#recover-nik", new_nik())
    await phone.page.fill("#recovery-code", "AAAA-AAAA-AAAA")
    await phone.page.click("text=Pindahkan posisi saya ke sini")
    await expect(phone.page.locator("#notice")).to_contain_text("NIK dan kode pemulihan ini tidak cocok")
    await phone.look("wrong-code")


async def test_who_leaves_is_out_and_may_join_again(make_phone: PhoneMaker, whole: Whole) -> None:
    phone, nik = await make_phone(), new_nik()
    async with whole.crowd() as crowd:
        await crowd.gather(waiting=2)
        await phone.page.goto(whole.page)
        await walk.join(phone, nik)
        number = await phone.page.locator(".number").text_content()
        await phone.page.click(f"summary:has-text('{walk.words(phone)['leave']}')")
        await phone.look("leave")
        await phone.page.click("text=Ya, keluar dari antrean")
        await expect(phone.page.locator(".scene.join")).to_be_visible()
        await expect(phone.page.locator("#notice")).to_contain_text("Anda sudah keluar dari antrean")
        await phone.look("left")
        assert "127.0.0.1 __Host-antrean-ticket-prakerja-1" not in await phone.cookies()
        await walk.join(phone, nik)
        await expect(phone.page.locator(".number")).not_to_have_text(number or "")


async def test_reload_second_tab_and_a_restarted_browser_keep_the_place(make_phone: PhoneMaker, whole: Whole) -> None:
    phone = await make_phone()
    async with whole.crowd() as crowd:
        await crowd.gather(waiting=4)
        await phone.page.goto(whole.page)
        await walk.join(phone, new_nik())
        position = await walk.place(phone)
        number = await phone.page.locator(".number").text_content() or ""
        await phone.page.reload()
        await walk.sees_place(phone, position)
        second = await phone.tab()
        await second.goto(f"{whole.gateway}/")
        await walk.sees_place(phone, position, second)
        kept = await phone.context.storage_state()
        await phone.context.close()
        restarted = await make_phone(storage_state=kept)
        await restarted.page.goto(whole.page)
        await walk.sees_place(restarted, position)
        await expect(restarted.page.locator(".number")).to_have_text(number)


@pytest.mark.parametrize("off", ["everywhere", "at-the-site"])
async def test_a_browser_that_keeps_no_cookies_is_told_what_to_do(
    playwright: Playwright, whole: Whole, pictures: Path | None, tmp_path: Path, off: str
) -> None:
    """It runs in no circle, and no place is taken that would be lost."""
    site = whole.origin.replace("127.0.0.1", "localhost")
    blocked = "*" if off == "everywhere" else f"{site},*"
    async with launched_without_cookies(playwright, tmp_path / "profile", blocked) as context:
        phone = Phone(context, pictures, f"no-cookies-{off}", language="id", script=True)
        phone.page = await phone.tab()
        await phone.page.goto(f"{site}/")
        await phone.page.fill("#nik", new_nik())
        await phone.page.click(".scene button.primary")
        await phone.page.click(".confirm button.primary")
        if off == "everywhere":
            await expect(phone.page.locator("#notice")).to_contain_text("Peramban ini tidak menyimpan kuki")
            await expect(phone.page.locator("#notice")).to_contain_text("Izinkan kuki untuk situs ini")
        else:
            await walk.sees_turn(phone)
            await phone.page.click("#enter button")
            await expect(phone.page.locator("h1")).to_have_text("Belum dapat masuk")
            await expect(phone.page.locator("main")).to_contain_text("Peramban Anda tidak menyimpan kuki.")
        await phone.look("told")
        assert len(phone.hops) < 10
        assert any("UserPreferences" in refused for refused in phone.refused_cookies), phone.refused_cookies
