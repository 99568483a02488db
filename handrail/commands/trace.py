"""`handrail trace SUBJECT`: the story of one answer, action, case or customer, in order."""

from typing import Annotated, Any

import typer

from handrail.speech import AsJson, console, say_json


def trace(
    subject: Annotated[str, typer.Argument(help="A customer ref, a response, a case (1002-1) or an action's key.")],
    as_json: AsJson = False,
) -> None:
    """Tell what happened to a subject, from the answer that came in to every move of every action, and who moved it."""
    from handrail.failures import CommandFailed
    from handrail.opening import the_database
    from services.reporting import trace as read_trace

    with the_database() as database:
        story = read_trace(database, subject)
    if story is None:
        raise CommandFailed(
            f"nobody knows {subject!r}: give a customer ref, a response id, a case such as 1002-1, or a key that "
            "`handrail actions` shows"
        )
    if as_json:
        say_json(story)
    else:
        _tell(story)


def _tell(story: dict[str, Any]) -> None:
    out = console()
    for answer in story["answers"]:
        said = f"{answer['survey'].upper()} {answer['score']}" + (
            f", {answer['distress']}" if answer["distress"] else ""
        )
        _line(out, answer["received_at"], f"{answer['customer']} answered {said}  ({answer['response']})", "bold")
        _line(out, "", answer["outcome"])
    for action in story["actions"]:
        out.print()
        _line(out, "", f"{action['kind']}  {action['key']}", "bold")
        for move in action["moves"]:
            change = f"{move['from']} → {move['to']}" if move["from"] else move["to"]
            why = f": {move['why']}" if move["why"] else ""
            _line(out, move["at"], f"{change}{why}  (by {move['by']})")
        if action["vendor_id"]:
            _line(out, "", f"{action['integration']} has it as {action['vendor_id']}")


def _line(out: Any, at: str | None, words: str, style: str = "") -> None:
    """Words are shown as they are: some are a customer's or a vendor's."""
    from rich.text import Text

    out.print(Text.assemble((f"{_readable(at):<26}", "dim"), (words, style)))


def _readable(at: str | None) -> str:
    return "" if not at else at.replace("T", " ")
