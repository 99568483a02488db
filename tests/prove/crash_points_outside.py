"""The people and programs around one run: what they do, and what they remember of it, whatever becomes of us."""

import asyncio
import base64
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from crash_points_scenario import AGAIN, ANSWERS, CHANGED, MOVES, NOON, SOURCE, Webhook, plan_everything

from data_contracts.customers import CONTRACT
from domain.controls import EVERYTHING
from domain.gates import DataSet, GateVerdict
from integrations.standard_webhooks import signature_headers
from services.applying import apply
from services.controls import start, stop
from services.wiring import Handrail
from store import gates

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


@dataclass(frozen=True)
class World:
    """What all processes of one run share."""

    database: str
    sandbox: str
    rotation: int
    began: float  # on the machine's monotonic clock
    diary: Path  # what senders and planners were told, a line each: the outside's own memory
    sweeps: Path  # when each sweep of each process began and ended, a line each, in business time
    log: Path
    data: Path
    poison: str | None = None  # whoever sends this key dies

    def now(self) -> datetime:
        """Business time: noon when the run began."""
        return NOON + timedelta(seconds=time.monotonic() - self.began)

    def swept(self) -> list[tuple[datetime, datetime]]:
        """When each sweep began and ended."""
        lines = map(str.split, self.sweeps.read_text().splitlines())
        return [(datetime.fromisoformat(began), datetime.fromisoformat(ended)) for began, ended in lines]

    def heard(self) -> dict[str, list[dict[str, Any]]]:
        """Webhook id → the answers its sender got, in order."""
        found: dict[str, list[dict[str, Any]]] = {}
        for line in self.diary.read_text().splitlines() if self.diary.exists() else ():
            entry = json.loads(line)
            found.setdefault(entry["webhook"], []).append(entry["answer"])
        return found


@dataclass(frozen=True)
class Outside:
    """The people and programs around us: they remember what they were told, whatever becomes of us."""

    world: World
    handrail: Handrail
    client: httpx.AsyncClient

    async def deliver(self, webhook: Webhook) -> None:
        """Deliver as a survey tool does, until it is heard; note the answer."""
        while True:
            stamp = int(self.world.now().timestamp())
            headers = signature_headers(SECRET, webhook.webhook_id, stamp, webhook.body)
            said = await self.client.post(f"/webhooks/{SOURCE}", content=webhook.body, headers=headers)
            if said.status_code != 503:
                break
        answer = {"http_status": said.status_code, **said.json()}
        note = json.dumps({"webhook": webhook.webhook_id, "answer": answer}) + "\n"
        with self.world.diary.open("a") as diary:
            diary.write(note)

    async def plan(self) -> None:
        """A planner's run."""

        def write() -> None:
            with self.handrail.database.write("plan") as connection:
                plan_everything(connection, self.world.now())

        await asyncio.to_thread(write)

    async def change_c9(self) -> None:
        """A row of customers that a person let in says something new of C-9.

        Not a whole file: its suite takes seconds to import, in each of a thousand processes.
        """
        row, now = CONTRACT.read(CHANGED), self.world.now()

        def write() -> None:
            with self.handrail.database.write("import-apply") as connection:
                gate = gates.record(
                    connection,
                    data_set=DataSet.CUSTOMERS,
                    feed="customers",
                    batch="c-9",
                    origin=f"{gates.REPLAYED}1",
                    verdict=GateVerdict.PASS,
                    rows=1,
                    broken=0,
                    findings=[],
                    measures={},
                    run="crash points",
                    now=now,
                )
                apply(connection, DataSet.CUSTOMERS, [row], gate_id=gate, policy=self.handrail.policy, now=now)

        await asyncio.to_thread(write)

    async def switch(self, *, stopped: bool) -> None:
        """An operator's emergency stop, or its end."""
        now = self.world.now()
        await asyncio.to_thread(
            stop if stopped else start, self.handrail.database, EVERYTHING, by="operator", reason="a test", now=now
        )


async def the_day(outside: Outside) -> None:
    """Everything that happens, in its order."""
    first, second, *others = ANSWERS
    await outside.plan()
    await asyncio.gather(outside.deliver(first), outside.deliver(second))
    for webhook in (AGAIN, *others):
        await outside.deliver(webhook)
    await outside.switch(stopped=True)
    await outside.deliver(MOVES)
    await outside.change_c9()
    await outside.switch(stopped=False)


async def what_was_not_heard(outside: Outside) -> None:
    """After a death: the survey tool delivers again what it got no 2xx for, planners run, operators let it go on."""
    heard = outside.world.heard()
    await outside.switch(stopped=False)
    await outside.plan()
    for webhook in (*ANSWERS, MOVES):
        if webhook.webhook_id not in heard:
            await outside.deliver(webhook)
    await outside.change_c9()


async def all_of_it_again(outside: Outside) -> None:
    """P22: everything is delivered again, twice at once, and planned again."""
    await outside.plan()
    for webhook in (*ANSWERS, MOVES):
        await asyncio.gather(outside.deliver(webhook), outside.deliver(webhook))
    await outside.change_c9()
    await outside.plan()


EVENTS: Mapping[str, Callable[[Outside], Awaitable[None]]] = {
    "the day": the_day,
    "unheard": what_was_not_heard,
    "again": all_of_it_again,
}
