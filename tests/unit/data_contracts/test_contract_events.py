"""Events about entitlements and calls in the generic format: what is read, and what is said about what is wrong."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from data_contracts.any_event import EventType, ahead_of
from data_contracts.events import CallEnded, EntitlementEvent, read_standard, schema
from data_contracts.problems import ContractBroken, Problem
from domain.calls import CallOutcome
from domain.entitlements import Entitlement, EntitlementKind, Money, Standing
from domain.events import Told

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ENTITLEMENT: dict[str, Any] = {
    "ref": "S-1",
    "customer_ref": "C-1",
    "kind": "subscription",
    "product": "Prąd na rok",
    "ends_on": "2026-12-31",
    "time_zone": "Europe/Warsaw",
    "auto_renews": False,
    "value_minor": 12990,
    "currency": "PLN",
    "changed_at": "2026-03-02T09:59:30+01:00",
}
CALL: dict[str, Any] = {
    "call": "expiry/S-1/2026-12-31/call/1",
    "outcome": "answered_wants_person",
    "ended_at": "2026-03-02T09:59:30+01:00",
    "said": "Proszę o telefon od kogoś.",
}
_ABSENT = object()


def body(what: str = "entitlement.renewed", **changes: object) -> bytes:
    data = {**(CALL if what.startswith("call") else ENTITLEMENT), **changes}
    data = {name: value for name, value in data.items() if value is not _ABSENT}
    return json.dumps({"type": what, "timestamp": "2026-03-02T09:00:00Z", "data": data}).encode()


def problems(raw: bytes) -> list[Problem]:
    with pytest.raises(ContractBroken) as caught:
        read_standard(raw)
    return caught.value.problems


def entitlement(raw: bytes) -> Told:
    event = read_standard(raw)
    assert isinstance(event, EntitlementEvent)
    return event.as_told("Europe/Prague")


def test_an_event_says_how_the_entitlement_stands_and_since_when() -> None:
    told = entitlement(body())
    assert told == Told(
        Entitlement(
            ref="S-1",
            customer_ref="C-1",
            kind=EntitlementKind.SUBSCRIPTION,
            product="Prąd na rok",
            ends_on=date(2026, 12, 31),
            time_zone="Europe/Warsaw",
            occurrence="2026-12-31",
            value=Money(12990, "PLN"),
        ),
        datetime(2026, 3, 2, 8, 59, 30, tzinfo=UTC),
    )


@pytest.mark.parametrize("what", [word.value for word in EventType if word.startswith("entitlement")])
def test_only_what_is_cancelled_is_over(what: str) -> None:
    over = entitlement(body(what)).entitlement.standing
    assert over is (Standing.CANCELLED if what == "entitlement.cancelled" else Standing.ACTIVE)


def test_what_may_be_left_out() -> None:
    bare = dict.fromkeys(("time_zone", "auto_renews", "value_minor", "currency"), _ABSENT)
    it = entitlement(body(**bare)).entitlement
    assert (it.time_zone, it.auto_renews, it.value) == ("Europe/Prague", False, None)


def test_a_call_that_ended() -> None:
    event = read_standard(body("call.ended"))
    assert isinstance(event, CallEnded)
    assert event.data.call == CALL["call"]
    assert event.data.outcome is CallOutcome.ANSWERED_WANTS_PERSON
    assert event.data.ended_at == datetime(2026, 3, 2, 8, 59, 30, tzinfo=UTC)
    assert event.data.said == CALL["said"]


def test_unknown_keys_are_let_be() -> None:
    assert read_standard(body(colour="blue")) == read_standard(body())


@pytest.mark.parametrize(
    ("changes", "path", "said"),
    [
        ({"ref": _ABSENT}, "data.ref", "is missing"),
        ({"customer_ref": _ABSENT}, "data.customer_ref", "is missing"),
        ({"customer_ref": " "}, "data.customer_ref", "is empty"),
        ({"kind": "subscripton"}, "data.kind", '(did you mean "subscription"?)'),
        ({"kind": "supply"}, "data.kind", "follows from purchases"),
        ({"product": 7}, "data.product", "is a number, not text"),
        ({"ends_on": _ABSENT}, "data.ends_on", "is missing"),
        ({"ends_on": "2026-02-30"}, "data.ends_on", "is not a day of the calendar"),
        ({"ends_on": "31.12.2026"}, "data.ends_on", "is not a day of the calendar"),
        ({"ends_on": "2026-12-31T00:00:00Z"}, "data.ends_on", "is not a day of the calendar"),
        ({"ends_on": "9999-12-31"}, "data.ends_on", "is in the year 9999"),
        ({"ends_on": 20261231}, "data.ends_on", "is a number, not text"),
        ({"time_zone": "Europe/Warszawa"}, "data.time_zone", '(did you mean "Europe/Warsaw"?)'),
        ({"auto_renews": "no"}, "data.auto_renews", "is text, not true or false"),
        ({"value_minor": 129.9}, "data.value_minor", "not a whole number of minor units"),
        ({"value_minor": True}, "data.value_minor", "is true or false, not a whole number"),
        ({"value_minor": -1}, "data.value_minor", "is below 0"),
        ({"value_minor": 10**15}, "data.value_minor", "is more than anything costs"),
        ({"currency": "zł"}, "data.currency", "is not a currency's code"),
        ({"currency": _ABSENT}, "data.currency", "is only half of an amount"),
        ({"value_minor": _ABSENT}, "data.currency", "is only half of an amount"),
        ({"changed_at": _ABSENT}, "data.changed_at", "is missing"),
        ({"changed_at": "2026-03-02T09:00:00"}, "data.changed_at", "does not say its offset"),
    ],
)
def test_one_mistake_about_an_entitlement_is_named(changes: dict[str, object], path: str, said: str) -> None:
    [problem] = problems(body(**changes))
    assert problem.path == path
    assert said in problem.problem
    assert problem.fix


@pytest.mark.parametrize(
    ("changes", "path", "said"),
    [
        ({"call": _ABSENT}, "data.call", "is missing"),
        ({"call": ""}, "data.call", "is not a key of ours"),
        ({"call": "a\nb"}, "data.call", "is not a key of ours"),
        ({"call": "x" * 1001}, "data.call", "is 1001 characters long"),
        ({"outcome": "busi"}, "data.outcome", '(did you mean "busy"?)'),
        ({"outcome": None}, "data.outcome", "is null"),
        ({"ended_at": "yesterday"}, "data.ended_at", "is not an ISO 8601 time"),
        ({"said": 7}, "data.said", "is a number, not text"),
    ],
)
def test_one_mistake_about_a_call_is_named(changes: dict[str, object], path: str, said: str) -> None:
    [problem] = problems(body("call.ended", **changes))
    assert problem.path == path
    assert said in problem.problem
    assert problem.fix


@pytest.mark.parametrize(("what", "meant"), [("entitlement.renwed", "entitlement.renewed"), ("call.end", "call.ended")])
def test_a_type_that_nobody_knows_is_never_taken_for_another(what: str, meant: str) -> None:
    [problem] = problems(body(what))
    assert problem.path == "type"
    assert f'(did you mean "{meant}"?)' in problem.problem


def test_all_mistakes_are_named_at_once_in_order() -> None:
    raw = body(ref="", kind="x", ends_on="x", changed_at="x")
    assert [problem.path for problem in problems(raw)] == ["data.ref", "data.kind", "data.ends_on", "data.changed_at"]


def test_problems_never_quote_the_customer() -> None:
    said = json.dumps([problem.as_json() for problem in problems(body("call.ended", said="głos\0", outcome="x"))])
    assert "głos" not in said


def test_an_event_from_the_future_would_stand_against_all_that_come_after_it() -> None:
    assert not ahead_of(NOW + timedelta(days=1), NOW, "data.changed_at")
    [problem] = ahead_of(NOW + timedelta(days=1, seconds=1), NOW, "data.changed_at")
    assert problem.path == "data.changed_at"


def test_the_contract_can_be_published_without_references() -> None:
    published = schema()
    assert "$ref" not in json.dumps(published)
    types = [word for one in published["anyOf"] for word in one["properties"]["type"]["enum"]]
    assert types == [word.value for word in EventType]
