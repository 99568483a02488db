"""The connection to Prefect's API: authorities are read once, and only where somebody is to be verified."""

import ssl
from collections.abc import AsyncIterator

import httpx
import pytest
import trustme
from aiohttp import web
from aiohttp.test_utils import TestServer

from integrations.prefect_client import prefect_client


@pytest.fixture
async def tls_server() -> AsyncIterator[str]:
    """One whose certificate no authority of the world has signed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    server = TestServer(web.Application(), host="localhost", scheme="https")
    await server.start_server(ssl=context)
    yield f"https://localhost:{server.port}"
    await server.close()


def test_who_speaks_http_reads_no_authorities(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssl, "create_default_context", lambda *_, **__: pytest.fail("30 ms of the processor"))
    assert prefect_client("http://127.0.0.1:4200/api", auth=None, seconds=1).base_url.port == 4200


async def test_a_server_with_a_certificate_of_nobody_is_not_spoken_to(tls_server: str) -> None:
    async with prefect_client(tls_server, auth="a:b", seconds=5) as client:
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            await client.get("/health")
