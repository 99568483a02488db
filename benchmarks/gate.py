"""A batch through its whole gate, beside a bare Great Expectations run on the same rows: what our part adds.

Ours: read the file, check each row, look its customer up, judge the batch, put the problems of broken rows in words,
write the verdict down. Bare: the file read by pandas, and the same suite; beside it the suite alone, on a data frame
that is there already. In turns, in one process, by processor time, which neighbours disturb least; the median of the
rounds. Then, by itself, what is written into the books, on SQLite and PostgreSQL, with the longest transaction, for
which the urgent path waits on SQLite. One JSON line.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import great_expectations
from _databases import embedded_postgresql
from great_expectations.core.expectation_suite import ExpectationSuite

import services.gating
from data_contracts.batch_suites import SUITES
from data_contracts.policy import load_policy
from domain.customers import Customer
from domain.gates import DataSet, Measures
from services.batch_files import read_batch
from services.gating import CONTRACTS, Judged, judge
from services.importing import Source, import_batch
from services.settings import ROOT
from store import customers, gates
from store.database import Database, sqlite_url
from store.migrate import upgrade

NOW = datetime(2026, 3, 4, 11, tzinfo=UTC)
CUSTOMERS = 20_000


def main() -> None:
    """Measure what the options ask for."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=100_000)
    options.add_argument("--rounds", type=int, default=7)
    options.add_argument("--broken", type=float, default=0.01, help="share of rows that break their contract")
    options.add_argument("--databases", nargs="*", default=["sqlite", "postgresql"])
    asked = options.parse_args()
    path = ROOT / "deployments" / "policy.yaml"
    policy = load_policy(path.read_text(encoding="utf-8"), str(path))
    with tempfile.TemporaryDirectory(prefix="handrail-gate-") as directory:
        file = _file(Path(directory) / "entitlements.csv", asked.rows, asked.broken)
        told: dict[str, Any] = {"benchmark": "gate", "rows": asked.rows, "broken": asked.broken}
        with _database("sqlite", Path(directory)) as database:
            told |= _gate(database, policy, file, asked.rounds)
        for kind in asked.databases:
            with _database(kind, Path(directory)) as database:
                told[f"{kind}_applied"] = _applied(database, policy, file)
    sys.stdout.write(json.dumps(told) + "\n")


def _file(path: Path, rows: int, broken: float) -> Path:
    """Entitlements as an export has them; every so many rows one is broken."""
    begins, every = date(2026, 3, 5), round(1 / broken) if broken else rows + 1
    with path.open("w", encoding="utf-8") as file:
        file.write("ref,customer_ref,kind,product,ends_on,time_zone,state,auto_renews,value,currency\n")
        for number in range(rows):
            ends_on = "soon" if number % every == every - 1 else begins + timedelta(days=number * 7919 % 700)
            file.write(
                f"POL-{number:08},{_ref(number * 31 % CUSTOMERS)},{('subscription', 'policy')[number % 2]},"
                f"product {number % 60},{ends_on},,{('cancelled' if number % 50 == 0 else 'active')},"
                f"{('yes', 'no')[number % 3 > 0]},{number * 37 % 90_000 / 100 + 9:.2f},{('PLN', 'EUR')[number % 2]}\n"
            )
    return path


def _ref(number: int) -> str:
    return f"CUST-{number:07}"


@contextmanager
def _database(kind: str, directory: Path) -> Iterator[Database]:
    """A migrated database with the customers in it."""
    if kind == "postgresql":
        with embedded_postgresql() as address:
            yield from _filled(address)
    else:
        with tempfile.TemporaryDirectory(dir=directory) as own:
            yield from _filled(sqlite_url(Path(own) / "handrail.db"))


def _filled(address: str) -> Iterator[Database]:
    database = Database(address)
    upgrade(database)
    people = [Customer(_ref(number), time_zone="Europe/Warsaw") for number in range(CUSTOMERS)]
    for start in range(0, CUSTOMERS, 1000):
        with database.write() as connection:
            customers.create_all(connection, people[start : start + 1000], now=NOW)
    yield database
    database.close()


def _gate(database: Database, policy: Any, file: Path, rounds: int) -> dict[str, Any]:
    """Our whole gate and the bare suite, in turns."""
    batch = read_batch(file, CONTRACTS[DataSet.ENTITLEMENTS])
    seen: list[tuple[Any, dict[str, float]]] = []
    check = services.gating.check_batch

    def watched(data_set: str, rows: Any, parameters: Any) -> Any:
        seen.append((rows, dict(parameters)))
        return check(data_set, rows, parameters)

    services.gating.check_batch = watched  # type: ignore[assignment]
    history = [Measures(batch.size, {"value": 1.0, "is_active": 0.98})] * 5
    judge(database, batch, DataSet.ENTITLEMENTS, policy, history, now=NOW)
    services.gating.check_batch = check
    bare, suite_alone = _bare(*seen[0], file)
    judged = _whole(database, policy, file, history)  # both warm
    bare()
    ours, theirs, alone, wall = [], [], [], []
    for _ in range(rounds):
        began = time.perf_counter()
        ours.append(_cpu(lambda: _whole(database, policy, file, history)))
        wall.append(time.perf_counter() - began)
        theirs.append(_cpu(bare))
        alone.append(_cpu(suite_alone))
    ratio = statistics.median(ours) / statistics.median(theirs)
    return {
        "verdict": judged.verdict.value,
        "in_quarantine": len(judged.bad),
        "gate_cpu_seconds": round(statistics.median(ours), 3),
        "gate_seconds": round(statistics.median(wall), 3),
        "bare_great_expectations_cpu_seconds": round(statistics.median(theirs), 3),
        "suite_alone_cpu_seconds": round(statistics.median(alone), 3),
        "ratio": round(ratio, 3),
        "our_part_adds": round(ratio - 1, 3),
        "ratio_to_the_suite_alone": round(statistics.median(ours) / statistics.median(alone), 3),
    }


def _whole(database: Database, policy: Any, file: Path, history: list[Measures]) -> Judged:
    batch = read_batch(file, CONTRACTS[DataSet.ENTITLEMENTS])
    judged = judge(database, batch, DataSet.ENTITLEMENTS, policy, history, now=NOW)
    judged.bad.all()
    with database.write() as connection:
        gates.record(
            connection,
            data_set=DataSet.ENTITLEMENTS,
            feed="benchmark",
            batch=batch.digest,
            origin=batch.origin,
            verdict=judged.verdict,
            rows=batch.size,
            broken=len(judged.bad),
            findings=judged.findings,
            measures=judged.measures,
            run="benchmark",
            now=NOW,
        )
    return judged


def _bare(rows: Any, parameters: dict[str, float], file: Path) -> tuple[Callable[[], object], Callable[[], object]]:
    """The suite as Great Expectations' own guide runs it: from the file, and on a data frame that is there already.

    What only we know of a row (whether it fits its contract, whether we know its customer) it is handed either way.
    """
    import pandas

    raw = json.loads((SUITES / "entitlements.json").read_text(encoding="utf-8"))
    context = great_expectations.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}  # type: ignore[assignment]
    suite = ExpectationSuite(**raw)
    columns = {one["kwargs"]["column"] for one in raw["expectations"] if "column" in one["kwargs"]}
    frame = pandas.DataFrame({name: rows[name].to_numpy() for name in rows.columns if name in columns})
    whole = (
        context.data_sources.add_pandas("rows").add_dataframe_asset("rows").add_batch_definition_whole_dataframe("b")
    )

    def alone(data: Any = frame) -> object:
        batch = whole.get_batch(batch_parameters={"dataframe": data})
        return batch.validate(suite, expectation_parameters=parameters, result_format="BASIC")

    def from_the_file() -> object:
        read = pandas.read_csv(file, dtype=str)
        facts = {name: frame[name] for name in frame.columns if name not in read.columns}
        return alone(read.assign(**facts))

    return from_the_file, alone


def _cpu(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def _applied(database: Database, policy: Any, file: Path) -> dict[str, Any]:
    """The whole import, once new and once known: what the books take, and for how long they are held."""
    held: list[float] = []
    write = database.write

    @contextmanager
    def timed(name: str = "write") -> Iterator[Any]:
        began = time.perf_counter()
        with write(name) as connection:
            yield connection
        if name != "import-gate":
            held.append(time.perf_counter() - began)

    database.write = timed  # type: ignore[method-assign]
    source, told = Source(file, DataSet.ENTITLEMENTS), {}
    for what in ("new", "known"):
        held.clear()
        began = time.perf_counter()
        report = import_batch(database, policy, source, clock=lambda: NOW)
        told |= {
            f"{what}_rows_per_second": round(report.rows / (time.perf_counter() - began)),
            f"{what}_longest_transaction_ms": round(max(held) * 1000, 1),
            f"{what}_p99_transaction_ms": round(statistics.quantiles(held, n=100)[-1] * 1000, 1),
        }
    return told


if __name__ == "__main__":
    main()
