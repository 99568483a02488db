"""Imports of data sets: a file through its gate, its bad rows into quarantine, its good ones into the books.

In that order, each committed before the next begins. Whoever dies in between is made good by importing the same bytes
again: they pass through the same gate, and what is written already stays as it is. In the end what follows from the
rows is counted anew: when supplies run out, what customers and endings are worth. Of a batch that is halted nothing is
written but the verdict; its file stays where it is.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Row

from domain.gates import DataSet, GateVerdict, Measures, feed_of
from domain.instants import iso
from domain.policy import Policy
from services.applying import apply
from services.batch_files import Batch, read_batch
from services.depletion import renew_supplies
from services.gating import CONTRACTS, Judged, judge
from services.import_files import Layout
from services.imports import SHOWN, SOURCE, ImportReport
from services.valuing import revalue
from store import gates, inbox
from store.database import Database
from store.pages import Pace

_HOLD_SECONDS = 0.02
"""How long a transaction should take in rows. The urgent path waits for it on SQLite."""

_PAGE_ROWS = 50
"""Rows of the first transaction; later ones have as many as fit into `_HOLD_SECONDS`."""


@dataclass
class BatchReport(ImportReport):
    """What became of a batch's rows, and what its gate said."""

    data_set: str = ""
    feed: str = ""
    rows: int = 0
    gate: dict[str, Any] = field(default_factory=dict)
    """`id`, `verdict`, `findings` and, when a person let it through, `approved_by`."""
    outdated: int = 0
    """Rows that say otherwise than what is known, and are older: left, and counted with what was known."""

    def counts(self) -> dict[str, Any]:
        """For machines."""
        return {**super().counts(), "outdated": self.outdated}

    def known_in_words(self) -> str:
        """As in `12 known already, 3 of them outdated`."""
        return super().known_in_words() + (f", {self.outdated:,} of them outdated" if self.outdated else "")

    @property
    def is_halted(self) -> bool:
        """True when nothing of the batch was taken."""
        return GateVerdict(self.gate["verdict"]) is GateVerdict.HALT

    @property
    def has_warnings(self) -> bool:
        """True when somebody should look, though it was taken."""
        return GateVerdict(self.gate["verdict"]) is GateVerdict.WARNINGS

    def in_words(self) -> str:
        """What the gate did not like, what it was compared with, and what to do; empty when there is nothing to say."""
        wrong = [one for one in self.gate["findings"] if not one["passed"]]
        wrong = [one for one in wrong if one["severity"] == "critical"] if self.is_halted else wrong
        return "\n".join(
            f"{one['asks']} No: {one['found']}; expected: {one['expected']}. {one['advice']}" for one in wrong
        )


@dataclass(frozen=True, slots=True)
class Source:
    """Where a batch comes from."""

    path: Path
    data_set: DataSet
    feed: str = ""  # empty: by the file's name
    origin: str = ""  # empty: the file's name

    @property
    def named_feed(self) -> str:
        """The feed, by the file's name where nobody named it."""
        return self.feed or feed_of(self.name, self.data_set)

    @property
    def name(self) -> str:
        """What quarantine and gates call it."""
        return self.origin or self.path.name


def import_batch(
    database: Database,
    policy: Policy,
    source: Source,
    *,
    clock: Callable[[], datetime],
    run: str = SOURCE,
    progress: Callable[[int], None] = lambda _: None,
) -> BatchReport:
    """Import a file of customers, entitlements or purchases through its gate; the same bytes again change nothing.

    `progress` is told the bytes read so far. Raises UnreadableFile and OSError.
    """
    batch = read_batch(source.path, CONTRACTS[source.data_set], progress)
    rules = policy.gates.data_sets[source.data_set]
    with database.read() as connection:
        accepted = gates.latest_passed(connection, source.data_set, source.named_feed, limit=rules.compared_with)
        same = gates.of_bytes(connection, source.data_set, source.named_feed, batch.digest)
    now = clock()
    history = [Measures(row.measures["rows"], row.measures["shares"]) for row in accepted]
    judged = judge(database, batch, source.data_set, policy, history, now=now)
    gate = _passed_already(accepted, batch) or _record(database, source, batch, judged, same, run=run, now=now)
    report = BatchReport(
        data_set=source.data_set.value, feed=source.named_feed, rows=batch.size, gate=gate, known=judged.repeated
    )
    if report.is_halted:
        for line, _, problems in judged.bad.first(SHOWN):
            report.show(line, problems)
        return report
    layout = as_layout(source.data_set, source.named_feed, batch.layout)
    _keep_bad_rows(database, source, judged, layout, report, now=now)
    _apply(database, policy, source, judged, report, now=now)
    if source.data_set is DataSet.PURCHASES:
        renew_supplies(database, policy, now=now)
    revalue(database, policy, now=now)
    with database.write("import-taken") as connection:
        gates.taken(connection, gate["id"], now=clock())
    return report


def _passed_already(accepted: Sequence[Row[Any]], batch: Batch) -> dict[str, Any] | None:
    """The gate these very bytes came through last: then there is nothing to decide, only to finish."""
    last = accepted[0] if accepted else None
    return None if last is None or last.batch != batch.digest else as_json(last)


def _record(
    database: Database,
    source: Source,
    batch: Batch,
    judged: Judged,
    same: Sequence[Row[Any]],
    *,
    run: str,
    now: datetime,
) -> dict[str, Any]:
    """Write the verdict down, committed before anything is done because of it."""
    findings = [*judged.findings, *_is_old(same)]
    verdict = judged.verdict if len(findings) == len(judged.findings) else GateVerdict.HALT
    approved = same[0] if same and same[0].verdict == GateVerdict.HALT and same[0].approved_by else None
    if verdict is GateVerdict.HALT and approved is not None:
        verdict = GateVerdict.WARNINGS
    else:
        approved = None
    with database.write("import-gate") as connection:
        gate_id = gates.record(
            connection,
            data_set=source.data_set,
            feed=source.named_feed,
            batch=batch.digest,
            origin=source.name,
            verdict=verdict,
            rows=batch.size,
            broken=len(judged.bad),
            findings=findings,
            measures=judged.measures,
            run=run,
            now=now,
            approved_by=None if approved is None else approved.approved_by,
            approved_reason=None if approved is None else approved.approved_reason,
        )
        made = gates.find(connection, gate_id)
    assert made is not None  # noqa: S101 - it was written in this transaction
    return as_json(made)


def _is_old(same: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    """What is wrong with bytes that were taken before, and others since: they would put back what changed meanwhile."""
    taken = next((row for row in same if row.verdict != GateVerdict.HALT), None)
    if taken is None:
        return []
    return [
        {
            "check": "not an old file",
            "asks": "Is this newer than what was taken last?",
            "severity": "critical",
            "passed": False,
            "found": f"it was taken on {iso(taken.decided_at)}, and another file since",
            "expected": "a file that was not taken yet",
            "advice": "It would put back what has changed since. Leave it, unless that is what you want.",
        }
    ]


def as_json(gate: Row[Any]) -> dict[str, Any]:
    """A gate for a report."""
    found = {"id": gate.id, "verdict": gate.verdict, "findings": list(gate.findings)}
    return {**found, "approved_by": gate.approved_by} if gate.approved_by else found


def as_layout(data_set: DataSet, feed: str, csv: Layout | None) -> dict[str, Any]:
    """What must be kept beside a bad row so that it can be read by itself, and goes through its feed's gate."""
    columns = csv and {"columns": list(csv.columns), "separator": csv.separator}
    return {"contract": data_set.value, "csv": columns, "feed": feed}


def _keep_bad_rows(
    database: Database,
    source: Source,
    judged: Judged,
    layout: Mapping[str, Any],
    report: BatchReport,
    *,
    now: datetime,
) -> None:
    bad = judged.bad.all()
    for page in _pages(database, len(bad)):
        with database.write("import-quarantine") as connection:
            for line, raw, problems in bad[page]:
                words = [problem.as_json() for problem in problems]
                inbox.refuse_once(
                    connection, SOURCE, f"{source.name}:{line}", raw, words, now=now, layout=layout
                )  # fmt: skip
    for line, _, problems in bad[:SHOWN]:
        report.show(line, problems)
    report.quarantined = len(bad)


def _apply(
    database: Database, policy: Policy, source: Source, judged: Judged, report: BatchReport, *, now: datetime
) -> None:
    for page in _pages(database, len(judged.good)):
        rows = judged.good[page].to_dicts()
        with database.write("import-apply") as connection:
            saved = apply(connection, source.data_set, rows, gate_id=report.gate["id"], policy=policy, now=now)
        report.accepted += saved.created + saved.changed
        report.known += saved.unchanged + saved.outdated
        report.outdated += saved.outdated


def _pages(database: Database, count: int) -> Iterator[slice]:
    """Pages whose transactions take about `_HOLD_SECONDS`; ten times as long where nobody waits but for these rows."""
    wanted = _HOLD_SECONDS if database.is_sqlite else 10 * _HOLD_SECONDS
    pace, start = Pace(wanted, first=_PAGE_ROWS, smallest=_PAGE_ROWS // 5, largest=_PAGE_ROWS * 80), 0
    while start < count:
        begun, size = time.monotonic(), pace.size
        yield slice(start, start + size)
        held = time.monotonic() - begun
        start += size
        pace.took(size, held)
        if database.is_sqlite and start < count:
            time.sleep(held)  # as long as we held the lock, somebody else may have it
