"""The report says what was found: a loss, a survivor and an unfinished part cannot be read past."""

from collections import Counter
from datetime import UTC, datetime
from typing import Any

from finding import Finding
from report import Circumstances, bound, write

WHEN = datetime(2026, 3, 2, 12, tzinfo=UTC)


def _finding(**told: Any) -> Finding:
    usual = {"part": "kill -9", "what": "four workers", "promises": ["P2", "P5"], "seed": 7, "effects_due": 3000}
    return Finding(**{**usual, "deaths": 150, "faults": Counter(timeout_after=12), **told})


def _report(*findings: Finding, unfinished: tuple[str, ...] = ()) -> str:
    return write(findings, Circumstances("abc123", WHEN, "2 cores", 7, 600.0, unfinished))


def test_what_held_is_said_with_its_bound() -> None:
    said = _report(_finding())
    assert "Everything that was judged held." in said
    assert "**150 process deaths" in said
    (row,) = [line for line in said.splitlines() if line.startswith("| P5 ")]
    assert row.endswith("| 1 | 150 | 3,000 | 0 | 1.0e-03 |")
    assert "| timeout_after | 12 |" in said
    (unjudged,) = [line for line in said.splitlines() if line.startswith("| P7 ")]
    assert unjudged.endswith("| not judged | – |")


def test_a_loss_is_said_at_the_top_in_its_row_and_in_words() -> None:
    said = _report(_finding(lost=1, violations=["case/C-1/1/ticket was lost"]), _finding(database="postgresql"))
    assert "**1 campaigns found something that did not hold" in said
    (row,) = [line for line in said.splitlines() if line.startswith("| P2 ")]
    assert row.endswith("| 1 | – |")
    assert "case/C-1/1/ticket was lost" in said


def test_a_part_that_did_not_end_is_no_success() -> None:
    said = _report(_finding(), unfinished=("kill_loops.py did not end in 14 minutes",))
    assert "Everything that was judged held." not in said
    assert "- kill_loops.py did not end in 14 minutes" in said


def test_a_surviving_mutant_is_named() -> None:
    said = _report(_finding(part="mutants", mutants={"fence ignored": "test_x", "sweep by age": ""}))
    assert "1 of 2 caught" in said
    assert "| sweep by age | **survived** |" in said


def test_a_surviving_mutant_breaks_no_promise() -> None:
    said = _report(_finding(), _finding(part="mutants", mutants={"sweep by age": ""}, violations=["it survived"]))
    (row,) = [line for line in said.splitlines() if line.startswith("| P5 ")]
    assert row.endswith("| 1 | 150 | 3,000 | 0 | 1.0e-03 |")
    assert "Everything that was judged held." not in said


def test_a_finding_comes_back_from_its_line() -> None:
    told = _finding(violations=["zażółć"])
    assert Finding.from_line(told.as_line()) == told


def test_no_trials_bound_nothing() -> None:
    assert (bound(0), bound(300)) == ("–", "1.0e-02")
