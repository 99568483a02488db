"""`handrail on-call`: who is told of what waits for a decision, now and in the coming weeks."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from handrail.instants import instant
from handrail.speech import AsJson, say, say_json, say_table

_COLUMNS = ("starts", "ends", "who", "instead_of", "")


def on_call(
    at: Annotated[str, typer.Option("--at", help="When, as in 2026-12-24T09:00+01:00; left out: now.")] = "",
    weeks: Annotated[int, typer.Option(min=1, max=520, help="Turns of how many weeks.")] = 6,
    as_json: AsJson = False,
) -> None:
    """Say who is on call, who comes next, and whose turns follow. The rota is the policy's `reviews.on_call`."""
    from data_contracts.policy import load_policy
    from handrail.opening import the_database
    from services.on_call import duty
    from services.settings import load_settings

    when = instant(at, "--at") if at else datetime.now(UTC)
    settings, _ = load_settings()
    policy = load_policy(settings.policy.read_text(encoding="utf-8"), str(settings.policy))
    with the_database() as database:
        told = duty(database, policy.reviews.on_call, at=when, weeks=weeks)
    if as_json:
        say_json(told.as_json())
        return
    say(f"on call: {told.now}; next: {told.then or 'nobody else is in the rota'}")
    rows = told.as_json()["turns"]
    say_table(_COLUMNS, [row | {"": "" if row["is_reviewer"] else "no reviewer"} for row in rows], title=told.time_zone)
    if told.strangers:
        say(f"told, and cannot decide: {', '.join(sorted(told.strangers))}: `handrail reviewers add NAME`")
