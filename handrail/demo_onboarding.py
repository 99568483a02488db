"""The scenes of onboarding: thirty days on a virtual clock, and then a few customers live, until a reply ends it."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import httpx

from handrail import demo_onboarding_data as data
from handrail.demo_onboarding_data import (
    KNOWS_ALREADY,
    LEARNS,
    NEWCOMERS,
    OPTS_OUT,
    SETTLES_IN,
    WRITES,
    Newcomer,
)
from handrail.demo_outside import poll
from handrail.demo_prefect import JobRun
from handrail.demo_stage import Stage
from handrail.demo_story import Story

_SETTLED = 90.0
"""Seconds within which what is due has gone out: a busy machine sends in the next minute's run."""

_MONTH_SECONDS = 60.0
"""Within so long thirty days go by on the virtual clock."""

_JOB = "onboarding-drip"


def thirty_days(stage: Stage, story: Story) -> None:
    """A month of a few hundred customers, by the real planner on a virtual clock; nobody is contacted."""
    page = stage.directory / "timeline.html"
    before, began = stage.outside.written(), time.monotonic()
    told = stage.handrail(
        *("simulate", "onboarding", "--customers", str(data.CUSTOMERS), "--events", str(data.EVENTS)),
        *("--from", data.BEGINS, "--until", "30d", "--out", str(page)),
    )
    took = time.monotonic() - began
    totals = told["totals"]
    came = {step["step"]: step["came"] for step in totals["steps"]}
    story.expect(took < _MONTH_SECONDS, f"it took {took:.0f} s")
    story.expect(told["refused"] == {"customers": 0, "events": 0}, f"could not be read: {told['refused']}")
    story.expect(not told["trouble"], f"in the way: {told['trouble']}")
    story.expect(stage.outside.written() == before, "the outside received something")
    story.expect(page.is_file(), "there is no page")
    story.expect({"goal", "left", "finished"} <= totals["standing"].keys(), f"they stand as {totals['standing']}")
    twice = [row["ref"] for row in told["customers"] if _is_twice(row["steps"])]
    story.expect(not twice, f"a step twice: {', '.join(twice[:5])}")
    story.facts |= {"seconds": round(took, 1), "totals": totals, "page": str(page)}
    skipped = sum(step["skipped"] for step in totals["steps"])
    stands = ", ".join(f"{count} {word}" for word, count in totals["standing"].items())
    story.told = (
        f"{totals['customers']} customers, thirty days in {took:.0f} s: {totals['messages']} messages, "
        f"{totals['tasks']} tasks for colleagues, {skipped} steps skipped; {stands}. "
        f"{came.get('welcome', 0)} came to the welcome, {came.get('knowledge-base', 0)} to the knowledge base; "
        f"each one's timeline: {page}"
    )


def activated(stage: Stage, story: Story) -> JobRun:
    """Five first activations: each one's welcome is in the mailbox, in their language."""
    began = datetime.now(UTC)
    for newcomer in NEWCOMERS:
        _tell(stage, story, newcomer, "consent.changed", purpose="onboarding", channel="mail", granted=True)
        _tell(stage, story, newcomer, "customer.activated", product="energy plan")
    run = stage.prefect.run(_JOB)
    story.expect(run.state in {"Completed", "NeedsPeople"}, f"the run ended as {run.state}: {run.message}")
    for newcomer in NEWCOMERS:
        mail = stage.outside.find("mail", newcomer.key("welcome"), _SETTLED)
        story.expect_effect(mail, "message", newcomer.ref, began)
        said = mail and mail.item.get("language")
        story.expect(said == newcomer.language, f"the welcome of {newcomer.ref} is in {said}")
    counts = _counts(stage)
    story.expect(counts["active"] == len(NEWCOMERS), f"under way are {counts['active']}")
    story.facts |= {"run": run.as_json(), "under_way": counts["active"]}
    story.told = "Five customers are activated where it is noon: each has a welcome in their own language"
    return run


def second_device(stage: Stage, story: Story) -> None:
    """The same customer is activated again: nothing changes."""
    before = _counts(stage)
    _tell(stage, story, LEARNS, "customer.activated", product="second device")
    stage.prefect.run(_JOB)
    once = stage.outside.written()[LEARNS.key("welcome"), "created"]
    story.expect(once == 1, f"{once} welcomes are on record")
    story.expect(_counts(stage) == before, f"they stood as {before}, and now as {_counts(stage)}")
    story.facts |= {"welcomes_on_record": once}
    story.told = "The same customer activates a second device: still one welcome, and one way through the journey"


def lesson_skipped(stage: Stage, story: Story) -> None:
    """Who has seen the video guide is not sent it; the others are, tomorrow at ten."""
    _tell(stage, story, KNOWS_ALREADY, "feature.used", feature="video-guide")
    told = _tomorrow(stage)
    sent, skipped = _of("planned", told), _of("skipped", told)
    story.expect(sent == len(NEWCOMERS) - 1, f"{sent} would be sent the video guide")
    story.expect(skipped == 1, f"{skipped} would be left out")
    why = next((row["why"] for row in told["skipped"] if row["step"] == "video-guide"), "")
    story.facts |= {"tomorrow_at_ten": {"sent": sent, "skipped": skipped, "why": why}}
    story.told = f"One has found the video guide alone: tomorrow at ten {sent} get it, and for one it is {why}"


def unsubscribed(stage: Stage, story: Story) -> None:
    """One click, as mail programs press it: they leave at once."""
    mail = stage.outside.find("mail", OPTS_OUT.key("welcome"), 0)
    link = None if mail is None else data.unsubscribe_link(mail.item)
    if link is None:
        story.complain("the welcome has no link to have no more of them")
        return
    answered = httpx.post(link, data={"List-Unsubscribe": "One-Click"}, trust_env=False, timeout=10.0)
    story.expect(answered.is_success, f"the click was answered {answered.status_code}")
    _expect_left(stage, story, 1)
    story.told = (
        "One click on unsubscribe, as mail programs press it: that customer has left, and gets no lesson tomorrow"
    )


def replied(stage: Stage, story: Story) -> None:
    """They write to us: a person has it, and the machine is silent."""
    answered = stage.message(
        {
            "message_id": f"demo-{WRITES.ref}",
            "customer_ref": WRITES.ref,
            "subject": "Faktura",
            "text": "Dzień dobry, proszę o fakturę za pierwszy miesiąc na adres firmy.",
        }
    )
    story.expect(answered == 202, f"the message was answered {answered}")
    _expect_left(stage, story, 2)
    story.told = "A customer writes to us: a person answers, and the journey stops by itself"


def goal_reached(stage: Stage, story: Story) -> None:
    """Settled in: thanks at once, no lesson any more."""
    began = datetime.now(UTC)
    _tell(stage, story, SETTLES_IN, "goal.reached", goal="settled-in")
    stage.prefect.run(_JOB)
    thanks = stage.outside.find("mail", SETTLES_IN.key("thanks"), _SETTLED)
    story.expect_effect(thanks, "message", SETTLES_IN.ref, began)
    counts = _counts(stage)
    story.expect(counts["goal"] == 1, f"{counts['goal']} have reached the goal")
    sent = _of("planned", _tomorrow(stage))
    story.expect(sent == 1, f"{sent} would be sent the video guide")
    story.facts |= {"stand": counts, "tomorrow_at_ten": {"sent": sent}}
    story.told = "A goal is reached: thanks are in the mailbox, and of five newcomers one still gets tomorrow's lesson"


def _tell(stage: Stage, story: Story, newcomer: Newcomer, what: str, **about: Any) -> None:
    now = datetime.now(UTC)
    told = {"customer": newcomer.as_told(), "at": f"{now:%Y-%m-%dT%H:%M:%SZ}", **about}
    answered = stage.event(what, told)
    story.expect(answered == 202, f"{what} of {newcomer.ref} was answered {answered}")


def _tomorrow(stage: Stage) -> Mapping[str, Sequence[Mapping[str, Any]]]:
    """What would be planned at ten tomorrow, where they live; nothing is written."""
    at = data.tomorrow_morning(datetime.now(UTC))
    told = stage.handrail("run", _JOB, "--dry-run", "--at", f"{at:%Y-%m-%dT%H:%M+00:00}")
    result: Mapping[str, Sequence[Mapping[str, Any]]] = told["result"]
    return result


def _of(what: str, told: Mapping[str, Sequence[Mapping[str, Any]]]) -> int:
    """To how many the video guide would be sent, or not."""
    return sum(row["customers"] for row in told[what] if row["step"] == "video-guide")


def _counts(stage: Stage) -> Counter[str]:
    """How many stand where in the onboarding."""
    rows = [row for row in stage.handrail("journeys", "list") if row["journey"] == "onboarding"]
    return Counter({word: sum(row[word] for row in rows) for word in ("active", "finished", "goal", "left")})


def _expect_left(stage: Stage, story: Story, count: int) -> None:
    """So many have left by now, and nothing of theirs is sent tomorrow."""
    left = poll(lambda: True if _counts(stage)["left"] == count else None, _SETTLED, every=1.0)
    story.expect(left is True, f"{_counts(stage)['left']} have left, not {count}")
    sent = _of("planned", _tomorrow(stage))
    expected = len(NEWCOMERS) - 1 - count
    story.expect(sent == expected, f"{sent} would be sent the video guide, not {expected}")
    story.facts |= {"left": count, "tomorrow_at_ten": {"sent": sent}}


def _is_twice(steps: Sequence[Mapping[str, Any]]) -> bool:
    sent = Counter(step["step"] for step in steps if step["outcome"] == "sent")
    return any(count > 1 for count in sent.values())
