"""Files of batches: CSV, JSON lines and Parquet as one table of text cells, each row with its line and its bytes.

Where a file is plain (UTF-8, no quotes), as nearly all lines of nearly all exports are, polars takes it apart. What
is not goes line by line through `services.import_files`, so that a runaway quote, another encoding or a row with a
cell too many costs its own line only, and is kept byte for byte.
"""

import hashlib
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, cast

import polars as pl
from polars.exceptions import PolarsError

from data_contracts.fields import written_out
from data_contracts.row_contracts import RowContract
from data_contracts.rows import is_formula
from domain.words import did_you_mean, one_of
from services.import_files import (
    CSV,
    JSON_LINES,
    LONGEST_KEPT,
    LONGEST_ROW,
    Layout,
    Lines,
    Row,
    UnreadableFile,
    csv_row,
    read_header,
    read_rows,
)

PARQUET = (".parquet",)
ENDINGS = (*CSV, *JSON_LINES, *PARQUET)
"""Of files that can be read."""

_BLOCK = 16 * 1024 * 1024
"""Bytes that are taken apart at once."""


@dataclass(frozen=True, slots=True)
class Batch:
    """A file's rows. Those in `table` are text cells beside `LINE` and `RAW`; the others are read one by one."""

    origin: str
    digest: str  # SHA-256 of its bytes
    table: pl.DataFrame
    singles: list[Row] = field(default_factory=list)
    layout: Layout | None = None  # of a CSV

    @property
    def cells(self) -> pl.DataFrame:
        """The text cells alone, as a contract reads them."""
        return self.table.drop(LINE, RAW)

    @property
    def size(self) -> int:
        """How many rows there are."""
        return len(self.table) + len(self.singles)


Progress = Callable[[int], None]


def read_batch(path: Path, contract: RowContract, progress: Progress = lambda _: None) -> Batch:
    """The rows of a file, by the ending of its name. `progress` is told the bytes read so far.

    Raises UnreadableFile for an unknown kind of file and for one whose columns will not do, and OSError.
    """
    ending = path.suffix.lower()
    with path.open("rb") as file:
        hashed = _Hashed(file, progress)
        if ending in CSV:
            return _read_csv(path, hashed, contract)
        if ending in JSON_LINES:
            return _read_json_lines(path, hashed, contract)
        if ending in PARQUET:
            return _read_parquet(path, hashed, contract)
    hint = did_you_mean(path.suffix, ENDINGS) if path.suffix else ""
    raise UnreadableFile(f'{path}: the name ends in "{path.suffix}"{hint}: give a file ending in {one_of(ENDINGS)}')


class _Hashed(io.RawIOBase):
    """A file whose bytes are hashed as they are read."""

    def __init__(self, file: BinaryIO, progress: Progress) -> None:
        self._file, self._progress, self._read = file, progress, 0
        self._hash = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        self._hash.update(data)
        self._read += len(data)
        self._progress(self._read)
        return len(data)

    def buffered(self) -> BinaryIO:
        """The same, to be read by lines."""
        return io.BufferedReader(self, _BLOCK)

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()


def _read_csv(path: Path, hashed: _Hashed, contract: RowContract) -> Batch:
    file = hashed.buffered()
    lines = Lines(file)
    layout = read_header(path, lines, contract.columns.check)
    tables: list[pl.DataFrame] = []
    singles: list[Row] = []
    number, left = lines.upcoming, b""
    while block := left + file.read(_BLOCK):
        if not block.endswith(b"\n"):
            block += _rest_of_line(file)
        if (text := _plain(block)) is not None:
            table, others = _table(text, number, layout)
            number, left = number + block.count(b"\n"), b""
        else:
            table, others, number, left = _take_apart(block, file, number, layout)
        tables.append(table)
        singles += others
    table = pl.concat(tables) if tables else _empty(layout.columns)
    return Batch(path.name, hashed.digest, table, singles, layout)


def _rest_of_line(file: BinaryIO) -> bytes:
    rest = file.readline(LONGEST_KEPT)
    if rest.endswith(b"\n") or not rest:
        return rest
    while (more := file.readline(LONGEST_KEPT)) and not more.endswith(b"\n"):
        pass  # past what is kept
    return rest + b"\n" if more else rest


class _Then(io.RawIOBase):
    """The lines of a block, and then those of the file it is from."""

    def __init__(self, block: bytes, file: BinaryIO) -> None:
        self._block, self._file = io.BytesIO(block), file

    def readline(self, size: int | None = -1, /) -> bytes:
        return self._block.readline(size) or self._file.readline(size or -1)


def _take_apart(
    block: bytes, file: BinaryIO, number: int, layout: Layout
) -> tuple[pl.DataFrame, list[Row], int, bytes]:
    """The rows that begin in a block: as a table, and those that must be read one by one. A quote may lead beyond it:
    where the next block begins, and what was read of that already."""
    after = number + block.count(b"\n") + (not block.endswith(b"\n"))
    plain: list[tuple[int, str]] = []
    quoted: list[Row] = []
    lines = Lines(cast(BinaryIO, _Then(block, file)), number - 1)
    while lines.upcoming < after and (first := lines.next()) is not None:
        if not first[1].strip():
            continue
        if (text := _plain(first[1])) is not None:
            plain.append((first[0], text))
        else:
            quoted.append(csv_row(first, lines, layout))
    table, ragged = _split(pl.DataFrame(plain, schema=_KEPT, orient="row"), layout)
    others, singles = _gather(quoted, layout.columns, lambda cells: None if None in cells else cells)
    return pl.concat([table, others]).sort(LINE), ragged + singles, lines.upcoming, lines.given_back()


def _gather(
    rows: Iterable[Row], columns: Sequence[str], as_texts: Callable[[Mapping[Any, Any]], Mapping[Any, Any] | None]
) -> tuple[pl.DataFrame, list[Row]]:
    """Rows that were read one by one as a table, but for those that cannot be."""
    found: dict[str, list[Any]] = {name: [] for name in (*_KEPT, *columns)}
    singles: list[Row] = []
    for row in rows:
        texts = None if row.cells is None else as_texts(row.cells)
        if texts is None:
            singles.append(row)
            continue
        found[LINE].append(row.line)
        found[RAW].append(row.raw.decode())
        for name in columns:
            found[name].append(texts.get(name))
    return pl.DataFrame(found, schema={**_KEPT, **dict.fromkeys(columns, pl.String)}), singles


def _plain(block: bytes) -> str | None:
    """The text of lines that end where their rows do; None for others."""
    if b'"' in block or (b"\r" in block and block.count(b"\r") != block.count(b"\r\n")):
        return None
    try:
        return block.decode()
    except UnicodeDecodeError:
        return None


LINE, RAW = " line", " raw"
"""Beside the cells of a row: its number and its bytes as text. No column is called so: their names are stripped."""

_KEPT = {LINE: pl.Int64, RAW: pl.String}


def _table(text: str, number: int, layout: Layout) -> tuple[pl.DataFrame, list[Row]]:
    lines = pl.Series(RAW, [text], pl.String).str.split("\n").explode()
    last = len(lines) - 1  # what follows the last line's end is no line, unless the file ends without one
    numbers = pl.int_range(number, number + len(lines), eager=True).alias(LINE)
    ends = pl.select(pl.when(numbers < number + last).then(pl.lit("\n")).otherwise(pl.lit(""))).to_series()
    whole = pl.DataFrame([numbers, lines + ends])
    is_blank = lines.str.strip_chars(" \t\r\n\x0b\x0c") == ""
    return _split(whole.filter(~is_blank), layout)


def _split(lines: pl.DataFrame, layout: Layout) -> tuple[pl.DataFrame, list[Row]]:
    """Lines without quotes into their cells; one with another number of cells, or too long, is read by itself."""
    if not len(lines):
        return _empty(layout.columns), []
    width = len(layout.columns)
    # One cell more than there should be, so that a line that has it gives itself away.
    cells = lines[RAW].str.strip_chars_end("\r\n").str.split_exact(layout.separator, width).struct.unnest()
    fits = cells.to_series(width - 1).is_not_null() & cells.to_series(width).is_null()
    fits &= lines[RAW].str.len_bytes() <= LONGEST_ROW
    table = lines.hstack(cells[:, :width].rename(dict(zip(cells.columns, layout.columns, strict=False))))
    if fits.all():
        return table, []
    others = [
        csv_row((line, raw.encode()), Lines(io.BytesIO()), layout)
        for line, raw in lines.filter(~fits).iter_rows()
    ]  # fmt: skip
    return table.filter(fits), others


def _empty(columns: Any) -> pl.DataFrame:
    return pl.DataFrame(schema={**_KEPT, **dict.fromkeys(columns, pl.String)})


def _read_json_lines(path: Path, hashed: _Hashed, contract: RowContract) -> Batch:
    columns = (*contract.columns.required, *contract.columns.optional)

    def as_texts(cells: Mapping[Any, object]) -> Mapping[Any, Any] | None:
        texts = contract.as_texts(cells)
        unknown = () if texts is None else [cell for name, cell in texts.items() if name not in columns]
        return None if any(cell and is_formula(cell) for cell in unknown) else texts

    rows = read_rows(path, hashed.buffered(), contract.columns.check)
    table, singles = _gather(rows, columns, as_texts)
    return Batch(path.name, hashed.digest, table, singles)


def _read_parquet(path: Path, hashed: _Hashed, contract: RowContract) -> Batch:
    try:
        table = pl.read_parquet(io.BytesIO(hashed.buffered().read()))
    except PolarsError as problem:
        raise UnreadableFile(f"{path}: cannot be read as Parquet ({str(problem).splitlines()[0]})") from None
    problems = contract.columns.check(table.columns)
    if problems:
        raise UnreadableFile("\n".join(f"{path}: {problem}" for problem in problems))
    columns = [name for name in contract.model.model_fields if name in table.columns]
    nested = [name for name in columns if table.schema[name].is_nested()]
    if nested:
        raise UnreadableFile(f"{path}: {', '.join(nested)}: lists and objects cannot be read: write one value a cell")
    texts = table.select(_as_text(table[name]) for name in columns)
    raw = [json.dumps(row, ensure_ascii=False) for row in texts.iter_rows(named=True)]
    kept = pl.DataFrame({LINE: range(1, len(raw) + 1), RAW: raw}, schema=_KEPT)
    return Batch(path.name, hashed.digest, kept.hstack(texts))


def _as_text(column: pl.Series) -> pl.Series:
    """A typed column as the text a CSV would have."""
    kind = column.dtype
    if kind == pl.Boolean:
        return column.replace_strict({True: "yes", False: "no"}, return_dtype=pl.String)
    if kind.is_float():
        distinct = column.drop_nulls().unique()
        written = {value: written_out(value) for value in distinct}
        return column.replace_strict(written, default=None, return_dtype=pl.String)
    return column.dt.to_string("iso:strict") if kind == pl.Datetime else column.cast(pl.String)


def cells_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """The cells of one row of a batch's table."""
    return {name: cell for name, cell in row.items() if name not in _KEPT}
