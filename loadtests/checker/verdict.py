"""The verdict on a history: kept, broken, or inconclusive, which is a failure too."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from loadtests.checker import admission, availability, order, overload, places, rate, turns
from loadtests.checker.breaches import Breach, Judged
from loadtests.checker.run import Run
from loadtests.lines import AnyLine

JUDGES: tuple[Callable[[Run], list[Judged]], ...] = (
    admission.judge_windows,
    admission.judge_capacity,
    admission.judge_repeats,
    admission.judge_quota,
    rate.judge_blindness,
    rate.judge_trouble,
    rate.judge_accuracy,
    places.judge_kept,
    places.judge_numbers,
    places.judge_same_place,
    turns.judge_tellings,
    turns.judge_graces,
    turns.judge_claimed,
    order.judge_identities,
    order.judge_order,
    availability.judge_pages,
    availability.judge_failovers,
    availability.judge_healing,
    availability.judge_herd,
    availability.judge_tokens,
    overload.judge_overload,
    overload.judge_memory,
    overload.judge_full_memory,
)
_SHOWN = 5  # breaches of one promise in a text


class Result(StrEnum):
    """The word on a run."""

    KEPT = "kept"
    BROKEN = "broken"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True)
class Verdict:
    """What became of each promise.

    Args:
        judged: by promise, in the order of their ids.
        doubts: why the run proves nothing, such as a fault without a proof.
    """

    judged: dict[str, Judged]
    doubts: list[str]

    @property
    def breaches(self) -> list[Breach]:
        """All of them."""
        return [breach for judged in self.judged.values() for breach in judged.breaches]

    @property
    def broken(self) -> set[str]:
        """The promises that were not kept."""
        return {breach.promise for breach in self.breaches}

    @property
    def result(self) -> Result:
        """Broken by any breach; else inconclusive by any doubt."""
        if self.breaches:
            return Result.BROKEN
        return Result.INCONCLUSIVE if self.doubts else Result.KEPT

    def looked_at(self, promise: str) -> int:
        """How many things could have broken it; 0: the run says nothing of it."""
        return self.judged[promise].looked_at if promise in self.judged else 0

    def text(self) -> str:
        """What went wrong, for an assertion's message."""
        lines = [f"{self.result}: {len(self.breaches)} breaches", *self.doubts]
        for judged in self.judged.values():
            lines += [f"{breach.promise}: {breach.what}" for breach in judged.breaches[:_SHOWN]]
            if len(judged.breaches) > _SHOWN:
                lines.append(f"{judged.promise}: and {len(judged.breaches) - _SHOWN} more")
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {"result": self.result, "doubts": self.doubts, "judged": [asdict(each) for each in self.judged.values()]}


def judge(lines: Iterable[AnyLine]) -> Verdict:
    """Judge a history.

    Raises:
        ValueError: without a start, or without terms.
    """
    run = Run(lines)
    found = [judged for each in JUDGES for judged in each(run)]
    return Verdict({judged.promise: judged for judged in sorted(found, key=_order)}, _doubts(run))


def _order(judged: Judged) -> tuple[str, int]:
    return judged.promise[0], int(judged.promise[1:])


def _doubts(run: Run) -> list[str]:
    proven = {proof.fault for proof in run.proofs if proof.happened}
    doubts = [f"nothing shows that {fault.name} happened" for fault in run.faults if fault.name not in proven]
    doubts += [f"{proof.fault} did not happen: {proof.what}" for proof in run.proofs if not proof.happened]
    if not any(stay.acknowledged for stay in run.stays):
        doubts.append("nobody joined")
    return doubts
