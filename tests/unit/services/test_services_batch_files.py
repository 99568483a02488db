"""Files of batches: taken apart many rows at once they say what they say line by line."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from data_contracts.purchases import CONTRACT
from services import batch_files
from services.batch_files import LINE, RAW, Batch, cells_of, read_batch
from services.import_files import LONGEST_ROW, Row, UnreadableFile, read_rows

COLUMNS = list(CONTRACT.columns.required)
HEADER = ",".join(COLUMNS).encode()
PLAIN = b"P-1,C-1,coffee,2026-03-01,2,129.90,PLN"


def as_rows(batch: Batch) -> dict[int, tuple[bytes, Any]]:
    """Line → bytes and cells; None for a row that cannot be read."""
    found = {row[LINE]: (row[RAW].encode(), cells_of(row)) for row in batch.table.iter_rows(named=True)}
    return {**found, **{row.line: (row.raw, cells(row)) for row in batch.singles}}


def cells(row: Row) -> Any:
    return None if row.cells is None else dict(row.cells)


def line_by_line(path: Path) -> dict[int, tuple[bytes, Any]]:
    with path.open("rb") as file:
        return {row.line: (row.raw, cells(row)) for row in read_rows(path, file, CONTRACT.columns.check)}


PIECES = st.sampled_from(
    [b"a", b",", b";", b'"', b'""', b'","', b"\n", b"\r\n", b"\r", b"\0", b"\xff", "ż".encode(), b" ", b"\t", PLAIN,
     PLAIN + b"\n", PLAIN + b"\r\n", b'P-2,"C,1","say ""no""",2026-03-01,2,1,PLN\n', b'P-3,"two\nlines",c,d,1,2,PLN\n']
)  # fmt: skip


@example(body=b'a"P-1,C-1,coffee,2026-03-01,2,129.90,PLN\nP-3,"two\nlines",c,d,1,2,PLN\n', block=1)
@settings(max_examples=300)
@given(body=st.lists(PIECES, max_size=30).map(b"".join), block=st.sampled_from([1, 7, 64, 1 << 20]))
def test_a_csv_says_the_same_as_line_by_line(body: bytes, block: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("files") / "purchases.csv"
    path.write_bytes(HEADER + b"\n" + body)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch_files, "_BLOCK", block)
        read = read_batch(path, CONTRACT)
    assert as_rows(read) == line_by_line(path)


def test_a_runaway_quote_costs_its_own_line_only(tmp_path: Path) -> None:
    path = tmp_path / "purchases.csv"
    path.write_bytes(b"\n".join([HEADER, b'P-0,"C-1,coffee,2026-03-01,2,1,PLN', *[PLAIN] * 50]))
    batch = read_batch(path, CONTRACT)
    assert len(batch.table) == 50
    assert [row.line for row in batch.singles] == [2]


def test_a_field_of_ten_megabytes_is_one_bad_row(tmp_path: Path) -> None:
    path = tmp_path / "purchases.csv"
    huge = PLAIN.replace(b"coffee", b"x" * 10 * 1024 * 1024)
    path.write_bytes(b"\n".join([HEADER, PLAIN, huge, PLAIN]))
    batch = read_batch(path, CONTRACT)
    assert len(batch.table) == 2
    [bad] = batch.singles
    assert (bad.line, bad.raw) == (3, huge + b"\n")
    assert f"at most {LONGEST_ROW}" in bad.problems[0].fix


@pytest.mark.parametrize(
    ("name", "body", "why"),
    [
        ("purchases.csv", b"", "the file is empty"),
        ("purchases.csv", HEADER.replace(b"amount", b"ammount"), 'did you mean "amount"'),
        ("purchases.csv", HEADER.replace(b",currency", b""), "currency: this column is missing"),
        ("purchases.csv", HEADER.decode().encode("utf-16"), "not UTF-8"),
        ("purchases.parquet", b"PAR1 is not here", "cannot be read as Parquet"),
        ("purchases.xlsx", b"", "give a file ending in"),
    ],
)
def test_a_file_that_will_not_do_is_refused_with_what_to_do(tmp_path: Path, name: str, body: bytes, why: str) -> None:
    path = tmp_path / name
    path.write_bytes(body)
    with pytest.raises(UnreadableFile, match=why):
        read_batch(path, CONTRACT)
