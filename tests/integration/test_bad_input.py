"""Bad input: each gets the right refusal, as problem+json or as a page that says what to do, and changes nothing."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from bs4 import BeautifulSoup

from gateway.problems import PROBLEMS
from tests.integration.applicants import Api, ask, new_nik
from tests.integration.conftest import BrowserMaker, Known
from tests.integration.refusals import is_refused, says

SLUG = "bad-input"
JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}
# Every call that a ticket is needed for.
WITH_TICKET: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("GET", "tickets/current", {}),
    ("DELETE", "tickets/current", {}),
    ("POST", "passes", {"json": {}}),
)


def _flipped(token: str) -> list[str]:
    """The token with one bit changed, at places all over it."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    flipped = []
    for at in range(0, len(token), 5):
        if token[at] != ".":
            letter = letters[letters.index(token[at]) ^ (1 << at % 6)]
            flipped.append(token[:at] + letter + token[at + 1 :])
    return flipped


def _broken_tickets(token: str) -> list[str]:
    head, tail = token.split(".")
    return [
        *_flipped(token),
        *(token[:-1], token[1:], token + "A", token + "=", head, f"{head}.", f".{tail}", f"{head}.{tail}.{tail}"),
        *(f"{tail}.{head}", f"{head}{tail}", ".", "..", "x", "x.y", "null", "undefined", "0", "A" * 500, "A" * 4000),
        *(token + " x", token.upper(), token.lower(), f"{head}=.{tail}", f"{head}.{tail[:-1]}B", "é" * 20, "١٢٣"),
    ]


async def test_tickets_that_were_not_issued_like_this_are_refused(known: Known) -> None:
    for token in _broken_tickets(known.ticket):
        for method, tail, body in WITH_TICKET:
            is_refused(await known.api.call(method, tail, ticket=token, key=known.key, **body), "ticket-invalid")


async def test_tickets_in_cookies_are_judged_alike(known: Known) -> None:
    name = f"__Host-antrean-ticket-{SLUG}-1"
    browser = f"__Host-antrean-key={known.key}"
    for token in [*_flipped(known.ticket)[::4], "x", "é", known.ticket[:-1], f'"{known.ticket}"']:
        headers = {"Cookie": f"{browser}; {name}={token}"}
        is_refused(await known.api.call("GET", "tickets/current", headers=headers), "ticket-invalid")
    for cookie in (browser, f"{browser}; {name}=", f"{browser}; {name}", f"{browser}; {name.lower()}={known.ticket}"):
        is_refused(await known.api.call("GET", "tickets/current", headers={"Cookie": cookie}), "ticket-missing")


@pytest.mark.parametrize("scheme", ["", "Bearer", "Bearer ", "Basic x", "bearer\t", "Token x", "Bearer,"])
async def test_no_ticket_is_no_ticket(known: Known, scheme: str) -> None:
    headers = {"Authorization": scheme} if scheme else {}
    for method, tail, body in WITH_TICKET:
        answer = await known.api.call(method, tail, headers=headers, **body)
        is_refused(answer, "ticket-missing")
        assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_a_ticket_of_another_event_opens_nothing_here(known: Known, slow: Api) -> None:
    foreign = (await slow.joined())["ticket"]
    for method, tail, body in WITH_TICKET:
        is_refused(await known.api.call(method, tail, ticket=foreign, **body), "ticket-foreign")


async def test_a_ticket_in_the_address_is_not_read(known: Known) -> None:
    for query in (f"ticket={known.ticket}", f"access_token={known.ticket}", f"token={known.ticket}"):
        is_refused(await known.api.call("GET", f"tickets/current?{query}", key=known.key), "ticket-missing")


async def test_of_two_authorizations_none_opens_more_than_the_first(known: Known) -> None:
    headers = [("Authorization", "Bearer x.y"), ("Authorization", f"Bearer {known.ticket}")]
    answer = await ask(known.api.session, "GET", known.api.path("tickets/current"), headers=headers)
    assert answer.problem in ("ticket-invalid", "body-invalid")


NO_NIKS = {
    "15 digits": "007123450590012",
    "17 digits": "00712345059001234",
    "letters": "007123450590012A",
    "letter o": "0O71234505900123",
    "Arabic digits": "٠٠٧١٢٣٤٥٠٥٩٠٠١٢٣",
    "one Arabic digit": "007123450590012٣",
    "full-width digits": "００７１２３４５０５９００１２３",
    "superscript": "007123450590012³",
    "serial 0000": "0071234505900000",
    "empty": "",
    "blanks": " " * 16,
    "minus": "-071234505900123x",
    "new line": "0071234505900123\n",
    "nul": "0071234505900123\x00",
    "no-break space": "0071 2345 0590 0123".replace(" ", "\u00a0"),
    "zero-width": "00712345\u200b05900123",
    "exponent": "71234505900123e2",
    "underscores": "0071_2345_0590_0123",
    "sixteen digits in a long text": "0071234505900123" + " " * 49,
    "markup": "<b>0071234505900123</b>",
}


@pytest.mark.parametrize("nik", NO_NIKS.values(), ids=NO_NIKS.keys())
async def test_what_is_no_nik_is_refused(known: Known, make_browser: BrowserMaker, nik: str) -> None:
    if len(nik) <= 64:  # longer ones are not even read
        for answer in (
            await known.api.join(nik, confirmed=True),
            await known.api.call("POST", "tickets/recover", json={"nik": nik, "recovery_code": "x"}),
        ):
            is_refused(answer, "nik-invalid")
            assert not nik or nik.strip() == "" or nik not in answer.raw.decode()
    form = await make_browser("id").join(SLUG, nik)
    assert form.status == 422
    says(form, "nik-invalid", "id")


async def test_a_nik_longer_than_any_is_not_even_read(known: Known) -> None:
    for nik in ("0" * 65, "0" * 10_000):
        is_refused(await known.api.join(nik), "body-invalid")


async def test_an_unlikely_nik_is_asked_about(known: Known) -> None:
    for birth in ("000190", "320190", "310290", "720190", "011390", "010090", "300290"):
        nik = f"007123{birth}0123"
        is_refused(await known.api.join(nik), "nik-unlikely")
        is_refused(await known.api.join(nik, confirmed=False), "nik-unlikely")


async def test_an_unlikely_nik_is_taken_once_it_is_confirmed(slow: Api, make_browser: BrowserMaker) -> None:
    answer = await slow.join(f"007123999990{new_nik()[-4:]}", confirmed=True)
    assert answer.status == 201
    browser, nik = make_browser("id"), f"007123990090{new_nik()[-4:]}"
    asked = await browser.post(f"/{slow.slug}/join", nik=nik)
    assert asked.status == 200
    assert BeautifulSoup(asked.raw, "html.parser").find(role="alert")
    assert list(browser.held()) == []
    assert (await browser.join(slow.slug, nik)).status == 303
    assert len(list(browser.held())) == 1


BAD_BODIES: dict[str, bytes] = {
    "nothing": b"",
    "no JSON": b"nik=1",
    "half": b'{"nik": "0071234505900123"',
    "two": b"{}{}",
    "array": b'["0071234505900123"]',
    "text": b'"0071234505900123"',
    "number": b"1",
    "null": b"null",
    "NIK as number": b'{"nik": 71234505900123}',
    "NIK as list": b'{"nik": ["0071234505900123"]}',
    "NIK as object": b'{"nik": {"$gt": ""}}',
    "confirmed as text": b'{"nik": "0071234505900123", "confirmed": "true"}',
    "confirmed as number": b'{"nik": "0071234505900123", "confirmed": 1}',
    "confirmed as null": b'{"nik": "0071234505900123", "confirmed": null}',
    "unknown field": b'{"nik": "0071234505900123", "name": "x"}',
    "misspelt": b'{"NIK": "0071234505900123"}',
    "not UTF-8": b'{"nik": "\xff\xfe"}',
    "lone surrogate": b'{"nik": "\\ud800"}',
    "UTF-16": '{"nik": "0071234505900123"}'.encode("utf-16"),
    "byte-order mark": b'\xef\xbb\xbf{"nik": "0071234505900123"}',
    "deep": b"[" * 8000,
    "deep objects": b'{"nik":' * 2000,
    "NaN": b'{"nik": NaN}',
}


@pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES.keys())
@pytest.mark.parametrize("tail", ["tickets", "tickets/recover", "passes"])
async def test_bodies_that_are_not_as_described_are_refused(known: Known, tail: str, body: bytes) -> None:
    ticket, key = (known.ticket, known.key) if tail == "passes" else ("", "")
    answer = await known.api.call("POST", tail, data=body, headers=JSON, ticket=ticket, key=key)
    is_refused(answer, "body-invalid")
    assert b"0071234505900123" not in answer.raw


@pytest.mark.parametrize(
    "kind", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/json", "x"]
)
async def test_another_content_type_than_json_is_refused(known: Known, kind: str) -> None:
    body = json.dumps({"nik": new_nik()}).encode()
    headers = {"Content-Type": kind} if kind else {}
    skip = () if kind else ("Content-Type",)
    for tail in ("tickets", "tickets/recover"):
        answer = await known.api.call("POST", tail, data=body, headers=headers, skip_auto_headers=skip)
        is_refused(answer, "content-type")


@pytest.mark.parametrize("slot", ["0", "6", "x", "-1", "1.0", "01", "１", "1 ", "11", "null"])
async def test_a_slot_that_is_none_is_refused_everywhere(known: Known, make_browser: BrowserMaker, slot: str) -> None:
    session, path = known.api.session, known.api.path
    for method, tail, body in WITH_TICKET:
        headers = {"Authorization": f"Bearer {known.ticket}"}
        answer = await ask(session, method, path(tail), params={"slot": slot}, headers=headers, **body)
        is_refused(answer, "body-invalid")
    for tail in ("tickets", "tickets/recover"):
        join = {"nik": new_nik()} | ({"recovery_code": "x"} if tail != "tickets" else {})
        is_refused(await ask(session, "POST", path(tail), params={"slot": slot}, json=join), "body-invalid")
    browser = make_browser("en")
    assert (await browser.get(f"/{SLUG}", params={"slot": slot})).status == 400
    for verb in ("join", "recover", "enter", "leave"):
        form = await browser.post(f"/{SLUG}/{verb}", nik=new_nik(), confirmed="yes", slot=slot)
        assert form.status == 400, verb
        says(form, "body-invalid", "en")


@pytest.mark.parametrize("length", [16_385, 200_000])
async def test_bodies_above_the_bound_are_refused(known: Known, make_browser: BrowserMaker, length: int) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(0, length + 4096, 4096):
            yield b" " * 4096

    for data in (b" " * length, pieces()):
        is_refused(await known.api.call("POST", "tickets", data=data, headers=JSON), "body-too-large")
    form = await make_browser("id").join(SLUG, "1" * length)
    assert form.status == 413
    says(form, "body-too-large", "id")


async def test_forms_that_are_none_are_refused_with_a_page(known: Known, make_browser: BrowserMaker) -> None:
    browser = make_browser("id")
    for headers, body, slug in (
        (JSON, b"{}", "content-type"),
        ({"Content-Type": "multipart/form-data; boundary=x"}, b"--x--", "content-type"),
        (FORM, b"nik=%ff%fe", "body-invalid"),
        (FORM, "nik=\xff".encode("latin-1"), "body-invalid"),
        (FORM, b"&".join(b"a=%d" % n for n in range(100)), "body-invalid"),
    ):
        for verb in ("join", "recover", "enter", "leave"):
            answer = await ask(browser.session, "POST", f"/{SLUG}/{verb}", data=body, headers=headers)
            assert answer.status == PROBLEMS[slug][0]
            says(answer, slug, "id")


@pytest.mark.parametrize("language", ["id", "en"])
async def test_browsers_get_a_page_in_their_language(known: Known, make_browser: BrowserMaker, language: str) -> None:
    browser = make_browser(language)
    for path, slug in (
        ("/nowhere", "event-unknown"),
        ("/no/such/page", "not-found"),
        (f"/{SLUG}?target=https://evil.example/", "target-refused"),
        (f"/{SLUG}?nonce_hash=x", "nonce-invalid"),
    ):
        answer = await browser.get(path)
        assert answer.status == PROBLEMS[slug][0]
        page = says(answer, slug, language)
        assert page.find("a", class_="button")
        assert "script-src" in answer.headers["Content-Security-Policy"]


async def test_a_broken_ticket_in_a_browser_is_told_on_the_waiting_page(
    known: Known, make_browser: BrowserMaker
) -> None:
    browser = make_browser("en")
    await browser.get(f"/{SLUG}")
    browser.session.cookie_jar.update_cookies({f"__Host-antrean-ticket-{SLUG}-1": known.ticket}, browser.url)
    page = await browser.get(f"/{SLUG}")
    assert page.status == 200
    says(page, "ticket-invalid", "en")
    for verb in ("enter", "leave"):
        form = await browser.post(f"/{SLUG}/{verb}")
        assert form.status == 401
        says(form, "ticket-invalid", "en")
