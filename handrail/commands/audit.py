"""`handrail audit`: was anything touched that people had decided?"""

import typer

from handrail.speech import AsJson, say, say_json, say_table

app = typer.Typer(help="The chain of decisions: reviews, the kill switch, reviewers.", no_args_is_help=True)


@app.callback()
def audit() -> None:
    """The chain of decisions: reviews, the kill switch, reviewers."""


@app.command()
def verify(as_json: AsJson = False) -> None:
    """Follow the chain of decisions and compare it with every row it tells of; exit 1 when something was touched."""
    from domain.words import how_many
    from handrail.opening import the_database
    from services.auditing import verify_chain

    with the_database() as database:
        found = verify_chain(database)
    touched = [one.as_json() for one in found.touched]
    if as_json:
        say_json(
            {
                "ok": not touched,
                "entries": found.entries,
                "head": found.head,
                "reviews": found.reviews,
                "touched": touched,
            }
        )
    elif touched:
        say_table(("table", "id", "what"), touched)
    else:
        told = f"{how_many(found.entries, 'entry', 'entries')} about {how_many(found.reviews, 'review')}"
        say(f"{told}, the kill switch and reviewers: nothing was touched")
    if touched:
        raise typer.Exit(1)
