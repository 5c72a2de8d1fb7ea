"""The door of a protected site: who goes in, who waits, who is refused; D3, D4, D5."""

from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from antrean.connectors.cookies import DoorCookies, DoorSession, Nonce, SetCookie
from antrean.connectors.door import ENTRIES_MAX, RENEWAL_RATIO, Door, Go, Redirect, Refuse, Verdict
from antrean.connectors.visit import Addresses, Visit
from antrean.passes import Pass, PassVerifier, mint, new_key, public_jwks

NOW = 1_790_000_000.0
SECRET = b"s" * 32
KEY = new_key()
VERIFIER = PassVerifier(public_jwks([KEY]), "prakerja")
COOKIES = DoorCookies("prakerja", SECRET, secure=True)
SESSION = DoorSession("prakerja", "AbCdEfGh01234_-9", int(NOW) * 1_000_000, int(NOW + 900) * 1_000_000, "malam")
NONCE = COOKIES.new_nonce()
SITE = "https://daftar.example"
GATEWAY = "https://antre.example"


def door(site: str | None = SITE, public: tuple[str, ...] = ()) -> Door:
    return Door(Addresses(GATEWAY, "prakerja", site, "/masuk"), COOKIES, public)


def visit(address: str = "/", *, method: str = "GET", html: bool = True, **cookies: str) -> Visit:
    path, _, query = address.partition("?")
    named = {getattr(COOKIES, f"{name}_name"): value for name, value in cookies.items()}
    return Visit(method, "https://asked.example", path, query, named, html)


def token(event: str = "prakerja", nonce: Nonce | None = NONCE) -> str:
    hash_ = nonce.hash if nonce is not None else None
    started, expires = SESSION.session_started_us, SESSION.session_expires_us
    return mint(Pass(event, SESSION.session, started, expires, int(NOW), int(NOW) + 120, hash_, SESSION.group), KEY)


def decide(asked: Visit, gate: Door | None = None, now: float = NOW) -> Verdict:
    return (gate or door()).decide(asked, VERIFIER, now)


def redirect(verdict: Verdict) -> Redirect:
    assert isinstance(verdict, Redirect), verdict
    return verdict


def refuse(verdict: Verdict) -> Refuse:
    assert isinstance(verdict, Refuse), verdict
    return verdict


def query_of(address: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}


def cookie(cookies: tuple[SetCookie, ...], name: str) -> str:
    return {cookie.name: cookie.value for cookie in cookies}[name]


OPEN = COOKIES.write_door(SESSION, NOW).value


def test_a_browser_without_a_pass_goes_to_the_waiting_page_and_keeps_a_nonce() -> None:
    sent = redirect(decide(visit("/formulir?a=1&b=%20")))
    assert sent.location.startswith(f"{GATEWAY}/prakerja?")
    kept = COOKIES.read_nonce({c.name: c.value for c in sent.cookies})
    assert kept is not None
    assert query_of(sent.location) == {"target": f"{SITE}/formulir?a=1&b=%20", "nonce_hash": kept.hash}


def test_a_nonce_that_is_there_is_kept_for_the_other_tab() -> None:
    sent = redirect(decide(visit("/", nonce=NONCE.value)))
    assert query_of(sent.location)["nonce_hash"] == NONCE.hash
    assert cookie(sent.cookies, COOKIES.nonce_name) == NONCE.value


def test_a_posted_form_comes_back_to_the_entry() -> None:
    assert query_of(redirect(decide(visit("/kirim", method="POST"))).location)["target"] == f"{SITE}/masuk"


def test_a_program_is_told_where_a_person_would_wait() -> None:
    told = refuse(decide(visit("/data", html=False)))
    assert (told.status, told.reason, told.cookies) == (401, "pass-missing", ())
    assert query_of(told.waiting_page) == {"target": f"{SITE}/data"}


def test_a_pass_with_its_nonce_opens_the_door_and_leaves_the_address() -> None:
    entered = redirect(decide(visit(f"/f?x=1&antrean_pass={token()}&antrean_bound=1&y=", nonce=NONCE.value)))
    assert entered.location == "/f?x=1&y="
    assert entered.entered == SESSION
    assert cookie(entered.cookies, COOKIES.door_name) == OPEN
    assert decide(visit("/f", door=OPEN)) == Go(SESSION)


def test_a_stolen_pass_without_its_nonce_opens_nothing() -> None:
    assert refuse(decide(visit(f"/?antrean_pass={token()}"))).reason == "cookies-off"
    thief = COOKIES.new_nonce()
    stolen = refuse(decide(visit(f"/?antrean_pass={token()}", nonce=thief.value)))
    assert (stolen.status, stolen.reason) == (403, "nonce-other")
    assert query_of(stolen.waiting_page)["nonce_hash"] == thief.hash


def test_a_pass_without_nonce_is_sent_for_one_only_once() -> None:
    bare = token(nonce=None)
    sent = redirect(decide(visit(f"/f?a=1&antrean_pass={bare}")))
    assert sent.entered is None
    back = query_of(sent.location)
    assert back["target"] == f"{SITE}/f?a=1&antrean_bound=1"
    again = refuse(decide(visit(f"/f?a=1&antrean_bound=1&antrean_pass={bare}", nonce=NONCE.value)))
    assert again.reason == "pass-unbound"


@pytest.mark.parametrize(("told", "kept"), [("2", {"slot": "2"}), ("9", {}), ("2&antrean_slot=3", {"slot": "2"})])
def test_the_way_for_a_nonce_says_for_whom_of_the_people_on_a_phone_it_is(told: str, kept: dict[str, str]) -> None:
    sent = redirect(decide(visit(f"/f?antrean_pass={token(nonce=None)}&antrean_slot={told}")))
    assert query_of(sent.location) == {
        "target": f"{SITE}/f?antrean_bound=1",
        "nonce_hash": query_of(sent.location)["nonce_hash"],
        **kept,
    }


def test_the_next_person_on_a_phone_is_not_taken_for_the_one_who_is_inside() -> None:
    next_one = replace(SESSION, session="next-one-on-it__")
    inside = COOKIES.write_door(next_one, NOW).value
    sent = redirect(decide(visit(f"/?antrean_pass={token(nonce=None)}", door=inside, nonce=NONCE.value)))
    assert sent.location.startswith(f"{GATEWAY}/prakerja?")
    entered = redirect(decide(visit(f"/?antrean_pass={token()}", door=inside, nonce=NONCE.value)))
    assert (entered.entered, cookie(entered.cookies, COOKIES.door_name)) == (SESSION, OPEN)
    same = redirect(decide(visit(f"/?antrean_pass={token(nonce=None)}", door=OPEN, nonce=NONCE.value)))
    assert same.location == "/", "who is inside needs no other pass"


@pytest.mark.parametrize("address", ["/?antrean_pass=x", "/?antrean_pass=", "/?antrean_pass=a&antrean_pass=b"])
def test_a_spoilt_pass_ends_on_a_page_not_in_a_circle(address: str) -> None:
    assert refuse(decide(visit(address, nonce=NONCE.value))).reason == "malformed"


def test_a_pass_of_another_event_or_an_old_one_opens_nothing() -> None:
    other = refuse(decide(visit(f"/?antrean_pass={token(event='lain')}", nonce=NONCE.value)))
    assert other.reason == "event"
    late = refuse(decide(visit(f"/?antrean_pass={token()}", nonce=NONCE.value), now=NOW + 120))
    assert late.reason == "expired"


def test_a_used_pass_in_the_history_does_no_harm_while_the_door_is_open() -> None:
    sent = redirect(decide(visit(f"/f?antrean_pass={token()}", door=OPEN), now=NOW + 300))
    assert (sent.location, sent.cookies, sent.entered) == ("/f", (), None)


def test_a_second_person_on_a_shared_phone_replaces_the_first() -> None:
    second = replace(SESSION, session="B" * 16)
    held = COOKIES.write_door(second, NOW).value
    entered = redirect(decide(visit(f"/?antrean_pass={token()}", door=held, nonce=NONCE.value)))
    assert entered.entered == SESSION


def test_the_door_closes_when_the_session_expires() -> None:
    assert decide(visit(door=OPEN), now=NOW + 899.9) == Go(SESSION)
    assert redirect(decide(visit(door=OPEN), now=NOW + 900)).location.startswith(GATEWAY)
    assert refuse(decide(visit(door=OPEN, html=False), now=NOW + 900)).status == 401


SOONEST = 900 * (1 - RENEWAL_RATIO)


def renewing() -> Door:
    return Door(Addresses(GATEWAY, "prakerja", SITE, "/masuk"), COOKIES, renews=True)


def renewed(cookie: SetCookie | None, now: float) -> DoorSession:
    assert cookie is not None
    session = COOKIES.read_door({cookie.name: cookie.value}, now)
    assert session is not None
    return session


@pytest.mark.parametrize(("after", "renews"), [(0, False), (SOONEST, False), (SOONEST + 1, True), (899.9, True)])
def test_a_session_is_renewed_once_less_than_three_quarters_are_left(after: float, renews: bool) -> None:
    verdict = decide(visit("/f", door=OPEN), renewing(), now=NOW + after)
    assert isinstance(verdict, Go) and verdict.session == SESSION
    assert (verdict.renewal is not None) == renews


def test_a_renewed_session_is_as_long_as_before_from_now_on() -> None:
    now = NOW + 600
    verdict = decide(visit("/f", method="POST", door=OPEN), renewing(), now=now)
    assert isinstance(verdict, Go) and verdict.renewal is not None
    assert verdict.renewal.max_age_seconds == 900
    session = renewed(verdict.renewal, now)
    started_us = int(now * 1_000_000)
    assert session == replace(SESSION, session_started_us=started_us, session_expires_us=started_us + 900_000_000)
    held = verdict.renewal.value
    assert isinstance(decide(visit(door=held), renewing(), now=NOW + 1_499.9), Go)
    assert isinstance(decide(visit(door=held), renewing(), now=NOW + 1_500), Redirect)


def test_the_busiest_browser_renews_four_times_in_the_time_of_a_session() -> None:
    held, renewals = OPEN, 0
    for second in range(1, 3 * 900):
        verdict = decide(visit(door=held), renewing(), now=NOW + second)
        assert isinstance(verdict, Go)
        if verdict.renewal is not None:
            held, renewals = verdict.renewal.value, renewals + 1
    assert renewals <= 3 * 4
    assert renewals > 3 * 3


def test_a_session_that_is_over_is_not_renewed() -> None:
    assert isinstance(decide(visit(door=OPEN), renewing(), now=NOW + 900), Redirect)


def test_a_site_that_does_not_renew_sets_no_cookie_again() -> None:
    assert decide(visit(door=OPEN), now=NOW + 899) == Go(SESSION)


def test_every_change_of_the_door_cookie_closes_it() -> None:
    for position in range(len(OPEN)):
        for bit in range(7):
            changed = OPEN[:position] + chr(ord(OPEN[position]) ^ 1 << bit) + OPEN[position + 1 :]
            assert isinstance(decide(visit(door=changed)), Redirect)


def test_the_door_cookie_belongs_to_one_event_and_one_secret() -> None:
    for event, secret in (("lain", SECRET), ("prakerja", b"t" * 32)):
        foreign = DoorCookies(event, secret, secure=True)
        held = foreign.write_door(replace(SESSION, event=event), NOW).value
        assert isinstance(decide(visit(door=held)), Redirect)


Fields = tuple[str, str, int, int, str]
session_ids = st.text("AZaz09_-", min_size=16, max_size=16)
moments = st.integers(0, 10**17 - 1)
groups = st.from_regex(r"[a-z0-9-]{0,12}", fullmatch=True)
fields = st.tuples(st.from_regex(r"[a-z0-9-]{1,40}", fullmatch=True), session_ids, moments, moments, groups)


# Without lengths these two would be signed as the same bytes.
@example(("a", "A" * 16, 1, 23, "4"), ("a", "A" * 16, 12, 3, "4"))
@example(("a", "A" * 16, 1, 23, ""), ("a", "A" * 16, 1, 2, "3"))
@given(fields, fields)
def test_two_sessions_share_no_door_cookie(
    one: tuple[str, str, int, int, str], two: tuple[str, str, int, int, str]
) -> None:
    macs = [DoorCookies(f[0], SECRET, secure=True).write_door(DoorSession(*f), 0).value[-43:] for f in (one, two)]
    assert (macs[0] == macs[1]) == (one == two)


def test_a_secret_that_could_be_searched_for_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        DoorCookies("prakerja", b"short", secure=True)


def test_without_keys_the_person_is_asked_to_come_back() -> None:
    away = refuse(door().decide(visit(f"/?antrean_pass={token()}", nonce=NONCE.value), None, NOW))
    assert (away.status, away.reason, away.retry_after_seconds) == (503, "keys-away", 5)
    assert door().decide(visit(door=OPEN), None, NOW) == Go(SESSION)


def test_a_browser_that_never_keeps_the_door_cookie_is_stopped() -> None:
    held, entries = NONCE.value, 0
    while isinstance(verdict := decide(visit(f"/?antrean_pass={token()}", nonce=held)), Redirect):
        held = cookie(verdict.cookies, COOKIES.nonce_name)
        entries += 1
        assert entries <= ENTRIES_MAX
    assert entries == ENTRIES_MAX
    assert refuse(verdict).reason == "circle"
    held = cookie(refuse(verdict).cookies, COOKIES.nonce_name)
    assert isinstance(decide(visit(f"/?antrean_pass={token()}", nonce=held)), Redirect)


def test_entries_far_apart_are_no_circle() -> None:
    held = NONCE.value
    for minute in range(3 * ENTRIES_MAX):
        now = NOW + minute * 61
        pass_ = Pass("prakerja", SESSION.session, 1, int(now + 900) * 1_000_000, int(now), int(now) + 120, NONCE.hash)
        entered = redirect(decide(visit(f"/?antrean_pass={mint(pass_, KEY)}", nonce=held), now=now))
        held = cookie(entered.cookies, COOKIES.nonce_name)


PUBLIC = ("/", "/healthz", "/static/*")


@pytest.mark.parametrize("path", ["/", "/healthz", "/static/", "/static/a/b.css"])
def test_public_paths_need_no_pass(path: str) -> None:
    assert decide(visit(path), door(public=PUBLIC)) == Go(None)
    assert decide(visit(path, door=OPEN), door(public=PUBLIC)) == Go(SESSION)


@pytest.mark.parametrize(
    "path",
    [
        "//",
        "/healthz/",
        "/HEALTHZ",
        "/static",
        "/static/../data",
        "/static/%2e%2e/data",
        "/static//x",
        "/static/.x",
        "/static\\..\\data",
        "//healthz",
        "/statics/x",
    ],
)
def test_paths_that_only_look_public_need_one(path: str) -> None:
    assert isinstance(decide(visit(path), door(public=PUBLIC)), Redirect)


def test_a_pass_is_taken_on_a_public_path_and_a_bad_one_does_not_close_it() -> None:
    gate = door(public=PUBLIC)
    assert redirect(decide(visit(f"/?antrean_pass={token()}", nonce=NONCE.value), gate)).entered == SESSION
    assert redirect(decide(visit("/?antrean_pass=x"), gate)).location == "/"


HOSTILE = [
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/\\/evil.example",
    "//evil.example/%2f..",
    "https://evil.example",
    "//evil.example:443",
    "/%09/evil.example",
    "/.//evil.example",
    "javascript:alert(1)",
    "//@evil.example",
    "/;@evil.example",
    "/%5cevil.example",
    "////",
    "/\\\\\\evil.example",
]


@pytest.mark.parametrize("path", HOSTILE)
def test_no_address_leads_to_another_site(path: str) -> None:
    for address in (f"{path}?antrean_pass={token()}", f"{path}?antrean_pass={token()}&next=//evil.example"):
        entered = redirect(decide(visit(address, nonce=NONCE.value)))
        assert entered.location[0] == "/" and entered.location[1:2] not in ("/", "\\")
    target = query_of(redirect(decide(visit(path))).location)["target"]
    assert target.startswith(f"{SITE}/")


def test_the_site_s_own_name_is_not_taken_from_the_request_when_it_is_set() -> None:
    assert query_of(redirect(decide(visit("/x"))).location)["target"] == f"{SITE}/x"
    unset = redirect(decide(visit("/x"), door(site=None)))
    assert query_of(unset.location)["target"] == "https://asked.example/x"


def test_an_address_too_long_to_carry_leads_to_the_entry() -> None:
    assert query_of(redirect(decide(visit("/" + "x" * 2_000))).location)["target"] == f"{SITE}/masuk"


def test_cookies_lose_their_prefix_only_when_told() -> None:
    assert COOKIES.door_name == "__Host-antrean-door-prakerja"
    assert DoorCookies("prakerja", SECRET, secure=False).nonce_name == "antrean-nonce-prakerja"
