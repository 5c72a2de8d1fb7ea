"""What the launch-day dashboard shows: its panels, in rows, each with its expressions."""

from __future__ import annotations

from dataclasses import dataclass

_PEOPLE, _PER_SECOND, _SECONDS, _SHARE = "short", "suffix:/s", "s", "percentunit"


@dataclass(frozen=True, slots=True)
class Shown:
    """One panel: a question, its unit, and an expression for each legend."""

    title: str
    meaning: str
    unit: str
    expressions: dict[str, str]


def _rate(metric: str, by: str, match: str = "") -> str:
    return f"sum by ({by}) (rate({metric}{{{match}}}[$__rate_interval]))"


def _quantile(quantile: float, metric: str, by: str, match: str = "") -> str:
    return f"histogram_quantile({quantile}, {_rate(f'{metric}_bucket', f'{by}, le', match)})"


def _line(metric: str) -> str:
    """A gauge of the line: every worker tells the same, so the highest is taken and nothing is added up."""
    return f'max({metric}{{event="$event"}})'


_EVENT = 'event="$event"'
_ANY_INSTANCE = 'job=~"antrean-(gateway|worker)"'
_FAILED = _rate("antrean_http_requests_total", "route", 'code=~"5.."')
_ASKED = _rate("antrean_http_requests_total", "route")
_HELD = _rate("antrean_wait_forecasts_total", "event", f'{_EVENT},result="held"')

FIGURES = (
    Shown(
        "Event",
        "The state that the event is in.",
        _PEOPLE,
        {"{{state}}": f"max by (state) (antrean_event_state{{{_EVENT}}}) == 1"},
    ),
    Shown("Waiting", "People behind the mark.", _PEOPLE, {"waiting": _line("antrean_line_length")}),
    Shown(
        "Called, unclaimed", "In their grace, not yet inside.", _PEOPLE, {"called": _line("antrean_called_unclaimed")}
    ),
    Shown("Sessions", "People on the site now.", _PEOPLE, {"sessions": _line("antrean_sessions")}),
    Shown(
        "Admitted", "Sessions begun since the event's first.", _PEOPLE, {"admitted": _line("antrean_admitted_people")}
    ),
    Shown("Completed", "People who completed.", _PEOPLE, {"completed": _line("antrean_completed_people")}),
)

MOVING = (
    Shown(
        "Admitted per second against the target",
        "Admitted stays at the target while people wait and the site has room.",
        _PER_SECOND,
        {
            "admitted": f'sum(rate(antrean_claims_total{{{_EVENT},result="admitted"}}[$__rate_interval]))',
            "target": _line("antrean_target_rate_per_second"),
        },
    ),
    Shown(
        "Sessions against the capacity",
        "At the capacity, which a control law may lower, the site is full, and admission waits for people to complete.",
        _PEOPLE,
        {"sessions": _line("antrean_sessions"), "capacity": _line("antrean_capacity")},
    ),
    Shown(
        "Steering by reason",
        "What the control law says each five seconds; flat at 0 where rate and capacity are set by hand.",
        _PER_SECOND,
        {
            "{{reason}}": _rate("antrean_steering_total", "reason", _EVENT),
            "workers that steer": f"sum(antrean_steers{{{_EVENT}}})",
        },
    ),
    Shown(
        "Seats",
        "Completed and reserved together stay at or under the quota.",
        _PEOPLE,
        {
            "completed": _line("antrean_completed_people"),
            "reserved": _line("antrean_reserved_people"),
            "quota": f"{_line('antrean_quota_people')} < Inf",
        },
    ),
    Shown(
        "Seats by group",
        "Free seats of the groups that have a quota of their own.",
        _PEOPLE,
        {
            "{{group}}": " - ".join(
                f"max by (group) ({metric}{{{_EVENT}}})"
                for metric in (
                    "antrean_group_quota_people",
                    "antrean_group_completed_people",
                    "antrean_group_reserved_people",
                )
            )
            + " < Inf"
        },
    ),
    Shown(
        "Reports of the origin per second",
        "Late ones are completions after the session lapsed.",
        _PER_SECOND,
        {"{{result}}": _rate("antrean_reports_total", "result", _EVENT)},
    ),
    Shown(
        "The line",
        "Waiting falls once the rush is over; called and unclaimed grows with those who do not come.",
        _PEOPLE,
        {
            "waiting": _line("antrean_line_length"),
            "called, unclaimed": _line("antrean_called_unclaimed"),
            "at the door": _line("antrean_at_door"),
        },
    ),
    Shown("Turnout", "Share of the called who come.", _SHARE, {"turnout": _line("antrean_turnout_ratio")}),
    Shown(
        "Mark and tail",
        "A tail that climbs over a flat mark is a line that stands.",
        _PEOPLE,
        {
            "tail": _line("antrean_tail_position"),
            "mark": _line("antrean_serving_position"),
            "target": _line("antrean_target_position"),
        },
    ),
    Shown(
        "Arrivals and joins per second",
        "Pages shown to people without a place, and places given.",
        _PER_SECOND,
        {
            "arrivals": f"sum(rate(antrean_arrivals_total{{{_EVENT}}}[$__rate_interval]))",
            "joins, {{result}}": _rate("antrean_joins_total", "result", _EVENT),
        },
    ),
    Shown(
        "Decisions of the workers",
        "Why as many were called as were.",
        _PER_SECOND,
        {"{{reason}}": _rate("antrean_decisions_total", "reason", _EVENT)},
    ),
)

FELT = (
    Shown(
        "Wait of the just admitted",
        "From joining to entering, of those who entered lately.",
        _SECONDS,
        {
            "median": _quantile(0.5, "antrean_wait_seconds", "event", _EVENT),
            "95 %": _quantile(0.95, "antrean_wait_seconds", "event", _EVENT),
        },
    ),
    Shown(
        "Waits as they were told",
        "Of the waits that are watched: the share within the range that was told, and how far off the expected was.",
        _SHARE,
        {
            "within the range": f"{_HELD} / {_rate('antrean_wait_forecasts_total', 'event', _EVENT)}",
            "error, median": _quantile(0.5, "antrean_wait_error_ratio", "event", _EVENT),
        },
    ),
    Shown(
        "Refusals by reason",
        "What people were told instead of what they asked for.",
        _PER_SECOND,
        {"{{problem}}": f"{_rate('antrean_refusals_total', 'problem')} > 0"},
    ),
    Shown("Requests per second", "By route; polls are the most.", _PER_SECOND, {"{{route}}": _ASKED}),
    Shown(
        "Failed share of the requests",
        "Answers 5xx, by route.",
        _SHARE,
        {"{{route}}": f"({_FAILED} or {_ASKED} * 0) / {_ASKED}"},
    ),
    Shown(
        "Answer time, median",
        "By route.",
        _SECONDS,
        {"{{route}}": _quantile(0.5, "antrean_http_request_duration_seconds", "route")},
    ),
    Shown(
        "Answer time, 99 %",
        "By route.",
        _SECONDS,
        {"{{route}}": _quantile(0.99, "antrean_http_request_duration_seconds", "route")},
    ),
)

HEALTH = (
    Shown(
        "Event-loop lag, 99 %",
        "How late a gateway runs what is due: it climbs before answers get slow.",
        _SECONDS,
        {"{{instance}}": _quantile(0.99, "antrean_event_loop_lag_seconds", "instance")},
    ),
    Shown(
        "Refused for overload",
        "By who asked: strangers have no ticket, waiting people have one, called people may enter.",
        _PER_SECOND,
        {"{{caller}}": _rate("antrean_shed_total", "caller")},
    ),
    Shown(
        "Overload: wait and closed socket",
        "How long new connections wait to be begun, and the share of time in which the kernel refuses them.",
        _SECONDS,
        {
            "{{instance}}: wait, 99 %": _quantile(0.99, "antrean_begin_wait_seconds", "instance"),
            "{{instance}}: closed": _rate("antrean_listener_closed_seconds_total", "instance"),
        },
    ),
    Shown(
        "Snapshot age",
        "Age of what polls are answered from; above 5 s a gateway has lost Redis.",
        _SECONDS,
        {"{{instance}}": f"max by (instance) (antrean_snapshot_age_seconds{{{_EVENT}}})"},
    ),
    Shown(
        "Time since the last tick",
        "Of each worker. When all climb nobody is called.",
        _SECONDS,
        {"{{instance}}": f"time() - max by (instance) (antrean_last_tick_timestamp_seconds{{{_EVENT}}})"},
    ),
    Shown(
        "Calls to Redis, 99 %",
        "By verb.",
        _SECONDS,
        {"{{verb}}": _quantile(0.99, "antrean_store_call_duration_seconds", "verb")},
    ),
    Shown(
        "Batch size, mean",
        "Calls that travelled together: it grows with the surge, and 128 is the most.",
        _PEOPLE,
        {
            "{{verb}}": f"{_rate('antrean_store_batch_size_sum', 'verb')}"
            f" / {_rate('antrean_store_batch_size_count', 'verb')}"
        },
    ),
    Shown(
        "Failures per second",
        "Calls and ticks that Redis did not answer, or refused.",
        _PER_SECOND,
        {
            "{{verb}}: {{kind}}": _rate("antrean_store_failures_total", "verb, kind"),
            "tick": f"sum(rate(antrean_tick_failures_total{{{_EVENT}}}[$__rate_interval]))",
        },
    ),
    Shown(
        "Tick duration, 99 %",
        "To sense, decide and act, of each worker.",
        _SECONDS,
        {"{{instance}}": _quantile(0.99, "antrean_tick_duration_seconds", "instance", _EVENT)},
    ),
    Shown(
        "Processor",
        "Of one core, by process; a gateway at 1 is at its end.",
        _SHARE,
        {"{{instance}}": _rate("process_cpu_seconds_total", "instance", _ANY_INSTANCE)},
    ),
    Shown(
        "Memory",
        "Resident, by process.",
        "bytes",
        {"{{instance}}": f"process_resident_memory_bytes{{{_ANY_INSTANCE}}}"},
    ),
    Shown(
        "Open files against the limit",
        "Every connection is one; at 1 new ones are refused.",
        _SHARE,
        {"{{instance}}": f"process_open_fds{{{_ANY_INSTANCE}}} / process_max_fds{{{_ANY_INSTANCE}}}"},
    ),
    Shown(
        "Processes that answer",
        "By kind.",
        _PEOPLE,
        {"{{job}}": f"sum by (job) (up{{{_ANY_INSTANCE}}})"},
    ),
    Shown(
        "Versions",
        "Processes by version: two during a rolling restart, one otherwise.",
        _PEOPLE,
        {"{{job}} {{version}}": "count by (job, version) (antrean_build_info)"},
    ),
)

ROWS = {"Is the line moving?": MOVING, "What applicants feel": FELT, "Health": HEALTH}
