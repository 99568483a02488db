"""Rows of customer imports."""

from datetime import time

import pytest

from data_contracts.customers import CONTRACT, as_customer, consents_of
from data_contracts.problems import ContractBroken, Problem
from domain.actions import Capability
from domain.customers import Customer, Purpose, Tier
from domain.hours import ContactWindow

CELLS = {
    "ref": "C-1",
    "name": "Anna Żak",
    "email": "anna@example.com",
    "phone": "+48 601 234 567",
    "language": "pl",
    "time_zone": "Europe/Warsaw",
    "tier": "vip",
    "preferred_channel": "sms",
    "window_start": "9:00",
    "window_end": "17:30",
    "dedicated_agent": "Ola",
    "consent_onboarding_mail": "yes",
    "consent_reminders_sms": "No",
    "consent_marketing_voice": "",
}


def problems(**changes: object) -> list[Problem]:
    with pytest.raises(ContractBroken) as caught:
        CONTRACT.read({**CELLS, **changes})
    return caught.value.problems


def test_full_row() -> None:
    row = CONTRACT.read(CELLS)
    assert as_customer(row) == Customer(
        "C-1",
        "Anna Żak",
        "anna@example.com",
        "+48601234567",
        "pl",
        "Europe/Warsaw",
        Tier.VIP,
        Capability.SMS,
        ContactWindow(time(9), time(17, 30)),
        "Ola",
    )
    assert consents_of(row) == {
        (Purpose.ONBOARDING, Capability.MAIL): True,
        (Purpose.REMINDERS, Capability.SMS): False,
    }


def test_row_with_nothing_but_a_ref() -> None:
    for row in ({"ref": "C-1"}, {**dict.fromkeys(CELLS, ""), "ref": "C-1"}, {**dict.fromkeys(CELLS), "ref": "C-1"}):
        assert as_customer(CONTRACT.read(row)) == Customer("C-1")
        assert consents_of(CONTRACT.read(row)) == {}


def test_consent_may_be_a_truth_value_in_jsonl() -> None:
    row = CONTRACT.read({"ref": "C-1", "consent_onboarding_mail": True, "consent_onboarding_sms": False})
    assert consents_of(row) == {
        (Purpose.ONBOARDING, Capability.MAIL): True,
        (Purpose.ONBOARDING, Capability.SMS): False,
    }


@pytest.mark.parametrize(
    ("changes", "path", "said"),
    [
        ({"ref": ""}, "ref", "is empty"),
        ({"email": "anna"}, "email", "is not a valid email address"),
        ({"phone": "601"}, "phone", "international form"),
        ({"tier": "gold"}, "tier", 'is "gold"'),
        ({"tier": "VIP"}, "tier", '(did you mean "vip"?)'),
        ({"preferred_channel": "email"}, "preferred_channel", '(did you mean "mail"?)'),
        ({"preferred_channel": "crm"}, "preferred_channel", 'is "crm"'),
        ({"window_start": "25:00"}, "window_start", "is not a time of day"),
        ({"window_end": "9"}, "window_end", "is not a time of day"),
        ({"window_end": ""}, "window_end", "is only half of a contact window"),
        ({"window_start": ""}, "window_end", "is only half of a contact window"),
        ({"window_end": "09:00"}, "window_end", "is the same as window_start"),
        ({"consent_onboarding_mail": "maybe"}, "consent_onboarding_mail", "neither yes nor no"),
        ({"consent_onbording_mail": "yes"}, "consent_onbording_mail", '(did you mean "consent_onboarding_mail"?)'),
        ({"name": "=cmd|' /C calc'!A0"}, "name", "spreadsheet formula"),
        ({None: ["surplus"]}, "", "more cells than the header"),
    ],
)
def test_one_mistake_is_named(changes: dict[str, object], path: str, said: str) -> None:
    with pytest.raises(ContractBroken) as caught:
        CONTRACT.read({**CELLS, **changes})
    [problem] = caught.value.problems
    assert problem.path == path
    assert said in problem.problem
    assert problem.fix


def test_window_needs_both_ends_even_if_the_column_is_not_there() -> None:
    with pytest.raises(ContractBroken, match="half of a contact window"):
        CONTRACT.read({"ref": "C-1", "window_start": "09:00"})


def test_all_mistakes_at_once() -> None:
    found = problems(ref="", tier="gold", consent_onbording_mail="yes")
    assert [problem.path for problem in found] == ["ref", "tier", "consent_onbording_mail"]


def test_header() -> None:
    assert CONTRACT.columns.check(CELLS) == []
    assert [
        (problem.path, problem.problem)
        for problem in CONTRACT.columns.check(["Ref#", "emial", "consent_onboarding_male"])
    ] == [
        ("Ref#", 'no such column (did you mean "ref"?)'),
        ("emial", 'no such column (did you mean "email"?)'),
        ("consent_onboarding_male", 'no such column (did you mean "consent_onboarding_mail"?)'),
    ]
    assert [problem.path for problem in CONTRACT.columns.check(["name"])] == ["ref"]
