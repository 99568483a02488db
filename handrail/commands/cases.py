"""`handrail cases`: open cases and who has them, and a person's word on one."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from handrail.instants import instant
from handrail.speech import AsJson, say, say_json, say_table

app = typer.Typer(help="Cases: who has them, what was promised, a person's word.", invoke_without_command=True)

_COLUMNS = ("case", "state", "reason", "opened_at", "answer_due", "answered_at", "ticket", "owner", "last_word_by")
_DIFFERENCES = ("since", "what", "subject", "detail")

Case = Annotated[str, typer.Argument(metavar="CASE", help="As `handrail cases` shows it: c-1042-1.")]
By = Annotated[str, typer.Option("--by", help="Your name; it is kept.")]


@app.callback()
def cases(
    context: typer.Context,
    solved_too: Annotated[bool, typer.Option("--all", help="Those that are solved as well.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many.")] = 200,
    as_json: AsJson = False,
) -> None:
    """List open cases, the oldest first."""
    if context.invoked_subcommand is not None:
        return
    from handrail.opening import the_database
    from services.reporting import list_cases

    with the_database() as database:
        rows = list_cases(database, solved_too=solved_too, limit=limit)
    if as_json:
        say_json(rows)
    elif rows:
        say_table(_COLUMNS, rows)
    else:
        say("no cases" if solved_too else "no open cases")


@app.command()
def differences(as_json: AsJson = False) -> None:
    """List what our books and the ticket desk do not agree on, as the last run of survey-escalation found it."""
    from handrail.opening import the_database
    from services.reporting import list_differences

    with the_database() as database:
        rows = list_differences(database)
    if as_json:
        say_json(rows)
    elif rows:
        say_table(_DIFFERENCES, rows)
    else:
        say("books and ticket desk agree")


@app.command("last-word")
def last_word(case: Case, by: By, as_json: AsJson = False) -> None:
    """Say that you spoke to the customer yourself: the case ends when its ticket is solved."""
    from handrail.opening import the_database
    from services.case_words import record_last_word

    name = _said("--by", by)
    with the_database() as database, database.write("last-word") as connection:
        ticket = record_last_word(connection, case, by=name, now=datetime.now(UTC))
    if as_json:
        say_json({"case": case, "last_word_by": name, "ticket": ticket})
    else:
        say(f"{case}: the last word is {name}'s; its ticket is {ticket}, solve it there and the case ends")


@app.command()
def answered(
    case: Case,
    by: By,
    at: Annotated[str, typer.Option("--at", help="When, as in 2026-03-04T12:30+01:00; left out: now.")] = "",
    as_json: AsJson = False,
) -> None:
    """Say that you answered the customer outside the ticket desk, by telephone for example."""
    from handrail.opening import the_database
    from services.case_words import record_answer

    now, name = datetime.now(UTC), _said("--by", by)
    when = instant(at, "--at") if at else now
    if when > now:
        raise typer.BadParameter("--at lies in the future: say it when it has happened")
    with the_database() as database, database.write("answered") as connection:
        kept = record_answer(connection, case, at=when, by=name, now=now)
    if as_json:
        say_json({"case": case, "answered_at": when, "by": name, "kept_after_all": kept})
    else:
        say(f"{case}: answered{f'; {kept} promises that counted as broken were kept' if kept else ''}")


@app.command()
def excuse(
    case: Case,
    by: By,
    reason: Annotated[str, typer.Option("--reason", help="Why; it is kept.")],
    as_json: AsJson = False,
) -> None:
    """Say that what was promised could not be kept through no fault of ours, or that the customer released us."""
    from handrail.opening import the_database
    from services.case_words import excuse as excuse_case

    name, why = _said("--by", by), _said("--reason", reason)
    with the_database() as database, database.write("excuse") as connection:
        excused = excuse_case(connection, case, by=name, reason=why, now=datetime.now(UTC))
    if as_json:
        say_json({"case": case, "excused": excused, "by": name, "reason": why})
    else:
        say(f"{case}: {excused} promises excused")


def _said(option: str, text: str) -> str:
    if not text.strip():
        raise typer.BadParameter(f"{option} must say something: it is kept for those who ask later")
    return text.strip()
