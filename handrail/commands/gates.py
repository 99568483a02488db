"""`handrail gates`: what was judged of imported batches; a person's word that a halted one may come in."""

import getpass
from typing import Annotated, Any

import typer

from handrail.speech import AsJson, say, say_json, say_table

app = typer.Typer(help="Verdicts on imported batches: list, show, approve.", invoke_without_command=True)

Id = Annotated[int, typer.Argument(help="An id, as `handrail gates` lists them.")]


@app.callback()
def gates(context: typer.Context, as_json: AsJson = False) -> None:
    """List the verdicts on imported batches, the newest first."""
    if context.invoked_subcommand is None:
        listing(as_json=as_json)


@app.command("list")
def listing(
    data_set: Annotated[str, typer.Option(help="customers, entitlements or purchases; empty: all.")] = "",
    feed: Annotated[str, typer.Option(help="Only this feed.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many, the newest first.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List the verdicts on imported batches, the newest first."""
    from domain.gates import DataSet
    from domain.words import did_you_mean, one_of
    from handrail.opening import the_database
    from services.gates import list_gates

    if data_set and data_set not in list(DataSet):
        raise typer.BadParameter(f'"{data_set}" is no data set{did_you_mean(data_set, DataSet)}: use {one_of(DataSet)}')
    with the_database() as database:
        found = list_gates(database, data_set=DataSet(data_set) if data_set else None, feed=feed, limit=limit)
    if as_json:
        say_json(found)
    elif found:
        say_table(("id", "verdict", "data_set", "feed", "origin", "rows", "broken", "decided_at", "approved_by"), found)
    else:
        say("nothing was imported through a gate yet")


@app.command()
def show(gate_id: Id, as_json: AsJson = False) -> None:
    """Show one: what was asked, what was found, what was expected."""
    from handrail.opening import the_database
    from services.gates import read_gate

    with the_database() as database:
        gate = read_gate(database, gate_id)
    if as_json:
        say_json(gate)
        return
    say(f"{gate['id']}  {gate['data_set']}, feed {gate['feed']}, {gate['origin']}  {gate['decided_at']}")
    say(f"{gate['verdict']}: {gate['rows']} rows, {gate['broken']} of them broken")
    if gate["approved_by"]:
        say(f"let through by {gate['approved_by']}: {gate['approved_reason']}")
    if gate["findings"]:
        say_table(("asks", "answer", "found", "expected"), [_row(one) for one in gate["findings"]])


@app.command()
def approve(
    gate_id: Id,
    reason: Annotated[str, typer.Option(help="How you know that the file is right; it is kept.")],
    by: Annotated[str | None, typer.Option(help="Who decides; it is kept.", show_default="your user name")] = None,
    as_json: AsJson = False,
) -> None:
    """Let exactly the halted bytes through when they are imported next."""
    from handrail.opening import the_database
    from services.gates import Approver, approve_gate

    with the_database() as database:
        gate = approve_gate(database, gate_id, Approver(by or getpass.getuser(), reason))
    if as_json:
        say_json(gate)
    else:
        say(f"approved: import {gate['origin']} again, unchanged, and it comes in")


def _row(finding: dict[str, Any]) -> dict[str, Any]:
    answer = "yes" if finding["passed"] else "no, so it is halted" if finding["severity"] == "critical" else "no"
    return {**finding, "answer": answer}
