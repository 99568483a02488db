"""What an alert about a review says, to whom, and which link it has: counts and words, nobody's data."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from alerts_stage import EWA, JAN, STAFFED_END, alerts, says_yes
from alerts_stage import opens as opens
from alerts_stage import told as told
from pydantic import SecretStr
from sqlalchemy import insert, update

from domain.actions import Capability
from domain.review_rules import Risk
from domain.reviews import Stand
from services.review_alerts import tell_reviews
from services.review_links import ReviewLinks, whose
from store.ledger.rows import reviewers


async def test_of_many_ten_are_described_and_the_others_counted(installation: Any, opens: Any, told: Any) -> None:
    for _ in range(14):
        opens()
    await told()
    (alert,) = alerts(installation)
    assert len([name for name in alert.detail if name.startswith("review ")]) == 10
    assert alert.detail["and"] == "4 more"


# What it says


async def test_an_alert_says_what_why_by_when_and_what_happens_otherwise(
    installation: Any, opens: Any, told: Any
) -> None:
    opens(Risk.HIGH)
    await told()
    (alert,) = alerts(installation)
    assert alert.summary == (
        f"{EWA}: please decide review 1 by Wed 4 Mar 16:00: 37 messages: step welcome of the journey onboarding"
    )
    assert alert.detail == {
        "review": 1,
        "risk": "high",
        "why it waits": "more than 2000 customers for one purpose within 60 minutes",
        "people who must say yes": 2,
        "deadline": "Wed 4 Mar 16:00 (Europe/Warsaw)",
        "if nobody decides": "nothing of it is done when its time is over, and whoever is on call is told",
    }
    assert (alert.severity, alert.link) == ("error", "http://127.0.0.1:8100/reviews/1")


async def test_an_escalation_tells_each_of_them_what_it_means_for_them(
    installation: Any, opens: Any, told: Any
) -> None:
    opens(Risk.HIGH)
    installation.clock.go(minutes=200)
    await told()
    first, then = alerts(installation)
    assert first.summary.startswith(f"{EWA}: review 1 was passed on to {JAN} as well: nobody has decided it")
    assert then.summary.startswith(f"{JAN}: review 1 comes to you: {EWA} was told and nobody has decided it")
    assert {first.severity, then.severity} == {"critical"}


async def test_with_one_person_in_the_rota_the_escalation_says_that_nobody_else_is_there(
    installation: Any, opens: Any, told: Any
) -> None:
    reviews_ = installation.policy.reviews
    installation.policy = replace(
        installation.policy, reviews=replace(reviews_, on_call=replace(reviews_.on_call, people=(EWA,)))
    )
    opens(Risk.HIGH)
    installation.clock.go(minutes=200)
    async with installation.handrail() as handrail:
        assert await tell_reviews(handrail, run="t") == [f"review/1/alert/80/{EWA}"]
        await handrail.dispatcher.run_once(capability=Capability.ALERT, run="t")
    assert "nobody else is on call" in alerts(installation)[0].summary


async def test_the_end_says_that_nothing_was_done(installation: Any, opens: Any, told: Any) -> None:
    opens(Risk.HIGH, state=Stand.EXPIRED)
    await told()
    for alert in alerts(installation):
        assert "nobody decided review 1 in time, so nothing of it was done: 37 messages" in alert.summary
        assert alert.detail["if nobody decides"].startswith("it stays undone")


async def test_who_is_on_call_is_asked_when_it_is_told(installation: Any, opens: Any, told: Any) -> None:
    """The week's turn ends while the review waits: the reminder goes to whoever has it by then."""
    installation.clock.now = datetime(2026, 3, 9, 7, tzinfo=UTC)  # Monday, 08:00 in Warsaw; turns change at 09:00
    opens(Risk.HIGH)
    assert await told() == [f"1/alert/0/{EWA}"]
    installation.clock.go(hours=2)
    assert await told() == [f"1/alert/50/{JAN}"]


async def test_who_caused_it_is_not_asked_to_decide_it(installation: Any, opens: Any, told: Any) -> None:
    opens(Risk.HIGH, initiator="ewa  lis")
    assert await told() == [f"1/alert/0/{JAN}"]


# Links


@pytest.fixture
def ewa_is_reviewer(installation: Any) -> None:
    one = {"name": EWA, "roles": ["on_call"], "secret": "JBSWY3DPEHPK3PXP", "added_by": "t"}
    with installation.database.write() as connection:
        connection.execute(insert(reviewers).values(**one, added_at=installation.clock()))


@pytest.mark.usefixtures("ewa_is_reviewer")
async def test_an_alert_has_the_link_of_whom_it_is_for_where_the_class_is_decided_by_links(
    installation: Any, opens: Any
) -> None:
    opens(payload_hash="a" * 64), opens(payload_hash="b" * 64), opens(Risk.HIGH, payload_hash="c" * 64)
    async with installation.handrail(link_secret="s" * 32) as handrail:
        await tell_reviews(handrail, run="t")
        await handrail.dispatcher.run_once(capability=Capability.ALERT, run="t")
    alone, shared = sorted(alerts(installation), key=lambda alert: len(alert.links))
    assert alone.links == {}
    assert set(shared.links) == {"Decide review 1 without signing in", "Decide review 2 without signing in"}
    for review_id, address in zip((1, 2), shared.links.values(), strict=True):
        assert address.startswith(f"http://127.0.0.1:8100/reviews/{review_id}/link/")
        token = address.rpartition("/")[2]
        link = ReviewLinks("http://127.0.0.1:8100", [SecretStr("s" * 32)]).read(token)
        assert (link.review_id, link.payload_hash) == (review_id, "ab"[review_id - 1] * 64)
        assert link.expires == STAFFED_END
        assert whose(installation.database, link).name == EWA
        assert token not in repr(installation.rows("actions"))  # nothing of ours keeps it


@pytest.mark.usefixtures("ewa_is_reviewer")
@pytest.mark.parametrize("why", ["no reviewer", "said yes", "caused it", "no secret"])
async def test_there_is_no_link_for_who_could_not_decide_by_it(installation: Any, opens: Any, why: str) -> None:
    opens(payload_hash="a" * 64, reviewers_needed=2, initiator=EWA if why == "caused it" else "run-1")
    if why == "said yes":
        says_yes(installation, 1, EWA)
        says_yes(installation, 1, JAN)  # then there is nobody but Ewa to be told
    if why == "no reviewer":
        with installation.database.write() as connection:
            connection.execute(update(reviewers).values(removed_at=installation.clock()))
    async with installation.handrail(link_secret="" if why == "no secret" else "s" * 32) as handrail:
        await tell_reviews(handrail, run="t")
        await handrail.dispatcher.run_once(capability=Capability.ALERT, run="t")
    assert alerts(installation)
    assert all(alert.links == {} for alert in alerts(installation))


async def test_no_alert_holds_anything_of_a_customers(installation: Any, opens: Any, told: Any, on_file: Any) -> None:
    on_file("C-1", name="Anna Kowalska", email="anna@example.com")
    opens(Risk.HIGH), opens(), opens()
    await told()
    assert {"Anna", "Kowalska", "anna@example.com", "C-1"} & set(
        repr(alerts(installation)).replace("'", " ").split()
    ) == set()
