"""`handrail stop` and `handrail start`: the kill switch."""

import getpass
from datetime import UTC, datetime
from typing import Annotated

import typer

from handrail.speech import AsJson, say, say_json

By = Annotated[str | None, typer.Option(help="Who says so.", show_default="your user name")]


def stop(
    reason: Annotated[str, typer.Option(help="Why; everybody who asks is told.")],
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Stop every effect on the outside world at once. Webhooks are still accepted."""
    _flip(True, by=by, reason=reason, as_json=as_json)


def start(
    reason: Annotated[str, typer.Option(help="Why.")] = "",
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Let effects on the outside world go on."""
    _flip(False, by=by, reason=reason, as_json=as_json)


def _flip(stopped: bool, *, by: str | None, reason: str, as_json: bool) -> None:
    from handrail.opening import the_database
    from services.controls import set_stopped

    who = by or getpass.getuser()
    with the_database() as database:
        changed = set_stopped(database, stopped, by=who, reason=reason, now=datetime.now(UTC))
    if as_json:
        say_json({"stopped": stopped, "changed": changed, "by": who, "reason": reason})
    elif stopped:
        say("stopped: nothing more is sent until `handrail start`" if changed else "it was stopped already")
    else:
        say("started: what is due goes out" if changed else "it was not stopped")
