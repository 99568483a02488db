"""The demo's summary: for people in words, for machines as one document."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from handrail.demo_stage import JobRun, Stage
from handrail.demo_story import Delivery, Effect, Story
from handrail.speech import say


def as_document(stories: Sequence[Story], surprises: Sequence[str], survey: JobRun, health: JobRun) -> dict[str, Any]:
    """A key per job, and `ok` over all of them."""
    told = {story.name: {**story.as_json(), "run": survey.address} for story in stories}
    survey_ok = all(story.ok for story in stories) and not surprises and survey.ok
    return {
        "ok": survey_ok and health.ok,
        "survey": {**survey.as_json(), "ok": survey_ok, "stories": told, "surprises": list(surprises)},
        "health": health.as_json(),
    }


def tell(stage: Stage, stories: Sequence[Story], surprises: Sequence[str], survey: JobRun, health: JobRun) -> None:
    """What happened to each one."""
    say("")
    for number, story in enumerate(stories, start=1):
        say(f"{number}. {story.title}{'' if story.ok else '   NOT AS IT SHOULD BE'}")
        for delivery in story.deliveries:
            say(f"   {_delivered(delivery)}")
        for effect in story.effects:
            say(f"   {_happened(effect)}")
        if story.effects:
            say(f"             in Prefect   {survey.address}")
        if story.deliveries and story.deliveries[0].http == 202 and not story.effects:
            say("   nothing was sent to anybody")
        for problem in story.problems:
            say(f"   ! {problem}")
        say("")
    for surprise in surprises:
        say(f"! received by the outside, and nobody's story: {surprise}")
    say(f"Prefect tells the same by action key:  {survey.state}: {survey.message}\n   {survey.address}")
    say(f"How the integrations are:  {health.state}: {health.message}\n   {health.address}")
    say(f"The ticket desk, mailbox and phone that received all this:\n   {stage.sandbox}/")


def tell_where_to_look(stage: Stage, directory: Path) -> None:
    """What to try while it stays up."""
    say(
        f"\nIt stays up. Prefect: {stage.prefect}   sandbox: {stage.sandbox}   gateway: {stage.gateway}\n"
        f"In another shell: export HANDRAIL_DATA={directory.resolve()} PATH={Path(sys.executable).parent}:$PATH\n"
        "   handrail trace 1005        the story of the customer whose ticket had to wait\n"
        "   handrail actions           everything that was done\n"
        "   handrail stop --reason …   the kill switch; `handrail start` lets go again\n"
        "   handrail doctor            is everything in order\n"
        "Ctrl-C stops everything."
    )


def _delivered(delivery: Delivery) -> str:
    answer = delivery.answer
    who = f"{answer['customer']['ref']} answered {answer['kind'].upper()} {answer['score']}"
    if delivery.http != 202:
        return f"somebody claimed that {who}: the gateway answered {delivery.http}"
    again = ", as it did the first time: it knows this delivery" if delivery.said.get("duplicate") else ""
    return f"{who}: the gateway answered 202{again}"


def _happened(effect: Effect) -> str:
    after = f"{effect.after_ms} ms" if effect.after_ms < 10_000 else f"{effect.after_ms / 1000:.0f} s"
    item = effect.found.item
    what = {
        "ticket": f"ticket for {item.get('team')}, {item.get('priority')}",
        "note": "note on the ticket",
        "message": f"{'mail' if 'subject' in item else 'text message'} in {item.get('language')}",
    }[effect.what]
    return f"{after:>8}  {what}   {effect.found.link}"
