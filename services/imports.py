"""Imports of survey answers, row by row; bad rows wait in quarantine, good rows go on.

Files of customers, entitlements and purchases are batches: they pass a gate (`services.importing`).
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from data_contracts import surveys as survey_contract
from data_contracts.fields import is_blank, read_line
from data_contracts.problems import ContractBroken, Problem
from domain.actions import Capability
from domain.policy import Policy
from services.import_files import CheckHeader, Layout, Row, read_rows
from services.intake import NO_CUSTOMER
from services.surveys import Given, UnknownCustomer, accept_answer, judge_answer
from store import inbox
from store.database import Database

SOURCE = "import"
"""What imported rows came from, in the ledger and in quarantine; an answer may name its survey tool instead."""

SURVEYS = "surveys"
"""What quarantine calls the contract of a row of answers."""

_HOLD_SECONDS = 0.02
"""How long a transaction takes in further rows. The urgent path waits for it on SQLite."""

SHOWN = 20
"""Bad rows that a report lists; all of them are in quarantine."""


class Fate(StrEnum):
    """What became of a row."""

    ACCEPTED = "accepted"
    KNOWN = "known"  # it changed nothing
    QUARANTINED = "quarantined"


@dataclass
class ImportReport:
    """What became of a file's rows."""

    accepted: int = 0
    known: int = 0
    quarantined: int = 0
    bad: list[dict[str, Any]] = field(default_factory=list)
    """The first bad rows: line and problems."""

    def counts(self) -> dict[str, Any]:
        """For machines."""
        return {"accepted": self.accepted, "known": self.known, "quarantined": self.quarantined}

    def known_in_words(self) -> str:
        """As in `12 known already`."""
        return f"{self.known:,} known already"

    def show(self, line: int, problems: Sequence[Problem]) -> None:
        """One more bad row, unless enough are listed."""
        if len(self.bad) < SHOWN:
            self.bad.append({"line": line, "problems": [problem.as_json() for problem in problems]})

    def count(self, fate: Fate, row: Row, problems: list[Problem]) -> None:
        """One more row."""
        setattr(self, fate, getattr(self, fate) + 1)
        if problems:
            self.show(row.line, problems)


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a row that was taken into the books, and of whom or what it tells."""

    fate: Fate
    subject: str
    outcome: str
    urgent: frozenset[Capability] = frozenset()


Cells = Mapping[str | None, object]
Take = Callable[[Connection, Cells, datetime, str], Taken]
"""Takes one row into the books, at a time, for a run. Raises ContractBroken or UnknownCustomer before it has written
anything."""


def take_survey(policy: Policy, connection: Connection, cells: Cells, now: datetime, run: str) -> Taken:
    """Take one answer: when its file is imported, and when it comes from quarantine."""
    row = survey_contract.survey_row(cells, now=now)
    answer = row.as_answer(_source(cells), now)
    given = Given(judge_answer(answer, policy), row.customer.as_customer(), is_import=True)
    accepted = accept_answer(connection, given, policy, run=run, now=now)
    fate = Fate.ACCEPTED if accepted.is_new else Fate.KNOWN
    return Taken(fate, f"survey/{answer.source}/{answer.response_id}", accepted.outcome, accepted.urgent)


def import_surveys(
    database: Database,
    policy: Policy,
    path: Path,
    *,
    clock: Callable[[], datetime],
    progress: Callable[[int], None] = lambda _: None,
) -> ImportReport:
    """Import survey answers from CSV or JSON lines; the same file again changes nothing.

    `progress` is told the bytes read so far. Raises UnreadableFile and OSError.
    """

    def check(header: Any) -> list[Problem]:
        return survey_contract.check_header([name for name in header if name != "source"])

    file = _File(path, check, partial(take_survey, policy), clock)
    return _import(database, file, progress)


@dataclass(frozen=True, slots=True)
class _File:
    """A file that is imported."""

    path: Path
    check_header: CheckHeader
    take: Take
    clock: Callable[[], datetime]


def _import(database: Database, file: _File, progress: Callable[[int], None]) -> ImportReport:
    report = ImportReport()
    with file.path.open("rb") as stream:
        rows = read_rows(file.path, stream, file.check_header)
        while True:
            begun = time.monotonic()
            if not _take_some(database, file, rows, report):
                break
            progress(stream.tell())
            if database.is_sqlite:
                time.sleep(time.monotonic() - begun)  # as long as we held the lock, somebody else may have it
    return report


def _take_some(database: Database, file: _File, rows: Iterator[Row], report: ImportReport) -> bool:
    """One transaction's worth of rows; False at the end of the file."""
    first = next(rows, None)
    if first is None:
        return False
    with database.write("import") as connection:
        deadline = time.monotonic() + _HOLD_SECONDS
        row: Row | None = first
        while row is not None:
            _take_row(connection, file, row, report)
            row = next(rows, None) if time.monotonic() < deadline else None
    return True


def _take_row(connection: Connection, file: _File, row: Row, report: ImportReport) -> None:
    problems, now = list(row.problems), file.clock()
    fate = Fate.QUARANTINED
    if row.cells is not None:
        try:
            fate = file.take(connection, row.cells, now, SOURCE).fate
        except ContractBroken as broken:
            problems = broken.problems
        except UnknownCustomer:
            problems = [NO_CUSTOMER]
    if problems:
        _quarantine(connection, file, row, problems, now)
    report.count(fate, row, problems)


def _quarantine(connection: Connection, file: _File, row: Row, problems: list[Problem], now: datetime) -> None:
    """Keep a bad row, once: it is known by its file, line and content."""
    words, origin = [problem.as_json() for problem in problems], f"{file.path.name}:{row.line}"
    layout = as_layout(row)
    inbox.refuse_once(connection, SOURCE, origin, row.raw, words, now=now, layout=layout)


def as_layout(row: Row) -> dict[str, Any]:
    """What must be kept beside a row so that it can be read by itself."""
    csv = row.layout and {"columns": list(row.layout.columns), "separator": row.layout.separator}
    return {"contract": SURVEYS, "csv": csv}


def from_layout(kept: Mapping[str, Any]) -> Layout | None:
    """The same, read back."""
    csv = kept["csv"]
    return csv and Layout(tuple(csv["columns"]), csv["separator"])


def _source(cells: Mapping[str | None, object]) -> str:
    told = cells.get("source")
    if is_blank(told):
        return SOURCE
    try:
        return read_line(told)
    except ValueError as refused:
        raise ContractBroken(
            [Problem("source", str(refused), "name the survey tool on one line, or nothing")]
        ) from None
