"""From a ready message to its receipt: how many a second, at what cost, beside what bare clients and Prefect tasks do.

Every message goes reserve → arm → render → send → record, to a sink which answers at once; one request each, then in
vendor batches of 100; on SQLite and PostgreSQL, with one and two worker processes. In the same run: the same HTTP
client without ledger and rendering, just before and just after each of these; raw aiohttp; one Prefect task per
customer; and, one by one, the least that the ledger can cost: its statements by the bare driver, the words, the
request, and nothing else. One JSON line each.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from _databases import drop_database, embedded_server, new_database
from _ready import fill, prepare
from _stack import HERE, free_port, get, running_sink

from handrail.addresses import answers
from handrail.prefect_server import server_program
from store.database import Database, sqlite_url

BATCH = 100
IN_FLIGHT = 64
"""Connections of the bare clients."""

CONNECTIONS = 128
"""Most connections of a worker: as an integration has them, unless told."""

LEAST = 20_000
"""Messages that are enough to know the least: their statements are kept in memory."""

_START_SECONDS = 120


def main() -> None:
    """Measure what the options ask for."""
    asked = _options()
    with running_sink() as sink:
        for batch in asked.batches:
            for workers in asked.workers:
                _say(_bare(sink, "aiohttp", batch, workers, asked.bare))
        per_customer = _say(_per_customer(sink, asked.tasks)) if asked.tasks else None
        for kind in asked.databases:
            with _databases(kind) as new:
                if 1 in asked.batches and 1 in asked.workers:
                    enough = min(asked.sent, asked.messages, LEAST)
                    least = partial(_least, sink, new, kind, enough)
                    _say(_beside_the_port(sink, 1, 1, asked.bare, least))
                for batch in asked.batches:
                    for workers in asked.workers:
                        sending = partial(_dispatch, sink, new(), kind, batch, workers, asked)
                        measured = _beside_the_port(sink, batch, workers, asked.bare, sending)
                        if per_customer is not None:
                            times = measured["messages_per_second"] / per_customer["messages_per_second"]
                            measured["times_a_task_per_customer"] = round(times, 1)
                        _say(measured)
                _memory(sink, new(), kind, asked.ready, asked.memory_sent)


def _dispatch(sink: str, url: str, kind: str, batch: int, workers: int, asked: argparse.Namespace) -> dict[str, Any]:
    """Fill a new database, then let the workers send from it; what they sent must have gone out exactly once.

    One by one they may send a part of what is ready, which is enough to know the pace; in batches all of it.
    """
    messages = asked.messages if batch > 1 else min(asked.sent, asked.messages)
    database = Database(url)
    prepare(database)
    fill(database, uuid.uuid4().hex[:12], 1, asked.messages)
    database.close()
    before = _count(sink)
    orders = {"database": url, "sink": sink, "batch": batch, "connections": CONNECTIONS, "most": messages // workers}
    figures = _run("_worker.py", [orders] * workers)
    after = _count(sink)
    lost = sum(each["sent"] for each in figures) - (after["keys"] - before["keys"])
    doubled = (after["writes"] - before["writes"]) - (after["keys"] - before["keys"])
    return {
        **_line("dispatch", figures),
        "database": kind,
        "batch": batch,
        "ready": asked.messages,
        "lost": lost,
        "doubled": doubled,
    }


def _least(sink: str, new: Callable[..., str], kind: str, messages: int) -> dict[str, Any]:
    """The ledger's own statements by the bare driver, rendering and the port: one process, one by one."""
    name = uuid.uuid4().hex[:12]
    rehearsal, url = new(), new(beside=True)
    for address in (rehearsal, url):
        database = Database(address)
        prepare(database)
        fill(database, name, 1, messages)
        database.close()
    orders = {"database": url, "rehearsal": rehearsal, "sink": sink, "connections": CONNECTIONS}
    figures = _run("_least.py", [{**orders, "name": name, "most": messages}])
    return {**_line("least", figures), "database": kind, "batch": 1}


def _memory(sink: str, url: str, kind: str, ready: Sequence[int], sent: int) -> None:
    """The same worker with more and more rows ready behind those it sends."""
    database = Database(url)
    prepare(database)
    name, there, gone = uuid.uuid4().hex[:12], 0, 0
    for rows in ready:
        fill(database, name, there + 1, rows + gone)
        there = rows + gone
        most = min(sent, rows)
        orders = {"database": url, "sink": sink, "batch": 1, "connections": CONNECTIONS, "most": most}
        figures = _run("_worker.py", [orders])
        gone += most
        line = _line("dispatch_memory", figures)
        _say({**line, "database": kind, "ready": rows, "memory_before_mb": figures[0]["memory_before_mb"]})
    database.close()


def _bare(sink: str, way: str, batch: int, workers: int, messages: int) -> dict[str, Any]:
    """A client alone, on as many connections as a worker has."""
    orders = {"sink": sink, "way": way, "batch": batch, "in_flight": IN_FLIGHT, "most": messages * min(batch, 10)}
    figures = _run("_bare.py", [{**orders, "name": uuid.uuid4().hex[:12]} for _ in range(workers)])
    return {**_line(f"bare_{way}", figures), "batch": batch}


def _beside_the_port(
    sink: str, batch: int, workers: int, messages: int, measure: Callable[[], dict[str, Any]]
) -> dict[str, Any]:
    """What was measured, as a part of the port's pace just before and just after it: a machine's pace changes."""
    before = _say(_bare(sink, "port", batch, workers, messages))["messages_per_second"]
    measured = measure()
    after = _say(_bare(sink, "port", batch, workers, messages))["messages_per_second"]
    of_the_port = round(measured["messages_per_second"] / ((before + after) / 2), 3)
    return {**measured, "port_before_and_after": [before, after], "of_the_bare_client": of_the_port}


def _per_customer(sink: str, tasks: int) -> dict[str, Any]:
    """Prefect's way: a task run each, against a server of its own."""
    with tempfile.TemporaryDirectory(prefix="handrail-bench-", ignore_cleanup_errors=True) as directory:
        port = free_port()
        command, variables = server_program(Path(directory), port)
        home = {"PREFECT_HOME": directory, "PREFECT_API_URL": f"http://127.0.0.1:{port}/api"}
        with open(Path(directory) / "log", "wb") as log, _process(command, {**variables, **home}, stdout=log):
            deadline = time.monotonic() + _START_SECONDS
            while not answers(f"http://127.0.0.1:{port}", "/api/health"):
                assert time.monotonic() < deadline, "Prefect's server did not come up"
                time.sleep(0.2)
            figures = _run(
                "_per_customer.py", [{"sink": sink, "most": tasks}], {**home, "PREFECT_LOGGING_LEVEL": "ERROR"}
            )
    return {**_line("task_per_customer", figures), "batch": 1, "extrapolated_from": tasks}


def _run(script: str, orders: Sequence[Mapping[str, Any]], environment: Mapping[str, str] | None = None) -> list[Any]:
    """Start one process for each of the orders, let all begin together; what they measured of themselves."""
    with ExitStack() as stack:
        command = [sys.executable, str(HERE / script)]
        started = [
            stack.enter_context(_process(command, environment or {}, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
            for _ in orders
        ]
        for process, each in zip(started, orders, strict=True):
            _tell(process, json.dumps(each))
        for process in started:
            assert _hear(process) == "ready", f"{script} did not get ready"
        for process in started:
            _tell(process, "go")
        return [json.loads(_hear(process)) for process in started]


def _line(name: str, figures: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the processes did together."""
    sent = sum(each["sent"] for each in figures)
    seconds = max(each["seconds"] for each in figures)
    return {
        "benchmark": name,
        "workers": len(figures),
        "messages": sent,
        "messages_per_second": round(sent / seconds, 1),
        "cpu_seconds_per_1000": round(1000 * sum(each["cpu"] for each in figures) / max(sent, 1), 4),
        "memory_peak_mb": max(each["memory_peak_mb"] for each in figures),
        "load_average": round(os.getloadavg()[0], 2),
    }


def _count(sink: str) -> dict[str, int]:
    counted: dict[str, int] = json.loads(get(f"{sink}/count?")[1])
    return counted


@contextmanager
def _databases(kind: str) -> Iterator[Callable[..., str]]:
    """A maker of new databases of a kind, which drops those before unless told `beside=True`.

    PostgreSQL is embedded, or the server of HANDRAIL_TEST_POSTGRES.
    """
    with (
        tempfile.TemporaryDirectory(prefix="handrail-bench-", ignore_cleanup_errors=True) as directory,
        ExitStack() as stack,
    ):
        if kind == "sqlite":
            yield lambda **_: sqlite_url(Path(directory) / f"{uuid.uuid4().hex}.db")
            return
        server = os.environ.get("HANDRAIL_TEST_POSTGRES") or stack.enter_context(embedded_server())
        made: list[str] = []

        def new(*, beside: bool = False) -> str:
            while made and not beside:  # the one before is done with, and a million rows are much to keep
                drop_database(server, made.pop())
            made.append(new_database(server))
            return made[-1]

        yield new
        while made:
            drop_database(server, made.pop())


@contextmanager
def _process(command: Sequence[str], environment: Mapping[str, str], **pipes: Any) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, env={**os.environ, **environment}, **pipes)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _tell(process: subprocess.Popen[bytes], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{line}\n".encode())
    process.stdin.flush()


def _hear(process: subprocess.Popen[bytes]) -> str:
    """The next line it says."""
    assert process.stdout is not None
    line = process.stdout.readline().decode().strip()
    assert line, f"{process.args} ended; see its words above"
    return line


def _say(line: dict[str, Any]) -> dict[str, Any]:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
    return line


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=100_000, help="how many are ready in each run (100000)")
    parser.add_argument("--sent", type=int, default=100_000, help="how many of them are sent one by one (100000)")
    parser.add_argument("--databases", nargs="+", choices=("sqlite", "postgresql"), default=["sqlite", "postgresql"])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2], help="worker processes (1 2)")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, BATCH], help="items a request (1 100)")
    parser.add_argument("--bare", type=int, default=20_000, help="requests of the bare clients (20000)")
    parser.add_argument(
        "--tasks", type=int, default=2_000, help="tasks of one customer each; 0 leaves Prefect out (2000)"
    )
    parser.add_argument("--ready", type=int, nargs="*", default=[10_000, 100_000, 1_000_000], help="rows for memory")
    parser.add_argument("--memory-sent", type=int, default=20_000, help="how many of them are sent (20000)")
    parser.add_argument(
        "--quick", action="store_true", help="a tenth of everything, a hundredth of the rows for memory"
    )
    asked = parser.parse_args()
    if asked.quick:
        asked.messages, asked.sent = asked.messages // 10, asked.sent // 10
        asked.bare, asked.tasks = asked.bare // 10, asked.tasks // 10
        asked.ready, asked.memory_sent = [rows // 100 for rows in asked.ready], asked.memory_sent // 100
    return asked


if __name__ == "__main__":
    main()
