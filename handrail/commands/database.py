"""`handrail db`: the database's schema and wordings."""

import typer

from handrail.speech import AsJson, say, say_json

app = typer.Typer(help="The database.", no_args_is_help=True)


@app.callback()
def database() -> None:
    """The database."""


@app.command()
def upgrade(as_json: AsJson = False) -> None:
    """Bring the database to the newest schema and publish new wordings. Twice is once."""
    from datetime import UTC, datetime

    from services.preparing import prepare
    from services.settings import load_settings
    from store.database import Database

    settings, _ = load_settings()
    settings.data.mkdir(parents=True, exist_ok=True)
    opened = Database(settings.database)
    try:
        prepared = prepare(opened, now=datetime.now(UTC))
    finally:
        opened.close()
    where = opened.url.render_as_string(hide_password=True)
    if as_json:
        say_json(
            {"database": where, "revision": prepared.revision, "templates_published": prepared.templates_published}
        )
    else:
        say(f"{where} is at {prepared.revision}; {prepared.templates_published} wordings were published")
