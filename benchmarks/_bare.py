"""One process that only sends, for comparison: orders on stdin, `ready`, a line to begin, its figures as a JSON line.

`port`: the integration the dispatcher uses, handed ready-made mails. `aiohttp`: ready-made bytes on a raw session.
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
from _ready import LANGUAGES, WORDING, message
from _worker import cpu_seconds, peak_mb, roster

from domain.actions import Capability
from handrail.flow_run import prepare
from integrations.ports import Mail
from templates.library import load

Send = Callable[[list[str]], Awaitable[object]]


async def _work(orders: dict[str, Any]) -> dict[str, Any]:
    async with AsyncExitStack() as stack:
        send = await _ways[orders["way"]](orders, stack)
        keys = [f"bare/{orders['name']}/{i}" for i in range(orders["most"])]
        calls = iter([keys[i : i + orders["batch"]] for i in range(0, len(keys), orders["batch"])])
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.readline)
        cpu, began = cpu_seconds(), time.monotonic()
        await asyncio.gather(*(_drain(calls, send) for _ in range(orders["in_flight"])))
        return {
            "sent": orders["most"],
            "seconds": time.monotonic() - began,
            "cpu": cpu_seconds() - cpu,
            "memory_peak_mb": peak_mb(),
        }


async def _drain(calls: Iterator[list[str]], send: Send) -> None:
    for keys in calls:
        await send(keys)


async def _port(orders: dict[str, Any], stack: AsyncExitStack) -> Send:
    configured = roster(orders["sink"], orders["batch"], orders["in_flight"]).of(Capability.MAIL)
    assert configured is not None
    port = configured.port
    stack.push_async_callback(port.aclose)
    mail = _mail()
    if orders["batch"] == 1:
        return lambda keys: port.send_mail(mail, key=keys[0])
    return lambda keys: port.write_batch("send_mail", [(key, mail) for key in keys])


async def _aiohttp(orders: dict[str, Any], stack: AsyncExitStack) -> Send:
    connector = aiohttp.TCPConnector(limit=orders["in_flight"])
    session = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
    mail = _mail()
    content = {name: getattr(mail, name) for name in Mail.__dataclass_fields__}
    head = json.dumps({**content, "headers": dict(mail.headers)})[:-1].encode()
    url = f"{orders['sink']}/api/mail" + ("/batch" if orders["batch"] > 1 else "")
    said = {"Content-Type": "application/json", "Authorization": "Bearer bench"}

    async def send(keys: list[str]) -> None:
        items = [b'%s, "key": "%s"}' % (head, key.encode()) for key in keys]
        body = items[0] if orders["batch"] == 1 else b'{"items": [%s]}' % b", ".join(items)
        async with session.post(url, data=body, headers=said) as response:
            await response.read()
            response.raise_for_status()

    return send


_ways: dict[str, Callable[[dict[str, Any], AsyncExitStack], Awaitable[Send]]] = {"port": _port, "aiohttp": _aiohttp}


def _mail() -> Mail:
    return message(next(each for each in load() if each.name == WORDING and each.language == LANGUAGES[0]), "bench-1")


if __name__ == "__main__":
    prepare()  # as the dispatcher's process is
    sys.stdout.write(json.dumps(asyncio.run(_work(json.loads(sys.stdin.readline())))) + "\n")
