"""`handrail stop` and `handrail start`: the kill switch, of everything or of a part."""

import getpass
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from handrail.failures import CommandFailed
from handrail.speech import AsJson, say, say_json, say_table, warn

if TYPE_CHECKING:
    from domain.controls import Part
    from services.controls import Flipped
    from services.starting import WouldGo
    from store.database import Database

By = Annotated[str | None, typer.Option(help="Who says so.", show_default="your user name")]
Job = Annotated[str, typer.Option(help="Only what this job planned, as expiry-detection.")]
Kind = Annotated[str, typer.Option(help="Only actions of this kind, as call or message.")]
Integration = Annotated[str, typer.Option(help="Only what goes through this integration, as mail.")]
All = Annotated[bool, typer.Option("--all", help="Everything; so it is when no part is named.")]

_COLUMNS = ("kind", "channel", "tier", "count", "oldest")


def stop(
    reason: Annotated[str, typer.Option(help="Why; everybody who asks is told. No customer's name or words.")],
    job: Job = "",
    kind: Kind = "",
    integration: Integration = "",
    everything: All = False,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Stop effects on the outside world at once: all of them, or a part. Webhooks are still accepted."""
    from handrail.opening import the_database
    from services import controls

    who = _who(by)
    if not reason.strip():
        raise typer.BadParameter("--reason must say something: everybody who asks is told")
    with the_database() as database:
        part = _part(database, job, kind, integration, everything)
        _say(controls.stop(database, part, by=who, reason=reason.strip(), now=datetime.now(UTC)), as_json)


def start(
    reason: Annotated[str, typer.Option(help="Why.")] = "",
    job: Job = "",
    kind: Kind = "",
    integration: Integration = "",
    everything: All = False,
    by: By = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would go out.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask; for scripts.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what would go out, ask, and let it go on. Each stop ends by itself: --all leaves stopped parts stopped."""
    from handrail.opening import the_database
    from services import controls

    who = _who(by)
    with the_database() as database:
        part = _part(database, job, kind, integration, everything)
        preview = _preview(database, part, must=dry_run)
        if preview is not None and not as_json:
            _show(preview)
        if dry_run:
            if preview is not None and as_json:
                say_json(preview.as_json())
            return
        if not (yes or as_json) and _is_asked() and not typer.confirm("Let it go on?"):
            raise CommandFailed("nothing was started")
        _say(controls.start(database, part, by=who, reason=reason.strip(), now=datetime.now(UTC)), as_json, preview)


def _part(database: "Database", job: str, kind: str, integration: str, everything: bool) -> "Part":
    from domain.controls import EVERYTHING, Scope
    from services.controls import named_part

    named = {Scope.JOB: job, Scope.KIND: kind, Scope.INTEGRATION: integration}
    said = [(scope, name) for scope, name in named.items() if name]
    if len(said) + everything > 1:
        raise typer.BadParameter("name one part at a time: --job, --kind, --integration or --all")
    if not said:
        return EVERYTHING
    try:
        return named_part(database, *said[0])
    except ValueError as problem:
        raise typer.BadParameter(str(problem)) from None


def _preview(database: "Database", part: "Part", *, must: bool) -> "WouldGo | None":
    """None, with a word about it, where the policy cannot be read: that must not keep anybody from starting."""
    from data_contracts.policy import PolicyProblem, load_policy
    from handrail.problems import in_words
    from services.settings import load_settings
    from services.starting import what_would_go

    file = load_settings()[0].policy
    try:
        policy = load_policy(file.read_text(encoding="utf-8"), str(file))
    except (OSError, PolicyProblem) as problem:
        if must:
            raise CommandFailed(f"what would go out cannot be said: {in_words(problem)}") from problem
        warn(f"what would go out cannot be said: {in_words(problem)}")
        return None
    return what_would_go(database, policy, part, now=datetime.now(UTC))


def _show(preview: "WouldGo") -> None:
    if preview.waiting:
        say_table(_COLUMNS, preview.as_json()["waiting"], title="would go out")
    for line in preview.words:
        say(line)


def _say(flipped: "Flipped", as_json: bool, preview: "WouldGo | None" = None) -> None:
    if not as_json:
        say(flipped.words)
        return
    told = {
        "scope": flipped.part.scope.value,
        "name": flipped.part.name,
        "changed": flipped.changed,
        "stops": [stop.as_json() for stop in flipped.stands],
    }
    say_json(told if preview is None else {**told, "freed": flipped.freed, "would_go": preview.as_json()})


def _is_asked() -> bool:
    """Somebody sits there; a script goes on by itself."""
    return sys.stdin.isatty()


def _who(by: str | None) -> str:
    return (by or "").strip() or getpass.getuser()
