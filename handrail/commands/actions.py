"""`handrail actions`: what the ledger holds, and a person's word on what waits for one."""

from typing import Annotated

import typer

from handrail.speech import AsJson, say, say_json, say_table

app = typer.Typer(help="The ledger: list actions, settle what waits for a person.", invoke_without_command=True)

_COLUMNS = ("key", "kind", "state", "due_at", "attempts", "dispatched_by", "updated_at", "reason")


@app.callback()
def actions(
    context: typer.Context,
    state: Annotated[str, typer.Option(help="Only these states, as in needs_human,failed.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many, the newest first.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List actions, the newest first."""
    if context.invoked_subcommand is not None:
        return
    from domain.actions import State
    from handrail.opening import the_database
    from services.reporting import list_actions

    states = [
        State(_state(word.strip(), [known.value for known in State])) for word in state.split(",") if word.strip()
    ]
    with the_database() as database:
        rows = list_actions(database, states, limit=limit)
    if as_json:
        say_json(rows)
    elif rows:
        say_table(_COLUMNS, rows)
    else:
        say(f"no actions{f' in {state}' if state else ''}")


@app.command()
def settle(
    key: Annotated[str, typer.Argument(help="The action's key, as `handrail actions` shows it.")],
    to: Annotated[str, typer.Option("--to", help="done, cancelled, ready or awaiting_review.")],
    by: Annotated[str, typer.Option("--by", help="Your name; it is kept.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; it is kept.")],
    as_json: AsJson = False,
) -> None:
    """Say what becomes of an action that failed or waits for a person."""
    from datetime import UTC, datetime

    from data_contracts.policy import load_policy
    from domain.actions import State
    from handrail.opening import the_database
    from services.settings import load_settings
    from store.ledger.settle import settle as settle_action

    if not by.strip() or not reason.strip():
        raise typer.BadParameter("--by and --reason must say something: they are kept for those who ask later")
    target = State(_state(to, ["done", "cancelled", "ready", "awaiting_review"]))
    settings, _ = load_settings()
    rules = load_policy(settings.policy.read_text(encoding="utf-8"), str(settings.policy)).reviews
    who, why = by.strip(), reason.strip()
    with the_database() as database, database.write("settle") as connection:
        before = settle_action(connection, key, target, rules, by=who, reason=why, now=datetime.now(UTC))
    if as_json:
        say_json({"key": key, "before": before, "state": target, "by": by, "reason": reason})
    else:
        say(f"{key}: {before} → {target}")


def _state(word: str, valid: list[str]) -> str:
    from domain.words import did_you_mean, one_of

    if word not in valid:
        raise typer.BadParameter(f'"{word}" is not a state{did_you_mean(word, valid)}: use {one_of(valid)}')
    return word
