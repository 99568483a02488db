"""The contract of every integration that declares vendor batches, and of the fake."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from outside_vendor import Outside, answer, endless, gibberish, hang_up, reset, truncated
from vendor_specimens import (
    ADDRESS,
    KEY,
    NOTED,
    OUTBOUND,
    PERSON,
    PHONE,
    SECRET,
    SENT,
    WORDS,
    named,
    recorded,
    serving,
    writing,
)

from domain.actions import WriteClass
from integrations.declaration import Integration
from integrations.errors import (
    AuthFailed,
    Busy,
    ConfigurationError,
    IntegrationError,
    NotSent,
    OutcomeUnknown,
    RateLimited,
    Rejected,
    Unsupported,
)
from integrations.fakes import LARGEST_BATCH, FakeVendor
from integrations.ports import WRITES, Batches, Mail, Receipt

BATCHED = [(each, operation) for each in OUTBOUND for operation in each.batches]
every_batch = pytest.mark.parametrize(("integration", "operation"), BATCHED, ids=named)
every_batching_vendor = pytest.mark.parametrize("integration", [each for each in OUTBOUND if each.batches], ids=named)
every_answered_batch = pytest.mark.parametrize(
    ("integration", "operation"), [pair for pair in BATCHED if "batches" not in recorded(pair[0])], ids=named
)
"""Those whose one answer tells how each item ended."""
KEYS = ["k/1", "k/2", "k/3"]
LOST = [reset, hang_up, truncated, gibberish, endless, answer(200, "<html>"), answer(500), answer(503)]


async def specimen(operation: str) -> Any:
    """The value that the kit sends for an operation."""
    fake = FakeVendor(next(each for each, writes in WRITES.items() if operation in writes))
    if operation in NOTED:
        fake.effects.append((*NOTED[operation], None))
    await SENT[operation](fake)
    return fake.calls[0][2]


async def items(operation: str, keys: list[str]) -> list[tuple[str, Any]]:
    """One for each key; mails go to addresses of their own, as those of different customers do."""
    value = await specimen(operation)
    if isinstance(value, Mail):
        return [(key, replace(value, to=f"{number}.{ADDRESS}")) for number, key in enumerate(keys)]
    return [(key, value) for key in keys]


def done(key: str, number: int = 1) -> dict[str, Any]:
    return {"status": 201, "id": f"s-{number}", "key": key, "created": True}


@every_batch
def test_it_implements_what_it_declares(integration: Integration[Any], operation: str, nobody: str) -> None:
    configured = serving(integration, nobody, batch=integration.batches[operation])
    assert isinstance(configured.port, Batches)
    assert operation in WRITES[integration.capability]
    assert configured.batch_of(operation) == integration.batches[operation]
    assert serving(integration, nobody).batch_of(operation) == 1  # one by one, unless it is configured


@every_batching_vendor
def test_a_batch_larger_than_the_vendor_takes_is_refused_when_it_is_configured(
    integration: Integration[Any], nobody: str
) -> None:
    most = max(integration.batches.values())
    with pytest.raises(ConfigurationError, match=f"batch: .*at most {most} items in one call"):
        serving(integration, nobody, batch=most + 1)


@pytest.mark.parametrize("integration", [each for each in OUTBOUND if not each.batches], ids=named)
def test_who_takes_one_item_a_call_says_so(integration: Integration[Any], nobody: str) -> None:
    with pytest.raises(ConfigurationError, match="takes one item a call"):
        serving(integration, nobody, batch=2)


@every_batch
async def test_no_call_carries_more_than_was_declared(
    integration: Integration[Any], operation: str, outside: Outside
) -> None:
    most = integration.batches[operation]
    port = serving(integration, outside.url).port
    with pytest.raises(Unsupported, match=f"{most + 1} items"):
        await port.write_batch(operation, await items(operation, [f"k/{number}" for number in range(most + 1)]))
    assert not outside.requests


@every_answered_batch
async def test_every_key_is_sent_once_in_order_and_each_has_its_receipt(
    integration: Integration[Any], operation: str, outside: Outside
) -> None:
    outside.answers(200, {"results": [done(key, number) for number, key in enumerate(KEYS)]})
    port = serving(integration, outside.url).port
    ends = await port.write_batch(operation, await items(operation, KEYS))
    await port.aclose()
    assert [end.external_id for end in ends] == ["s-0", "s-1", "s-2"]
    places = [outside.seen().index(f'"{key}"') for key in KEYS]
    assert places == sorted(places)
    assert len(outside.requests) == 1


@every_answered_batch
async def test_each_item_ends_by_itself(integration: Integration[Any], operation: str, outside: Outside) -> None:
    keys = [f"k/{number}" for number in range(9)]
    outside.answers(
        200,
        {
            "results": [
                done(keys[0]),
                {"status": 422, "key": keys[1], "error": "bad number"},
                {"status": 500, "key": keys[2], "error": "we stumbled"},
                {"status": 429, "key": keys[3], "error": "slow down"},
                {"status": 401, "key": keys[4], "error": "who are you"},
                done("somebody else's"),
                {"status": 200, "key": keys[6]},  # no id
                "nonsense",
                {"status": 409, "key": keys[8], "error": "conflict"},  # without a reason: it may be there
            ]
        },
    )
    port = serving(integration, outside.url).port
    ends = await port.write_batch(operation, await items(operation, keys))
    await port.aclose()
    kinds = [Receipt, Rejected, OutcomeUnknown, RateLimited, AuthFailed, *[OutcomeUnknown] * 4]
    assert [type(end) for end in ends] == kinds
    assert ends[1].status == 422
    assert "bad number" in str(ends[1])


@every_batch
@pytest.mark.parametrize("reply", [*LOST, answer(200, {"results": []}), answer(200, {"results": [done("k/1")] * 4})])
async def test_a_lost_or_unreadable_answer_leaves_all_open_and_is_not_repeated(
    integration: Integration[Any], operation: str, reply: Any, outside: Outside
) -> None:
    outside.replies(reply)
    port = writing(integration, operation, outside).port
    with pytest.raises(OutcomeUnknown):
        await port.write_batch(operation, await items(operation, KEYS))
    await port.aclose()
    assert len(outside.requests) == 1


@every_batch
async def test_a_refusal_of_the_whole_call_is_named(
    integration: Integration[Any], operation: str, outside: Outside, nobody: str
) -> None:
    port = writing(integration, operation, outside).port
    busy = recorded(integration).get("conflicts", {}).get("busy")
    for said, kind in ((busy, Busy), ({"error": "conflict"}, OutcomeUnknown)):
        if said is not None:
            outside.answers(409, said)
            with pytest.raises(kind):
                await port.write_batch(operation, await items(operation, KEYS))
    for status, kind in ((400, Rejected), (413, Rejected), (401, AuthFailed), (429, RateLimited)):
        outside.answers(status, "", {"Retry-After": "17"})
        with pytest.raises(kind):
            await port.write_batch(operation, await items(operation, KEYS))
    await port.aclose()
    absent = serving(integration, nobody).port
    with pytest.raises(NotSent):
        await absent.write_batch(operation, await items(operation, KEYS))
    await absent.aclose()


@every_answered_batch
async def test_no_items_error_carries_a_secret_or_a_customer(
    integration: Integration[Any], operation: str, outside: Outside
) -> None:
    async def echo(request: Any) -> Any:
        said = f"{request.headers} {outside.bodies[-1].decode()} {PERSON} {ADDRESS} {PHONE} {WORDS}"
        results = [{"status": status, "key": KEY, "error": said} for status in (400, 401, 500)]
        return await answer(200, {"results": results})(request)

    outside.replies(echo)
    port = serving(integration, outside.url).port
    ends = await port.write_batch(operation, await items(operation, [KEY] * 3))
    await port.aclose()
    assert all(isinstance(end, IntegrationError) for end in ends)
    shown = "".join(f"{end} {end!r} {vars(end)}" for end in ends)
    for hidden in (SECRET, PERSON, ADDRESS, PHONE, *WORDS.split()):
        assert hidden not in shown


@pytest.mark.parametrize("write_class", list(WriteClass))
@pytest.mark.parametrize(
    ("integration", "operation"), [pair for pair in BATCHED if pair[0].vendor == "sandbox"], ids=named
)
async def test_the_sandbox_is_asked_in_the_way_of_the_write_class(
    integration: Integration[Any], operation: str, write_class: WriteClass, outside: Outside
) -> None:
    outside.answers(200, {"results": [done(key) for key in KEYS]})
    port = serving(integration, outside.url, write_class=str(write_class)).port
    await port.write_batch(operation, await items(operation, KEYS))
    await port.aclose()
    request, body = outside.requests[0], json.loads(outside.bodies[0])
    assert request.method == ("PUT" if write_class is WriteClass.B else "POST")
    assert request.path.endswith("/batch")
    assert [item["key"] for item in body["items"]] == KEYS
    assert {item.get("once") for item in body["items"]} == ({True} if write_class is WriteClass.A else {None})


async def test_the_fake_takes_batches_too() -> None:
    for capability, operations in WRITES.items():
        for operation in operations:
            vendor = FakeVendor(capability)
            lost, no = OutcomeUnknown("x", "lost", "wait"), Rejected("x", "no", "correct it", 422)
            vendor.script(None, no)
            pairs = await items(operation, KEYS)
            ends = await vendor.write_batch(operation, pairs)
            assert [type(end) for end in ends] == [Receipt, Rejected, Receipt]
            assert (len(vendor.effects), vendor.batches) == (2, [3])
            vendor.script_batches(no, ("after", lost))
            for problem in (Rejected, OutcomeUnknown):
                with pytest.raises(problem):
                    await vendor.write_batch(operation, pairs)
            assert [effect[1] for effect in vendor.effects] == ["k/1", "k/3", "k/2"]
            with pytest.raises(Unsupported):
                await vendor.write_batch(operation, [pairs[0]] * (LARGEST_BATCH + 1))


@every_batching_vendor
def test_whose_items_end_otherwise_answers_the_same_questions_in_a_file_of_its_own(
    integration: Integration[Any],
) -> None:
    if "batches" not in recorded(integration):
        return
    own = Path(__file__).with_name(f"test_{integration.vendor}_batches.py")
    assert own.exists(), f"{integration.name} takes batches {recorded(integration)['batches']}: test them in {own.name}"
    asked = (
        "test_every_key_is_sent_once_in_order_and_each_has_its_receipt",
        "test_each_item_ends_by_itself",
        "test_no_items_error_carries_a_secret_or_a_customer",
    )
    assert not [one for one in asked if f"def {one}(" not in own.read_text(encoding="utf-8")]


def test_recordings_stay_those_of_single_writes() -> None:
    """Whoever declares a batch declares single writes too: what is refused together goes one by one."""
    for integration, operation in BATCHED:
        assert operation in recorded(integration)["writes"]
