"""Care today: counts and references a support person can act on, working hours and nights apart, nobody's data."""

from datetime import timedelta
from typing import Any

import pytest
from open_reviews import open_review

from domain.controls import EVERYTHING, Part, Scope
from domain.customers import Tier
from domain.gates import DataSet, GateVerdict
from domain.review_rules import Risk
from integrations.ports import TicketStatus
from services.care_today import Care, care_today, in_markdown
from services.controls import stop
from services.wiring import Handrail
from store import gates


@pytest.fixture
async def today(installation: Any, handrail: Handrail) -> Any:
    """`await today()`: the look and its words."""

    async def look() -> tuple[Care, str]:
        care = await care_today(handrail)
        return care, in_markdown(care, gateway_url="https://care.example/")

    return look


async def test_a_quiet_day_says_so(today: Any) -> None:
    care, words = await today()
    assert (care.open_cases, care.working.answers, care.apart.answers) == (0, 0, 0)
    assert "**Wednesday 04 March, 12:00** (Europe/Warsaw): somebody is at work." in words
    assert "| answers | 0 | 0 |" in words


async def test_working_hours_and_night_are_counted_apart(
    installation: Any, answered: Any, followed: Any, today: Any
) -> None:
    installation.clock.go(hours=-5)  # 07:00, before anybody is there
    answered("C-1", score=3)
    await followed()
    installation.clock.go(hours=5)
    answered("C-2", score=3)
    answered("C-3", score=3)
    await followed()
    care, words = await today()
    assert (care.working.answers, care.working.at_desk, care.working.acknowledged) == (2, 2, 2)
    assert (care.apart.answers, care.apart.at_desk, care.apart.acknowledged) == (1, 1, 1)
    assert "| answers | 2 | 1 |" in words
    assert "| longest wait for the acknowledgement | 0.0 s | 0.0 s |" in words


async def test_yesterday_is_not_today(installation: Any, answered: Any, followed: Any, today: Any) -> None:
    answered("C-1", score=3)
    await followed()
    installation.clock.go(hours=12)  # 00:00 in Warsaw
    care, _ = await today()
    assert (care.working.answers, care.apart.answers, care.open_cases) == (0, 0, 1)


async def test_who_waits_is_named_by_reference_only(
    installation: Any, answered: Any, followed: Any, today: Any
) -> None:
    answered("C-1", score=3, name="Anna Nowak", tier=Tier.VIP, phone="+48601234567")
    await followed()
    await followed()
    installation.clock.go(minutes=45)
    care, words = await today()
    assert care.unowned == ["C-1-1 (for 45 min)"]
    assert care.at_risk == ["C-1-1 (by 13:00)"]
    assert "- 1 · nobody has taken it: [C-1-1](https://care.example/trace/C-1-1) (for 45 min)" in words
    assert not [secret for secret in ("Anna", "c-1@example.com", "+48601234567", "late again") if secret in words]


async def test_of_many_the_first_are_named_and_all_are_counted(
    installation: Any, answered: Any, followed: Any, today: Any
) -> None:
    for number in range(15):
        answered(f"C-{number:02}", score=3)
    await followed()
    installation.ticketing.statuses["case/C-03/1/ticket"] = TicketStatus.PENDING
    installation.clock.go(minutes=3)
    await followed()
    care, words = await today()
    first = [f"C-{number:02}-1 (for 3 min)" for number in range(13) if number != 3]
    assert (care.open_cases, care.unowned_count, care.unowned) == (15, 14, first)
    assert "- 14 · nobody has taken it: [C-00-1](" in words
    assert " (for 3 min) and 2 more\n" in words


async def test_each_wait_for_an_acknowledgement_counts_in_its_hours(
    installation: Any, answered: Any, send: Any, today: Any
) -> None:
    for hours, seconds, times in ((-5, 3, 1), (5, 2, 2)):  # before anybody is there, then at noon
        installation.clock.go(hours=hours)
        for number in range(times):
            answered(f"C-{hours}-{number}", score=3)
        installation.clock.go(seconds=seconds)
        await send()
    care, words = await today()
    waited = [timedelta(seconds=2), timedelta(seconds=3)]
    assert [care.working.longest, care.apart.longest] == waited
    assert [care.working.answers, care.apart.answers] == [2, 1]
    assert "| longest wait for the acknowledgement | 2.0 s | 3.0 s |" in words


async def test_a_broken_promise_is_overdue_until_somebody_answers(
    installation: Any, answered: Any, followed: Any, today: Any
) -> None:
    answered("C-1", score=3, tier=Tier.VIP)
    await followed()
    await followed()
    for _ in range(3):
        installation.clock.go(minutes=25)
        await followed()
    care, words = await today()
    assert (care.overdue, care.at_risk) == (["C-1-1"], [])
    assert "**promised time has passed, no answer seen**: [C-1-1]" in words
    assert "| 0 | 0 | 0 | 1 | 0 |" in words
    assert care.pages == {"done": 3}
    installation.ticketing.answered["case/C-1/1/ticket"] = installation.clock()
    installation.clock.go(minutes=1)
    await followed()
    assert (await today())[0].overdue == []


async def test_a_last_word_that_is_missing_is_shown(
    installation: Any, answered: Any, followed: Any, today: Any
) -> None:
    answered("C-1", score=0)
    await followed()
    installation.ticketing.statuses["case/C-1/1/ticket"] = TicketStatus.SOLVED
    installation.clock.go(minutes=2)
    await followed()
    assert (await today())[0].last_words == ["C-1-1"]


async def test_a_stop_is_said_first(installation: Any, today: Any) -> None:
    for part in (EVERYTHING, Part(Scope.JOB, "expiry-detection")):
        stop(installation.database, part, by="Ewa Lis", reason="a *test*", now=installation.clock())
    _, words = await today()
    first = words.split("## Now")[0]
    assert "**Stopped: everything**, by Ewa Lis since" in first
    assert "**Stopped: job expiry-detection**, by Ewa Lis since" in first
    assert "a \\*test\\*" in first


async def test_a_reference_is_no_markdown(installation: Any, answered: Any, followed: Any, today: Any) -> None:
    answered("C-[1](x)*", score=3, email="a@example.com")
    await followed()
    _, words = await today()
    assert r"[C-\[1\](x)\*-1](https://care.example/trace/C-%5B1%5D%28x%29%2A-1)" in words


async def test_a_halted_batch_is_told(installation: Any, today: Any) -> None:
    rest: dict[str, Any] = {"rows": 1, "broken": 0, "findings": [], "measures": {}, "run": "test"}
    with installation.database.write() as connection:
        gates.record(
            connection,
            **rest,
            data_set=DataSet.ENTITLEMENTS,
            feed="shop",
            batch="b",
            origin="shop.csv",
            verdict=GateVerdict.HALT,
            now=installation.clock(),
        )
    _, words = await today()
    assert "- data: entitlements of shop: the last batch was halted at its gate; nothing of it was taken" in words


async def test_what_waits_for_a_decision_is_linked_with_its_deadline_and_who_has_it(
    installation: Any, today: Any
) -> None:
    now, database = installation.clock(), installation.database
    open_review(database, 1, now=now, deadline=now + timedelta(hours=5))
    open_review(database, 2, Risk.HIGH, now=now)
    open_review(database, 3, now=now, state="expired", deadline=now - timedelta(hours=2))
    open_review(database, 4, now=now, state="approved", halted_at=now)
    _, words = await today()
    reviews = "https://care.example/reviews"
    assert f"- **[review 4]({reviews}/4) has stopped itself on its way out**: go on, or cancel the rest" in words
    assert (
        "- 2 · waits for a decision, Ewa Lis is on call: "
        f"[review 2]({reviews}/2) (by Wed 04 Mar 16:00), [review 1]({reviews}/1) (by Wed 04 Mar 17:00)"
    ) in words
    assert "- 1 review had nobody decide since yesterday: nothing of that was done" in words


async def test_many_that_wait_for_a_decision_are_named_in_part(installation: Any, today: Any) -> None:
    for review_id in range(1, 16):
        open_review(installation.database, review_id, now=installation.clock())
    _, words = await today()
    assert "- 15 · waits for a decision" in words
    assert " and 3 more" in words
