"""The connection to a Prefect server's API, for what is told to it and asked of it without Prefect's own client."""

import ssl

import httpx

from integrations.certificates import certificates


def prefect_client(
    api_url: str, *, auth: str | None, seconds: float, transport: httpx.AsyncBaseTransport | None = None
) -> httpx.AsyncClient:
    """`api_url` as in http://127.0.0.1:4200/api; `auth` is Prefect's basic auth, `user:password`."""
    return httpx.AsyncClient(
        base_url=api_url,
        auth=httpx.BasicAuth(*auth.split(":", 1)) if auth else None,
        timeout=seconds,
        trust_env=False,
        transport=transport,
        verify=certificates() if api_url.startswith("https:") else _NOBODY,
    )


_NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Trusts no authority. Each task opens two clients, and httpx would read all authorities for each: 30 ms."""
