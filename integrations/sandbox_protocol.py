"""How Handrail speaks to its sandbox: what the sandbox's adapters share."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any, ClassVar
from urllib.parse import quote

from pydantic import Field, SecretStr

from domain.actions import Capability, WriteClass
from integrations.answers import Answer
from integrations.declaration import BaseUrl, IntegrationConfig, integration_name
from integrations.errors import IntegrationError, Unsupported
from integrations.http import HttpIntegration
from integrations.ports import ERASE, Erasure, Health, Receipt

VENDOR = "sandbox"
DOCS_URL = "handrail/sandbox/vendor_api.py"

COLLECTIONS: Mapping[str, str] = {
    "open_ticket": "tickets",
    "add_note": "notes",
    "upsert_task": "tasks",
    "add_task_note": "task_notes",
    "send_mail": "mail",
    "send_sms": "sms",
    "place_call": "calls",
    "send_push": "push",
    "raise_alert": "alerts",
}
"""Where under /api each operation creates something."""

_PAGES: Mapping[str, str] = {
    "open_ticket": "ticket",
    "upsert_task": "task",
    "send_mail": "mail",
    "send_sms": "sms",
    "place_call": "call",
    "send_push": "push",
}
"""The word of each operation's items in the addresses of the sandbox's page."""

BATCH = 100
"""Most items one call to `/api/<collection>/batch` may carry."""

_WRITE_CLASS = "What the sandbox is to promise for a write: A knows our key, B upserts, C can be searched, D nothing."


class SandboxConfig(IntegrationConfig):
    """The settings of each of the sandbox's capabilities."""

    url: BaseUrl = Field(description="Where the sandbox listens.")
    token: SecretStr = Field(description="What the sandbox asks of whoever writes to it.")
    write_class: WriteClass = Field(default=WriteClass.B, description=_WRITE_CLASS)


class OutwardSandboxConfig(SandboxConfig):
    """The settings where the sandbox stands for a vendor of messages: like most, it promises nothing."""

    write_class: WriteClass = Field(default=WriteClass.D, description=_WRITE_CLASS)


class SandboxPort:
    """What the sandbox does alike for every capability; each adapter adds its own operations."""

    CAPABILITY: ClassVar[Capability]

    def __init__(self, config: SandboxConfig) -> None:
        self._name = integration_name(self.CAPABILITY, VENDOR)
        self._write_class = config.write_class
        self._url = str(config.url).rstrip("/")
        self._http = HttpIntegration(
            self._name,
            config,
            base_url=config.url,
            credentials={"Authorization": SecretStr(f"Bearer {config.token.get_secret_value()}")},
        )

    async def check(self) -> Health:
        """Reachable and well?"""
        return await self._http.check("/api/health", {"capability": self.CAPABILITY}, understand=_well)

    async def find(self, operation: str, key: str) -> Receipt | None:
        """The write of `operation` that carries `key`, oldest first. Raises Unsupported unless its class is C."""
        if self._write_class is not WriteClass.C or operation not in COLLECTIONS:
            raise Unsupported(self._name, f"{operation} cannot be looked up", "settle the action by hand")
        return await self._http.read(
            f"/api/{COLLECTIONS[operation]}/search", {"key": key}, understand=lambda answer: _found(answer, key)
        )

    async def write_batch(
        self, operation: str, items: Sequence[tuple[str, Any]]
    ) -> Sequence[Receipt | IntegrationError]:
        """The writes of `operation` in one call, each as its write class has it."""
        if len(items) > BATCH:
            raise Unsupported(self._name, f"{len(items)} items in one call", f"send at most {BATCH}")
        once = {"once": True} if self._write_class is WriteClass.A else {}
        bodies = [{**_body(value), "key": key, **once} for key, value in items]
        return await self._http.write(
            "PUT" if self._write_class is WriteClass.B else "POST",
            f"/api/{COLLECTIONS[operation]}/batch",
            {"items": bodies},
            understand=lambda answer: self._each(answer, bodies),
            conflict=_busy,
        )

    def _each(self, answer: Answer, sent: Sequence[Mapping[str, Any]]) -> Sequence[Receipt | IntegrationError]:
        """Raises ValueError when there are not as many results as items: whose they are cannot be told then."""
        return [self._end(result, item) for result, item in zip(answer.json["results"], sent, strict=True)]

    def _end(self, result: Any, item: Mapping[str, Any]) -> Receipt | IntegrationError:
        try:
            if 200 <= result["status"] < 300:
                return _receipt(result, item["key"], needs_id=self._write_class is not WriteClass.D)
            if result["key"] == item["key"] and result["status"] >= 300 and result["status"] != 409:  # which is unclear
                return self._http.refused_item(result["status"], str(result["error"]), sent=item)
        except (LookupError, TypeError, AttributeError, ValueError):
            pass  # leaving the block drops the cause: it may quote the answer
        return self._http.lost_item()

    def page_of(self, operation: str, external_id: str, *, key: str) -> str | None:
        """The item on the sandbox's page; a note is shown with its ticket or task."""
        word = _PAGES.get(operation)
        return f"{self._url}/#{word}={quote(key, safe='/')}" if word else None

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    async def _create(self, operation: str, value: Any, key: str) -> Receipt:
        """The write of `operation`, as its write class has it."""
        return await self._http.write(
            "PUT" if self._write_class is WriteClass.B else "POST",
            f"/api/{COLLECTIONS[operation]}",
            {**_body(value), "key": key},
            headers={"Idempotency-Key": key} if self._write_class is WriteClass.A else {},
            understand=self._accepted(key),
            conflict=lambda answer: known(answer, key),
        )

    async def _erase(self, erasure: Erasure, key: str) -> Receipt:
        """Has it forget what it was told of the customer; nothing to forget is forgotten as well."""
        return await self._http.write(
            "POST",
            f"/api/{self.CAPABILITY}/erase",
            {"key": key, "customer_ref": erasure.customer_ref},
            understand=lambda answer: receipt(answer, key, needs_id=False),
        )

    def _accepted(self, key: str) -> Callable[[Answer], Receipt]:
        """How an answer is read. Without an id it still proves our key, and class D has no other way to learn more."""
        return lambda answer: receipt(answer, key, needs_id=self._write_class is not WriteClass.D)


def configured_class(config: SandboxConfig, operation: str) -> WriteClass:
    """The class the sandbox was configured to show; who is erased twice is erased."""
    return WriteClass.B if operation == ERASE else config.write_class


def receipt(answer: Answer, key: str, *, needs_id: bool = True) -> Receipt:
    """`{"id", "key", "created"}` as a receipt. Raises ValueError when it answers about another key."""
    return _receipt(answer.json, key, needs_id=needs_id)


def _receipt(said: Mapping[str, Any], key: str, *, needs_id: bool) -> Receipt:
    if said["key"] != key:
        raise ValueError("the answer is about another key")
    is_named = needs_id or "id" in said
    return Receipt(external_id=_identifier(said["id"]) if is_named else "", detail={"created": bool(said["created"])})


def known(answer: Answer, key: str) -> Receipt | None:
    """A 409: `busy` was not applied (None), `exists` with our key proves our write. Raises otherwise."""
    if answer.json["code"] == "busy":
        return None
    if answer.json["code"] != "exists" or answer.json["key"] != key:
        raise ValueError("a conflict about something else")
    return Receipt(external_id=_identifier(answer.json["id"]), detail={"created": False})


def _busy(answer: Answer) -> None:
    """A 409 to a whole batch: `busy` was not applied. Raises otherwise: nothing else is proven for each item."""
    if answer.json["code"] != "busy":
        raise ValueError("a conflict about some of them")


def _found(answer: Answer, key: str) -> Receipt | None:
    matches = [record for record in answer.json if record["key"] == key]
    if not matches:
        return None
    return Receipt(external_id=_identifier(matches[0]["id"]), detail={"found": len(matches)})


def _well(answer: Answer) -> None:
    if answer.json["status"] != "ok":
        raise ValueError("it says that it is not well")


def _identifier(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("an id is a text that is not empty")
    return value


def _body(value: Any) -> dict[str, Any]:
    """Every field of a port's value. Not `dataclasses.asdict`, which copies the whole context."""
    return {field.name: getattr(value, field.name) for field in fields(value)}
