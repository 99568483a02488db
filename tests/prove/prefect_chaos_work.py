"""The work under way during campaigns: critical answers, and actions that only Prefect's runs send."""

import asyncio
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from _load import Delivery, prepare, send_all
from gateway_stack import SECRET, signed

from domain.actions import Basis, Capability, Kind
from domain.escalation import acknowledgement_key, ticket_key
from domain.planning import Payload, PlannedAction

RATE = 4.0
"""Answers a second: enough to be under way at every moment, few enough to leave the processor to Prefect."""

_ROUND_SECONDS = 3.0


class Answers(threading.Thread):
    """Critical answers, signed, at a steady rate, until told to stop. `begun` is the driver's own log of them."""

    def __init__(self, gateway: str, seed: int) -> None:
        super().__init__(name="answers", daemon=True)
        self.go_to(gateway)
        self._seed = seed
        self._over = threading.Event()
        self.begun: list[Delivery] = []

    def go_to(self, gateway: str) -> None:
        """Deliver there from now on."""
        self.url = f"{gateway}/webhooks/standard"

    def run(self) -> None:
        """Round after round; a round's deliveries are logged before the first is sent."""
        number = 0
        while not self._over.is_set():
            start = time.time() + 0.05
            label = f"answer-{self._seed}-{number}"
            deliveries = prepare(label, rate=RATE, seconds=_ROUND_SECONDS, secret=SECRET, start=start)
            self.begun += deliveries
            asyncio.run(send_all(self.url, deliveries))
            number += 1

    def stop(self) -> None:
        """No new round; returns when the last one was answered."""
        self._over.set()
        self.join(150)

    def again(self) -> int:
        """Deliver every answer a second time, signed anew; how many were not accepted."""
        start = time.time() + 1.0
        repeats = [
            replace(
                one,
                planned=start + n / 50,
                headers={**one.headers, **signed(one.headers["webhook-id"], one.body)},
                status=None,
            )
            for n, one in enumerate(self.begun)
        ]
        asyncio.run(send_all(self.url, repeats))
        return sum(one.status != 202 for one in repeats)


def due_of(delivery: Delivery) -> tuple[str, str]:
    """What a critical answer's customer is owed: the ticket's key and the acknowledgement's."""
    return ticket_key(delivery.customer_ref, 1), acknowledgement_key("standard", delivery.customer_ref)


def latencies(deliveries: Sequence[Delivery], made: Mapping[str, list[datetime]]) -> list[float]:
    """Seconds from the first byte of each answer until both its ticket and its acknowledgement were applied."""
    found = []
    for one in deliveries:
        at = [made[key][0].timestamp() for key in due_of(one) if key in made]
        if len(at) == 2:
            found.append(max(at) - (one.planned + one.late))
    return sorted(found)


def percentile(ordered: Sequence[float], share: float) -> float:
    """The value below which `share` of them lie; 0 when there are none."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def a_task(ref: str, now: datetime) -> PlannedAction:
    return PlannedAction(
        key=f"expiry/{ref}/1/task",
        kind=Kind.TASK,
        basis=Basis.INTERNAL,
        capability=Capability.CRM,
        payload=Payload(
            "task/1",
            {"title": "Policy ends", "body": "", "assignee": "Agents", "priority": "normal", "due_at": None},
        ),
        due_at=now,
    )


def a_message(ref: str, wording: str, now: datetime) -> PlannedAction:
    """A service message in words that are there; what they say is not the point."""
    stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    return PlannedAction(
        key=f"service/{ref}/1/message",
        kind=Kind.MESSAGE,
        basis=Basis.SERVICE,
        capability=Capability.MAIL,
        payload=Payload(
            "message/1",
            {
                "name": None,
                "answer_by": (now + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ"),
                "time_zone": "Europe/Warsaw",
                "received_at": stamp,
                "survey": "nps",
                "human": {"phone": "+44 20 7946 0000", "mail": "care@example.com", "hours": "8-18"},
                "company": "Example",
                "reference": ref,
                "language": "en",
            },
            template="acknowledgement",
            template_hash=wording,
        ),
        due_at=now,
    )


def where_it_is_noon(now: datetime) -> str:
    """A zone where nobody sleeps for the next hours: service messages keep quiet hours."""
    ahead = 12 - now.hour
    return f"Etc/GMT{-ahead:+d}" if ahead else "Etc/GMT"
