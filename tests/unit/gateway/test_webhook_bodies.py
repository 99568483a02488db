"""Bodies over real HTTP: 256 kB and not a byte more, however they are sent, and never much of them in memory."""

import json
import logging
import socket
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.requests import ClientDisconnect, Request

from gateway.bodies import BODY_CAP, TooLarge, capped_body

pytestmark = pytest.mark.slow  # together; each of them is quick

CAP = 256 * 1024


@pytest.fixture
def url(on_sqlite: Any, served: Callable[[Any], str]) -> str:
    """Where a gateway takes deliveries."""
    return served(on_sqlite) + "/webhooks/standard"


@pytest.fixture
def padded(answer: Callable[..., dict[str, Any]]) -> Callable[..., bytes]:
    """`padded(size)`: a good body of exactly so many bytes."""

    def make(size: int, **data: Any) -> bytes:
        body = json.dumps(answer(**data)).encode()
        return body[:-1] + b" " * (size - len(body)) + b"}"

    return make


def in_chunks(body: bytes, size: int = 8192) -> Iterator[bytes]:
    """The body as it is sent without Content-Length."""
    for start in range(0, len(body), size):
        yield body[start : start + size]


def test_exactly_the_cap_is_taken_and_one_byte_more_is_not(url: str, padded: Any, signed: Any) -> None:
    assert BODY_CAP == CAP
    statuses = []
    with httpx.Client() as client:
        for number, size in enumerate((CAP - 1, CAP, CAP + 1)):
            for way, chunked in (("length", False), ("chunked", True)):
                body = padded(size, response_id=f"r-{number}-{way}")
                content = in_chunks(body) if chunked else body
                response = client.post(url, content=content, headers=signed(body, f"msg_{number}_{way}"))
                statuses.append((size - CAP, way, response.status_code))
    assert statuses == [
        (-1, "length", 202),
        (-1, "chunked", 202),
        (0, "length", 202),
        (0, "chunked", 202),
        (1, "length", 413),
        (1, "chunked", 413),
    ]


def test_refusal_says_what_to_do_and_keeps_nothing(url: str, on_sqlite: Any, padded: Any, signed: Any) -> None:
    body = padded(CAP + 1)
    response = httpx.post(url, content=body, headers=signed(body))
    assert response.json() == {
        "status": "refused",
        "problems": [{"path": "", "problem": "the body is too large", "fix": f"send at most {CAP} bytes at once"}],
    }
    assert not on_sqlite.rows("inbox")
    assert not on_sqlite.rows("quarantine")


@pytest.mark.parametrize("chunked", [False, True])
def test_rest_is_drained_so_that_the_sender_hears_and_may_go_on(
    url: str, padded: Any, signed: Any, chunked: bool
) -> None:
    """Many megabytes are answered 413, not cut off, and the same connection serves the next delivery."""
    large = b"x" * (5 * 1024 * 1024)
    with httpx.Client() as client:
        content = in_chunks(large, 65536) if chunked else large
        refused = client.post(url, content=content, headers=signed(b""))
        assert refused.status_code == 413
        stream = refused.extensions["network_stream"]
        body = padded(1000)
        accepted = client.post(url, content=body, headers=signed(body))
        assert accepted.status_code == 202
        assert accepted.extensions["network_stream"] is stream, "the connection was not reusable"


def test_endless_body_is_not_read_for_ever(url: str, signed: Any) -> None:
    """A sender that never ends is told so or cut off, and others are served."""

    def endless() -> Iterator[bytes]:
        for _ in range(2000):  # 2 GB
            yield b"x" * 1_000_000

    try:
        status = httpx.post(url, content=endless(), headers=signed(b"")).status_code
    except httpx.TransportError:
        status = 413  # the connection was closed
    assert status == 413
    assert httpx.post(url, content=b"{}").status_code == 401


async def test_memory_is_bounded_while_draining() -> None:
    """Fifty megabytes pass through; little more than the cap is ever held."""
    left = 800

    async def receive() -> dict[str, Any]:
        nonlocal left
        left -= 1
        return {"type": "http.request", "body": bytes(65536), "more_body": left > 0}

    tracemalloc.start()
    try:
        with pytest.raises(TooLarge):
            await capped_body(Request({"type": "http", "method": "POST", "headers": []}, receive))
        assert tracemalloc.get_traced_memory()[1] < 4 * CAP
    finally:
        tracemalloc.stop()
    assert left == 0, "the rest was not drained"


async def test_a_sender_that_vanishes_is_no_delivery() -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    with pytest.raises(ClientDisconnect):
        await capped_body(Request({"type": "http", "method": "POST", "headers": []}, receive))


def test_half_a_body_leaves_no_trace_and_no_alarm(
    url: str, on_sqlite: Any, padded: Any, signed: Any, caplog: pytest.LogCaptureFixture
) -> None:
    body = padded(5000)
    headers = "".join(f"{name}: {value}\r\n" for name, value in signed(body).items())
    address = urlsplit(url)
    with caplog.at_level(logging.INFO):
        with socket.create_connection((address.hostname, address.port)) as connection:
            head = f"POST {address.path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
            connection.sendall(head.encode() + body[:100])
        whole = httpx.post(url, content=body, headers=signed(body))
    assert whole.json()["duplicate"] is False
    assert len(on_sqlite.rows("inbox")) == 1
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR], caplog.text


def test_content_length_that_lies_is_no_way_in(url: str, on_sqlite: Any, padded: Any, signed: Any) -> None:
    """Signed over more than is sent: what arrives is judged, and it does not fit."""
    body = padded(2000)
    assert httpx.post(url, content=body[:-1], headers=signed(body)).status_code == 401
    assert not on_sqlite.rows("inbox")
