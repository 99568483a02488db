"""What the contract kit sends through every port, with a customer in it who must not show up in any error."""

import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from outside_vendor import Outside

from domain.actions import Capability
from integrations.declaration import Integration
from integrations.ports import (
    LISTENING,
    WRITES,
    Alert,
    Call,
    Mail,
    Push,
    Receipt,
    Sms,
    Task,
    TaskClosing,
    TaskNote,
    Ticket,
    TicketNote,
)
from integrations.registry import Configured, Roster, discover, load_roster

KEY = "case/C-1042/1/ticket"
TASK_KEY = "expiry/p-1/2026-03-01/task"
SECRET = "canarysecret7f3a91"
PERSON = "Zdzisława"
ADDRESS = "zdzislawa.canary@example.com"
PHONE = "+48601234567"
WORDS = "strasznie długo czekałam"

SENT: Mapping[str, Callable[[Any], Awaitable[Receipt]]] = {
    "open_ticket": lambda port: port.open_ticket(
        Ticket("C-1042", f"{PERSON}: 2 of 10", WORDS, "critical", "retention", "pl", {"name": PERSON, "mail": ADDRESS}),
        key=KEY,
    ),
    "add_note": lambda port: port.add_note(TicketNote("case/C-1042/1/ticket", "C-1042", WORDS, "high"), key=KEY),
    "upsert_task": lambda port: port.upsert_task(
        Task("C-1042", f"Call {PERSON}", WORDS, "agent-7", "high", datetime(2026, 3, 1, 9, 30, tzinfo=UTC), PERSON),
        key=KEY,
    ),
    "add_task_note": lambda port: port.add_task_note(TaskNote(TASK_KEY, "C-1042", WORDS, "high"), key=KEY),
    "close_task": lambda port: port.close_task(TaskClosing(TASK_KEY, "renewed"), key=KEY),
    "send_mail": lambda port: port.send_mail(
        Mail("C-1042", ADDRESS, "Dziękujemy", f"{PERSON}, {WORDS}", f"<p>{PERSON}</p>", "pl", "acknowledgement", {}),
        key=KEY,
    ),
    "send_sms": lambda port: port.send_sms(
        Sms("C-1042", PHONE, f"{PERSON}, {WORDS}", "pl", "acknowledgement"), key=KEY
    ),
    "place_call": lambda port: port.place_call(Call("C-1042", PHONE, f"{PERSON}, {WORDS}", "pl", "expiry"), key=KEY),
    "send_push": lambda port: port.send_push(Push("C-1042", "device-1", PERSON, WORDS, "", "en", "welcome"), key=KEY),
    "raise_alert": lambda port: port.raise_alert(
        Alert("3 cases have no owner", "critical", "http://127.0.0.1:8100/cases", {"cases": 3}), key=KEY
    ),
}
"""One write of each operation. Whoever adds an operation to `integrations.ports.WRITES` adds its line here."""

NOTED: Mapping[str, tuple[str, str]] = {"add_note": ("open_ticket", KEY), "add_task_note": ("upsert_task", TASK_KEY)}
"""What must be there before a note of `SENT` can be added: the operation that made it, and its key."""

OUTBOUND = [
    integration
    for capability, vendors in discover().items()
    for integration in vendors.values()
    if capability not in LISTENING
]
INTAKES = list(discover().get(Capability.SURVEY_INTAKE, {}).values())
DELIVERIES = list(discover().get(Capability.DELIVERY_INTAKE, {}).values())


def recorded(integration: Integration[Any]) -> dict[str, Any]:
    """What the vendor was seen to answer: recorded/<capability>/<vendor>.json, which comes with its adapter."""
    path = Path(__file__).parent / "recorded" / integration.capability / f"{integration.vendor}.json"
    assert path.exists(), (
        f"record what {integration.name} answers in tests/contract/{path.relative_to(path.parents[2])}"
    )
    return json.loads(path.read_text(encoding="utf-8"))


def _speaks(integration: Integration[Any]) -> str:
    return str(recorded(integration).get("speaks", "http"))


OVER_HTTP = [integration for integration in OUTBOUND if _speaks(integration) == "http"]
WRITTEN = [(integration, operation) for integration in OVER_HTTP for operation in WRITES[integration.capability]]


def settings_of(integration: Integration[Any]) -> dict[str, Any]:
    """The settings the kit gives: the vendor's address, `${KIT_…}` for each secret, and what its recording adds."""
    fields = integration.config.model_fields
    secrets = {
        name: f"${{KIT_{name.upper()}}}" for name, field in fields.items() if "SecretStr" in str(field.annotation)
    }
    address = {"url": "${KIT_URL}"} if "url" in fields else {}
    return {**address, **secrets, **recorded(integration)["settings"]}


def environment_of(integration: Integration[Any], url: str) -> dict[str, str]:
    """The variables those settings name. Every secret is `SECRET`, or has it in the place that the recording shows."""
    shapes = recorded(integration).get("secrets", {})
    return {"KIT_URL": url} | {
        f"KIT_{name.upper()}": shapes.get(name, "{secret}").format(url=url, secret=SECRET)
        for name, field in integration.config.model_fields.items()
        if "SecretStr" in str(field.annotation)
    }


def roster(integration: Integration[Any], url: str, **settings: Any) -> Roster:
    """A roster of this one integration at `url`, as the file would make it."""
    section = {"vendor": integration.vendor, **settings_of(integration), **settings}
    return load_roster(yaml.safe_dump({str(integration.capability): section}), environment_of(integration, url))


def serving(integration: Integration[Any], url: str, **settings: Any) -> Configured:
    """The integration of that roster."""
    configured = roster(integration, url, **settings).of(integration.capability)
    assert configured is not None
    return configured


def writing(integration: Integration[Any], operation: str, outside: Outside, **settings: Any) -> Configured:
    """The integration of that roster, at `outside`, which answers what the write of `operation` begins with."""
    outside.reads = recorded(integration)["writes"][operation].get("reads", {})
    return serving(integration, outside.url, **settings)


def conflicts_of(integration: Integration[Any], operation: str) -> dict[str, Any]:
    """The recorded conflicts of an operation; empty when the vendor documents none."""
    found: dict[str, Any] = recorded(integration)["writes"][operation].get(
        "conflicts", recorded(integration).get("conflicts", {})
    )
    return found


def named(value: Any) -> str:
    """How a test case is called in pytest's output."""
    return value.name if isinstance(value, Integration) else str(getattr(value, "__name__", value))


every_vendor = pytest.mark.parametrize("integration", OUTBOUND, ids=named)
every_http_vendor = pytest.mark.parametrize("integration", OVER_HTTP, ids=named)
every_write = pytest.mark.parametrize(("integration", "operation"), WRITTEN, ids=named)
