"""What Typeform, Delighted and SurveyMonkey share: a signature over the body, an API that shows what was answered."""

from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime
from typing import Any, ClassVar, TypeVar

from pydantic import SecretStr

from integrations.answers import Answer
from integrations.errors import Unsupported
from integrations.http import HttpIntegration
from integrations.ports import Announced, Headers, Verified
from integrations.signatures import BodySignature, signed_id
from integrations.survey_sources import SurveySourceConfig

PAGE = 100
"""Answers a page, at each of them."""

T = TypeVar("T")


class PolledTool:
    """Verifies what it sends, and asks its API. Each adapter adds how its answers are read, and how they are paged."""

    IDS: ClassVar[tuple[str, ...]] = ("event_id",)
    """The names in a signed body that a replay is known by."""

    def __init__(
        self,
        name: str,
        config: SurveySourceConfig,
        signature: BodySignature,
        *,
        url: str,
        authorization: str | None,
        is_asked: bool = True,
    ) -> None:
        """`authorization` is the header's whole value; None: no token, so the API is never asked."""
        self._name = name
        self._signature = signature
        self._token_setting = config.setting("token")
        self._is_asked = is_asked
        self._http = None
        if authorization is not None:
            credentials = {"Authorization": SecretStr(authorization)}
            self._http = HttpIntegration(name, config, base_url=url, credentials=credentials)

    @property
    def is_open(self) -> bool:
        """True with a token, and with something to ask for."""
        return self._http is not None and self._is_asked

    def verify(self, headers: Headers, body: bytes, now: datetime) -> Verified:
        """Raises Unsigned or Forged."""
        self._signature.check(headers, body)
        return Verified(signed_id(body, *self.IDS), sent_at=None)

    async def fetch(self, announced: Announced) -> bytes:
        """Raises Unsupported: webhooks carry their answers, unless the adapter knows otherwise."""
        raise Unsupported(
            self._name, "an answer was to be fetched that its webhook carried", "report it: this is a bug"
        )

    async def aclose(self) -> None:
        """Closes the connections."""
        if self._http is not None:
            await self._http.aclose()

    async def _ask(self, path: str, query: Mapping[str, str], understand: Callable[[Answer], T]) -> T:
        if self._http is None:
            raise Unsupported(self._name, "no token is set", f"set {self._token_setting}, or poll nothing")
        return await self._http.read(path, query, understand=understand)

    async def _numbered(
        self, path: str, query: Mapping[str, str], understand: Callable[[Answer], list[dict[str, Any]]]
    ) -> AsyncIterator[list[dict[str, Any]]]:
        """Page 1, 2, … until one is not full."""
        number, count = 1, PAGE
        while count == PAGE:
            page = {**query, "per_page": str(PAGE), "page": str(number)}
            items = await self._ask(path, page, understand)
            yield items
            number, count = number + 1, len(items)


def objects(value: Any) -> list[dict[str, Any]]:
    """A page of answers. Raises ValueError when it is none."""
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ValueError("a list of responses was asked for")
    return value
