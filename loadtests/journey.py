"""Locust scenario: people join at Poisson times and walk the whole journey, ending in PASS or FAIL.

    locust -f loadtests/journey.py --headless --host http://127.0.0.1:8090 --join-rate 200 --join-seconds 15

`--host` is the protected site, on this machine: the way to the waiting room is found from there.
"""

from __future__ import annotations

import json
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

import gevent  # type: ignore[import-untyped]
from gevent.pool import Pool  # type: ignore[import-untyped]
from locust import FastHttpUser, events, task
from locust.env import Environment
from locust.event import EventHook

from loadtests.arrivals import poisson
from loadtests.histogram import Histogram
from loadtests.verdict import Measured, Thresholds, judge, report
from loadtests.visitor import Visitor, WayEnded

_PROGRESS_SECONDS = 1.0
_CONNECTIONS = 4_000


class Tally:
    """What happened so far."""

    def __init__(self) -> None:
        self.asked = self.came = 0
        self.steps = {"join": 0, "claim": 0, "enter": 0, "register": 0}
        self.joins, self.polls = Histogram(), Histogram()
        self.admitted_us: list[int] = []
        self.ended: dict[str, int] = {}
        self.requests = self.failures = 0
        self.arrivals_ratio = self.generator_cpu_ratio = self.rate_per_second = 0.0

    def progress(self) -> str:
        """One line of JSON."""
        return json.dumps({"asked": self.asked, "came": self.came, **self.steps})


tally = Tally()
Listener = TypeVar("Listener", bound=Callable[..., None])


def _on(hook: EventHook) -> Callable[[Listener], Listener]:
    """Locust's decorator, with the types that it lacks."""
    return cast(Callable[[Listener], Listener], hook.add_listener)


@_on(events.init_command_line_parser)
def _options(parser: ArgumentParser) -> None:
    parser.add_argument("--join-rate", type=float, default=200.0, help="people a second")
    parser.add_argument("--join-seconds", type=float, default=15.0, help="time in which they come")
    parser.add_argument("--stay-seconds", type=float, default=1.0, help="time a person takes for the form")
    parser.add_argument("--limit-seconds", type=float, default=180.0, help="the run ends then, whoever still waits")
    parser.add_argument("--seed", type=int, default=1, help="of the arrivals")
    parser.add_argument("--join-p99-seconds", type=float, default=Thresholds.join_p99_seconds, help="a threshold")
    parser.add_argument("--poll-p99-seconds", type=float, default=Thresholds.poll_p99_seconds, help="a threshold")
    parser.add_argument("--report", default="", help="file for the report, JSON")


@_on(events.init)
def _loopback_only(environment: Environment, **_: Any) -> None:
    """Load goes to this machine and nowhere else."""
    host = environment.parsed_options.host if environment.parsed_options else None
    if urlsplit(host or "").hostname != "127.0.0.1":
        sys.exit(f"--host must be http://127.0.0.1:PORT, not {host!r}: this scenario loads only the machine it runs on")


@_on(events.request)
def _count(name: str, response_time: float, exception: BaseException | None, **_: Any) -> None:
    tally.requests += 1
    tally.failures += exception is not None
    if name == "poll":
        tally.polls.tell(response_time / 1000)


class Arrivals(FastHttpUser):
    """The one user: it brings visitors at their times, and does not wait for any of them."""

    fixed_count = 1
    concurrency = _CONNECTIONS
    connection_timeout = network_timeout = 20.0

    def on_start(self) -> None:
        """Visitors keep their cookies and follow redirects themselves."""
        agent: Any = self.client.client
        agent.cookiejar = None
        agent.redirect_response_codes = frozenset()
        self.visitors = Pool()

    @task
    def bring(self) -> None:
        """Everybody comes, everybody is waited for up to the limit, and the run ends, whatever happened."""
        telling = gevent.spawn(self._tell_progress)
        try:
            tally.rate_per_second = self._allowed_rate()
            self._arrive()
        finally:
            self.visitors.kill()
            telling.kill()
            print(tally.progress(), flush=True)
            if self.environment.runner is not None:
                self.environment.runner.quit()

    def _arrive(self) -> None:
        options: Any = self.environment.parsed_options
        times = list(poisson(options.join_rate, options.join_seconds, options.seed))
        tally.asked = len(times)
        began, cpu_began = time.monotonic(), time.process_time()
        for person, at in enumerate(times):
            gevent.sleep(max(0.0, began + at - time.monotonic()))
            tally.came += 1
            self.visitors.spawn(self._visit, person, began + at, options.stay_seconds)
        took = time.monotonic() - began
        tally.arrivals_ratio = min(1.0, times[-1] / took) if times else 0.0
        tally.generator_cpu_ratio = (time.process_time() - cpu_began) / took
        self.visitors.join(timeout=max(0.0, options.limit_seconds - took))

    def _visit(self, person: int, meant_at: float, stay_seconds: float) -> None:
        def tell(step: str, session_started_us: int) -> None:
            tally.steps[step] += 1
            if step == "join":
                seconds = time.monotonic() - meant_at
                tally.joins.tell(seconds)
                self.environment.events.request.fire(
                    request_type="FLOW",
                    name="join, from the intended start",
                    response_time=1000 * seconds,
                    response_length=0,
                    exception=None,
                    context={},
                )
            elif step == "claim":
                tally.admitted_us.append(session_started_us)

        try:
            Visitor(self.client, str(self.host), person, tell).walk(stay_seconds)
        except WayEnded as ended:
            tally.ended[str(ended)] = tally.ended.get(str(ended), 0) + 1

    def _allowed_rate(self) -> float:
        """What the event allows, from its public status."""
        with self.client.request(
            "GET", f"{self.host}/", name="site", headers={"Accept": "text/html"}, catch_response=True
        ) as answer:
            answer.success()
            page = urlsplit(answer.headers["location"])
        status = self.client.get(f"{page.scheme}://{page.netloc}/v1/events{page.path}/status", name="status")
        return float(json.loads(status.text or "{}")["rate_per_second"])

    def _tell_progress(self) -> None:
        while True:
            print(tally.progress(), flush=True)
            gevent.sleep(_PROGRESS_SECONDS)


@_on(events.quitting)
def _conclude(environment: Environment, **_: Any) -> None:
    """Judge, write the report, and say by the exit code which way it went."""
    options: Any = environment.parsed_options
    measured = Measured(
        arrivals_ratio=tally.arrivals_ratio,
        generator_cpu_ratio=tally.generator_cpu_ratio,
        registered_ratio=tally.steps["register"] / max(1, tally.asked),
        failed_ratio=tally.failures / max(1, tally.requests),
        join_p99_seconds=tally.joins.quantile(0.99),
        poll_p99_seconds=tally.polls.quantile(0.99),
        admitted_us=tally.admitted_us,
        admitted_rate_per_second=tally.rate_per_second,
    )
    thresholds = Thresholds(join_p99_seconds=options.join_p99_seconds, poll_p99_seconds=options.poll_p99_seconds)
    facts = {"asked": tally.asked, **tally.steps, "requests": tally.requests, "ended": tally.ended}
    found = report(judge(measured, thresholds), facts)
    if options.report:
        Path(options.report).write_text(json.dumps(found, indent=2), encoding="utf-8")
    print(f"{found['verdict']} {' '.join(found['failed'])}".rstrip(), flush=True)
    environment.process_exit_code = 1 if found["failed"] else 0
