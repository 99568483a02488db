"""Small committed writes, one every twenty milliseconds, as the urgent path makes them; how long each took, as JSON."""

import argparse
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import text

from store.database import Database

_EVERY_SECONDS = 0.02


@contextmanager
def small_writes(url: str) -> Iterator[Callable[[], dict[str, Any]]]:
    """Another process makes them meanwhile; afterwards what is yielded tells how long they took."""
    command = [sys.executable, __file__, "--database", url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        told: list[str] = []
        try:
            yield lambda: dict(json.loads(told[0]))
        finally:
            process.terminate()
            told.append(process.stdout.readline())


def main() -> None:
    """Write until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--database", required=True)
    options = parser.parse_args()
    database, took, over = Database(options.database), list[float](), list[int]()
    signal.signal(signal.SIGTERM, lambda *_: over.append(1))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while not over:
        begun = time.perf_counter()
        with database.write("small") as connection:
            connection.execute(text("UPDATE customers SET touched = touched + 1 WHERE id = 1"))
        took.append(time.perf_counter() - begun)
        time.sleep(_EVERY_SECONDS)
    database.close()
    took.sort()
    at = {"p50": 0.5, "p99": 0.99}
    line = {f"{name}_ms": round(1000 * took[int(share * (len(took) - 1))], 1) for name, share in at.items()}
    sys.stdout.write(json.dumps({"writes": len(took), **line, "max_ms": round(1000 * took[-1], 1)}) + "\n")


if __name__ == "__main__":
    main()
