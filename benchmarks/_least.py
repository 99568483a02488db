"""What the ledger costs at the least: its own statements by the bare driver, words, requests; nothing else of ours.

Orders as a JSON line on stdin, `ready`, a line to begin, its figures as a JSON line. Before it is ready it takes as
many messages through reserve, arm and record in a second database, filled the same, and notes each statement with its
parameters. Then it runs just these, transaction by transaction, between them the mails rendered and sent by the port.
"""

import asyncio
import json
import sqlite3
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from _ready import LANGUAGES, NOON, WORDING, message
from _worker import cpu_seconds, peak_mb, roster
from sqlalchemy import event

from data_contracts.policy import load_policy
from domain.actions import Capability, State
from handrail.flow_run import prepare
from integrations.registry import Configured, Roster
from services.dispatch import ADDRESS, BULK_WINDOW, RESERVED
from services.settings import Settings
from services.wiring import Handrail
from store.database import Database
from store.ledger.arm import Target, arm
from store.ledger.record import record
from store.ledger.reserve import reserve
from store.ledger.rows import Result, Worker
from templates.library import Template, load

Transaction = list[tuple[str, Any]]
"""Statements as the driver gets them, each with its parameters."""

_IN_FLIGHT = 3
"""Windows: two being sent, one written down."""


@dataclass
class Part:
    """A window: what reserves it (for one in five), arms it and records it, and the numbers of its customers."""

    before: list[Transaction]
    after: Transaction
    numbers: list[int]


async def _work(orders: dict[str, Any]) -> dict[str, Any]:
    settings = Settings.model_validate({"database_url": orders["database"]})
    policy = load_policy(settings.policy.read_text(encoding="utf-8"), str(settings.policy))
    serving = roster(orders["sink"], 1, orders["connections"])
    for address in (orders["rehearsal"], orders["database"]):
        async with Handrail(settings, Database(address), policy, serving, clock=lambda: NOON):
            pass  # the integration's row is there now
    windows = iter(_rehearsed(orders["rehearsal"], serving, policy, orders["most"]))
    serving = roster(orders["sink"], 1, orders["connections"])
    (configured,) = serving
    database = Database(orders["database"])
    driver = database.engine.raw_connection().driver_connection
    wordings = {each.language: each for each in load() if each.name == WORDING}
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.readline)
    cpu, began = cpu_seconds(), time.monotonic()
    with ThreadPoolExecutor(1) as writer:
        drains = (_drain(windows, driver, writer, configured, wordings, orders["name"]) for _ in range(_IN_FLIGHT))
        sent = sum(await asyncio.gather(*drains))
    figures = {
        "sent": sent,
        "seconds": time.monotonic() - began,
        "cpu": cpu_seconds() - cpu,
        "memory_peak_mb": peak_mb(),
    }
    await configured.port.aclose()
    database.close()
    return figures


def _rehearsed(address: str, serving: Roster, policy: Any, most: int) -> list[Part]:
    """The transactions of so many messages, and whose they were."""
    (configured,) = serving
    database, worker = Database(address), Worker("bench", "bench")
    target = Target(configured.name, Capability.MAIL, None, ADDRESS[Capability.MAIL])
    said: Transaction = []
    event.listen(database.engine, "before_cursor_execute", lambda *heard: said.append((heard[2], heard[3])))

    def noted() -> Transaction:
        told = list(said)
        said.clear()
        return told

    parts: list[Part] = []
    left: list[Any] = []
    before: list[Transaction] = []
    while most > 0:
        if not left:
            with database.write() as connection:
                left = reserve(
                    connection,
                    capability=Capability.MAIL,
                    lane="normal",
                    worker=worker,
                    lease_seconds=60,
                    limit=RESERVED,
                    now=NOON,
                )
            before.append(noted())
        with database.write() as connection:
            window = arm(
                connection, left[:BULK_WINDOW], target, worker=worker, lease_seconds=60, policy=policy, now=NOON
            )
        assert len(window.armed) == len(left[:BULK_WINDOW]), "some were not armed"
        left = left[BULK_WINDOW:]
        before.append(noted())
        done = [Result(one.id, one.fence, State.DONE, external_id="s", detail={}) for one in window.armed]
        with database.write() as connection:
            record(connection, done, integration=configured.name, worker=worker, now=NOON)
        parts.append(Part(before, noted(), [one.id for one in done]))
        before, most = [], most - len(done)
    database.close()
    return parts


async def _drain(
    windows: Iterator[Part],
    driver: Any,
    writer: ThreadPoolExecutor,
    configured: Configured,
    wordings: dict[str, Template],
    name: str,
) -> int:
    loop, sent = asyncio.get_running_loop(), 0
    for window in windows:
        for transaction in window.before:
            await loop.run_in_executor(writer, run_transaction, driver, transaction)
        mails = [
            (f"reminder/{name}-{number}", message(wordings[LANGUAGES[number % len(LANGUAGES)]], f"{name}-{number}"))
            for number in window.numbers
        ]
        await asyncio.gather(*(configured.port.send_mail(mail, key=key) for key, mail in mails))
        await loop.run_in_executor(writer, run_transaction, driver, window.after)
        sent += len(mails)
    return sent


def run_transaction(driver: Any, transaction: Transaction) -> None:
    """Its statements on the driver's own connection, their rows read; then commit."""
    cursor = driver.cursor()
    if isinstance(driver, sqlite3.Connection):  # PostgreSQL's driver begins by itself
        cursor.execute("BEGIN IMMEDIATE")
    for statement, parameters in transaction:
        if isinstance(parameters, list):
            cursor.executemany(statement, parameters)
        else:
            cursor.execute(statement, parameters)
        if cursor.description is not None:
            cursor.fetchall()
    driver.commit()


if __name__ == "__main__":
    prepare()  # as the dispatcher's process is
    sys.stdout.write(json.dumps(asyncio.run(_work(json.loads(sys.stdin.readline())))) + "\n")
