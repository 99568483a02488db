"""Whom our clients trust, where they speak https."""

import functools
import ssl

import httpx


@functools.cache
def certificates() -> ssl.SSLContext:
    """The authorities that httpx trusts. Loaded once: it costs 30 ms of the processor."""
    return httpx.create_ssl_context(trust_env=False)
