"""The demo's summary: for people in words, for machines as one document."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from handrail.demo_prefect import JobRun
from handrail.demo_stage import Stage
from handrail.demo_story import Effect, Story
from handrail.speech import say


def as_document(
    stories: Mapping[str, Sequence[Story]], surprises: Sequence[str], runs: Mapping[str, JobRun], health: JobRun
) -> dict[str, Any]:
    """A key per job, and `ok` over all of them. `stories` and `runs` are by job."""
    jobs = {
        job: {
            **runs[job].as_json(),
            "ok": all(story.ok for story in told),
            "scenes": {story.name: story.as_json() for story in told},
        }
        for job, told in stories.items()
    }
    is_ok = all(told["ok"] for told in jobs.values()) and not surprises and health.ok
    return {"ok": is_ok, **jobs, "surprises": list(surprises), "health": health.as_json()}


def tell_scene(number: int, story: Story) -> None:
    """What happened, in a line, and where to see it."""
    say(f"{number}. {story.title}{'' if story.ok else '   NOT AS IT SHOULD BE'}")
    if story.ok:
        say(f"   {story.told}")
    for effect in story.effects:
        say(f"   {_happened(effect)}")
    for problem in story.problems:
        say(f"   ! {problem}")
    say("")


def tell(stage: Stage, surprises: Sequence[str], runs: Mapping[str, JobRun], health: JobRun) -> None:
    """What holds for all scenes."""
    for surprise in surprises:
        say(f"! received by the outside, and nobody's story: {surprise}")
    for run in runs.values():
        say(f"Prefect tells the same, {run.job}:  {run.state}: {run.message}\n   {run.address}")
    say(f"How the integrations are:  {health.state}: {health.message}\n   {health.address}")
    say(f"The ticket desk, mailbox and phone that received all this:\n   {stage.outside.address}/")


def tell_where_to_look(stage: Stage) -> None:
    """What to open and to try while it stays up."""
    gateway = stage.gateway
    say(
        "\nIt stays up. Open\n"
        f"   {gateway}/              what waits, the kill switch, the breakers\n"
        f"   {gateway}/cases         whom we owe an answer\n"
        f"   {gateway}/trace/r-3001  the story of the answer at night; /trace/1005 of the one that was lost\n"
        f"   {gateway}/quarantine    two rows wait for you to repair or discard them\n"
        f"   {stage.prefect.address}/              the runs; Retry, Cancel and Quick run are yours to press\n"
        f"   {gateway}/trace/2201     the ending about which a phone rang\n"
        f"   {gateway}/reviews       what was asked of people; since there are reviewers, pages ask who you are:\n"
        "                                  handrail reviewers add YOUR-NAME --role lead --role on_call\n"
        f"   {stage.outside.address}/              the ticket desk, tasks, mailbox and phone; break them there\n"
        f"In another shell: export HANDRAIL_DATA={stage.directory.resolve()} PATH={Path(sys.executable).parent}:$PATH\n"
        "   handrail trace 1005 · handrail actions · handrail stop --reason … · handrail start · handrail doctor\n"
        "Ctrl-C stops everything."
    )


def _happened(effect: Effect) -> str:
    after = f"{effect.after_ms} ms" if effect.after_ms < 10_000 else f"{effect.after_ms / 1000:.0f} s"
    item = effect.found.item
    what = {
        "ticket": f"ticket for {item.get('team')}, {item.get('priority')}",
        "note": "note on the ticket",
        "call": f"call in {item.get('language')}",
        "message": f"{'mail' if 'subject' in item else 'text message'} in {item.get('language')}",
    }[effect.what]
    return f"{after:>8}  {what}   {effect.found.link}"
