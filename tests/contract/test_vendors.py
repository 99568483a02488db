"""The contract of every vendor that we call. A new file in integrations/ is tested here as soon as it exists."""

import inspect
from pathlib import Path
from string import Template
from typing import Any

import pytest
from outside_vendor import Outside, answer, reset
from vendor_specimens import (
    KEY,
    OUTBOUND,
    OVER_HTTP,
    SECRET,
    SENT,
    environment_of,
    every_http_vendor,
    every_vendor,
    every_write,
    named,
    recorded,
    serving,
    settings_of,
    writing,
)

from domain.actions import Capability, WriteClass
from integrations.declaration import Integration
from integrations.errors import (
    ContractViolation,
    Rejected,
    Unavailable,
    Unsupported,
)
from integrations.ports import PORTS, WRITES, Health, TicketStatus

every_desk = pytest.mark.parametrize(
    "integration", [each for each in OUTBOUND if each.capability is Capability.TICKETING], ids=named
)


def signatures(kind: type) -> dict[str, list[tuple[str, Any]]]:
    """The public methods of a class, each with its parameters and whether it is to be awaited."""
    return {
        name: [(each.name, each.kind) for each in inspect.signature(method).parameters.values()]
        + [("async", inspect.iscoroutinefunction(method))]
        for name, method in inspect.getmembers(kind, inspect.isfunction)
        if not name.startswith("_")
    }


@every_vendor
def test_it_implements_its_port(integration: Integration[Any], nobody: str) -> None:
    port = serving(integration, nobody).port
    wanted, found = signatures(PORTS[integration.capability]), signatures(type(port))
    assert wanted == {name: found.get(name) for name in wanted}
    assert isinstance(port, PORTS[integration.capability])


@every_vendor
def test_it_says_where_the_vendor_documents_it(integration: Integration[Any]) -> None:
    assert integration.docs_url
    assert inspect.getmodule(integration.config).__doc__


@every_vendor
def test_every_setting_is_described_and_every_secret_is_one(integration: Integration[Any]) -> None:
    for name, field in integration.config.model_fields.items():
        assert (field.description or "").endswith("."), f"{name}: describe it in a sentence"
        if any(word in name for word in ("token", "secret", "password", "key")):
            assert "SecretStr" in str(field.annotation), f"{name} must be a SecretStr"


@every_vendor
def test_its_secrets_do_not_show(integration: Integration[Any], nobody: str) -> None:
    configured = serving(integration, nobody)
    environment = environment_of(integration, nobody)
    filled = {
        name: Template(said).substitute(environment) if isinstance(said, str) else said
        for name, said in settings_of(integration).items()
    }
    config = integration.config.model_validate(filled)
    shown = [repr(configured), repr(configured.port), repr(config), str(config), config.model_dump_json()]
    assert SECRET not in "".join(shown)


@every_write
def test_its_write_classes_are_declared(integration: Integration[Any], operation: str, nobody: str) -> None:
    assert serving(integration, nobody).write_class(operation) in set(WriteClass)


@every_write
async def test_the_key_is_really_sent_and_stays_the_same(
    integration: Integration[Any], operation: str, outside: Outside
) -> None:
    outside.answers(200, recorded(integration)["writes"][operation]["body"])
    configured = writing(integration, operation, outside)
    first, again = [await SENT[operation](configured.port) for _ in range(2)]
    await configured.port.aclose()
    assert KEY in outside.seen(0)
    assert outside.bodies[0] == outside.bodies[1]
    assert outside.requests[0].path_qs == outside.requests[1].path_qs
    assert first == again


@every_write
async def test_a_recorded_answer_becomes_a_receipt(
    integration: Integration[Any], operation: str, outside: Outside
) -> None:
    wanted = recorded(integration)["writes"][operation]
    outside.answers(wanted["status"], wanted["body"], wanted.get("headers"))
    configured = writing(integration, operation, outside)
    assert (await SENT[operation](configured.port)).external_id == wanted["external_id"]
    await configured.port.aclose()


@every_http_vendor
async def test_a_check_tells_well_from_unwell(integration: Integration[Any], outside: Outside, nobody: str) -> None:
    configured = serving(integration, outside.url)
    outside.answers(recorded(integration).get("health_status", 200), recorded(integration)["health"])
    assert (await configured.port.check()).ok
    for reply in (answer(401), answer(503), answer(200, "<html>"), reset):
        outside.replies(reply)
        health: Health = await configured.port.check()
        assert not health.ok
        assert health.problem.startswith(configured.name)
    await configured.port.aclose()
    absent = serving(integration, nobody)
    assert not (await absent.port.check()).ok
    await absent.port.aclose()


@every_write
@pytest.mark.parametrize("promised", list(WriteClass))
async def test_only_class_c_can_be_looked_up(
    integration: Integration[Any], operation: str, promised: WriteClass, outside: Outside
) -> None:
    settings = {"write_class": str(promised)} if "write_class" in integration.config.model_fields else {}
    configured = serving(integration, outside.url, **settings)
    if configured.write_class(operation) is not WriteClass.C:
        with pytest.raises(Unsupported):
            await configured.port.find(operation, KEY)
        assert not outside.requests
        return
    found = recorded(integration)["found"]
    outside.reads = found.get("reads", {})
    outside.answers(200, found["body"])
    receipt = await configured.port.find(operation, KEY)
    assert receipt.external_id == found["external_id"]
    assert not await configured.port.find(operation, "another/key")  # searches answer what resembles, too
    outside.answers(200, found["absent"])
    assert await configured.port.find(operation, KEY) is None
    outside.answers(200, "<html>")
    with pytest.raises(ContractViolation):
        await configured.port.find(operation, KEY)
    outside.answers(503)
    with pytest.raises(Unavailable):
        await configured.port.find(operation, KEY)
    await configured.port.aclose()


@every_desk
async def test_a_ticket_is_read_back_in_our_words(integration: Integration[Any], outside: Outside) -> None:
    configured = serving(integration, outside.url)
    wanted = recorded(integration)["ticket"]
    outside.answers(200, wanted["body"])
    ticket = await configured.port.read_ticket(KEY)
    assert (ticket.key, ticket.external_id, ticket.status, ticket.assignee) == (
        KEY,
        wanted["external_id"],
        wanted["status"],
        wanted["assignee"],
    )
    outside.answers(200, wanted["unknown_status"])
    assert (await configured.port.read_ticket(KEY)).status is TicketStatus.UNKNOWN
    outside.answers(wanted.get("absent_status", 404), wanted.get("absent", ""))
    assert await configured.port.read_ticket(KEY) is None
    outside.answers(400)
    with pytest.raises(Rejected):
        await configured.port.read_ticket(KEY)
    outside.answers(200, {"tickets": "moved"})
    with pytest.raises(ContractViolation):
        await configured.port.read_ticket(KEY)
    await configured.port.aclose()


@every_vendor
def test_who_does_not_speak_http_answers_the_same_questions_in_a_file_of_its_own(integration: Integration[Any]) -> None:
    if integration in OVER_HTTP:
        return
    own = Path(__file__).with_name(f"test_{integration.vendor}.py")
    assert own.exists(), f"{integration.name} speaks no HTTP: answer this kit's questions in tests/contract/{own.name}"
    missing = [asked for asked in ASKED_OF_ALL if f"def {asked}(" not in own.read_text(encoding="utf-8")]
    assert not missing


ASKED_OF_ALL = (
    "test_its_write_class_is_declared",
    "test_the_same_key_says_the_same_message",
    "test_nobody_there_is_surely_unsent",
    "test_a_lost_answer_is_unknown_and_the_write_not_repeated",
    "test_silence_is_unknown",
    "test_a_refusal_is_named",
    "test_refused_credentials_name_the_variable_to_renew",
    "test_only_class_c_can_be_looked_up",
    "test_a_check_tells_well_from_unwell",
    "test_no_error_and_no_log_carries_a_secret_or_the_customer",
)
"""What every vendor is asked, in whatever way it is spoken to."""


def test_every_operation_of_every_port_is_in_the_kit() -> None:
    assert set(SENT) == {operation for operations in WRITES.values() for operation in operations}
    assert set(PORTS) == set(WRITES) == set(Capability)
