"""The context bundle: each customer's own story, the newest first, gathered for many at once."""

from dataclasses import replace
from datetime import date

import pytest
from ledger_world import NOON, POLICY, World, a_message, a_plan, later

from domain.entitlements import Entitlement, EntitlementKind, Money, Standing
from domain.gates import DataSet
from domain.surveys import Judgement, Sentiment, SurveyAnswer, SurveyKind
from store import surveys
from store.context import bundles
from store.entitlements import Owned, save
from store.gates import event_gate

ANSWER = SurveyAnswer("standard", "r-0", SurveyKind.NPS, 2, "late again", "en", later(hours=-1), NOON)
BAD = Judgement(Sentiment.DETRACTOR, is_critical=True)


def _answer(world: World, customer: int, response: str, minutes: int, case: int | None = None) -> None:
    answer = replace(ANSWER, response_id=response, received_at=later(minutes=minutes))
    with world.database.write() as connection:
        made = surveys.save(connection, [surveys.NewAnswer(answer, customer, BAD, None)])
        surveys.conclude(connection, [(made["standard", response], "joined", case)])


def test_each_customer_has_their_own_story_however_many_are_asked_for(world: World) -> None:
    anna, bert = world.customer("A", name="Anna"), world.customer("B")
    case = world.case(anna)
    _answer(world, anna, "a-old", -90)
    _answer(world, anna, "a-new", 0, case)
    _answer(world, bert, "b-1", 0)
    world.put(a_message("message/A/1"), customer_id=anna)
    world.put(a_plan("expiry/A/1/task"), customer_id=anna)
    with world.database.read() as connection:
        of_bert, of_anna = bundles(connection, [(bert, None), (anna, case)], today=NOON.date())
    assert (of_anna["customer"]["ref"], of_anna["customer"]["name"], of_bert["customer"]["ref"]) == ("A", "Anna", "B")
    assert [said["response"] for said in of_anna["said"]] == ["standard/a-new"]
    assert [said["response"] for said in of_anna["earlier_answers"]] == ["standard/a-old"]
    assert [said["response"] for said in of_bert["earlier_answers"]] == ["standard/b-1"]
    assert [one["number"] for one in of_anna["cases"]] == [1]
    assert [(one["kind"], one["state"]) for one in of_anna["messages"]] == [("message", "ready")]
    assert (of_bert["said"], of_bert["cases"], of_bert["messages"]) == ([], [], [])


def test_a_long_history_is_told_from_its_newest_end(world: World) -> None:
    anna = world.customer("A")
    for number in range(23):
        _answer(world, anna, f"r-{number}", number)
    with world.database.read() as connection:
        (told,) = bundles(connection, [(anna, None)], today=NOON.date())
    assert [said["response"] for said in told["earlier_answers"]] == [f"standard/r-{22 - back}" for back in range(20)]


def test_a_customer_who_is_not_there_is_an_error(world: World) -> None:
    with world.database.read() as connection, pytest.raises(LookupError):
        bundles(connection, [(404, None)], today=NOON.date())


def test_colleagues_learn_what_of_the_customers_ends_the_next_first(world: World) -> None:
    """Cancelled and long past ones are left out; what ended lately is not."""
    anna, bert = world.customer("A"), world.customer("B")
    cover = Entitlement(
        *("E-1", "A", EntitlementKind.POLICY, "Home 24", date(2026, 3, 18), "Europe/Warsaw", "2026-03-18"),
        value=Money(129_000, "PLN"),
    )
    sooner = replace(cover, ref="E-2", product="Gold", ends_on=date(2026, 2, 20), auto_renews=True, value=None)
    owned = [
        Owned(anna, cover),
        Owned(anna, sooner),
        Owned(anna, replace(cover, ref="E-3", standing=Standing.CANCELLED)),
        Owned(anna, replace(cover, ref="E-4", ends_on=date(2026, 1, 1))),
        Owned(bert, replace(cover, ref="E-5", customer_ref="B")),
    ]
    with world.database.write() as connection:
        gate = event_gate(connection, DataSet.ENTITLEMENTS, "shop", now=NOON, run="t")
        save(connection, owned, gate_id=gate, policy=POLICY, now=NOON)
        of_anna, of_bert = bundles(connection, [(anna, None), (bert, None)], today=NOON.date())
    assert of_anna["entitlements_ending"] == [
        {
            **{"entitlement": "E-2", "kind": "policy", "product": "Gold", "ends_on": "2026-02-20"},
            **{"renews_by_itself": True, "worth": None},
        },
        {
            **{"entitlement": "E-1", "kind": "policy", "product": "Home 24", "ends_on": "2026-03-18"},
            **{"renews_by_itself": False, "worth": "1290.00 PLN"},
        },
    ]
    assert [one["entitlement"] for one in of_bert["entitlements_ending"]] == ["E-5"]
