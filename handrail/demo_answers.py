"""The scenes in which customers answer: at night, twice, forged, over a lost answer, in hardship, and again."""

from datetime import datetime
from typing import Any

from domain.actions import acknowledgement_key, ticket_key, ticket_note_key
from handrail.demo_outside import poll
from handrail.demo_prefect import JobRun
from handrail.demo_stage import NIGHT_OWL, SOURCE, Stage
from handrail.demo_story import Delivery, Story

SOON = 15.0
"""Seconds within which effects are expected. They take milliseconds; a machine may be busy."""

SETTLED = 60.0
"""Seconds within which a lost answer is settled, or what waits for the gateway's next look has left."""

_FORGER = "whsec_c29tZWJvZHkgd2hvIG5ldmVyIGhhZCB0aGUgc2VjcmV0"
"""Somebody who never had the secret."""


def angry_at_night(stage: Stage, story: Story) -> JobRun:
    """A mail and no text message, although they prefer one; the run that shows it, and its trace."""
    delivery = story.expect_answer(stage.answer("r-3001"), http=202)
    keys = expect_case(stage, story, delivery)
    local = delivery.sent_at.astimezone(stage.night)
    story.expect(not stage.outside.find("sms", keys[1], 0), "a text message went out at night")
    shown = stage.prefect.run("survey-escalation")
    table = stage.prefect.shown(shown)
    story.expect(shown.ok, f"the run ended as {shown.state}: {shown.message}")
    story.expect(all(table.get(key) == "done" for key in keys), f"the run shows {table or 'nothing'}")
    moved = moves(stage, delivery.response)
    story.expect(all(moved.get(key, [""])[-1] == "done" for key in keys), f"its trace tells of {moved}")
    story.expect(all(key in stage.page(f"/trace/{delivery.response}") for key in keys), "its page does not show it")
    story.facts |= {
        "their_time": f"{local:%H:%M}",
        "time_zone": str(stage.night),
        "run": shown.as_json(),
        "trace": f"{stage.gateway}/trace/{delivery.response}",
        "moves": moved,
    }
    story.told = (
        f"It is {local:%H:%M} in {stage.night.key.rpartition('/')[2].replace('_', ' ')}: they like text messages, "
        "but not at night, so a mail says who has it and by when they hear; the ticket is there already"
    )
    return shown


def same_again(stage: Stage, story: Story, first: Delivery) -> None:
    """Survey tools deliver again when they are in doubt: nothing more happens."""
    before = stage.outside.written()
    story.expect_answer(stage.deliver_again(first), http=202, duplicate=True)
    story.expect_answer(stage.deliver_again(first), http=202, duplicate=True)
    keys = (ticket_key(first.customer, 1), acknowledgement_key(SOURCE, first.response))
    counts = {key: stage.outside.written()[key, "created"] for key in keys}
    story.expect(stage.outside.written() == before, "the outside received something more")
    story.expect(set(counts.values()) == {1}, f"on record: {counts}")
    story.facts |= {"on_record": counts}
    story.told = "Delivered twice more: the gateway knows it, and there is still one ticket and one mail"


def forged(stage: Stage, story: Story) -> None:
    """Signed by somebody without the secret: refused, and nothing is sent."""
    before = stage.outside.written()
    delivery = story.expect_answer(stage.answer("r-3003", secret=_FORGER), http=401)
    story.expect(stage.outside.written() == before, "the outside received something")
    story.told = f"Signed by somebody without the secret: the gateway answered {delivery.http}, and nothing was kept"


def lost_answer(stage: Stage, story: Story) -> None:
    """The desk takes the ticket and the line breaks: uncertain, then settled by what the desk promises."""
    stage.outside.break_vendor("ticketing", "reset_after", count=1)
    delivery = story.expect_answer(stage.answer("r-2005"), http=202)
    ticket, _ = expect_case(stage, story, delivery)
    moved = poll(lambda: _if_done(moves(stage, ticket), ticket), SETTLED, every=1.0) or moves(stage, ticket)
    path = moved.get(ticket, [])
    met = stage.outside.misbehaved(ticket)
    created = stage.outside.written()[ticket, "created"]
    story.expect(met == ["reset_after"], f"the desk lost the answer {len(met)} times")
    story.expect("uncertain" in path and path[-1] == "done", f"the ticket's action went {' → '.join(path)}")
    story.expect(created == 1, f"the desk has {created} tickets on record")
    story.facts |= {"vendor": met, "moves": path, "tickets_on_record": created}
    story.told = (
        f"The desk took the ticket and its answer was lost: {' → '.join(path)}, and there is {created} ticket; "
        "the mail had not waited"
    )


def hardship(stage: Stage, story: Story) -> None:
    """A fair score and words of hardship: a person's case, and a message that only says who will call."""
    delivery = story.expect_answer(stage.answer("r-2008"), http=202)
    expect_case(stage, story, delivery)
    template = next((effect.found.item.get("template") for effect in story.effects if effect.what == "message"), None)
    lock = stage.handrail("trace", delivery.customer)["customers"][0]["no_automatic_contact"]
    story.expect(template == "acknowledgement-distress", "the message is not the one for people in distress")
    story.expect(bool(lock), "nothing keeps automatic messages from them")
    story.facts |= {"template": template, "no_automatic_contact": lock}
    story.told = (
        f"A fair score ({delivery.answer['score']} of 5), but they lost their job: a person calls, the message says "
        "only that, and no machine contacts them any more"
    )


def second_bad_answer(stage: Stage, story: Story) -> None:
    """The open case is joined: a note on its ticket, and an acknowledgement of its own."""
    ticket = ticket_key(NIGHT_OWL, 1)
    delivery = story.expect_answer(stage.answer("r-3002"), http=202)
    note = ticket_note_key(NIGHT_OWL, 1, SOURCE, delivery.response)
    expect_effect(story, delivery, stage.outside.find_note(ticket, note, SOON), "note")
    expect_effect(story, delivery, stage.outside.find_acknowledgement(SOURCE, delivery.response, SOON), "message")
    desk = stage.outside.find("tickets", ticket, 0)
    priority = None if desk is None else desk.item["priority"]
    second = stage.outside.find("tickets", ticket_key(NIGHT_OWL, 2), 0)
    story.expect(second is None, "a second ticket was opened")
    story.expect(priority == "critical", f"the ticket's priority is {priority} now")
    story.facts |= {"ticket": ticket, "priority": priority}
    story.told = "The same person, unhappy once more: a note on the ticket they have, still critical, and one more mail"


def expect_case(stage: Stage, story: Story, delivery: Delivery, seconds: float = SOON) -> tuple[str, str]:
    """A ticket and an acknowledgement because of this answer; their keys."""
    ticket, message = ticket_key(delivery.customer, 1), acknowledgement_key(SOURCE, delivery.response)
    expect_effect(story, delivery, stage.outside.find("tickets", ticket, seconds), "ticket")
    expect_effect(story, delivery, stage.outside.find_acknowledgement(SOURCE, delivery.response, seconds), "message")
    return ticket, message


def expect_effect(story: Story, delivery: Delivery, found: Any, what: str, since: datetime | None = None) -> None:
    """The outside received it because of this answer."""
    story.expect_effect(found, what, delivery.customer, since or delivery.sent_at)


def moves(stage: Stage, subject: str) -> dict[str, list[str]]:
    """Action key → the states it went through, as `handrail trace` tells."""
    actions = stage.handrail("trace", subject)["actions"]
    return {action["key"]: [move["to"] for move in action["moves"]] for action in actions}


def _if_done(moved: dict[str, list[str]], key: str) -> dict[str, list[str]] | None:
    return moved if moved.get(key, [""])[-1] == "done" else None
