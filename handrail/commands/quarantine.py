"""`handrail quarantine`: what broke its contract; look, repair, replay, discard."""

import asyncio
import getpass
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from handrail.speech import AsJson, say, say_json, say_table, warn

if TYPE_CHECKING:
    from services.quarantine import Who
    from services.wiring import Handrail

app = typer.Typer(help="What broke its contract: list, show, repair, replay, discard.", invoke_without_command=True)

R = TypeVar("R")
Ids = Annotated[list[int], typer.Argument(help="Ids, as `handrail quarantine` lists them.")]
Id = Annotated[int, typer.Argument(help="An id, as `handrail quarantine` lists them.")]
By = Annotated[str | None, typer.Option(help="Who decides; it is kept.", show_default="your user name")]
Reason = Annotated[str, typer.Option(help="Why; it is kept.")]
Instant = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M%z", "%Y-%m-%d"])]


@app.callback()
def quarantine(
    context: typer.Context,
    state: Annotated[str, typer.Option(help="waiting, replayed or discarded.")] = "waiting",
    source: Annotated[str, typer.Option(help="Only what this source sent, or `import`.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many, the newest first.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List what waits for a person, the newest first, and why."""
    if context.invoked_subcommand is not None:
        return
    from domain.words import did_you_mean, one_of
    from handrail.opening import the_database
    from services.quarantine import list_quarantine
    from store.quarantine import STATES, Chosen

    if state not in STATES:
        raise typer.BadParameter(f'"{state}" is not a state{did_you_mean(state, STATES)}: use {one_of(STATES)}')
    with the_database() as database:
        found = list_quarantine(database, Chosen(state, source), limit=limit)
    if as_json:
        say_json(found.rows)
    elif found.rows:
        rows = [{**row, "problems": "\n".join(map(_in_words, row["problems"]))} for row in found.rows]
        say_table(("id", "source", "origin", "received_at", "problems"), rows)
        if found.before_id is not None:
            warn(f"… {found.total - len(found.rows)} more: --limit")
    else:
        say(f"nothing is {state}{f' from {source}' if source else ''}")


@app.command()
def show(row_id: Id, as_json: AsJson = False) -> None:
    """Show one: what came, what is wrong with it, what was decided."""
    from handrail.opening import the_database
    from services.quarantine import read_quarantined

    with the_database() as database:
        item = read_quarantined(database, row_id)
    if as_json:
        say_json(item)
        return
    say(f"{item['id']}  {item['source']}, {item['origin']}  {item['received_at']}  {item['state']}")
    for problem in item["problems"]:
        say(f"  {_in_words(problem)}")
    for one in item["decisions"]:
        why = f" ({one['reason']})" if one["reason"] else ""
        say(f"  {one['at']}  {one['what']} by {one['by']}{why}: {one['outcome']}")
    if item["columns"]:
        say(f"\n{item['separator'].join(item['columns'])}")
    say(f"\n{item['current']}")


@app.command()
def repair(
    row_id: Id,
    file: Annotated[Path, typer.Argument(help="The corrected body or row, as `show` prints it.")],
    reason: Reason,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Keep a corrected text beside the original, once it fits its contract."""
    from handrail.failures import CommandFailed
    from services.quarantine import repair as keep

    text = file.read_text(encoding="utf-8")
    problems = _run(lambda handrail: asyncio.to_thread(keep, handrail, row_id, text, _who(by, reason)))
    if problems:
        raise CommandFailed("\n".join(["not kept; this is still wrong:", *map(str, problems)]))
    if as_json:
        say_json({"id": row_id, "repaired": True})
    else:
        say(f"kept: `handrail quarantine replay {row_id}` takes it into the books")


@app.command()
def replay(
    ids: Annotated[list[int] | None, typer.Argument(help="Ids; none: all that the options name.")] = None,
    source: Annotated[str, typer.Option(help="All from this source, or `import`.")] = "",
    since: Instant = None,
    until: Instant = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen, and change nothing.")] = False,
    by: By = None,
    reason: Reason = "",
    as_json: AsJson = False,
) -> None:
    """Take what waits into the books, as if it had just come in. Twice is once."""
    from services.quarantine import replay_many
    from store.quarantine import Chosen

    chosen = Chosen(ids=ids or (), source=source, since=_aware(since), until=_aware(until))
    report = _run(lambda handrail: asyncio.to_thread(replay_many, handrail, chosen, _who(by, reason), rehearse=dry_run))
    if as_json:
        say_json({"dry_run": dry_run, "rows": [row.as_json() for row in report.rows], "left": report.left})
    else:
        if report.rows:
            say_table(("id", "verdict", "outcome", "subject"), [row.as_json() for row in report.rows])
        say(f"{'would be: ' if dry_run else ''}{report.words()}")


@app.command()
def discard(ids: Ids, reason: Reason, by: By = None, as_json: AsJson = False) -> None:
    """Nothing is to come of them; their bytes stay."""
    from handrail.opening import the_database
    from services.quarantine import discard as put_away

    with the_database() as database:
        for row_id in ids:
            put_away(database, row_id, _who(by, reason), now=datetime.now(UTC))
    if as_json:
        say_json({"discarded": ids})
    else:
        say(f"discarded: {', '.join(map(str, ids))}")


def _run(work: "Callable[[Handrail], Awaitable[R]]") -> R:
    from services.wiring import Handrail

    async def on_the_installation() -> R:
        async with Handrail.from_environment() as handrail:
            return await work(handrail)

    return asyncio.run(on_the_installation())


def _who(by: str | None, reason: str) -> "Who":
    from services.quarantine import Who

    return Who(by or getpass.getuser(), reason)


def _aware(instant: datetime | None) -> datetime | None:
    """A day without a zone is one of UTC."""
    return instant.replace(tzinfo=UTC) if instant is not None and instant.tzinfo is None else instant


def _in_words(problem: dict[str, Any]) -> str:
    return ": ".join(filter(None, (problem["path"], problem["problem"], problem["fix"])))
