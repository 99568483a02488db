"""What customers decide for themselves, below the page: the words' completeness, the task that a wish to talk makes."""

import re
from dataclasses import fields
from typing import Any

import pytest

from domain.actions import Capability, Kind
from domain.call_me import plan_call
from domain.customers import Customer
from domain.ending_tasks import how_to_reach
from gateway.pages.unsubscribe_words import WORDS
from services.links import Links
from services.masking import masked_mail, masked_phone
from services.sending import Sender
from store.ledger.rows import Armed

PERSON = Customer("C-1", name="Ewa Kowalska", phone="+48600700845", language="pl", time_zone="Europe/Warsaw")


def armed(planned: Any, customer: Customer) -> Armed:
    ids = dict.fromkeys(("customer_id", "case_id", "response_id", "entitlement_id", "enrolment_id"))
    return Armed(
        id=1,
        key=planned.key,
        fence=1,
        kind=planned.kind,
        basis=planned.basis,
        capability=planned.capability,
        purpose=planned.purpose,
        payload=planned.payload.as_json(),
        customer=customer,
        attempts=1,
        urgent=False,
        **{**ids, "customer_id": 1},
    )


async def test_the_task_of_a_call_tells_how_to_reach_them_as_it_is_then(on_sqlite: Any) -> None:
    planned = plan_call(PERSON, on_sqlite.policy, on_sqlite.clock())
    moved = Customer(**{**{f.name: getattr(PERSON, f.name) for f in fields(PERSON)}, "phone": "+420111222333"})
    sender = Sender(on_sqlite.database, on_sqlite.policy, on_sqlite.clock, Links("https://care.example", []))

    class Crm:
        port = None

    call = await sender.prepare(armed(planned, moved), Crm())

    assert (call.operation, call.key) == ("upsert_task", "customer/C-1/call-me/2026-03-04")
    assert "+420111222333" in call.value.body
    assert how_to_reach(moved, on_sqlite.policy) in call.value.body
    assert call.value.assignee == on_sqlite.policy.journeys.call_me_goes_to
    assert f"{call.value.due_at:%Y-%m-%dT%H:%M}" == "2026-03-04T15:00"


async def test_somebody_in_distress_is_called_by_those_who_have_them(on_sqlite: Any) -> None:
    in_grief = Customer("C-1", phone="+48600700845", tact_lock="bereavement")

    planned = plan_call(in_grief, on_sqlite.policy, on_sqlite.clock())

    assert planned.payload.params["assignee"] == on_sqlite.policy.expiry.distress_tasks_go_to
    assert (planned.kind, planned.capability) == (Kind.TASK, Capability.CRM)


def test_a_call_asked_for_at_night_is_the_next_day_of_works(on_sqlite: Any) -> None:
    on_sqlite.clock.go(hours=11)  # Wednesday 23:00 in Warsaw
    planned = plan_call(PERSON, on_sqlite.policy, on_sqlite.clock())

    assert planned.key == "customer/C-1/call-me/2026-03-04"
    assert planned.payload.params["due_at"] == "2026-03-05T11:00:00+00:00"  # noon there: 8:00 and four hours


@pytest.mark.parametrize("language", sorted(WORDS))
def test_no_language_leaves_anything_out(language: str, policy: Any) -> None:
    words, other = WORDS[language], WORDS["en"]
    assert set(WORDS) >= set(policy.languages)
    for name in (field.name for field in fields(words)):
        said, alike = getattr(words, name), getattr(other, name)
        assert said, name
        if isinstance(said, str):
            assert set(re.findall(r"{\w*}", said)) == set(re.findall(r"{\w*}", alike)), name
            assert "!" not in said
        else:
            assert set(said) == set(alike), name


@pytest.mark.parametrize(
    ("address", "shown"),
    [("ewa@rodzina.pl", "e•••@•••.pl"), ("x@a.b.co.uk", "x•••@•••.uk"), ("", ""), ("nobody", ""), ("@x.pl", "")],
)
def test_of_an_address_its_owner_alone_knows_which_it_is(address: str, shown: str) -> None:
    assert masked_mail(address) == shown


@pytest.mark.parametrize(("number", "shown"), [("+48600700845", "•••45"), ("", ""), ("12", "")])
def test_of_a_number_two_digits_are_shown(number: str, shown: str) -> None:
    assert masked_phone(number) == shown
