"""`handrail db`: the database's schema, wordings and journeys."""

import typer

from handrail.speech import AsJson, say, say_json

app = typer.Typer(help="The database.", no_args_is_help=True)


@app.callback()
def database() -> None:
    """The database."""


@app.command()
def upgrade(as_json: AsJson = False) -> None:
    """Bring the database to the newest schema and publish new wordings and journeys. Twice is once."""
    from dataclasses import asdict
    from datetime import UTC, datetime

    from data_contracts.policy import load_policy
    from domain.words import how_many
    from services.content_reviews import Publication, what_waits
    from services.preparing import prepare
    from services.settings import load_settings
    from store.database import Database

    settings, _ = load_settings()
    policy = load_policy(settings.policy.read_text(encoding="utf-8"), str(settings.policy))
    settings.data.mkdir(parents=True, exist_ok=True)
    opened = Database(settings.database)
    try:
        prepared = prepare(opened, now=datetime.now(UTC), asks=Publication(policy))
        waits = what_waits(opened)
    finally:
        opened.close()
    where = opened.url.render_as_string(hide_password=True)
    if as_json:
        say_json({"database": where, **asdict(prepared), "waits": [one.as_json() for one in waits]})
    else:
        wordings = how_many(prepared.templates_published, "wording")
        journeys = how_many(prepared.journeys_published, "journey")
        say(f"{where} is at {prepared.revision}; published: {wordings}, {journeys}")
        for one in waits:
            say(f"the {one.subject} {one.name} waits: {one.in_words} (/reviews/{one.number})")
