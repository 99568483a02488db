"""Imports: files of customers and of survey answers, row by row; bad rows wait in quarantine, good rows go on."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from data_contracts import customers as customer_contract
from data_contracts import surveys as survey_contract
from data_contracts.fields import is_blank, read_line
from data_contracts.problems import ContractBroken, Problem
from domain.policy import Policy
from services.import_files import CheckHeader, Row, read_rows
from services.imported_customers import take_customer
from services.intake import NO_CUSTOMER
from services.surveys import Given, UnknownCustomer, accept_answer, judge_answer
from store import inbox
from store.database import Database

SOURCE = "import"
"""What imported rows came from, in the ledger and in quarantine; an answer may name its survey tool instead."""

_HOLD_SECONDS = 0.02
"""How long a transaction takes in further rows. The urgent path waits for it on SQLite."""

_SHOWN = 20
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

    def count(self, fate: Fate, row: Row, problems: list[Problem]) -> None:
        """One more row."""
        setattr(self, fate, getattr(self, fate) + 1)
        if problems and len(self.bad) < _SHOWN:
            self.bad.append({"line": row.line, "problems": [problem.as_json() for problem in problems]})


Take = Callable[[Connection, Mapping[str | None, object]], Fate]
"""Takes one row into the books. Raises ContractBroken or UnknownCustomer before it has written anything."""


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

    def take(connection: Connection, cells: Mapping[str | None, object]) -> Fate:
        now = clock()
        row = survey_contract.survey_row(cells, now=now)
        judged = judge_answer(row.as_answer(_source(cells), now), policy)
        given = Given(judged, row.customer.as_customer(), is_import=True)
        accepted = accept_answer(connection, given, policy, run=SOURCE, now=now)
        return Fate.ACCEPTED if accepted.is_new else Fate.KNOWN

    def check(header: Any) -> list[Problem]:
        return survey_contract.check_header([name for name in header if name != "source"])

    return _import(database, path, check, take, clock, progress)


def import_customers(
    database: Database,
    path: Path,
    *,
    clock: Callable[[], datetime],
    progress: Callable[[int], None] = lambda _: None,
) -> ImportReport:
    """Import customers from CSV or JSON lines; the same file again changes nothing. Raises as `import_surveys`."""

    def take(connection: Connection, cells: Mapping[str | None, object]) -> Fate:
        row = customer_contract.customer_row(cells)
        said = {str(name) for name, cell in cells.items() if not is_blank(cell)}
        return Fate.ACCEPTED if take_customer(connection, row, said, now=clock()) else Fate.KNOWN

    return _import(database, path, customer_contract.check_header, take, clock, progress)


def _import(
    database: Database,
    path: Path,
    check_header: CheckHeader,
    take: Take,
    clock: Callable[[], datetime],
    progress: Callable[[int], None],
) -> ImportReport:
    report = ImportReport()
    with path.open("rb") as file:
        rows = read_rows(path, file, check_header)
        while True:
            begun = time.monotonic()
            if not _take_some(database, path.name, rows, take, clock, report):
                break
            progress(file.tell())
            if database.is_sqlite:
                time.sleep(time.monotonic() - begun)  # as long as we held the lock, somebody else may have it
    return report


def _take_some(
    database: Database,
    name: str,
    rows: Iterator[Row],
    take: Take,
    clock: Callable[[], datetime],
    report: ImportReport,
) -> bool:
    """One transaction's worth of rows; False at the end of the file."""
    first = next(rows, None)
    if first is None:
        return False
    with database.write("import") as connection:
        deadline = time.monotonic() + _HOLD_SECONDS
        row: Row | None = first
        while row is not None:
            _take_row(connection, name, row, take, clock(), report)
            row = next(rows, None) if time.monotonic() < deadline else None
    return True


def _take_row(connection: Connection, name: str, row: Row, take: Take, now: datetime, report: ImportReport) -> None:
    problems = list(row.problems)
    fate = Fate.QUARANTINED
    if row.cells is not None:
        try:
            fate = take(connection, row.cells)
        except ContractBroken as broken:
            problems = broken.problems
        except UnknownCustomer:
            problems = [NO_CUSTOMER]
    if problems:
        _quarantine(connection, name, row, problems, now)
    report.count(fate, row, problems)


def _quarantine(connection: Connection, name: str, row: Row, problems: list[Problem], now: datetime) -> None:
    """Keep a bad row, once: it is known by its file, line and content."""
    words = [problem.as_json() for problem in problems]
    inbox.refuse_once(connection, SOURCE, f"{name}:{row.line}", row.raw, words, now=now)


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
