"""What becomes of messages: kept once, heeded at once; one bad event of a delivery costs none of the others."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from journey_stage import NOON, ONBOARDING, activated, news, publish
from sqlalchemy import update

from data_contracts.events import read_standard
from data_contracts.journey_events import MessageEvents, MessageTold, RefusedPart
from data_contracts.problems import ContractBroken, Problem
from domain.actions import Basis, Capability, Kind, State
from domain.journeys import journey_key
from domain.message_events import MessageNews
from domain.planning import Payload, PlannedAction
from integrations.ports import Verified
from services.intake import receive_webhook
from services.message_events import NO_MESSAGE, NOT_SENT
from services.quarantine import Who, replay
from services.replaying import Verdict
from store.canonical import address_hash
from store.enrolments import NO_CONSENT
from store.ledger.enqueue import About, enqueue
from store.tables import metadata

Deliver = Callable[..., Any]
KEY = journey_key("onboarding", "C-1", 1, "welcome")
NAME = "onboarding/welcome"
actions = metadata.tables["actions"]


def later(**delta: float) -> datetime:
    """Noon and then some."""
    return NOON + timedelta(**delta)


def _move(installation: Any, key: str, *states: State, **values: Any) -> None:
    with installation.database.write() as connection:
        for state in states:
            connection.execute(update(actions).where(actions.c.key == key).values(state=state, **values))


def put(
    installation: Any,
    key: str = KEY,
    *states: State,
    basis: Basis = Basis.SERVICE,
    capability: Capability = Capability.MAIL,
    **about: int,
) -> None:
    """A message in the ledger, moved through these states."""
    planned = PlannedAction(
        key=key,
        kind=Kind.MESSAGE,
        basis=basis,
        capability=capability,
        payload=Payload("journey-step/1", {"journey": "onboarding", "step": "welcome"} if about else {}),
        due_at=NOON,
        purpose="onboarding" if basis is Basis.PROACTIVE else None,
    )
    (customer,) = installation.rows("customers")
    with installation.database.write() as connection:
        enqueue(connection, [planned], About(customer_id=customer.id, **about), run="t", now=NOON)
    _move(installation, key, *states, attempts=1, integration="mail via fake")


SENT = (State.CLAIMED, State.SENDING, State.DONE)


@pytest.fixture
async def welcomed(deliver: Deliver, installation: Any) -> int:
    """Anna is in her journey, and has her welcome; the enrolment."""
    publish(installation.database, ONBOARDING)
    await deliver(activated(), "activated")
    (enrolment,) = installation.rows("enrolments")
    put(installation, KEY, *SENT, enrolment_id=enrolment.id)
    installation.clock.go(hours=1)
    return int(enrolment.id)


@pytest.mark.parametrize("what", ["delivered", "opened", "clicked"])
async def test_news_of_a_step_is_kept_and_is_behaviour(
    deliver: Deliver, installation: Any, welcomed: int, what: str
) -> None:
    told = await deliver(news(what, KEY, at=later(minutes=9)), "news")
    assert told.body["status"] == "accepted"
    (kept,) = installation.rows("message_events")
    assert (kept.action_id, kept.what, kept.at, kept.source) == (
        installation.action(KEY).id,
        what,
        later(minutes=9),
        "standard",
    )
    assert (f"message.{what}", NAME, 1) in {(it.event, it.name, it.times) for it in installation.rows("behaviour")}
    assert not installation.rows("suppressions")


async def test_the_same_news_told_again_is_noted_and_counts_once(
    deliver: Deliver, installation: Any, welcomed: int
) -> None:
    await deliver(news("opened", KEY), "first")
    again = await deliver(news("opened", KEY, at=later(minutes=5)), "second")
    assert (again.body["status"], again.body["problems"][0]["problem"]) == ("noted", "known already")
    assert len(installation.rows("message_events")) == 1
    assert [it.times for it in installation.rows("behaviour") if it.event == "message.opened"] == [1]


async def test_a_hard_bounce_silences_the_address_and_a_soft_one_does_not(
    deliver: Deliver, installation: Any, welcomed: int
) -> None:
    await deliver(news("bounced", KEY, kind="soft"), "soft")
    assert not installation.rows("suppressions")
    put(installation, "another", *SENT)
    await deliver(news("bounced", "another", kind="hard"), "hard")
    (row,) = installation.rows("suppressions")
    assert (row.channel, row.address_hash, row.reason) == ("mail", address_hash("anna@example.com"), "bounce")
    assert installation.rows("customers")[0].touched > 0, "arming waits for it"


async def test_the_address_it_was_sent_to_is_silenced_not_the_one_on_file_since(
    deliver: Deliver, installation: Any, welcomed: int
) -> None:
    await deliver(news("bounced", KEY, kind="hard", address="Old@Example.com"), "hard")
    assert [row.address_hash for row in installation.rows("suppressions")] == [address_hash("old@example.com")]


@pytest.mark.parametrize("basis", [Basis.SERVICE, Basis.PROACTIVE])
async def test_a_complaint_silences_the_address_and_takes_consent_back(
    deliver: Deliver, installation: Any, welcomed: int, basis: Basis
) -> None:
    put(installation, "tip", *SENT, basis=basis, enrolment_id=welcomed)
    await deliver(news("complained", "tip"), "complaint")
    assert [row.reason for row in installation.rows("suppressions")] == ["complaint"]
    said = {(row.purpose, row.channel): row.granted for row in installation.rows("consents")}
    assert said == {("onboarding", channel): False for channel in ("mail", "sms", "voice", "push")}
    (enrolment,) = installation.rows("enrolments")
    assert (enrolment.state, enrolment.reason) == ("left", NO_CONSENT)


async def test_a_complaint_about_what_is_no_journeys_takes_no_consent(
    deliver: Deliver, installation: Any, welcomed: int
) -> None:
    put(installation, "reply", *SENT, basis=Basis.REPLY)
    await deliver(news("complained", "reply"), "complaint")
    assert len(installation.rows("suppressions")) == 1
    assert not installation.rows("consents")
    assert [it.event for it in installation.rows("behaviour")] == ["customer.activated"], "it has no journey's name"


async def test_what_the_vendor_tells_of_was_sent_after_all(
    deliver: Deliver, installation: Any, on_file: Callable[..., int]
) -> None:
    """Its answer was lost; that its recipient's side took it says enough."""
    on_file("C-1", email="anna@example.com")
    put(installation, "lost", State.CLAIMED, State.SENDING, State.UNCERTAIN)
    await deliver(news("delivered", "lost"), "news")
    assert installation.states() == {"lost": State.DONE}
    assert [row.adopted for row in installation.rows("receipts")] == [True]


async def test_a_key_of_nobodys_waits_for_a_person(deliver: Deliver, installation: Any, welcomed: int) -> None:
    told = await deliver(news("opened", "journey/onboarding/C-9/1/welcome"))
    assert (told.body["status"], told.body["problems"]) == ("quarantined", [NO_MESSAGE.as_json()])


async def test_what_was_never_sent_cannot_have_arrived(
    deliver: Deliver, installation: Any, on_file: Callable[..., int]
) -> None:
    on_file("C-1", email="anna@example.com")
    put(installation, "waits")
    told = await deliver(news("opened", "waits"))
    assert told.body["problems"] == [NOT_SENT.as_json()]


async def test_in_every_order_it_comes_to_the_same(deliver: Deliver, installation: Any, welcomed: int) -> None:
    kinds = ("delivered", "opened", "clicked")
    for place, order in enumerate(permutations(kinds)):
        put(installation, f"m-{place}", *SENT, enrolment_id=welcomed)
        for minutes, what in enumerate(order):
            await deliver(news(what, f"m-{place}", at=later(minutes=minutes)), f"{place}-{what}")
    told = {it.event: (it.times, it.first_at) for it in installation.rows("behaviour") if it.name == NAME}
    assert told == {f"message.{what}": (6, NOON) for what in kinds}


# -- many at once -------------------------------------------------------------------------------------------------


@dataclass
class Batches:
    """A vendor that tells of many messages in one delivery: a list of events as the generic source has them."""

    def verify(self, headers: Any, body: bytes, now: datetime) -> Verified:
        return Verified(headers["id"], now)

    def read(self, body: bytes) -> MessageEvents:
        told: list[MessageTold] = []
        refused: list[RefusedPart] = []
        for one in json.loads(body):
            alone = json.dumps([one]).encode()
            try:
                event = read_standard(json.dumps(one).encode())
                assert isinstance(event, MessageEvents)
                told += [MessageTold(it.message, it.what, it.at, alone, it.is_permanent) for it in event.told]
            except ContractBroken as broken:
                refused.append(RefusedPart(alone, tuple(broken.problems)))
        return MessageEvents(tuple(told), tuple(refused))


@pytest.fixture
def tell(handrail: Any) -> Deliver:
    """`await tell([event, …], id)`: one delivery of them all."""
    handrail.roster.intakes["batches"] = Batches()

    async def deliver_all(events: list[dict[str, Any]], webhook_id: str = "batch") -> Any:
        return await receive_webhook(handrail, "batches", {"id": webhook_id}, json.dumps(events).encode())

    return deliver_all


async def test_one_bad_event_costs_none_of_the_others(
    tell: Deliver, installation: Any, welcomed: int, handrail: Any
) -> None:
    told = await tell(
        [
            news("delivered", KEY),
            news("delivered", "nobody's"),
            {"type": "message.opened", "timestamp": "never"},
            news("clicked", KEY),
        ]
    )
    assert (told.http_status, told.body["status"]) == (202, "accepted")
    assert [problem["path"] for problem in told.body["problems"]][-1] == "data.message"
    assert {row.what for row in installation.rows("message_events")} == {"delivered", "clicked"}
    kept = installation.rows("quarantine")
    assert sorted(json.loads(row.body)[0]["type"] for row in kept) == ["message.delivered", "message.opened"]
    again = await tell([news("delivered", KEY)], "batch")
    assert again.body["duplicate"]
    put(installation, "nobody's", *SENT)
    (unknown,) = (row for row in kept if b"nobody" in row.body)
    assert replay(handrail, unknown.id, Who("ewa")).verdict is Verdict.ACCEPTED
    assert len(installation.rows("message_events")) == 3


async def test_a_delivery_that_makes_no_sense_at_all_is_kept_as_it_came(
    tell: Deliver, installation: Any, welcomed: int
) -> None:
    events = [news("delivered", "nobody's"), news("opened", "nobody's")]
    told = await tell(events)
    assert told.body["status"] == "quarantined"
    assert [json.loads(row.body) for row in installation.rows("quarantine")] == [events]


async def test_a_delivery_may_tell_all_there_is_of_one_message_twice(
    tell: Deliver, installation: Any, welcomed: int
) -> None:
    await tell([news(what, KEY) for what in ("opened", "delivered", "opened", "clicked")])
    assert {row.what for row in installation.rows("message_events")} == {"opened", "delivered", "clicked"}
    assert [it.times for it in installation.rows("behaviour") if it.name == NAME] == [1, 1, 1]


async def test_who_unsubscribes_at_the_vendor_has_left(
    handrail: Any, tell: Deliver, installation: Any, welcomed: int
) -> None:
    class Unsubscribes(Batches):
        def read(self, body: bytes) -> MessageEvents:
            return MessageEvents((MessageTold(KEY, MessageNews.UNSUBSCRIBED, later(minutes=5), body),))

    handrail.roster.intakes["batches"] = Unsubscribes()
    await tell([])
    assert [row.state for row in installation.rows("enrolments")] == ["left"]
    assert {row.granted for row in installation.rows("consents")} == {False}
    assert not installation.rows("suppressions"), "the address is good for what they asked for"


async def test_a_refused_part_alone_is_no_news(handrail: Any, tell: Deliver, installation: Any, welcomed: int) -> None:
    class Bad(Batches):
        def read(self, body: bytes) -> MessageEvents:
            return MessageEvents((), (RefusedPart(body, (Problem("event", "is missing", "send it"),)),))

    handrail.roster.intakes["batches"] = Bad()
    assert (await tell([])).body["status"] == "quarantined"
