"""Groups that people choose from at the join: on the page and by the API, with a NIK and without one."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from bs4 import Tag

from tests.eventually import eventually
from tests.integration.applicants import Api, Browser, new_nik
from tests.integration.conftest import BrowserMaker
from tests.integration.deployment import Deployment, Gateway
from tests.integration.reading import heading_of, page_of, pass_in, until_it_says
from tests.samples import TITLES

CHOICE = {
    "group_by": "choice",
    "groups": {"pagi": {"id": "Sesi pagi", "en": "Morning"}, "malam": {"id": "Sesi malam", "en": "Evening"}},
    "texts": {code: text | {"choice": {"id": "Sesi", "en": "Session"}[code]} for code, text in TITLES.items()},
}


@pytest.fixture
async def full(deployment: Deployment, gateway: Gateway, session: aiohttp.ClientSession) -> Api:
    """An event without a seat in the morning."""
    api = Api(session, "pilihan")
    await deployment.open_event(gateway, api.slug, **CHOICE, group_quotas={"pagi": 0})

    async def told() -> bool:
        seats = (await api.call("GET", "status")).body["seats"]
        return bool(seats and seats["full_groups"] == ["pagi"])

    await eventually(told, within_seconds=10)
    return api


def _options(page: Tag) -> dict[str, str]:
    return {str(option["value"]): option.get_text() for option in page.select("select[name=group] option")}


async def _joined_by_form(browser: Browser, slug: str, **fields: str) -> None:
    assert (await browser.post(f"/{slug}/join", lang="en", **fields)).status == 303


async def test_the_page_asks_for_a_choice_shows_it_back_and_keeps_it(full: Api, make_browser: BrowserMaker) -> None:
    browser, nik = make_browser("en"), new_nik()
    page = page_of(await browser.get(f"/{full.slug}"))
    assert _options(page) == {"": "Please choose", "pagi": "Morning (no seats left)", "malam": "Evening"}
    for choice in ({}, {"group": ""}, {"group": "siang"}):
        refused = await browser.post(f"/{full.slug}/join", nik=nik, lang="en", **choice)
        alert = page_of(refused).find(role="alert")
        assert (refused.status, "Nothing was chosen" in str(alert)) == (422, True)
        assert page_of(refused).select("input[name=nik]")[0]["value"] == nik
    confirm = page_of(await browser.post(f"/{full.slug}/join", nik=nik, lang="en", group="malam"))
    assert "Session" in confirm.get_text() and "Evening" in confirm.select("dl.identity")[0].get_text()
    assert [field["value"] for field in confirm.select("input[type=hidden][name=group]")] == ["malam"]
    assert confirm.select("option[selected]")[0]["value"] == "malam"
    await _joined_by_form(browser, full.slug, nik=nik, confirmed="yes", group="malam")
    called = await until_it_says(browser, f"/{full.slug}", "It is your turn")
    assert "Session: Evening" in page_of(called).get_text()


async def test_of_a_full_choice_the_page_says_so_and_offers_the_others(full: Api, make_browser: BrowserMaker) -> None:
    browser, nik = make_browser("en"), new_nik()
    await browser.get(f"/{full.slug}")
    await _joined_by_form(browser, full.slug, nik=nik, confirmed="yes", group="pagi")
    shown = await until_it_says(browser, f"/{full.slug}", "All seats for Morning have been taken")
    assert "leave the queue and join again" in page_of(shown).get_text()
    assert (await browser.post(f"/{full.slug}/leave", lang="en")).status == 303
    assert heading_of(await browser.get(f"/{full.slug}")) == "Take your place in the queue"
    await _joined_by_form(browser, full.slug, nik=nik, confirmed="yes", group="malam")
    await until_it_says(browser, f"/{full.slug}", "It is your turn")


async def test_the_first_choice_stays_wherever_the_place_goes(full: Api) -> None:
    nik, phone, other = new_nik(), "P" * 22, "O" * 22
    first = await full.join(nik, key=phone, group="malam")
    assert (first.status, first.body["group"]) == (201, "malam")
    again = await full.join(nik, key=phone, group="pagi")
    assert (again.status, again.body["group"], again.body["number"]) == (200, "malam", first.body["number"])
    code = {"nik": nik, "recovery_code": first.body["recovery_code"]}
    moved = await full.call("POST", "tickets/recover", key=other, json=code)
    assert (moved.status, moved.body["group"]) == (200, "malam")
    await full.until(moved.body["ticket"], "called", key=other)
    assert (await full.claim(moved.body["ticket"], key=other)).status == 201


@pytest.mark.parametrize("choice", [{}, {"group": None}, {"group": ""}, {"group": "siang"}])
async def test_the_api_refuses_what_is_no_choice(full: Api, choice: dict[str, Any]) -> None:
    refused = await full.join(new_nik(), **choice)
    assert (refused.status, refused.problem) == (422, "group-invalid")


async def test_where_nothing_is_to_be_chosen_a_choice_is_refused(
    deployment: Deployment, gateway: Gateway, session: aiohttp.ClientSession
) -> None:
    api = Api(session, "tanpa-pilihan")
    await deployment.open_event(gateway, api.slug)
    assert (await api.join(new_nik(), group="pagi")).problem == "group-invalid"
    assert (await api.joined())["group"] is None


@pytest.mark.promise("A11")
async def test_without_a_nik_a_chosen_group_fills_and_the_pass_names_it(
    deployment: Deployment, gateway: Gateway, session: aiohttp.ClientSession, make_browser: BrowserMaker
) -> None:
    api, browser = Api(session, "konser"), make_browser("en")
    await deployment.open_event(gateway, api.slug, **CHOICE, identity=False, group_quotas={"pagi": 1})
    await browser.get(f"/{api.slug}")
    await _joined_by_form(browser, api.slug, group="pagi")
    called = await until_it_says(browser, f"/{api.slug}", "It is your turn")
    assert "Session: Morning" in page_of(called).get_text()
    assert (await pass_in(browser, api.slug, await browser.post(f"/{api.slug}/enter"))).group == "pagi"
    late, other = [(await api.join(group=group)).body["ticket"] for group in ("pagi", "malam")]
    await api.until(other, "called")
    assert (await api.claim(late)).problem == "group-full"
    assert (await api.claim(other)).status == 201
