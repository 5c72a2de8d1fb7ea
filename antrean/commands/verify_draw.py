"""`antrean verify-draw`: everything about a draw that can be checked, offline."""

from __future__ import annotations

import json
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from antrean.transcript import Transcript, faults, read_transcript, receipt_faults


def run_verify_draw(file: Path, receipt_file: Path | None, commitment: str | None, *, as_json: bool) -> int:
    """Check a transcript, and a receipt against it; returns the exit code: 1 if anything does not hold."""
    console = Console(highlight=False, soft_wrap=True, markup=False, stderr=as_json)
    try:
        transcript = read_transcript(file)
        problems = _watched(transcript, commitment, console)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        problems, transcript = [f"{file}: is no transcript: {error}"], None
    if receipt_file is not None:
        problems += _of_receipt(receipt_file, transcript)
    if as_json:
        print(json.dumps({"problems": problems}))
        return 1 if problems else 0
    for problem in problems:
        console.print(f"✗ {problem}", style="red")
    if not problems and transcript is not None:
        facts = transcript.facts
        console.print(f"✓ the order of {transcript.size:,} entries is the one that was committed to", style="green")
        console.print(f"  value: {facts['value']} ({facts['source']['says']}; told by {facts['value_by']})")
    return 1 if problems else 0


def _watched(transcript: Transcript, commitment: str | None, console: Console) -> list[str]:
    with Progress(console=console, transient=True) as shown:
        task = shown.add_task("entries and ranks", total=2 * transcript.size)
        return faults(transcript, commitment, lambda steps: shown.advance(task, steps))


def _of_receipt(file: Path, transcript: Transcript | None) -> list[str]:
    try:
        return receipt_faults(json.loads(file.read_text(encoding="utf-8")), transcript)
    except (OSError, ValueError, KeyError, TypeError) as error:
        return [f"{file}: is no receipt: {type(error).__name__} {error}"]
