"""An event: settings that cannot work are refused together, states follow the schedule, targets are exact (D5)."""

from __future__ import annotations

import re
import tomllib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from admission.core.errors import Refused
from admission.core.event import Event, EventState
from admission.core.nik import parse_nik
from admission.core.record import EventRecord, state_at
from admission.core.urls import origin_of
from antrean.commands.events import as_toml
from tests.samples import CREATED_AT, TITLES, make_event, make_record
from tests.unit.repository import ROOT

NOW = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
CHOICE_TEXTS = {code: text | {"choice": "Sesi"} for code, text in TITLES.items()}
DRAW = {
    "order": "draw",
    "draw_source": {"kind": "witness", "says": "the minister"},
    "prequeue_at": NOW - HOUR,
    "opens_at": NOW,
    "freeze_seconds": 300,
}
GROUPS = {"pagi": {"id": "Pagi", "en": "Morning"}, "malam": {"id": "Malam", "en": "Evening"}}


@pytest.mark.parametrize(
    ("fields", "completed", "state"),
    [
        ({}, 0, "open"),
        ({"paused": True}, 0, "paused"),
        ({"opens_at": NOW + HOUR}, 0, "scheduled"),
        ({"opens_at": NOW}, 0, "open"),
        ({"closes_at": NOW}, 0, "closed"),
        ({"closes_at": NOW + HOUR}, 0, "open"),
        ({"quota": 5}, 4, "open"),
        ({"quota": 5}, 5, "full"),
        ({"quota": 5}, 6, "full"),
        ({"quota": 0}, 0, "full"),
        ({"quota": 5, "paused": True}, 5, "full"),
        ({"quota": 5, "opens_at": NOW + HOUR}, 5, "scheduled"),
        ({"closes_at": NOW - HOUR, "paused": True, "quota": 0}, 0, "closed"),
    ],
)
def test_the_state_follows_schedule_quota_and_pause(fields: dict[str, Any], completed: int, state: str) -> None:
    assert state_at(make_record(**fields), NOW, completed) is EventState(state)


def test_instants_of_any_zone_are_the_same_instant() -> None:
    jakarta = make_record(opens_at="2026-11-25T16:00:00+07:00")
    assert state_at(jakarta, NOW, 0) is EventState.OPEN
    assert state_at(jakarta, NOW - timedelta(seconds=1), 0) is EventState.SCHEDULED


@pytest.mark.parametrize(
    "fields",
    [
        *(
            {"slug": slug}
            for slug in ("", "A", "a/b", "a" * 41, "v1", "static", "healthz", "readyz", "metrics", "é", "a\n")
        ),
        {"rate_per_second": 0},
        {"rate_per_second": float("nan")},
        {"rate_per_second": float("inf")},
        {"rate_per_second": 10, "burst": 11},
        {"rate_per_second": 0.5, "burst": 2},
        {"burst": 0},
        {"capacity": 0},
        {"quota": -1},
        {"session_seconds": 0},
        {"grace_seconds": 4},
        {"learning_seconds": -1},
        {"learning_seconds": 3601},
        {"opens_at": "2026-11-25T16:00:00"},
        {"opens_at": NOW, "closes_at": NOW},
        {"origin": "daftar.example"},
        {"texts": {"id": TITLES["id"]}},
        {"message": {"id": "x" * 281}},
        {"message": {"id": "é" * 141}},
        {"message": {"fr": "bonjour"}},
        {"unknown": 1},
        {"opens_at": NOW, "waves": [{"opens_at": NOW}]},
        {"opens_at": NOW, "waves": [{"opens_at": NOW + HOUR, "closes_at": NOW + HOUR}]},
        {"opens_at": NOW, "waves": [{"opens_at": NOW + HOUR, "prequeue_at": NOW + HOUR}]},
        {"opens_at": NOW, "waves": [{"opens_at": NOW + HOUR, "quota": 1}]},
        {"opens_at": NOW, "quota": 600_000_000, "waves": [{"opens_at": NOW + HOUR, "quota": 600_000_000}]},
        DRAW | {"waves": [{"opens_at": NOW + HOUR, "prequeue_at": NOW + HOUR - timedelta(seconds=200)}]},
        {"group_by": "province", "identity": False},
        {"group_by": "province", "group_quotas": {"pagi": 1}},
        {"group_quotas": {"31": 1}},
        {"group_by": "choice"},
        {"group_by": "province", "groups": GROUPS},
        {"group_by": "choice", "groups": GROUPS, "texts": TITLES},
        {"group_by": "choice", "groups": GROUPS, "group_quotas": {"siang": 1}},
        {"group_by": "choice", "groups": {"pagi": {"id": "Pagi"}}},
        {"group_by": "choice", "groups": {"Pagi": {"id": "Pagi", "en": "Morning"}}},
        {"group_by": "choice", "groups": {f"sesi-{n:07d}": {"id": "S", "en": "S"} for n in range(13)}},
    ],
)
def test_settings_that_cannot_work_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        make_event(**{"texts": CHOICE_TEXTS, **fields})


def test_a_group_is_the_province_of_the_nik_or_what_was_chosen() -> None:
    nik = parse_nik("3171234505900123")
    chosen = make_event(group_by="choice", groups=GROUPS, group_quotas={"malam": 1}, texts=CHOICE_TEXTS)
    assert (chosen.group_of(nik, "malam"), chosen.group_of(None, "pagi")) == ("malam", "pagi")
    assert make_event(group_by="province", group_quotas={"31": 1}).group_of(nik, None) == "31"
    assert make_event().group_of(nik, None) == ""


@pytest.mark.parametrize(
    ("fields", "choice"),
    [
        ({"group_by": "choice", "groups": GROUPS}, None),
        ({"group_by": "choice", "groups": GROUPS}, ""),
        ({"group_by": "choice", "groups": GROUPS}, "siang"),
        ({"group_by": "province"}, "31"),
        ({}, "pagi"),
        ({}, ""),
    ],
)
def test_a_choice_that_is_none_is_refused(fields: dict[str, Any], choice: str | None) -> None:
    with pytest.raises(Refused, match="group-invalid"):
        make_event(texts=CHOICE_TEXTS, **fields).group_of(parse_nik("3171234505900123"), choice)


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(ValidationError) as found:
        make_event(slug="v1", capacity=0, grace_seconds=1)
    assert {error["loc"][0] for error in found.value.errors()} == {"slug", "capacity", "grace_seconds"}


def test_a_slow_event_may_still_have_a_burst_of_one() -> None:
    assert make_event(rate_per_second=0.01, burst=1).burst == 1


def test_a_record_survives_being_written_and_read() -> None:
    record = make_record(3, opens_at=NOW, quota=5, message={"id": "Sabar", "en": "Wait"})
    assert EventRecord.model_validate_json(record.model_dump_json()) == record


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://daftar.example/", "https://daftar.example:443"),
        ("HTTPS://Daftar.Example", "https://daftar.example:443"),
        ("http://127.0.0.1:8090/form?a=1#b", "http://127.0.0.1:8090"),
        ("http://[::1]/", "http://[::1]:80"),
    ],
)
def test_an_origin_has_one_spelling(url: str, origin: str) -> None:
    assert origin_of(url) == origin


EVENT = make_event(origin="https://daftar.example/", targets=("http://127.0.0.1:8090/",))


@pytest.mark.parametrize(
    "url",
    [
        "https://daftar.example/",
        "https://daftar.example:443/a?b=c",
        "https://DAFTAR.example/x",
        "http://127.0.0.1:8090/",
    ],
)
def test_targets_of_the_event_are_allowed(url: str) -> None:
    assert EVENT.allows_target(url)


@pytest.mark.promise("D5")
@pytest.mark.parametrize(
    "url",
    [
        *("", "/", "//daftar.example/", "///daftar.example", "daftar.example", "https:daftar.example"),
        *("http://daftar.example/", "https://daftar.example:8443/", "https://daftar.example.evil.test/"),
        *("https://evil.test/https://daftar.example/", "https://evil.test#daftar.example"),
        *("https://daftar.example@evil.test/", "https://daftar.example:443@evil.test/", "https://user@daftar.example/"),
        *("https://evil.test\\@daftar.example/", "https://daftar.example\\.evil.test/", "https:\\\\daftar.example"),
        *("javascript:alert(1)", "JaVaScRiPt://daftar.example/%0aalert(1)", "data:text/html,x", "file:///etc/passwd"),
        *(
            "https://daftar.example\n.evil.test/",
            "https://daftar.example\t/",
            " https://daftar.example/",
            "https://daftar.example/\x00",
        ),
        *(
            "https://daftar.example%2eevil.test/",
            "https://daftar.example./",
            "https://xn--daftar-.example/",
            "https://dаftar.example/",
        ),
        *("https://daftar.example:99999/", "https://daftar.example:abc/", "https://[::1/", "https://[daftar.example]/"),
        *(
            "http://127.0.0.1:8091/",
            "http://127.0.0.1/",
            "http://2130706433:8090/",
            "http://0x7f.1:8090/",
            "http://127.1:8090/",
        ),
        *(
            'https://daftar.example/"><script>',
            "https://daftar.example/<x>",
            "https://",
            "https://:443/",
            "ftp://daftar.example/",
        ),
    ],
)
def test_every_other_target_is_refused(url: str) -> None:
    assert not EVENT.allows_target(url)


def test_the_example_file_with_everything_in_it_is_an_event_and_is_shown_as_one() -> None:
    text = re.sub(r"^#(?=[a-z\[0-9])", "", (ROOT / "deploy" / "event.toml").read_text(encoding="utf-8"), flags=re.M)
    event = Event.model_validate(tomllib.loads(text))
    assert (event.group_quotas["31"], event.waves[0].quota, event.order) == (48_000, 164_000, "draw")
    shown = as_toml(EventRecord(version=7, event=event, pepper="wrapped", created_at=CREATED_AT, postponed_from=NOW))
    assert shown.startswith("# version 7, wave 1, postponed from 2026-11-25T09:00:00+00:00\n")
    assert Event.model_validate(tomllib.loads(shown)) == event


def test_the_choice_in_the_example_file_is_one() -> None:
    text = (ROOT / "deploy" / "event.toml").read_text(encoding="utf-8")
    text = 'group_by = "choice"\n' + re.sub(r"^# (?=\[groups|morning =|evening =)", "", text, flags=re.M)
    for choice, language in re.findall(r"choice = (\"\w+\") in \[texts\.(\w+)\]", text):
        text = text.replace(f"\n[texts.{language}]\n", f"\n[texts.{language}]\nchoice = {choice}\n")
    event = Event.model_validate(tomllib.loads(text))
    assert (list(event.groups), event.texts["id"].choice) == (["morning", "evening"], "Sesi")
    shown = as_toml(EventRecord(version=1, event=event, pepper="wrapped", created_at=CREATED_AT))
    assert Event.model_validate(tomllib.loads(shown)) == event


def test_waves_that_fit_behind_each_other() -> None:
    waves = [{"opens_at": NOW + day * 24 * HOUR, "prequeue_at": NOW + (day * 24 - 1) * HOUR} for day in (7, 14)]
    assert len(make_event(**DRAW, waves=waves).waves) == 2
