"""A gate's verdict as a support person reads it: Markdown with a small chart, and a table of what was asked.

Nothing of a row is in it: it is shown where everybody who sees the runs sees it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from domain.gates import DataSet, GateVerdict
from services.importing import BatchReport
from store import gates
from store.database import Database

_BAR = 30
"""Characters of the longest bar."""

_PARTS = " ▏▎▍▌▋▊▉"

_SAYS = {
    GateVerdict.PASS: "passed",
    GateVerdict.WARNINGS: "passed, with warnings",
    GateVerdict.HALT: "halted: nothing of it was taken",
}


def volume_chart(batches: Sequence[tuple[str, int]]) -> str:
    """Bars of text, a batch a line, the last one being judged."""
    longest = max((rows for _, rows in batches), default=0) or 1
    wide = max((len(name) for name, _ in batches), default=0)
    return "\n".join(f"{name:<{wide}}  {_bar(rows / longest):<{_BAR}}  {rows:,}" for name, rows in batches)


def _bar(share: float) -> str:
    eighths = round(share * _BAR * 8)
    return ("█" * (eighths // 8) + _PARTS[eighths % 8]).strip()


def story_of(database: Database, report: BatchReport, *, name: str, compared_with: int, gateway_url: str) -> str:
    """The verdict in Markdown."""
    verdict = GateVerdict(report.gate["verdict"])
    with database.read() as connection:
        gate = gates.find(connection, report.gate["id"])
        last = gates.latest_passed(connection, DataSet(report.data_set), report.feed, limit=compared_with + 1)
    before = [row for row in last if row.id < report.gate["id"]][:compared_with]
    history = [(f"{row.decided_at:%Y-%m-%d %H:%M}", row.rows) for row in reversed(before)]
    said = [
        f"# {report.data_set} from {report.feed}: {_SAYS[verdict]}",
        f"`{name}`: {report.rows:,} rows; {report.accepted:,} new or changed, {report.known_in_words()}, "
        f"{report.quarantined:,} in quarantine. Gate {report.gate['id']}.",
    ]
    if gate is not None and gate.approved_by:
        said.append(f"It was halted, and let through by {gate.approved_by}: {gate.approved_reason}")
    wrong = report.in_words()
    if wrong:
        said.append("\n".join(f"- {line}" for line in wrong.splitlines()))
    if report.is_halted:
        said.append(
            "Nothing was changed, and the file is where it was. If it is right as it is, let exactly this file "
            f"through and import it again:\n\n    handrail gates approve {report.gate['id']} --by NAME --reason …"
        )
    if report.quarantined:
        said.append(f"Rows that wait for a person: [quarantine]({gateway_url.rstrip('/')}/quarantine)")
    chart = volume_chart([*history, ("this one", report.rows)])
    said.append(f"Rows of the batches that were accepted before, and of this one:\n\n```\n{chart}\n```")
    return "\n\n".join(said)


def as_table(findings: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What was asked, a row a question."""
    return [
        {
            "question": one["asks"],
            "answer": "yes" if one["passed"] else "no: halts" if one["severity"] == "critical" else "no: a warning",
            "found": one["found"],
            "expected": one["expected"],
            "what to do": "" if one["passed"] else one["advice"],
        }
        for one in findings
    ]
