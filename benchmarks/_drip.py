"""What `drip.py` measures, each in a process of its own, so that its memory is its own too; as one JSON line."""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import jinja2
from _filling import NOON
from pydantic import SecretStr
from sqlalchemy import select

from data_contracts.policy import load_policy
from domain.actions import Capability
from handrail.flow_run import prepare
from services.drip import run_drip
from services.journeys import Journeys
from services.links import Links
from services.sending import Sender
from services.settings import load_settings
from store.customers import PERSON, Person, as_customer
from store.database import Database
from store.ledger.rows import BASES, CAPABILITIES, KINDS, Armed, actions, customers
from store.wordings import content

SECRET = "of-a-benchmark-and-long-enough-for-a-link"


@dataclass
class _Target:
    port: Any = None


def main() -> None:
    """Do what is asked with the database."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--database", required=True)
    parser.add_argument("--what", required=True, choices=("plan", "idle", "render"))
    parser.add_argument("--count", type=int, default=1)
    options = parser.parse_args()
    settings, _ = load_settings()
    policy = load_policy(settings.policy.read_text(encoding="utf-8"), str(settings.policy))
    database, journeys = Database(options.database), Journeys()

    def plan(hours: int = 0) -> Any:
        return run_drip(database, policy, journeys, run="bench", now=NOON - timedelta(hours=hours))

    with database.read() as connection:  # connecting is no part of it
        journeys.live(connection)
    line: dict[str, Any]
    if options.what == "render":
        line = _render(database, policy, options.count)
    elif options.what == "idle":
        plan(1)  # statements are put together once
        line = _timed(lambda: [plan(1) for _ in range(options.count)])
        line = {name: round(1000 * line[name] / options.count, 2) for name in ("seconds", "cpu_seconds")}
        line = {"ms_a_run": line["seconds"], "cpu_ms_a_run": line["cpu_seconds"]}
    else:
        before = _memory()
        reports: list[Any] = []
        line = _timed(lambda: reports.append(plan()))
        (report,) = reports
        line |= {
            "due": report.due,
            "planned": report.planned.total(),
            "skipped": report.skipped.total(),
            "transactions": report.transactions,
            "longest_hold_ms": round(1000 * report.longest_hold_seconds, 1),
            "memory_before_mb": before,
            "memory_peak_mb": _memory(),
        }
    database.close()
    sys.stdout.write(json.dumps(line) + "\n")


def _render(database: Database, policy: Any, count: int) -> dict[str, Any]:
    """The messages of planned mails as the dispatcher makes them; and their words alone, by bare Jinja."""
    armed = _armed(database, count)
    sender = Sender(database, policy, lambda: NOON, Links("https://care.example", [SecretStr(SECRET)]))

    async def prepare(rows: Sequence[Armed]) -> None:
        for row in rows:
            await sender.prepare(row, _Target())

    asyncio.run(prepare(armed[:500]))  # templates are compiled once
    ours = _timed(lambda: asyncio.run(prepare(armed)))
    words = _bare_words(database, policy, armed[:500])
    words()
    again = _bare_words(database, policy, armed)
    bare = _timed(again)
    return {"messages": len(armed), "ours": ours, "bare": bare}


def _bare_words(database: Database, policy: Any, armed: Sequence[Armed]) -> Callable[[], None]:
    compiled: dict[str, list[jinja2.Template]] = {}
    hashes = {each for row in armed for each in row.payload["params"]["wordings"].values()}
    with database.read() as connection:
        for each in hashes:
            parts = (content(connection, each) or {})["parts"]
            jinja = jinja2.Environment(
                loader=jinja2.DictLoader(parts),
                autoescape=jinja2.select_autoescape(["html"]),
            )
            jinja.filters["as_name"] = jinja.filters["dial"] = str
            compiled[each] = [jinja.get_template(part) for part in ("mail.subject.txt", "mail.txt", "mail.html")]
    given = []
    for row in armed:
        language = (row.customer and row.customer.language) or "en"
        human = policy.human[language]
        params = {
            "name": "Anna Nowak",
            "company": policy.company,
            "language": language,
            "links": row.payload["params"]["links"],
            "human": {"phone": human.phone, "mail": human.mail, "hours": human.hours},
            "unsubscribe": "https://care.example/unsubscribe/abcdefghijklmnopqrstuvwxyz",
            "journey": "onboarding",
        }
        given.append((compiled[row.payload["params"]["wordings"][language]], params))

    def words() -> None:
        for templates, params in given:
            for template in templates:
                template.render(params)

    return words


def _armed(database: Database, count: int) -> list[Armed]:
    columns = ("id", "key", "kind", "basis", "capability", "purpose", "payload", "customer_id", "enrolment_id")
    wanted = (
        select(*(actions.c[name] for name in columns), *PERSON)
        .join(customers, customers.c.id == actions.c.customer_id)
        .where(actions.c.enrolment_id.is_not(None), actions.c.capability == Capability.MAIL, actions.c.state == "ready")
        .order_by(actions.c.id)
        .limit(count)
    )
    with database.read() as connection:
        return [
            Armed(
                id=row.id,
                key=row.key,
                fence=1,
                kind=KINDS[row.kind],
                basis=BASES[row.basis],
                capability=CAPABILITIES[row.capability],
                purpose=row.purpose,
                payload=row.payload,
                customer=as_customer(Person(*row[len(columns) :])),
                customer_id=row.customer_id,
                case_id=None,
                response_id=None,
                entitlement_id=None,
                enrolment_id=row.enrolment_id,
                attempts=1,
                urgent=False,
            )
            for row in connection.execute(wanted)
        ]


def _timed(work: Callable[[], Any]) -> dict[str, Any]:
    cpu, begun = time.process_time(), time.perf_counter()
    work()
    seconds = time.perf_counter() - begun
    return {"seconds": round(seconds, 4), "cpu_seconds": round(time.process_time() - cpu, 4)}


def _memory() -> float:
    """Most memory this process ever held; what the system counts begins with its parent's."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return round(int(line.split()[1]) / 1024, 1)


if __name__ == "__main__":
    prepare()  # as the process of a flow run is
    main()
