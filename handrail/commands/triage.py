"""`handrail triage`: messages that wait for a person, a person's word on them, and how right the rules were."""

from typing import Annotated

import typer

from handrail.speech import AsJson, say, say_json, say_table

app = typer.Typer(help="Messages: list what waits, sort it, see how right the rules were.", no_args_is_help=True)

_WAITING = ("id", "received_at", "urgency", "distress", "customer", "from", "rules_say", "confidence", "why", "words")


@app.callback()
def triage() -> None:
    """Messages: list what waits, sort it, see how right the rules were."""


@app.command("list")
def list_waiting(
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 50, as_json: AsJson = False
) -> None:
    """What waits for a person: distress first, then what is urgent, then the oldest."""
    from handrail.opening import the_database
    from services.triage import waiting_messages

    with the_database() as database:
        rows = waiting_messages(database, limit=limit)
    if as_json:
        say_json(rows)
    elif rows:
        say_table(_WAITING, rows)
    else:
        say("no message waits for a person")


@app.command()
def sort(
    number: Annotated[int, typer.Argument(metavar="ID", help="The message, as `handrail triage list` numbers it.")],
    category: Annotated[str, typer.Argument(help="delivery, billing, returns, cancellation, technical, …")],
    by: Annotated[str, typer.Option("--by", help="Your name; it is kept.")],
    customer: Annotated[
        str, typer.Option("--customer", metavar="REF", help="Whose message it is; a critical one gets its case.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Say what a message is about, and whose it is. Kept beside what the rules said; the latest word counts."""
    from datetime import UTC, datetime

    from data_contracts.policy import load_policy
    from domain.triage import Topic
    from domain.words import did_you_mean, one_of
    from handrail.failures import CommandFailed
    from handrail.opening import the_database
    from services.settings import load_settings
    from services.triage import SomebodyElses, UnknownMessage, UnknownWriter, sort_message

    if not by.strip():
        raise typer.BadParameter("--by must say something: it is kept for those who ask later")
    if category not in set(Topic):
        raise typer.BadParameter(f'"{category}" is no category{did_you_mean(category, Topic)}: use {one_of(Topic)}')
    settings, _ = load_settings()
    policy = load_policy(settings.policy.read_text(encoding="utf-8"), str(settings.policy))
    ref, now = customer.strip() or None, datetime.now(UTC)
    with the_database() as database:
        try:
            done = sort_message(database, policy, number, Topic(category), by=by.strip(), customer_ref=ref, now=now)
        except UnknownMessage:
            raise CommandFailed(
                f"there is no message {number}: `handrail triage list` numbers those that wait"
            ) from None
        except UnknownWriter:
            raise CommandFailed(
                f"nobody we know has the ref {ref}: import them first, or leave --customer out"
            ) from None
        except SomebodyElses as theirs:
            raise CommandFailed(f"message {number} has come to somebody else's case: {theirs}") from None
    if as_json:
        say_json(done)
    else:
        say(f"message {number}: {done['topic']} (rules said {done['rules_said'] or 'nothing'}); {done['outcome']}")


@app.command()
def report(as_json: AsJson = False) -> None:
    """The confusion table: what the rules said, and what people said of the same messages."""
    from handrail.opening import the_database
    from services.triage import triage_report

    with the_database() as database:
        told = triage_report(database)
    if as_json:
        say_json(told)
        return
    say_table(
        ("language", "rules", "person", "count"), told["confusion"], title="What rules said, and what people said"
    )
    standing = ", ".join(f"{count} {state}" for state, count in sorted(told["messages"].items())) or "no messages yet"
    say(f"{standing}; people sorted {told['sorted_by_people']}, and agreed with the rules on {told['agreed']}")
