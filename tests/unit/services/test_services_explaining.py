"""What policy makes of an ending, in words: every channel with why it is in or out, whose it is, and what holds it."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from endings_stage import ANNA, COVER, TASK, Endings, a_call, a_task

from domain.actions import Basis, Capability, Kind
from domain.customers import Tier
from domain.entitlements import EntitlementKind, Money, Standing
from domain.gates import GateVerdict
from domain.planning import Payload
from services.explaining import explain, nearest_known
from store import customers
from store.ledger.enqueue import About
from store.ledger.rows import cap_slots

FLAT = replace(COVER, kind=EntitlementKind.SUBSCRIPTION, product="Gold", value=Money(3_000, "EUR"))


def told(endings: Endings, subject: str = "E/1") -> dict[str, Any]:
    """The one ending a subject names, explained."""
    at = endings.installation
    whole = explain(at.database, at.policy, subject, now=at.clock())
    assert whole is not None
    (ending,) = whole["endings"]
    assert isinstance(ending, dict)
    return ending


def against(ending: dict[str, Any], channel: str) -> list[str]:
    (line,) = [line for line in ending["channels"] if line["channel"] == channel]
    return list(line["why"])


@pytest.mark.parametrize("subject", ["E/1", "C-1", TASK, "expiry/E%2F1/2026-03-18/call/2"])
def test_every_name_of_an_ending_explains_it(endings: Endings, subject: str) -> None:
    endings.save(endings.customer())
    ending = told(endings, subject)
    assert {name: ending[name] for name in ("entitlement", "days_left", "horizon", "priority", "at_risk")} == {
        **{"entitlement": "E/1", "days_left": 14, "horizon": 14, "priority": "high", "at_risk": "303.15 EUR"}
    }
    assert ending["when"] == "due: within the horizon of 14 days (of 45, 14, 3)"


def test_a_task_is_explained_with_every_channel_and_why_it_is_in_or_out(endings: Endings) -> None:
    endings.save(endings.customer())
    ending = told(endings)
    assert (ending["chosen"], ending["assignee"], ending["now"]) == ("person", "Renewals", "may go now")
    assert ending["why"] == "a task for Renewals: it is confidential, and a call carries personal at most"
    assert {line["channel"]: (line["is_in"], line["costs"], line["carries"]) for line in ending["channels"]} == {
        "mail": (False, "0.01 EUR", "personal"),
        "push": (False, "0.01 EUR", "open"),
        "sms": (False, "0.08 EUR", "open"),
        "voice": (False, "0.60 EUR", "personal"),
        "person": (True, "9.00 EUR", "confidential"),
    }
    assert against(ending, "voice") == [
        "it is confidential, and a call carries personal at most",
        "customers of tier core are not called about a policy",
    ]
    assert against(ending, "person") == ["chosen"]
    assert against(ending, "sms")[0] == "endings are told by a call, or by a colleague who has a task"


def test_a_call_is_explained_with_when_it_would_go(endings: Endings) -> None:
    endings.save(endings.customer(), FLAT)
    ending = told(endings)
    assert (ending["chosen"], ending["assignee"]) == ("voice", None)
    assert ending["why"] == "customers of tier core are called about a subscription"
    reason = "outside the contact window until 16:00 (Europe/Warsaw)"
    assert ending["now"] == f"waits until 2026-03-04 15:00 UTC: {reason}"
    assert (against(ending, "voice"), against(ending, "person")) == (["chosen"], ["allowed, but not needed"])
    endings.installation.clock.go(hours=5)
    assert told(endings)["now"] == "may go now"


def test_the_frequency_cap_is_told(endings: Endings) -> None:
    anna = endings.customer()
    endings.save(anna, FLAT)
    for number in range(3):
        mail = a_task(
            key=f"m-{number}",
            kind=Kind.MESSAGE,
            basis=Basis.PROACTIVE,
            capability=Capability.MAIL,
            payload=Payload("message/1", {}),
            facts=frozenset(),
            skip="sent long ago",
        )
        endings.put(mail, about=About(customer_id=anna))
        with endings.installation.database.write() as connection:
            (row,) = [row for row in endings.installation.rows("actions") if row.key == f"m-{number}"]
            at = endings.installation.clock()
            connection.execute(cap_slots.insert().values(action_id=row.id, customer_id=anna, at=at))
    endings.installation.clock.go(hours=5)
    assert "frequency cap: 3 proactive contacts in 7 days" in told(endings)["now"]


def test_what_speaks_against_a_call_is_told_as_the_books_have_it(endings: Endings) -> None:
    anna = endings.customer(consents=False)
    endings.save(anna, FLAT)
    assert "no consent to calls for reminders" in against(told(endings), "voice")
    with endings.installation.database.write() as connection:
        customers.suppress(connection, "voice", "+48601234567", "complaint", now=endings.installation.clock())
        customers.set_tact_lock(connection, anna, "hardship", now=endings.installation.clock())
    ending = told(endings)
    assert against(ending, "voice") == [
        "tact lock: nothing but a person may get in touch",
        "no phone number on file that may be called",
        "no consent to calls for reminders",
    ]
    assert (ending["chosen"], ending["assignee"]) == ("person", "Customer Retention")
    assert ending["why"].endswith("they may offer relief")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"standing": Standing.CANCELLED}, "cancelled: nobody needs to be contacted"),
        ({"auto_renews": True}, "renews by itself: nobody needs to be contacted"),
        ({"ends_on": date(2026, 3, 1), "occurrence": "2026-03-01"}, "it ended on 2026-03-01: too late for this"),
        (
            {"value": None},
            "worth less than the cheapest way left to reach them: a colleague costs 9.00 EUR",
        ),
    ],
)
def test_nothing_is_explained_too(endings: Endings, change: dict[str, Any], why: str) -> None:
    endings.save(endings.customer(), replace(COVER, **change))
    ending = told(endings)
    assert (ending["chosen"], ending["assignee"], ending["now"], ending["why"]) == (None, None, None, why)


def test_an_ending_too_far_away_says_when_it_begins(endings: Endings) -> None:
    endings.save(endings.customer(), replace(COVER, ends_on=date(2026, 5, 1), occurrence="2026-05-01"))
    ending = told(endings)
    assert ending["horizon"] is None
    assert ending["when"] == "not before 2026-03-17, 13 days from now: horizons are 45, 14, 3 days"


def test_the_gate_and_how_fresh_it_is_are_told(endings: Endings) -> None:
    gate = endings.gate()
    endings.save(endings.customer(), gate_id=gate)
    assert told(endings)["gate"] == {
        "gate": gate,
        "data_set": "entitlements",
        "feed": "policies",
        "origin": "batch-1.csv",
        "verdict": "pass",
        "let_through_by": None,
        "decided_at": "2026-03-04T11:00:00.000Z",
        "last_passed_at": "2026-03-04T11:00:00.000Z",
        "fresh_until": "2026-03-06T11:00:00.000Z",
        "is_stale": False,
    }
    endings.installation.clock.go(hours=49)
    ending = told(endings)
    assert ending["gate"]["is_stale"]
    assert ending["now"].startswith("waits until 2026-03-06 13:00 UTC: stale: imported entitlements last passed")


def test_data_that_was_halted_is_told(endings: Endings) -> None:
    gate = endings.gate(GateVerdict.HALT)
    endings.save(endings.customer(), gate_id=gate)
    assert told(endings)["now"] == f"does not go: the data it rests on was halted at its gate (gate {gate})"


def test_what_was_planned_is_told_with_why(endings: Endings) -> None:
    endings.save(endings.customer(), FLAT)
    why = "customers of tier core are called about a subscription"
    endings.put(a_call(payload=Payload("expiry-call/1", {"horizon": 14, "priority": "high", "why": why})))
    assert [(one["key"], one["state"], one["why"]) for one in told(endings)["planned"]] == [
        (a_call().key, "ready", why)
    ]


def test_all_endings_of_a_customer_are_explained_the_next_first(endings: Endings) -> None:
    vip = endings.customer(replace(ANNA, tier=Tier.VIP, dedicated_agent="agent-7"))
    endings.save(vip, COVER)
    endings.save(vip, replace(FLAT, ref="E-2", ends_on=date(2026, 3, 10), occurrence="2026-03-10"))
    at = endings.installation
    whole = explain(at.database, at.policy, "C-1", now=at.clock())
    assert whole is not None
    assert whole["customer"]["agent"] == "agent-7"
    assert [(one["entitlement"], one["assignee"]) for one in whole["endings"]] == [
        ("E-2", "agent-7"),
        ("E/1", "agent-7"),
    ]


def test_a_customer_with_nothing_that_ends_is_known(endings: Endings) -> None:
    endings.customer()
    at = endings.installation
    whole = explain(at.database, at.policy, "C-1", now=at.clock())
    assert whole is not None
    assert whole["endings"] == []


@pytest.mark.parametrize("subject", ["C-404", "", "expiry/E-9/2026-03-18/task", "case/C-1/1/ticket", "%"])
def test_strangers_are_unknown(endings: Endings, subject: str) -> None:
    endings.save(endings.customer())
    at = endings.installation
    assert explain(at.database, at.policy, subject, now=at.clock()) is None
    assert nearest_known(at.database, "C-2") == ["C-1"]
