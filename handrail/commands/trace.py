"""`handrail trace SUBJECT`: the story of one answer, entitlement, action, case or customer, in order."""

from typing import Annotated, Any

import typer

from handrail.speech import AsJson, console, say_json


def trace(
    subject: Annotated[
        str,
        typer.Argument(help="Ref of a customer or an entitlement, an answer's id, a case (1002-1), an action's key."),
    ],
    as_json: AsJson = False,
) -> None:
    """Tell what happened to a subject, from the answer that came in to every move of every action, and who moved it."""
    from handrail.failures import CommandFailed
    from handrail.opening import the_database
    from handrail.opening_vendors import the_places
    from services.tracing import SUBJECTS, nearest_known
    from services.tracing import trace as read_trace

    with the_database() as database:
        story = read_trace(database, subject, the_places())
        near = nearest_known(database, subject) if story is None else []
    if story is None:
        hint = f"; the nearest known: {', '.join(near)}" if near else ""
        raise CommandFailed(f"nobody knows {subject!r}: give {SUBJECTS}, as `handrail actions` shows them{hint}")
    if as_json:
        say_json(story)
    else:
        _tell(story)


def _tell(story: dict[str, Any]) -> None:
    out = console()
    for person in story["customers"]:
        lock = f", no automatic contact: {person['no_automatic_contact']}" if person["no_automatic_contact"] else ""
        _line(out, "", f"{person['ref']} ({person['tier']}){', erased' if person['erased'] else ''}{lock}", "bold")
    for answer in story["answers"]:
        said = f"{answer['survey'].upper()} {answer['score']}" + (
            f", {answer['distress']}" if answer["distress"] else ""
        )
        _line(out, answer["received_at"], f"{answer['customer']} answered {said}  ({answer['response']})", "bold")
        if answer["words"]:
            _line(out, "", f"“{answer['words']}”")
        _line(out, "", answer["outcome"])
    for message in story["messages"]:
        about = f" about {message['topic']}" if message["topic"] else ""
        named = f"{message['customer'] or 'nobody we know'} wrote to us{about}  ({message['message']})"
        _line(out, message["received_at"], named, "bold")
        _line(out, "", f"“{message['words']}”")
        _line(out, "", message["outcome"])
    for case in story["cases"]:
        words = f"case {case['case']}, {case['priority']}, for {case['team']}: {case['state']}"
        _line(out, case["opened_at"], f"{words}; an answer is promised by {_readable(case['answer_by'])}")
    for ending in story["endings"]:
        _line(out, "", _ending(ending), "bold")
    for journey in story["journeys"]:
        _line(out, journey["since"], f"{journey['customer']} entered the journey {journey['journey']}", "bold")
        _line(out, "", journey["in_words"])
    if story["older_left_out"]:
        _line(out, "", "older actions are left out: ask for a case or an answer")
    for action in story["actions"]:
        _tell_action(out, action)


def _ending(ending: dict[str, Any]) -> str:
    what = f"{ending['entitlement']}: {ending['kind']} “{ending['product']}” of {ending['customer']}"
    renewed = f", renewed (it ended on {ending['renewed_from']})" if ending["renewed_from"] else ""
    if ending["state"] == "cancelled":
        return f"{what}, cancelled; it ends on {ending['ends_on']}"
    return f"{what} ends on {ending['ends_on']}{', renews by itself' if ending['renews_by_itself'] else ''}{renewed}"


def _tell_action(out: Any, action: dict[str, Any]) -> None:
    out.print()
    _line(out, "", f"{action['kind']}  {action['key']}", "bold")
    if action["message"]:
        says = "never sent; it would have said" if action["never_sent"] else "says"
        _line(out, "", f"{says}: {action['message']['subject'] or action['message']['text']}")
    for move in action["moves"]:
        why = f": {move['why']}" if move["why"] else ""
        _line(out, move["at"], f"{move['in_words']}{why}  (by {move['run'] or move['by']})")
    if action["review"]:
        _line(out, action["review"]["decided_at"], action["review"]["in_words"])
    if action["vendor_id"]:
        page = f": {action['vendor_page']}" if action["vendor_page"] else ""
        _line(out, "", f"{action['integration']} has it as {action['vendor_id']}{page}")
    if action["if_an_answer_is_lost"]:
        _line(out, "", f"should an answer be lost: {action['if_an_answer_is_lost']}")


def _line(out: Any, at: str | None, words: str, style: str = "") -> None:
    """Words are shown as they are: some are a customer's or a vendor's."""
    from rich.text import Text

    out.print(Text.assemble((f"{_readable(at):<26}", "dim"), (words, style)))


def _readable(at: str | None) -> str:
    return "" if not at else at.replace("T", " ")
