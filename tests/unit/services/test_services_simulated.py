"""What a simulation comes to: who counts as reached, and parts that make a whole."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from domain.channels import Channel
from domain.journeys import Standing
from services.simulated import Fate, Held, Simulated, Touch, Travel, Trouble, as_json, merged, totals

BEGAN = datetime(2026, 3, 4, 11, tzinfo=UTC)
NO_CONSENT = "mail: no consent to onboarding"


def travel(ref: str, *touches: Touch, standing: Standing = Standing.ACTIVE) -> Travel:
    return Travel(ref, "pl", "Europe/Warsaw", BEGAN, standing, touches=touches)


def simulated(*travels: Travel) -> Simulated:
    return Simulated("onboarding", 1, "hash", BEGAN, BEGAN + timedelta(days=30), ("welcome", "guide"), travels)


def touch(step: str, fate: Fate, channel: Channel | None = None, reason: str | None = None) -> Touch:
    return Touch(step, BEGAN, fate, channel, reason)


def test_people_who_opted_out_are_not_counted_as_reached() -> None:
    """As mautic#15834 did: a preview said 98,938 where 50,536 could be written to."""
    allowed = [travel(f"A-{n}", touch("welcome", Fate.SENT, Channel.MAIL)) for n in range(5)]
    opted_out = [travel(f"B-{n}", touch("welcome", Fate.SKIPPED, None, NO_CONSENT)) for n in range(4)]
    summed = totals(simulated(*allowed, *opted_out))
    assert (summed.customers, summed.entered, summed.reached, summed.messages) == (9, 9, 5, 5)
    [welcome, guide] = summed.steps
    assert (welcome.came, welcome.went, welcome.skipped) == (9, 5, Counter({NO_CONSENT: 4}))
    assert (guide.came, guide.went) == (0, 0)


@pytest.mark.parametrize("fate", [fate for fate in Fate if fate is not Fate.SENT])
def test_only_what_went_out_reaches_anybody(fate: Fate) -> None:
    summed = totals(simulated(travel("C-1", touch("welcome", fate, Channel.MAIL))))
    assert (summed.reached, summed.messages, summed.days) == (0, 0, {})
    assert summed.steps[0].others == {fate: 1}


def test_a_colleague_s_task_is_no_message() -> None:
    summed = totals(simulated(travel("C-1", touch("welcome", Fate.SENT, Channel.PERSON))))
    assert (summed.reached, summed.messages, summed.tasks) == (0, 0, 1)


def test_reasons_are_counted_without_their_hour() -> None:
    until = [BEGAN + timedelta(hours=hours) for hours in (1, 5)]
    held = [Held(until[0], "quiet hours until 08:00 (Europe/Warsaw)"), Held(until[1], "quiet hours until 08:00 (UTC)")]
    summed = totals(simulated(*(travel(f"C-{n}", replace(touch("welcome", Fate.SENT, Channel.SMS), held=(one,)))
                                for n, one in enumerate(held))))  # fmt: skip
    assert summed.steps[0].held == {"quiet hours": until}


def test_parts_make_the_whole_in_the_order_of_refs() -> None:
    parts = [
        replace(simulated(travel("C-2")), trouble=(Trouble("nobody serves push", 2),)),
        replace(simulated(travel("C-1")), trouble=(Trouble("nobody serves push", 3),), refused_events=1),
    ]
    whole = merged(parts)
    assert [one.ref for one in whole.travels] == ["C-1", "C-2"]
    assert whole.trouble == (Trouble("nobody serves push", 5),)
    assert whole.refused_events == 1
    with pytest.raises(ValueError, match="at least one part"):
        merged([])


def test_machines_get_totals_and_a_row_a_customer() -> None:
    out = Travel("C-9", "en", "UTC", None, None, reason="not activated before the end")
    told = as_json(simulated(travel("C-1", touch("welcome", Fate.SENT, Channel.MAIL)), out))
    assert told["totals"]["reached"] == 1
    assert told["totals"]["stayed_out"] == {"not activated before the end": 1}
    assert told["totals"]["steps"][0]["sent"] == {"mail": 1}
    assert told["totals"]["days"] == {"2026-03-04": {"mail": 1}}
    [first, second] = told["customers"]
    assert first["steps"] == [
        {
            "step": "welcome",
            "at": "2026-03-04T11:00:00.000Z",
            "local": "2026-03-04T12:00",
            "outcome": "sent",
            "channel": "mail",
            "reason": None,
            "held": [],
        }
    ]
    assert (second["entered_at"], second["steps"]) == (None, [])
