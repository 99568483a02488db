"""The sender: signed critical answers on a fixed schedule, whether or not earlier ones were answered.

A process of its own.
Reads its orders as one JSON object on stdin, prints what became of each answer as one JSON array.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aiohttp

LEAD_SECONDS = 1.0
"""Between the last signature and the first delivery."""

_PATIENCE = aiohttp.ClientTimeout(total=120)
_WORDS = {
    "pl": "Czekam już trzeci tydzień i nikt nie oddzwania.",
    "cs": "Čekám už třetí týden a nikdo nevolá zpět.",
    "en": "Three weeks of waiting and nobody calls back.",
}


@dataclass(slots=True)
class Delivery:
    """One answer: the instant it is due to be sent (epoch seconds), and what became of it."""

    customer_ref: str
    planned: float
    body: bytes
    headers: dict[str, str]
    status: int | None = None
    late: float = 0.0
    """Seconds from the planned instant until the sender began; its own doing, or the machine's."""
    answered: float | None = None
    """Seconds from the planned instant until the answer was read."""

    def report(self) -> dict[str, Any]:
        """As the benchmark reads it."""
        return {
            "customer_ref": self.customer_ref,
            "planned": self.planned,
            "status": self.status,
            "late": self.late,
            "answered": self.answered,
        }


def prepare(run: str, *, rate: float, seconds: float, secret: str, start: float) -> list[Delivery]:
    """Every answer of a run, from customers nobody has seen before, signed for the instant it is due."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    return [_signed(f"{run}-{i}", i, start + i / rate, key) for i in range(round(rate * seconds))]


def _signed(ref: str, number: int, planned: float, key: bytes) -> Delivery:
    language = tuple(_WORDS)[number % len(_WORDS)]
    at = datetime.fromtimestamp(planned, UTC).isoformat(timespec="milliseconds")
    customer = {"ref": ref, "name": "Anna Nowak", "email": f"{ref}@example.com", "language": language}
    data = {
        "response_id": ref,
        "kind": "nps",
        "score": number % 7,
        "comment": _WORDS[language],
        "language": language,
        "answered_at": at,
        "customer": customer,
    }
    event = {"type": "survey.responded", "timestamp": at, "data": data}
    body = json.dumps(event, ensure_ascii=False).encode()
    signed = b".".join((ref.encode(), str(int(planned)).encode(), body))
    signature = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    headers = {
        "Content-Type": "application/json",
        "webhook-id": ref,
        "webhook-timestamp": str(int(planned)),
        "webhook-signature": f"v1,{signature}",
    }
    return Delivery(ref, planned, body, headers)


async def send_all(url: str, deliveries: Sequence[Delivery]) -> None:
    """Send each at its planned instant, on as many connections as that takes."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=_PATIENCE) as session:
        sends = []
        for delivery in deliveries:
            await asyncio.sleep(max(0.0, delivery.planned - time.time()))
            sends.append(asyncio.create_task(_send(session, url, delivery)))
        await asyncio.gather(*sends)


async def _send(session: aiohttp.ClientSession, url: str, delivery: Delivery) -> None:
    delivery.late = time.time() - delivery.planned
    try:
        async with session.post(url, data=delivery.body, headers=delivery.headers) as response:
            await response.read()
    except (aiohttp.ClientError, TimeoutError) as problem:
        sys.stderr.write(f"{delivery.customer_ref}: {type(problem).__name__} {problem}\n")
        return
    delivery.status, delivery.answered = response.status, time.time() - delivery.planned


def main() -> None:
    """Do as stdin says."""
    orders = json.load(sys.stdin)
    count = orders["rate"] * orders["seconds"]
    start = time.time() + LEAD_SECONDS + count * 50e-6  # preparing one takes some 30 µs
    deliveries = prepare(
        orders["run"], rate=orders["rate"], seconds=orders["seconds"], secret=orders["secret"], start=start
    )
    asyncio.run(send_all(orders["url"], deliveries))
    json.dump([delivery.report() for delivery in deliveries], sys.stdout)


if __name__ == "__main__":
    main()
