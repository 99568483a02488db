"""One Prefect task for each customer, against a temporary Prefect server: what a dispatcher is measured against.

Orders on stdin, `ready`, a line to begin, its figures as a JSON line. Nothing is recorded but Prefect's own task runs.
"""

import asyncio
import json
import os
import sys
import time
from typing import Any

from _ready import LANGUAGES, WORDING, params
from _worker import cpu_seconds, peak_mb, roster
from prefect import flow, task

from domain.actions import Capability
from integrations.ports import Mail
from templates.library import load
from templates.renderer import render

_IN_FLIGHT = 32


@flow(log_prints=False)
async def remind(orders: dict[str, Any]) -> dict[str, Any]:
    """Everybody, each in a task of their own."""
    configured = roster(orders["sink"], 1, _IN_FLIGHT).of(Capability.MAIL)
    assert configured is not None
    templates = {each.language: each for each in load() if each.name == WORDING}
    port = configured.port

    @task
    async def remind_customer(number: int) -> str:
        language = LANGUAGES[number % len(LANGUAGES)]
        words = render(templates[language], Capability.MAIL, params(f"prefect-{number}", language))
        mail = Mail("c", "c@example.com", words.subject, words.text, words.html, language, WORDING)
        receipt = await port.send_mail(mail, key=f"prefect/{number}")
        return str(receipt.external_id)

    numbers = iter(range(orders["most"]))

    async def some() -> None:
        for number in numbers:
            await remind_customer(number)

    await remind_customer(-1)  # the first pays for what is loaded then
    os.write(_STDOUT, b"ready\n")
    await asyncio.to_thread(sys.stdin.readline)
    cpu, began = cpu_seconds(), time.monotonic()
    await asyncio.gather(*(some() for _ in range(_IN_FLIGHT)))
    seconds, used = time.monotonic() - began, cpu_seconds() - cpu
    await port.aclose()
    return {"sent": orders["most"], "seconds": seconds, "cpu": used, "memory_peak_mb": peak_mb()}


if __name__ == "__main__":
    _STDOUT = os.dup(1)
    os.dup2(2, 1)  # Prefect writes its own lines where ours are expected
    figures = asyncio.run(remind(json.loads(sys.stdin.readline())))
    os.write(_STDOUT, json.dumps(figures).encode() + b"\n")
