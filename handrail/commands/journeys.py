"""`handrail journeys`: whether a file is right, which versions there are, what a change means, taking one live."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from handrail.speech import AsJson, say, say_json, say_table, warn

if TYPE_CHECKING:
    from data_contracts.journeys import JourneyFile
    from data_contracts.problems import Problem
    from domain.journeys import Step
    from domain.policy import Policy
    from services.journey_versions import Difference

app = typer.Typer(help="Journeys: check a file, list and show versions, see what a change means, take one live.")

Name = Annotated[str, typer.Argument(help="The journey, as its file in templates/journeys is called: onboarding.")]
_VERSIONS = (
    "journey",
    "version",
    "standing",
    "approved_at",
    "approved_by",
    "active",
    "finished",
    "goal",
    "left",
    "review",
)


@app.command()
def check(
    file: Annotated[
        Path | None, typer.Argument(help="A journey's file; without one, every file in templates/journeys.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Read journeys and say that they are right, or everything that cannot work: line, column and what to do."""
    from data_contracts.journeys import JourneyProblem
    from templates.journey_checks import check_journey
    from templates.journey_files import JOURNEYS, load_journey
    from templates.library import load

    policy, templates = _policy(), load()
    found: dict[str, list[Problem]] = {}
    for path in [file] if file else sorted(JOURNEYS.glob("*.yaml")):
        try:
            found[str(path)] = check_journey(load_journey(path), templates, policy)
        except JourneyProblem as unreadable:
            found[str(path)] = unreadable.problems
    if as_json:
        say_json([{"file": name, "ok": not wrong, "problems": _rows(wrong)} for name, wrong in found.items()])
    for name, wrong in found.items() if not as_json else ():
        if not wrong:
            say(f"{name} is right")
        for problem in wrong:
            warn(f"{name}: {problem}")
    if any(found.values()):
        raise typer.Exit(1)


@app.command("list")
def list_all(as_json: AsJson = False) -> None:
    """List the published versions: which one is live, and how many customers stand where in each."""
    from handrail.opening import the_database
    from services.journey_versions import list_versions

    with the_database() as database:
        rows = list_versions(database)
    if as_json:
        say_json(rows)
    elif rows:
        say_table(_VERSIONS, rows)
    else:
        say("no journey was published yet: `handrail db upgrade` publishes those in templates/journeys")


@app.command()
def show(
    name: Name,
    version: Annotated[
        int | None, typer.Option("--version", help="A published version; without, the live one.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show a published version step by step, in words."""
    from domain.journey_changes import after_words, what_words
    from handrail.opening import the_database
    from services.journey_versions import published_version

    with the_database() as database:
        content_hash, journey = published_version(database, name, version)
    steps = [_shown(step, what_words(step), after_words(step.after)) for step in journey.steps]
    if as_json:
        say_json(
            {"journey": journey.name, "version": journey.version, "hash": content_hash}
            | {"about": journey.about, "at_goal": journey.at_goal, "steps": steps}
        )
        return
    say(f"{journey.name}, version {journey.version}: {journey.about}")
    say_table(("step", "comes", "what", "for", "not_for", "then"), steps)


def _shown(step: "Step", what: str, comes: str) -> Mapping[str, Any]:
    from domain.journey_paths import ALWAYS
    from domain.journey_steps import words_of

    ways = [f"{branch.to}: {words_of(branch.when)}" for branch in step.branch]
    return {
        "step": step.id,
        "comes": comes,
        "what": f"{what}: {step.ask}" if step.ask else what,
        "for": words_of(step.when) if step.when != ALWAYS else None,
        "not_for": words_of(step.skip_when) if step.skip_when else None,
        "then": "; ".join([*ways, *([step.then] if step.then else [])]) or None,
    }


@app.command()
def diff(
    name: Name,
    version: Annotated[
        int | None, typer.Option("--from", metavar="VERSION", help="Compare with this one; without, with the live one.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say in words what the file would change, for whom, and who would finish the version they began."""
    from handrail.opening import the_database
    from services.journey_versions import difference
    from templates.library import load

    file = _file(name)
    with the_database() as database:
        told = difference(database, file, load(), version=version)
    if as_json:
        say_json(told.as_json())
    else:
        _tell(told)


@app.command()
def live(
    name: Name,
    by: Annotated[str, typer.Option("--by", help="Your name; it is kept.")],
    move: Annotated[
        bool, typer.Option("--move", help="Move those under way as well, where this version has their step.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Let customers enter the version in the file from now on, in the words it uses. Shows what that changes."""
    from datetime import UTC, datetime

    from handrail.opening import the_database
    from services.journey_moving import move_to_live
    from services.journey_versions import take_live
    from templates.library import load

    if not by.strip():
        raise typer.BadParameter("--by must say something: it is kept for those who ask later")
    file, policy, now = _file(name), _policy(), datetime.now(UTC)
    with the_database() as database:
        told = take_live(database, file, load(), policy, by=by.strip(), now=now)
        moved = move_to_live(database, policy, name, by=by.strip(), now=now) if move else None
    if as_json:
        say_json({**told.as_json(), "moved": moved})
        return
    _tell(told, moves=move)
    for step, count in sorted(moved.items()) if moved else ():
        say(f"  {count} were moved, at {step}")
    say(f"{told.name} version {told.new} is live")


@app.command()
def schema() -> None:
    """Print the JSON Schema of a journey's file; editors complete it by templates/journeys/journey.schema.json."""
    from data_contracts.journey_schema import schema_text

    say(schema_text().rstrip("\n"))


def _tell(told: "Difference", *, moves: bool = False) -> None:
    against = f"version {told.old}" if told.old is not None else "nothing: no version was live yet"
    say(f"{told.name}: version {told.new} against {against}")
    for change in told.changes:
        say(f"  {change}")
    for new in told.words:
        say(f"  {new.message} ({new.language}): other words in {', '.join(new.parts)}")
        for line in new.lines:
            say(f"      {line}")
    if not told.changes and not told.words:
        say("  nothing changes")
    for one in told.under_way:
        fate = "they finish it, as this version has no such step" if one.stays else "they finish it, unless moved"
        if moves and not one.stays:
            fate = f"they go on at {one.step} of this version"
        say(f"  {one.count} under way in version {one.version}, at {one.step}: {fate}")


def _file(name: str) -> "JourneyFile":
    """The journey's file. Raises CommandFailed, which says what there is."""
    from domain.words import did_you_mean
    from handrail.failures import CommandFailed
    from templates.journey_files import JOURNEYS, load_journey

    path = JOURNEYS / f"{name}.yaml"
    if not path.exists():
        known = sorted(file.stem for file in JOURNEYS.glob("*.yaml"))
        raise CommandFailed(f"there is no {path}{did_you_mean(name, known)}")
    return load_journey(path)


def _policy() -> "Policy":
    from data_contracts.policy import load_policy
    from services.settings import load_settings

    settings, _ = load_settings()
    return load_policy(settings.policy.read_text(encoding="utf-8"), str(settings.policy))


def _rows(problems: "list[Problem]") -> list[dict[str, str]]:
    return [problem.as_json() for problem in problems]
