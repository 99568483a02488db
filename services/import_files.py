"""Files of rows, read as a stream: CSV and JSON lines, each row with its line and its raw bytes, bad ones included."""

import csv
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from data_contracts import strict_json
from data_contracts.problems import NotStrictJson, Problem
from domain.words import did_you_mean, one_of

LONGEST_ROW = 2 * 1024 * 1024
"""Bytes of a row that is read; a longer one is a runaway quote or somebody's attachment."""

LONGEST_KEPT = 16 * 1024 * 1024
"""Bytes of one line that are held at all, so that memory stays bounded whatever the file is."""

CSV, JSON_LINES = (".csv",), (".jsonl", ".ndjson")
_SEPARATORS = ",;\t"
"""Spreadsheets write ; where the comma is the decimal sign."""


class UnreadableFile(Exception):
    """The whole file cannot be taken; its text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How the rows of one CSV are read."""

    columns: Sequence[str]
    separator: str


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a file: its cells, or what is wrong with it."""

    line: int
    raw: bytes
    cells: Mapping[str | None, object] | None = None
    problems: Sequence[Problem] = ()
    layout: Layout | None = None
    """Of a CSV's row."""


CheckHeader = Callable[[Iterable[str]], list[Problem]]


def read_rows(path: Path, file: BinaryIO, check_header: CheckHeader) -> Iterator[Row]:
    """The rows of an open file, by the ending of its name. Memory does not grow with the file.

    Raises UnreadableFile for an unknown kind of file and for a CSV whose header will not do.
    """
    if path.suffix.lower() in CSV:
        return _csv_rows(path, Lines(file), check_header)
    if path.suffix.lower() in JSON_LINES:
        return _json_rows(Lines(file))
    endings = [*CSV, *JSON_LINES]
    hint = did_you_mean(path.suffix, endings) if path.suffix else ""
    raise UnreadableFile(f'{path}: the name ends in "{path.suffix}"{hint}: give a file ending in {one_of(endings)}')


class Lines:
    """Physical lines with their numbers; some may be given back."""

    def __init__(self, file: BinaryIO, number: int = 0) -> None:
        """`number`: of the last line before these."""
        self._file = file
        self._back: deque[tuple[int, bytes]] = deque()
        self.number = number

    @property
    def upcoming(self) -> int:
        """The number of the line that comes next, if there is one."""
        return self._back[0][0] if self._back else self.number + 1

    def given_back(self) -> bytes:
        """What was read of the file already, and is still to come."""
        return b"".join(line for _, line in self._back)

    def next(self) -> tuple[int, bytes] | None:
        if self._back:
            return self._back.popleft()
        line = self._file.readline(LONGEST_KEPT)
        if not line:
            return None
        rest = line
        while not rest.endswith(b"\n") and (rest := self._file.readline(LONGEST_KEPT)):
            pass  # past what is kept
        self.number += 1
        return self.number, line

    def give_back(self, lines: Sequence[tuple[int, bytes]]) -> None:
        self._back.extendleft(reversed(lines))


def read_row(raw: bytes, layout: Layout | None) -> Row:
    """One row by itself, as it was kept or as a person corrected it: of a CSV, or a JSON object."""
    return _json_row(1, raw) if layout is None else _parsed(1, raw, layout)


def _json_rows(lines: Lines) -> Iterator[Row]:
    while (found := lines.next()) is not None:
        number, raw = found
        if raw.strip():
            yield _json_row(number, raw)


def _json_row(number: int, raw: bytes) -> Row:
    body = raw.rstrip(b"\r\n")
    if number == 1:
        body = body.removeprefix(b"\xef\xbb\xbf")
    if len(body) > LONGEST_ROW:
        return Row(number, raw, problems=[_too_long(len(body))])
    try:
        value = strict_json.parse(body)
    except NotStrictJson as broken:
        return Row(number, raw, problems=broken.problems)
    if isinstance(value, dict):
        return Row(number, raw, cells=value)
    return Row(number, raw, problems=[Problem("", "not an object", "write one JSON object a line")])


def _csv_rows(path: Path, lines: Lines, check_header: CheckHeader) -> Iterator[Row]:
    layout = read_header(path, lines, check_header)
    while (first := lines.next()) is not None:
        if not first[1].strip():
            continue
        yield csv_row(first, lines, layout)


def read_header(path: Path, lines: Lines, check_header: CheckHeader) -> Layout:
    first = lines.next()
    if first is None:
        raise UnreadableFile(f"{path}: the file is empty: its first line must name the columns")
    try:
        text = first[1][:LONGEST_ROW].decode("utf-8-sig").rstrip("\r\n")
        separator = next((mark for mark in _SEPARATORS if mark in text), ",")
        header = [name.strip() for name in next(csv.reader([text], delimiter=separator, strict=True), [])]
    except UnicodeDecodeError:
        raise UnreadableFile(f"{path}, line 1: not UTF-8: save the file as CSV in UTF-8") from None
    except csv.Error as problem:
        raise UnreadableFile(f"{path}, line 1: the names of the columns cannot be read ({problem})") from None
    problems = check_header(header)
    if problems:
        raise UnreadableFile("\n".join(f"{path}, line 1: {problem}" for problem in problems))
    return Layout(header, separator)


def csv_row(first: tuple[int, bytes], lines: Lines, layout: Layout) -> Row:
    """The row that begins with this line; it goes on over further lines while a quote is open."""
    number, raw = first
    row = _parsed(number, raw, layout)
    if row.cells is not None or raw.count(b'"') % 2 == 0:
        return row
    more = _until_closed(raw, lines)
    return row if more is None else _parsed(number, raw + more, layout)


def _parsed(number: int, raw: bytes, layout: Layout) -> Row:
    def bad(problem: Problem) -> Row:
        return Row(number, raw, problems=[problem], layout=layout)

    if len(raw) > LONGEST_ROW:
        return bad(_too_long(len(raw)))
    csv.field_size_limit(LONGEST_ROW)
    try:
        [cells] = csv.reader([raw.decode("utf-8").rstrip("\r\n")], delimiter=layout.separator, strict=True)
    except UnicodeDecodeError as error:
        return bad(Problem("", f"not UTF-8 at byte {error.start + 1}", "save the file in UTF-8"))
    except csv.Error as problem:
        return bad(Problem("", f"not CSV: {problem}", 'write a quote inside a cell as ""'))
    if len(cells) < len(layout.columns):
        words = f"{len(cells)} cells, and the header has {len(layout.columns)} columns"
        return bad(Problem("", words, "write every cell, empty ones too"))
    found: dict[str | None, object] = dict(zip(layout.columns, cells, strict=False))
    if len(cells) > len(layout.columns):
        found[None] = cells[len(layout.columns) :]  # as csv.DictReader says it; the contract explains it
    return Row(number, raw, cells=found, layout=layout)


def _until_closed(raw: bytes, lines: Lines) -> bytes | None:
    """Further lines until quotes are even. None, and nothing taken, when that does not come within a row's length:
    a stray quote would swallow the file, and only its own line is bad."""
    taken: list[tuple[int, bytes]] = []
    size = len(raw)
    while size <= LONGEST_ROW and (found := lines.next()) is not None:
        taken.append(found)
        size += len(found[1])
        if found[1].count(b'"') % 2:
            return b"".join(line for _, line in taken)
    lines.give_back(taken)
    return None


def _too_long(size: int) -> Problem:
    return Problem("", f"{size} bytes in one row", f"at most {LONGEST_ROW} are taken; is a closing quote missing?")
