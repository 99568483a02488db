"""HTTP to a vendor: one place that knows what a lost answer means, how long to wait, and what never to print."""

import asyncio
import contextlib
import functools
import importlib.metadata
import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

import httpx
import orjson
from pydantic import SecretStr
from tenacity import (
    AsyncRetrying,
    retry_if_exception,
    stop_after_attempt,
    stop_before_delay,
    wait_exponential,
    wait_random,
)

from integrations.aiohttp_transport import Request
from integrations.answers import OF_ANOTHER_SHAPE, Answer, answer_of, refused, unclear
from integrations.connections import Connections
from integrations.declaration import CallingConfig
from integrations.errors import (
    AuthFailed,
    Busy,
    ContractViolation,
    IntegrationError,
    NotSent,
    OutcomeUnknown,
    RateLimited,
    Rejected,
    Unavailable,
    Unsupported,
    wait_asked,
)
from integrations.exchange import LARGEST_ANSWER, Exchange
from integrations.ports import Health
from integrations.redaction import excerpt
from integrations.retry_after import retry_after

# Retries within one call: seconds. The ledger tries the action again in minutes, and the two multiply: three
# attempts here times the ledger's attempts is what a vendor that refuses connections gets to see.
ATTEMPTS = 3
PAUSE = wait_exponential(multiplier=0.1) + wait_random(0, 0.1)  # two pauses, together at most half a second

_AS_THE_STANDARD_LIBRARY = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME

_SHARE_TO_CONNECT = 0.25
"""Of the whole timeout, to connect; as much to wait for a free connection. The rest is the answer's."""

Body = Mapping[str, Any] | Sequence[Mapping[str, Any]]
"""What a vendor is sent as JSON."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Manner:
    """What a lost and an unreadable answer mean, and what is worth another attempt at once."""

    lost: type[NotSent | OutcomeUnknown | Unavailable]
    unreadable: type[IntegrationError]
    if_retryable: tuple[type[IntegrationError], ...]
    remedy: str


_WRITE = _Manner(
    OutcomeUnknown, OutcomeUnknown, (NotSent,), "the ledger decides what follows; do not repeat it by hand"
)
_READ = _Manner(Unavailable, ContractViolation, (NotSent, Unavailable), "nothing changed; it is asked again later")
_LOOK = _Manner(NotSent, NotSent, (NotSent,), "nothing was written; it is tried again")
_CHECK = _Manner(Unavailable, ContractViolation, (), "look at the vendor's status page")


class HttpIntegration:
    """Speaks HTTP and JSON to the one host of `base_url`, in the errors of `integrations.errors`.

    One instance belongs to one event loop. `credentials` are whole header values; `credential_field` and `url_field`
    name the settings that an error asks to change.
    """

    def __init__(
        self,
        name: str,
        config: CallingConfig,
        *,
        base_url: str,
        credentials: Mapping[str, SecretStr],
        credential_field: str = "token",
        url_field: str = "url",
    ) -> None:
        self._name = name
        self._config = config
        self._base_url = base_url.rstrip("/")
        self._credentials = credentials
        self._credential_setting = config.setting(credential_field)
        self._url_setting = config.setting(url_field)
        share = config.timeout_seconds * _SHARE_TO_CONNECT
        self._connect_seconds = share
        self._connections = Connections(config.connections, is_secure=base_url.startswith("https:"), wait_seconds=share)

    def __repr__(self) -> str:
        return f"<HttpIntegration {self._name}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Closes every connection; those in use as they come back."""
        await self._connections.aclose()

    async def write(
        self,
        method: str,
        path: str,
        body: Body | None,
        *,
        understand: Callable[[Answer], T],
        conflict: Callable[[Answer], T | None] = unclear,
        refusal: Callable[[Answer], T | None] = refused,
        headers: Mapping[str, str] | None = None,
        signed: Callable[[bytes], Mapping[str, str]] | None = None,
        deadline: float | None = None,
    ) -> T:
        """Sends a `body` as JSON; what `understand` makes of the 2xx answer. `signed` makes headers of its bytes.

        `conflict` reads a 409: what `understand` would return when it proves that the vendor has our write; None when
        the vendor documents it as not applied (`Busy`). Both raise LookupError, TypeError, AttributeError or
        ValueError for an answer of another shape: the write's outcome is unknown then, as whenever the answer is lost
        once bytes may have left. `refusal` reads every other 4xx: what `understand` would return when it proves that
        the vendor has our write; None, or one of those errors, when it is the refusal it seems. It may raise an
        `IntegrationError` where the words tell more than the status; of a 5xx that is all it is asked for.

        An operation of several calls gives each of them its one `deadline()`.
        """
        return await self._ask(
            _WRITE,
            method,
            path,
            understand,
            conflict=conflict,
            refusal=refusal,
            sent=body,
            headers=headers or {},
            signed=signed,
            deadline=deadline,
        )

    def deadline(self) -> float:
        """When an operation that begins now must be over, on the event loop's clock."""
        return asyncio.get_running_loop().time() + self._config.timeout_seconds

    async def look(
        self,
        path: str,
        query: Mapping[str, str],
        *,
        understand: Callable[[Answer], T],
        deadline: float,
        body: Mapping[str, Any] | None = None,
        refusal: Callable[[Answer], T | None] = refused,
    ) -> T:
        """What a write begins with and may be asked again: whatever keeps its answer from us, nothing was written.

        So it raises `NotSent` where a write would be lost. With a `body` it is a POST, as vendors' searches are.
        """
        method = "GET" if body is None else "POST"
        return await self._ask(
            _LOOK, method, path, understand, query=query, sent=body, refusal=refusal, deadline=deadline
        )

    async def read(
        self,
        path: str,
        query: Mapping[str, str],
        *,
        understand: Callable[[Answer], T],
        body: Mapping[str, Any] | None = None,
        refusal: Callable[[Answer], T | None] = refused,
    ) -> T:
        """GETs, or POSTs a `body` as vendors' searches want it; what `understand` makes of the 2xx answer.

        An answer of another shape is a ContractViolation.
        """
        method = "GET" if body is None else "POST"
        return await self._ask(_READ, method, path, understand, query=query, sent=body, refusal=refusal)

    async def check(
        self,
        path: str,
        query: Mapping[str, str],
        *,
        understand: Callable[[Answer], object],
        method: str = "GET",
        body: Mapping[str, Any] | None = None,
        signed: Callable[[bytes], Mapping[str, str]] | None = None,
        refusal: Callable[[Answer], object] = refused,
    ) -> Health:
        """Asks once, with something that changes nothing at the vendor; how it went. `signed` and `refusal` as for a
        write.
        """
        began = time.monotonic()
        problem = ""
        try:
            await self._ask(_CHECK, method, path, understand, query=query, sent=body, signed=signed, refusal=refusal)
        except IntegrationError as error:
            problem = str(error)
        return Health(ok=not problem, latency_ms=round((time.monotonic() - began) * 1000), problem=problem)

    async def _ask(
        self,
        manner: _Manner,
        method: str,
        path: str,
        understand: Callable[[Answer], T],
        *,
        conflict: Callable[[Answer], T | None] | None = None,
        refusal: Callable[[Answer], T | None] = refused,
        query: Mapping[str, str] | None = None,
        sent: Body | None = None,
        headers: Mapping[str, str] | None = None,
        signed: Callable[[bytes], Mapping[str, str]] | None = None,
        deadline: float | None = None,
    ) -> T:
        content = self._encoded(sent)
        extra = {**(headers or {}), **(signed(content or b"") if signed else {})}
        request = Request(method, self._url(path, query or {}), self._headers(extra), content, self._connect_seconds)
        until = self.deadline() if deadline is None else deadline

        async def once() -> T:
            exchange = Exchange()
            await exchange.run(request, self._connections, deadline=until)
            if exchange.status == 409 and conflict is not None:
                return self._known(exchange, conflict, sent=sent)
            if exchange.is_refusal:
                known = self._proven(exchange, refusal)
                if known is not None:
                    return known
                raise self._refusal(exchange, manner, sent=sent or query)
            if exchange.problem:
                raise self._lost(exchange, manner)
            return self._understood(exchange, manner, understand)

        try:
            return await once()
        except manner.if_retryable as problem:
            return await self._again(once, problem, manner)

    async def _again(self, once: Callable[[], Awaitable[T]], problem: IntegrationError, manner: _Manner) -> T:
        """The attempts after a first one that failed; all is well nearly always, and asking tenacity costs as much."""
        failed = [problem]

        async def attempt() -> T:
            if failed:
                raise failed.pop()
            return await once()

        retrying = AsyncRetrying(
            stop=stop_after_attempt(ATTEMPTS) | stop_before_delay(self._config.timeout_seconds),
            wait=PAUSE,
            retry=retry_if_exception(
                lambda problem: isinstance(problem, manner.if_retryable) and not wait_asked(problem)
            ),
            reraise=True,
        )
        return await retrying(attempt)

    def _url(self, path: str, query: Mapping[str, str]) -> str:
        """Behind a slash nothing can change the host. Raises Unsupported for what does not begin with one."""
        if not path.startswith("/"):
            raise Unsupported(self._name, "a request would have left the configured host", "report it: this is a bug")
        return str(httpx.URL(self._base_url + path, params=query)) if query else _url(self._base_url + path)

    def _headers(self, extra: Mapping[str, str]) -> dict[str, str]:
        for name, value in extra.items():
            if not (value.isascii() and value.isprintable() and value == value.strip()):
                raise Unsupported(self._name, f"the header {name} cannot carry its value", "report it: this is a bug")
        return {
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "Content-Type": "application/json",
            "User-Agent": _user_agent(),
            **extra,
            **{name: value.get_secret_value() for name, value in self._credentials.items()},
        }

    def _encoded(self, body: Body | None) -> bytes | None:
        if body is None:
            return None
        try:
            return _as_json(body)
        except (TypeError, ValueError, RecursionError):
            problem = "the request cannot be written as JSON"
        raise Unsupported(self._name, problem, "report it: this is a bug")

    def _understood(self, exchange: Exchange, manner: _Manner, understand: Callable[[Answer], T]) -> T:
        if exchange.is_too_long:
            raise manner.unreadable(self._name, f"an answer longer than {LARGEST_ANSWER} bytes", manner.remedy)
        try:
            return understand(answer_of(exchange))
        except OF_ANOTHER_SHAPE:
            pass  # leaving the block drops the cause: it may quote the answer
        raise manner.unreadable(self._name, f"a {exchange.status} answer that we do not understand", manner.remedy)

    def _proven(self, exchange: Exchange, refusal: Callable[[Answer], T | None]) -> T | None:
        """What a 4xx proves that the vendor has, if anything; no 5xx proves that."""
        status = exchange.status or 0
        if refusal is refused or status < 400:
            return None
        try:
            known = refusal(answer_of(exchange))
        except OF_ANOTHER_SHAPE:
            return None
        return known if status < 500 else None

    def _known(self, exchange: Exchange, conflict: Callable[[Answer], T | None], *, sent: Any) -> T:
        """What a 409 proves that the vendor has. It says one of three things: I have it, not now, or neither."""
        try:
            known = conflict(answer_of(exchange))
        except OF_ANOTHER_SHAPE:
            is_clear = False
        else:
            if known is not None:
                return known
            is_clear = True
        what = self._words(exchange, "refused with" if is_clear else "answered", sent=sent)
        raise Busy(self._name, what, "it tries again") if is_clear else OutcomeUnknown(self._name, what, _WRITE.remedy)

    def _lost(self, exchange: Exchange, manner: _Manner) -> IntegrationError:
        if exchange.is_surely_unsent:
            return NotSent(
                self._name, f"{exchange.problem}; nothing was sent", f"is {self._url_setting} right, is it up?"
            )
        return manner.lost(self._name, exchange.problem, manner.remedy)

    def refused_item(self, status: int, said: str, *, sent: Mapping[str, Any]) -> IntegrationError:
        """What a status other than 2xx means for one item of a batch; `said` and `sent` are about it alone."""
        return self._refusal(Exchange(status=status, content=said.encode(errors="replace")), _WRITE, sent=sent)

    def lost_item(self) -> IntegrationError:
        """An item of a batch about which the answer says nothing that we understand."""
        return OutcomeUnknown(self._name, "an answer about one item that we do not understand", _WRITE.remedy)

    def _refusal(self, exchange: Exchange, manner: _Manner, *, sent: Any) -> IntegrationError:
        status = exchange.status or 0
        is_lost = status == 408 or status >= 500  # 408: our request did not arrive whole, or a proxy thought so
        what = self._words(exchange, "answered" if is_lost else "refused with", sent=sent)
        wait = None
        if status in {429, 503}:  # RFC 9110 §10.2.3, RFC 6585 §4
            wait = retry_after(exchange.headers.get("retry-after"), datetime.now(UTC))
        if status == 429:
            remedy = "it waits and tries again" if wait is None else f"it tries again after {wait:g} s"
            return RateLimited(self._name, what, remedy, retry_after=wait)
        if status == 401:
            return AuthFailed(self._name, what, f"renew {self._credential_setting}")
        if status == 403:
            return AuthFailed(self._name, what, f"renew {self._credential_setting} or widen its rights")
        if is_lost:
            return manner.lost(self._name, what, manner.remedy, wait)
        if status < 400:
            return Rejected(self._name, what, f"is {self._url_setting} right? redirects are not followed", status)
        return Rejected(self._name, what, "the same request would fail again; correct it or cancel it", status)

    def _words(self, exchange: Exchange, verb: str, *, sent: Any) -> str:
        """The status and the beginning of what was said with it, without secrets and without what we `sent`."""
        said = excerpt(exchange.content, secrets=self._secrets(), sent=sent)
        return f"{verb} {exchange.status} ({said})" if said else f"{verb} {exchange.status}"

    def _secrets(self) -> set[str]:
        """Every secret we hold, whole and in its parts ("Bearer …", the path of an address and its end)."""
        values = [getattr(self._config, field) for field in type(self._config).model_fields]
        secrets = {value.get_secret_value() for value in values if isinstance(value, SecretStr)}
        paths = {urlsplit(secret).path for secret in secrets if "://" in secret}
        secrets |= paths | {path.rpartition("/")[2] for path in paths}
        for credential in self._credentials.values():
            whole = credential.get_secret_value()
            secrets |= {whole, whole.rpartition(" ")[2]}
        return secrets


@functools.lru_cache(maxsize=256)
def _url(whole: str) -> str:
    """Percent-encoded, once: paths of writes are few."""
    return str(httpx.URL(whole))


def _as_json(body: Body) -> bytes:
    """Raises TypeError, ValueError or RecursionError for what has no JSON form.

    The standard library decides wherever orjson differs: it refuses half a character (a lone surrogate) and numbers of
    more than 64 bits, and writes NaN as null.
    """
    with contextlib.suppress(orjson.JSONEncodeError):
        content = orjson.dumps(body, default=_json_value, option=_AS_THE_STANDARD_LIBRARY)
        if b"null" not in content:
            return content
    return json.dumps(body, allow_nan=False, default=_json_value).encode()


def _json_value(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


@functools.cache
def _user_agent() -> str:
    return f"handrail/{importlib.metadata.version('handrail')}"
