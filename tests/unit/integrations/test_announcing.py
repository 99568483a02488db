"""Prefect is told in time, seldom, and without harm to who tells it."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from integrations.prefect_events import PrefectEvents


class Api(httpx.AsyncBaseTransport):
    """Prefect's API as far as we use it; or its silence."""

    def __init__(self, answer: Callable[[], httpx.Response] = lambda: httpx.Response(204)) -> None:
        self.told: list[dict[str, Any]] = []
        self.headers: list[httpx.Headers] = []
        self._answer = answer
        self._came = asyncio.Condition()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Keep what is told."""
        assert request.url == "http://prefect/api/events"
        async with self._came:
            self.told += json.loads(await request.aread())
            self.headers.append(request.headers)
            self._came.notify_all()
        return self._answer()

    async def heard(self, count: int) -> list[dict[str, Any]]:
        """Everything, once there are so many."""
        async with asyncio.timeout(5), self._came:
            await self._came.wait_for(lambda: len(self.told) >= count)
        return self.told


async def test_of_a_burst_the_first_and_the_last_are_told() -> None:
    api = Api()
    events = PrefectEvents("http://prefect/api", every=0.05, transport=api)

    for number in range(200):
        await events.announce("answer", f"case/C-{number}", {"number": number})
        if number == 0:
            await api.heard(1)
    told = await api.heard(2)
    await events.aclose()

    assert [event["payload"]["number"] for event in told] == [0, 199]
    assert told[0]["resource"] == {
        "prefect.resource.id": "handrail.case/C-0",
        "prefect.resource.name": "case/C-0",
    }
    assert told[0]["id"] != told[1]["id"], "Prefect drops what it has heard"


async def test_names_do_not_wait_for_each_other() -> None:
    api = Api()
    events = PrefectEvents("http://prefect/api", every=60, transport=api)

    await events.announce("one", "a", {})
    await events.announce("other", "b", {})

    assert {event["event"] for event in await api.heard(2)} == {"one", "other"}
    await events.aclose()


def silence() -> httpx.Response:
    raise httpx.ConnectError("nobody there")


@pytest.mark.parametrize("answer", [silence, lambda: httpx.Response(503), lambda: httpx.Response(422)])
async def test_it_never_raises_and_tries_again_with_the_next(answer: Callable[[], httpx.Response]) -> None:
    api = Api(answer)
    events = PrefectEvents("http://prefect/api", every=0.001, transport=api)

    await events.announce("answer", "a", {})
    await api.heard(1)
    await events.announce("answer", "b", {})
    await api.heard(2)
    await events.aclose()


async def test_it_says_who_it_is_when_the_server_asks() -> None:
    api = Api()
    events = PrefectEvents("http://prefect/api", auth="care:se:cret", transport=api)

    await events.announce("answer", "a", {})
    await api.heard(1)
    await events.aclose()

    assert api.headers[0]["authorization"] == httpx.BasicAuth("care", "se:cret")._auth_header
