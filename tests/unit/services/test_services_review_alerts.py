"""People told of reviews, on a virtual clock: each percentage once, whatever dies, sleeps or comes twice."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from alerts_stage import EWA, JAN, STAFFED_END, alerts, change, decide, says_yes
from alerts_stage import opens as opens
from alerts_stage import told as told
from review_stage import an_ask, welcomes
from sqlalchemy import update

from domain.actions import Capability, State
from domain.review_rules import Risk, Way
from domain.reviews import Decision, Reason, Stand, Voter
from services.recovery import sweep
from services.review_alerts import plan_due, tell_reviews
from services.reviews import vote
from services.wiring import Handrail
from store.ledger.rows import reviews

# Every percentage, once


async def test_a_review_is_told_of_when_it_opens_at_half_at_four_fifths_and_when_nobody_decided(
    installation: Any, opens: Any, told: Any
) -> None:
    opens(Risk.HIGH)
    met = []
    for minute in range(0, 300):
        if minute == 240:
            change(installation, 1, state=Stand.EXPIRED)
        met += [(minute, key) for key in await told()]
        installation.clock.go(minutes=1)
    assert met == [
        (0, f"1/alert/0/{EWA}"),
        (120, f"1/alert/50/{EWA}"),
        (192, f"1/alert/80/{EWA}"),
        (192, f"1/alert/80/{JAN}"),
        (240, f"1/alert/100/{EWA}"),
        (240, f"1/alert/100/{JAN}"),
    ]


async def test_staffed_minutes_are_counted_where_the_class_counts_them(
    installation: Any, opens: Any, told: Any
) -> None:
    """480 of them from noon: 240 are over at 16:00, 384 at 08:24 of the next day (at work from 8 to 18)."""
    opens()
    met = []
    for _ in range(24 * 60):
        if installation.clock() == STAFFED_END:
            change(installation, 1, state=Stand.EXPIRED)
        met += [(f"{installation.clock():%d %H:%M}", key) for key in await told()]
        installation.clock.go(minutes=1)
    assert met == [
        ("04 11:00", f"1/alert/0/{EWA}"),
        ("04 15:00", f"1/alert/50/{EWA}"),
        ("05 07:24", f"1/alert/80/{EWA}"),
        ("05 07:24", f"1/alert/80/{JAN}"),
        ("05 09:00", f"1/alert/100/{EWA}"),
        ("05 09:00", f"1/alert/100/{JAN}"),
    ]


@pytest.mark.parametrize(("minutes", "percent"), [(121, "50"), (193, "80"), (239, "80")])
async def test_after_a_sleep_only_the_latest_is_told_and_none_of_it_twice(
    installation: Any, opens: Any, told: Any, minutes: int, percent: str
) -> None:
    opens(Risk.HIGH)
    installation.clock.go(minutes=minutes)
    people = [EWA] if percent == "50" else [EWA, JAN]
    assert await told() == [f"1/alert/{percent}/{name}" for name in people]
    assert await told() == []


async def test_after_a_sleep_over_the_end_only_the_end_is_told(installation: Any, opens: Any, told: Any) -> None:
    opens(Risk.HIGH)
    await told()
    installation.clock.go(hours=9)
    assert await told() == []  # its time is over, and nobody has put that down yet
    change(installation, 1, state=Stand.EXPIRED)
    assert await told() == [f"1/alert/100/{EWA}", f"1/alert/100/{JAN}"]
    assert await told() == []


async def test_nobody_is_told_of_what_is_still_put_together_or_is_decided(
    installation: Any, opens: Any, told: Any
) -> None:
    for stand in (Stand.COLLECTING, Stand.APPROVED, Stand.REJECTED, Stand.SUPERSEDED):
        opens(Risk.HIGH, state=stand)
    for _ in range(5):
        assert await told() == []
        installation.clock.go(hours=1)


async def test_alerts_and_changes_move_no_deadline(installation: Any, opens: Any, told: Any) -> None:
    opens(Risk.HIGH)
    (before,) = installation.rows("reviews")
    for _ in range(20):
        await told()
        installation.clock.go(minutes=10)
        change(installation, 1, revision=reviews.c.revision + 1)
    (after,) = installation.rows("reviews")
    assert (after.deadline, after.sealed_at) == (before.deadline, before.sealed_at)


async def test_a_deadline_that_policy_shortened_since_stays_as_it_was(installation: Any, opens: Any) -> None:
    """Percentages are of the time the review was given, whatever a new review would be given."""
    opens(Risk.HIGH)
    rules = replace(installation.policy.reviews.classes[Risk.HIGH], deadline_minutes=60)
    classes = {**installation.policy.reviews.classes, Risk.HIGH: rules}
    policy = replace(installation.policy, reviews=replace(installation.policy.reviews, classes=classes))
    for minutes, keys in ((0, [f"review/1/alert/0/{EWA}"]), (119, []), (1, [f"review/1/alert/50/{EWA}"])):
        installation.clock.go(minutes=minutes)
        assert plan_due(installation.database, policy, can_page=True, run="t", now=installation.clock()) == keys


# The night


async def test_what_counts_staffed_minutes_wakes_nobody(installation: Any, opens: Any, told: Any) -> None:
    installation.clock.go(hours=8)  # 20:00
    opens(deadline=datetime(2026, 3, 6, 17, tzinfo=UTC))
    for _ in range(11 * 4):
        assert await told() == []
        installation.clock.go(minutes=15)
    installation.clock.go(hours=1)  # 08:00
    assert await told() == [f"1/alert/0/{EWA}"]


async def test_the_end_of_its_time_at_closing_is_told_in_the_morning(installation: Any, opens: Any, told: Any) -> None:
    opens(deadline=datetime(2026, 3, 4, 17, tzinfo=UTC))
    await told()
    installation.clock.go(hours=6)  # 18:00
    change(installation, 1, state=Stand.EXPIRED)
    assert await told() == []
    installation.clock.go(hours=14)
    assert await told() == [f"1/alert/100/{EWA}", f"1/alert/100/{JAN}"]


async def test_what_is_alone_is_told_at_night_as_well(installation: Any, opens: Any, told: Any) -> None:
    installation.clock.go(hours=14)  # 02:00
    opens(Risk.HIGH)
    assert await told() == [f"1/alert/0/{EWA}"]
    assert installation.action(f"review/1/alert/0/{EWA}").urgent


# Those that share


async def test_what_is_not_alone_shares_one_alert_a_quarter_of_an_hour(
    installation: Any, opens: Any, told: Any
) -> None:
    opens(), opens(Risk.MEDIUM, what="survey/recovery"), opens()
    (shared,) = await told()
    assert shared.startswith("alerts/")
    assert shared.endswith(f"/{EWA}")
    (alert,) = alerts(installation)
    assert alert.summary == f"{EWA}: 3 reviews wait for you, the first until Thu 5 Mar 10:00"
    assert set(alert.detail) == {"review 1", "review 2", "review 3", "if nobody decides"}
    assert alert.link == "http://127.0.0.1:8100/reviews"
    installation.clock.go(minutes=1)
    opens(), opens()
    for _ in range(13):
        assert await told() == []
        installation.clock.go(minutes=1)
    installation.clock.go(minutes=1)
    assert len(await told()) == 1
    assert alerts(installation)[-1].summary.startswith(f"{EWA}: 2 reviews wait for you")
    assert not installation.action(f"review/{shared}").urgent


async def test_those_that_are_alone_never_wait_for_the_others(installation: Any, opens: Any, told: Any) -> None:
    opens()
    assert await told() == [f"1/alert/0/{EWA}"]
    installation.clock.go(minutes=1)
    opens(Risk.HIGH), opens(Risk.HIGH), opens()
    assert await told() == [f"2/alert/0/{EWA}", f"3/alert/0/{EWA}"]


async def test_a_shared_alert_does_not_wait_until_it_is_too_late(installation: Any, opens: Any, told: Any) -> None:
    """A review of twenty minutes: its escalation comes four minutes before its end, quarter of an hour or not."""
    opens()
    await told()
    installation.clock.go(minutes=1)
    opens(deadline=installation.clock() + timedelta(minutes=20))
    met = []
    for minute in range(20):
        met += [(minute, key) for key in await told()]
        installation.clock.go(minutes=1)
    assert met == [
        (0, f"2/alert/0/{EWA}"),
        (15, f"2/alert/50/{EWA}"),
        (16, f"2/alert/80/{EWA}"),
        (16, f"2/alert/80/{JAN}"),
    ]


# A second yes, a halted canary


async def test_a_second_yes_is_asked_for_at_once_and_once(installation: Any, opens: Any, told: Any) -> None:
    opens(Risk.HIGH)
    await told()
    says_yes(installation, 1, EWA)
    assert await told() == [f"1/alert/next-yes/1.1/{JAN}"]
    assert alerts(installation)[-1].summary.startswith(f"{JAN}: review 1 needs one more yes than that of {EWA}")
    assert await told() == []
    installation.clock.go(minutes=120)
    assert await told() == [f"1/alert/50/{JAN}"]  # Ewa has said what she had to say


async def test_a_yes_after_a_change_asks_for_the_second_anew(installation: Any, opens: Any, told: Any) -> None:
    opens(Risk.HIGH)
    says_yes(installation, 1, EWA)
    await told()
    change(installation, 1, revision=2)
    assert await told() == []
    says_yes(installation, 1, JAN, revision=2)
    assert await told() == [f"1/alert/next-yes/2.1/{EWA}"]


async def test_a_halted_canary_is_told_at_once_each_time_it_halts(installation: Any, opens: Any, told: Any) -> None:
    opens(Risk.HIGH, state=Stand.APPROVED, released=10)
    assert await told() == []
    change(installation, 1, halted_at=installation.clock(), halted_reason="4 of 10 bounced")
    assert await told() == [f"1/alert/halted/20260304T110000.000000/{EWA}"]
    assert alerts(installation)[-1].summary.startswith(
        f"{EWA}: review 1 has stopped itself after 10 of 37: 4 of 10 bounced"
    )
    assert await told() == []
    change(installation, 1, halted_at=None)
    installation.clock.go(minutes=20)
    change(installation, 1, halted_at=installation.clock())
    assert await told() == [f"1/alert/halted/20260304T112000.000000/{EWA}"]


# What nobody needs any more


async def test_an_alert_about_a_decided_review_is_not_sent(installation: Any, handrail: Handrail, opens: Any) -> None:
    opens(Risk.HIGH)
    await tell_reviews(handrail, run="t")
    decide(installation, 1)
    await handrail.dispatcher.run_once(capability=Capability.ALERT, run="t")
    alert = installation.action(f"review/1/alert/0/{EWA}")
    assert (installation.alert.calls, alert.state) == ([], State.SKIPPED)
    assert alert.reason == f"not needed any more: review 1 is approved by {EWA}"


async def test_a_shared_alert_leaves_out_what_is_decided(installation: Any, handrail: Handrail, opens: Any) -> None:
    opens(), opens(), opens()
    await tell_reviews(handrail, run="t")
    decide(installation, 2, Stand.REJECTED)
    await handrail.dispatcher.run_once(capability=Capability.ALERT, run="t")
    (alert,) = alerts(installation)
    assert set(alert.detail) == {"review 1", "review 3", "if nobody decides"}
    assert alert.summary.startswith(f"{EWA}: 2 reviews wait for you")


async def test_nobody_is_told_of_a_review_that_is_decided_while_somebody_looks_at_it(
    installation: Any, opens: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Decided between the look without locks and the one under them."""
    opens(Risk.HIGH)
    from store import review_alerts

    held = review_alerts.these

    def these(connection: Any, ids: Any) -> Any:
        connection.execute(update(reviews).values(state=Stand.APPROVED))
        return held(connection, ids)

    monkeypatch.setattr(review_alerts, "these", these)
    assert plan_due(installation.database, installation.policy, can_page=True, run="t", now=installation.clock()) == []
    assert installation.rows("actions") == []
    assert [row.told for row in installation.rows("reviews")] == [-1]


async def test_without_an_alert_integration_it_is_a_recorded_skip(installation: Any, opens: Any) -> None:
    del installation.vendors[Capability.ALERT]
    opens(Risk.HIGH)
    async with installation.handrail() as handrail:
        await tell_reviews(handrail, run="t")
    (alert,) = installation.rows("actions")
    assert (alert.state, "nobody can be paged" in alert.reason) == (State.SKIPPED, True)


# From the first plan to the end


async def test_what_nobody_decides_expires_and_both_are_told_that_nothing_was_done(
    installation: Any, handrail: Handrail, told: Any
) -> None:
    """Planned, gathered, asked, reminded, escalated, over: by the same rounds that gateway and flows make."""
    clock = installation.clock
    ask = an_ask(risk=Risk.HIGH, reviewers=2)
    review_id = welcomes(installation.database, installation.policy, now=clock(), ask=ask)
    sealed_at, deadline = (getattr(installation.rows("reviews")[0], name) for name in ("sealed_at", "deadline"))
    met = []
    while clock() <= deadline + timedelta(minutes=10):
        await sweep(handrail, run="t")
        met += [((clock() - sealed_at) // timedelta(minutes=1), key) for key in await told()]
        clock.go(minutes=2)
    assert [(minute // 10 * 10, key.removeprefix(f"{review_id}/alert/")) for minute, key in met] == [
        (0, f"0/{EWA}"),
        (120, f"50/{EWA}"),
        (190, f"80/{EWA}"),
        (190, f"80/{JAN}"),
        (240, f"100/{EWA}"),
        (240, f"100/{JAN}"),
    ]
    waited = [row.state for row in installation.rows("actions") if row.review_id == review_id]
    assert (set(waited), installation.mail.effects) == ({State.EXPIRED}, [])


async def test_a_yes_in_time_ends_the_reminders_and_the_next_person_hears_of_it(
    installation: Any, handrail: Handrail, told: Any
) -> None:
    clock, policy, database = installation.clock, installation.policy, installation.database
    ask = an_ask(risk=Risk.HIGH, reviewers=2)
    review_id = welcomes(database, policy, now=clock(), ask=ask)
    clock.now = installation.rows("reviews")[0].sealed_at
    await told()
    for name, next_alerts in ((EWA, [f"{review_id}/alert/next-yes/1.1/{JAN}"]), (JAN, [])):
        vote(
            database,
            policy,
            review_id,
            reviewer=Voter(name, frozenset({"on_call"})),
            decision=Decision.APPROVE,
            payload_hash=installation.rows("reviews")[0].payload_hash,
            reason=Reason.AS_INTENDED,
            way=Way.PAGE,
            now=clock(),
        )
        assert await told() == next_alerts
    for _ in range(6):
        clock.go(hours=1)
        assert await told() == []


# Crashes and races


class Died(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("step", ["enqueue.inserted", "reviews.told"])
async def test_death_anywhere_doubles_and_loses_no_alert(
    installation: Any, opens: Any, told: Any, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    opens(Risk.HIGH), opens(), opens()
    installation.clock.go(minutes=200)
    died: list[str] = []

    def die(name: str) -> None:
        if name == step and not died:
            died.append(name)
            raise Died

    with monkeypatch.context() as patch:
        for module in ("services.review_alerts", "store.ledger.enqueue"):
            patch.setattr(f"{module}.reached", die)
        with pytest.raises(Died):
            await told()
    await told()
    keys = sorted(key.split("/", 1)[1] for _, key, _ in installation.alert.effects)
    assert (len(keys), keys[:2]) == (3, [f"1/alert/80/{EWA}", f"1/alert/80/{JAN}"])
    assert keys[2].startswith("alerts/")


async def test_two_sweepers_at_once_tell_once(installation: Any, opens: Any) -> None:
    for _ in range(4):
        opens(Risk.HIGH), opens()
    installation.clock.go(minutes=130)
    async with installation.handrail() as one, installation.handrail() as other:
        planned = await asyncio.gather(*(tell_reviews(each, run="t") for each in (one, other) * 8))
    keys = [row.key for row in installation.rows("actions")]
    assert sorted(key for those in planned for key in those) == sorted(keys)
    assert len(keys) == 4 + 1
