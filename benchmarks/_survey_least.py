"""What critical answers cost the ledger at the least: its statements of a real run, once more, by the bare driver.

Orders as a JSON line on stdin, figures as a JSON line. First answers are taken in, so many a second, in this process as
in the gateway's, and ticket and mail leave for a sink; each transaction is noted as it commits. Then the same
transactions run on another new database, one after the other, without anything else of ours.
"""

import asyncio
import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import yaml
from _least import run_transaction
from _load import prepare as signed
from _ready import NOON
from _worker import cpu_seconds
from sqlalchemy import event, func, select

from data_contracts.policy import load_policy
from domain.actions import Capability, State
from handrail.flow_run import prepare
from integrations.registry import Roster, load_roster
from services.intake import receive_webhook
from services.preparing import prepare as prepare_database
from services.settings import Settings
from services.urgent import UrgentDispatch
from services.wiring import Handrail
from store.database import Database
from store.ledger.rows import actions

_SECRET = "whsec_QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVoxMjM0NTY="
_REST_SECONDS = 60.0


async def _work(orders: dict[str, Any]) -> dict[str, Any]:
    settings = Settings.model_validate({"database_url": orders["rehearsal"], "data": orders["data"]})
    policy = load_policy(settings.policy.read_text(encoding="utf-8"), str(settings.policy))
    databases = [Database(orders[name]) for name in ("rehearsal", "database")]
    for database in databases:
        prepare_database(database, now=NOON)
        async with Handrail(settings, database, policy, _roster(orders["sink"])):
            pass  # the integrations' rows are there now
    rehearsal = Database(orders["rehearsal"])
    with _noted(rehearsal) as transactions:
        async with Handrail(settings, rehearsal, policy, _roster(orders["sink"])) as handrail:
            transactions.clear()
            ours = await _answers(handrail, orders["rate"], orders["answers"])
            told = list(transactions)
    database = Database(orders["database"])
    driver = database.engine.raw_connection().driver_connection
    cpu, began = cpu_seconds(), time.monotonic()
    for transaction in told:
        run_transaction(driver, transaction)
    least, seconds = cpu_seconds() - cpu, time.monotonic() - began
    with database.read() as connection:
        done = connection.execute(select(func.count()).where(actions.c.state == State.DONE)).scalar_one()
    assert done == 2 * orders["answers"], "the second run did not do what the first did"
    database.close()
    return {
        "answers": orders["answers"],
        "answers_per_second": orders["rate"],
        "transactions_per_answer": round(len(told) / orders["answers"], 2),
        "statements_per_answer": round(sum(map(len, told)) / orders["answers"], 2),
        "ours_cpu_ms": round(1000 * ours / orders["answers"], 3),
        "least_cpu_ms": round(1000 * least / orders["answers"], 3),
        "least_ms": round(1000 * seconds / orders["answers"], 3),
    }


async def _answers(handrail: Handrail, rate: float, count: int) -> float:
    """Take them in at their instants and send what they call for; CPU seconds of this process."""
    urgent = UrgentDispatch(handrail)
    deliveries = signed("least", rate=rate, seconds=count / rate, secret=_SECRET, start=time.time() + 0.5)
    urgent.start()
    cpu, takes = cpu_seconds(), []

    async def take(headers: dict[str, str], body: bytes) -> None:
        raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        urgent.nudge((await receive_webhook(handrail, "standard", raw, body)).urgent)

    for delivery in deliveries:
        await asyncio.sleep(max(0.0, delivery.planned - time.time()))
        takes.append(asyncio.create_task(take(delivery.headers, delivery.body)))
    await asyncio.gather(*takes)
    deadline = time.monotonic() + _REST_SECONDS
    while await asyncio.to_thread(_done, handrail.database) < 2 * count:
        assert time.monotonic() < deadline, "not all that was called for was done"
        await asyncio.sleep(0.1)
    used = cpu_seconds() - cpu
    await urgent.stop()
    return used


def _done(database: Database) -> int:
    with database.read() as connection:
        return int(connection.execute(select(func.count()).where(actions.c.state == State.DONE)).scalar_one())


@contextmanager
def _noted(database: Database) -> Iterator[list[list[tuple[str, Any]]]]:
    """Each transaction's statements from here on, in the order of their commits; those that only read among them."""
    told: list[list[tuple[str, Any]]] = []
    under_way: dict[int, list[tuple[str, Any]]] = defaultdict(list)

    def heard(connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        under_way[id(connection)].append((statement, parameters))

    event.listen(database.engine, "before_cursor_execute", heard)
    event.listen(database.engine, "commit", lambda connection: told.append(under_way.pop(id(connection), [])))
    event.listen(database.engine, "rollback", lambda connection: under_way.pop(id(connection), None))
    yield told


def _roster(sink: str) -> Roster:
    vendor = {"vendor": "sandbox", "url": sink, "token": "${TOKEN}", "rate_per_second": None}
    intake = {"standard": {"vendor": "standard", "secrets": ["${SECRET}"]}}
    configured = {Capability.TICKETING.value: vendor, Capability.MAIL.value: vendor, "survey_intake": intake}
    return load_roster(yaml.safe_dump(configured), {"TOKEN": "bench", "SECRET": _SECRET})


if __name__ == "__main__":
    prepare()
    sys.stdout.write(json.dumps(asyncio.run(_work(json.loads(sys.stdin.readline())))) + "\n")
