"""A draw as people see it: from the pre-queue through a postponement and the freeze to a position with a proof."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import expect

from admission.core.changes import postponed
from antrean.commands.draw import draw_with_value
from tests.e2e import walk
from tests.e2e.browser import WIDE, Phone
from tests.e2e.conftest import PhoneMaker
from tests.e2e.sites import Hall
from tests.eventually import eventually
from tests.integration.applicants import new_nik

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

SLUG = "undian-layar"
SOURCE = {"kind": "published", "says": "angka penutupan IHSG (closing figure of the index)"}
DAY = timedelta(days=1)


async def _shows(phone: Phone, selector: str, text: str) -> None:
    """The page comes to say this: by itself where it has a script, else when it is loaded again."""
    if phone.script:
        await phone.page.clock.fast_forward(20_000)  # a look at the shared status, and not at each step a poll
    else:
        await phone.page.reload()
    await expect(phone.page.locator(selector).first).to_contain_text(text, timeout=3_000)


async def _shown(phone: Phone, selector: str, text: str) -> None:
    async def shown() -> bool:
        try:
            await _shows(phone, selector, text)
        except AssertionError:
            return False
        return True

    try:
        await eventually(shown, within_seconds=40)
    except AssertionError as never:
        raise AssertionError(f"never '{text}': {await phone.page.inner_text('body')}") from never


@pytest.mark.promise("B3", "B9")
async def test_a_draw_from_the_pre_queue_to_a_position_that_can_be_proven(make_phone: PhoneMaker, hall: Hall) -> None:
    began = datetime.now(UTC)
    schedule = {"prequeue_at": began - DAY, "opens_at": began + DAY, "freeze_seconds": 10}
    await hall.open(SLUG, order="draw", draw_source=SOURCE, **schedule)
    scripted, plain = await make_phone("id"), await make_phone("en", width=WIDE, script=False)
    await scripted.page.clock.install()
    for phone, heading in ((scripted, "Anda ikut undian"), (plain, "You are in the draw")):
        await phone.page.goto(hall.page(SLUG))
        await walk.join(phone, new_nik())
        await expect(phone.page.locator("h1")).to_have_text(heading)
        await expect(phone.page.locator("#place")).to_have_count(0)
        await phone.look("entered")

    await hall.deployment.change_event(SLUG, lambda record, now: postponed(record, now + 3 * DAY, now))
    await _shown(scripted, ".scene", "Ditunda. Semula diumumkan untuk")
    await _shown(plain, ".scene", "Postponed. It was announced for")
    await scripted.look("postponed")

    await hall.deployment.change_event(SLUG, lambda record, now: postponed(record, now + timedelta(seconds=11), now))
    await _shown(scripted, ".state", "Daftar sudah ditutup")
    await _shown(plain, ".state", "The list is closed")
    await _shown(scripted, ".aside", "peserta ke-1 dari 2")
    await _shown(plain, ".aside", "entry 2 of 2")
    await scripted.look("sealed")

    wrapping = hall.deployment.secrets.keyring().wrapping
    await hall.deployment.change_event(
        SLUG,
        lambda record, now: record.model_copy(
            update={"draw": draw_with_value(record, "4711.08", "the exchange", wrapping, now)}
        ),
    )
    await _shown(scripted, ".aside", "Undian memberi Anda posisi ke-")
    await _shown(plain, ".aside", "The draw gave you position")
    await scripted.look("drawn")
    await plain.look("drawn")
    proof = await scripted.context.request.get(f"{hall.url}/v1/events/{SLUG}/tickets/current/receipt?slot=1")
    receipt = await proof.json()
    assert (proof.status, receipt["entry"], receipt["size"], receipt["value"]) == (200, 1, 2, "4711.08")
    await expect(scripted.page.locator(".aside")).to_contain_text(f"posisi ke-{receipt['rank']}")
    await _shown(scripted, "h1", "Giliran Anda telah tiba")
    await _shown(plain, "h1", "It is your turn")
