"""The demo: scenes played on a real stack, and judged by what the sandbox received and the gateway answered."""

import base64
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from domain.actions import ticket_key, ticket_note_key
from handrail.demo_stage import Stage, staged
from handrail.demo_story import Story
from handrail.demo_telling import as_document, tell, tell_where_to_look
from handrail.speech import say_json, warn

SOURCE = "standard"
_FORGER = "whsec_" + base64.b64encode(b"somebody who never had the secret").decode()
_SOON = 15.0
"""Seconds within which effects are expected. They take milliseconds; a machine may be busy."""

_AFTER_OUTAGE = 90.0


@dataclass(frozen=True, slots=True)
class Scene:
    """One thing that happens to one customer."""

    name: str
    title: str
    play: Callable[[Stage, Story], None]


def happy(stage: Stage, story: Story) -> None:
    """Nothing is sent: the end of the demo asserts it."""
    story.expect_answer(stage.deliver(stage.example("r-2001")), http=202)


def passive(stage: Stage, story: Story) -> None:
    """Nothing is sent either."""
    story.expect_answer(stage.deliver(stage.example("r-2003")), http=202)


def unhappy(stage: Stage, story: Story) -> None:
    """A ticket and a mail, both right after the webhook."""
    delivery = story.expect_answer(stage.deliver(stage.example("r-2002")), http=202)
    story.expect_effect(stage.find("tickets", ticket_key("1002", 1), _SOON), "ticket", delivery)
    story.expect_effect(stage.find_acknowledgement(delivery, _SOON), "message", delivery)


def unhappy_again(stage: Stage, story: Story) -> None:
    """The open case is joined: a note on its ticket, and an acknowledgement of its own."""
    again = {**stage.example("r-2002"), "response_id": "r-2102", "kind": "csat", "score": 1}
    delivery = story.expect_answer(stage.deliver(again), http=202)
    note = ticket_note_key("1002", 1, SOURCE, "r-2102")
    story.expect_effect(stage.find_note(ticket_key("1002", 1), note, _SOON), "note", delivery)
    story.expect_effect(stage.find_acknowledgement(delivery, _SOON), "message", delivery)


def delivered_twice(stage: Stage, story: Story) -> None:
    """Survey tools deliver again when they are in doubt: one ticket, one mail."""
    answer = stage.example("r-2004")
    first = story.expect_answer(stage.deliver(answer, webhook_id="demo-twice"), http=202)
    story.expect_answer(stage.deliver(answer, webhook_id="demo-twice"), http=202, duplicate=True)
    story.expect_effect(stage.find("tickets", ticket_key("1004", 1), _SOON), "ticket", first)
    story.expect_effect(stage.find_acknowledgement(first, _SOON), "message", first)


def forged(stage: Stage, story: Story) -> None:
    """Signed by somebody without the secret: refused, and nothing is sent."""
    bad = {**stage.example("r-2001"), "response_id": "r-forged", "score": 0}
    story.expect_answer(stage.deliver(bad, secret=_FORGER), http=401)


def hardship(stage: Stage, story: Story) -> None:
    """A fair score and words of hardship: a person's case, and a message that only says who will call."""
    delivery = story.expect_answer(stage.deliver(stage.example("r-2008")), http=202)
    story.expect_effect(stage.find("tickets", ticket_key("1008", 1), _SOON), "ticket", delivery)
    message = stage.find_acknowledgement(delivery, _SOON)
    story.expect_effect(message, "message", delivery)
    if message is not None and message.item.get("template") != "acknowledgement-distress":
        story.complain("the message is not the one for people in distress")


def ticketing_down(stage: Stage, story: Story) -> None:
    """The desk refuses three writes while a bad answer arrives: the mail goes at once, the ticket when it is back."""
    stage.break_vendor("ticketing", "status_503", count=3)
    delivery = story.expect_answer(stage.deliver(stage.example("r-2005")), http=202)
    story.expect_effect(stage.find_acknowledgement(delivery, _SOON), "message", delivery)
    story.expect_effect(stage.find("tickets", ticket_key("1005", 1), _AFTER_OUTAGE), "ticket", delivery)
    if stage.is_broken():
        story.complain("the ticket came while the desk was still to refuse writes")


SCENES = (
    Scene("happy", "A happy customer: recorded, and left in peace", happy),
    Scene("passive", "Neither happy nor unhappy: recorded, and left in peace", passive),
    Scene("unhappy", "An unhappy customer: a ticket for colleagues, an acknowledgement for them", unhappy),
    Scene("unhappy_again", "The same customer, unhappy again: one case, one ticket, a note on it", unhappy_again),
    Scene("delivered_twice", "The same answer delivered twice: one ticket, one message", delivered_twice),
    Scene("forged", "A forged answer: refused at the door", forged),
    Scene("hardship", "A fair score, but words of hardship: a person calls, the machine is silent", hardship),
    Scene("ticketing_down", "The ticket desk is down: the customer hears at once, the ticket follows", ticketing_down),
)


def run_demo(directory: Path, base: int, *, once: bool) -> bool:
    """Play every scene and tell what happened; True when all of it did. Without `once` it stays up until Ctrl-C."""
    with staged(directory, base) as stage:
        stories = [_play(stage, scene) for scene in SCENES]
        surprises = stage.surprises([key for story in stories for key in story.keys])
        warn("… looking at what Prefect shows")
        survey, health = stage.run_jobs("survey-escalation", "integration-health")
        document = as_document(stories, surprises, survey, health)
        tell(stage, stories, surprises, survey, health)
        if not once:
            tell_where_to_look(stage, directory)
            with suppress(KeyboardInterrupt):
                stage.wait_until_stopped()
    if once:
        say_json(document)
    return bool(document["ok"])


def _play(stage: Stage, scene: Scene) -> Story:
    warn(f"… {scene.title}")
    story = Story(scene.name, scene.title)
    scene.play(stage, story)
    return story
