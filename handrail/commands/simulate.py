"""`handrail simulate`: what a journey would do to customers, on a virtual clock and without contacting anyone."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from handrail.instants import instant_or_utc
from handrail.speech import AsJson, say, say_json, say_table, warn

if TYPE_CHECKING:
    from data_contracts.journeys import JourneyFile
    from domain.actions import Capability
    from domain.policy import Policy
    from services.simulated import Simulated
    from services.simulation_input import Refused
    from templates.library import Template

_LENGTH = re.compile(r"(\d{1,4})\s*([hdw])")
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_LONGEST = timedelta(days=400)


def simulate(
    name: Annotated[str, typer.Argument(metavar="JOURNEY", help="A journey of templates/journeys, as onboarding.")],
    customers: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            help="Customers as they are imported (.csv, .jsonl, .parquet); column activated_at says when each begins.",
        ),
    ],
    until: Annotated[str, typer.Option(help="How long: 30d, 4w or 36h; or the end, as 2026-04-01T00:00+02:00.")],
    since: Annotated[
        str, typer.Option("--from", help="When it begins, as 2026-03-01T08:00+01:00.", show_default="now")
    ] = "",
    events: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="What happens meanwhile: JSON lines of events, each at its time."),
    ] = None,
    journey: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A file that is not published yet, in place of the one we ship.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Where to write the page, as timeline.html.")] = None,
    as_json: AsJson = False,
) -> None:
    """Say who would get what, when, over which channel, and who is skipped and why. Nobody is contacted."""
    from data_contracts.policy import load_policy
    from handrail.timeline.page import page
    from services.settings import load_settings
    from services.simulated import as_json as told
    from services.simulating import simulate as run
    from services.simulation_input import read_customers, read_events
    from services.virtual_world import Trial
    from templates.library import load

    began = instant_or_utc(since, "--from") if since else datetime.now(UTC).replace(second=0, microsecond=0)
    end = _end(until, began)
    settings, _ = load_settings()
    policy = load_policy(settings.policy.read_text(encoding="utf-8"), str(settings.policy))
    templates = load()
    file = _journey(name, journey)
    _check(file, templates, policy)
    entrants = read_customers(customers, policy, began=began)
    feed = read_events(events, entrants.refs) if events else None
    trial = Trial(file.journey, file.hash, policy, began, end, _served(settings.integrations))
    _warn(customers, entrants.refused, entrants.told)
    if events and feed:
        _warn(events, feed.refused, feed.told)
    simulated = run(file, templates, trial, entrants.good, feed.good if feed else ())
    if out is not None:
        out.write_text(page(simulated), encoding="utf-8")
    standing = _standing(file)
    if as_json:
        say_json({**told(simulated), "standing": standing, "page": None if out is None else str(out)})
        return
    _say(simulated)
    if standing is not None:
        say(f"This version is {standing}.")
    if out is not None:
        say(f"Every customer's timeline: {out}")


def _end(text: str, began: datetime) -> datetime:
    length = _LENGTH.fullmatch(text.strip())
    if length is None and not text[:4].isdigit():
        raise typer.BadParameter(
            f'"{text}" is no length and no time: write 30d, 4w or 36h, or 2026-04-01T00:00+02:00', param_hint="--until"
        )
    end = began + int(length[1]) * _UNITS[length[2]] if length else instant_or_utc(text, "--until")
    if not began < end <= began + _LONGEST:
        raise typer.BadParameter(
            f'"{text}" ends {end:%Y-%m-%d %H:%M} UTC: it must end after it begins, and within {_LONGEST.days} days',
            param_hint="--until",
        )
    return end


def _journey(name: str, path: Path | None) -> "JourneyFile":
    from handrail.failures import CommandFailed
    from templates.journey_files import load_journey, load_journeys

    if path is not None:
        file = load_journey(path)
        if file.journey.name != name:
            raise CommandFailed(f"{path} is the journey {file.journey.name}, not {name}")
        return file
    known = {file.journey.name: file for file in load_journeys()}
    if name not in known:
        from domain.words import did_you_mean, one_of

        raise typer.BadParameter(f'there is no journey "{name}"{did_you_mean(name, known)}: use {one_of(known)}')
    return known[name]


def _standing(file: "JourneyFile") -> str | None:
    """Whether customers enter this version here, or what it waits for; None where no installation can be asked."""
    from sqlalchemy.exc import SQLAlchemyError

    from handrail.opening import the_database_if_there
    from services.journey_versions import version_standing

    try:
        with the_database_if_there() as database:
            return None if database is None else version_standing(database, file.hash)
    except SQLAlchemyError:  # a simulation needs no database
        return None


def _check(file: "JourneyFile", templates: "Sequence[Template]", policy: "Policy") -> None:
    """Raises CommandFailed for a journey that nobody could go through."""
    from handrail.failures import CommandFailed
    from templates.journey_checks import check_journey

    problems = check_journey(file, templates, policy)
    if problems:
        raise CommandFailed("\n".join(f"{file.source}: {problem}" for problem in problems))


def _served(integrations: Path) -> "frozenset[Capability]":
    """What somebody is configured for. Their settings, and secrets, are not looked at: nobody is called."""
    from domain.actions import Capability
    from integrations.roster_file import read_roster_file

    value = read_roster_file(integrations.read_text(encoding="utf-8"), str(integrations)).value
    return frozenset(Capability(word) for word in value or () if word in set(Capability))


def _warn(path: Path, refused: int, told: "Sequence[Refused]") -> None:
    for one in told:
        warn(f"{path.name}:{one.line}: {'; '.join(map(str, one.problems))}")
    if refused > len(told):
        warn(f"… and {refused - len(told)} more")


def _say(simulated: "Simulated") -> None:
    from services.simulated import totals

    summed = totals(simulated)
    say(
        f"{simulated.journey}, version {simulated.version}, "
        f"{simulated.began:%Y-%m-%d %H:%M} to {simulated.until:%Y-%m-%d %H:%M} UTC. Nobody was contacted."
    )
    say(
        f"{summed.customers} customers, {summed.entered} entered, {summed.reached} got at least one message, "
        f"{summed.messages} messages and {summed.tasks} tasks for colleagues"
    )
    for trouble in simulated.trouble:
        warn(f"{trouble.what} ({trouble.count})")
    for waiting in simulated.for_review:
        say(f"{waiting.count} of what was sent would have waited for a review: {waiting.what}")
    say_table(
        ("step", "came", "sent", "skipped", "other"),
        [
            {
                "step": step.step,
                "came": step.came,
                "sent": _counted(step.sent),
                "skipped": _counted(step.skipped),
                "other": _counted({word: count for word, count in step.others.items() if word != "skipped"}),
            }
            for step in summed.steps
        ],
    )
    ends = {**summed.standing, **{f"left: {reason}": count for reason, count in summed.left.items()}}
    ends.pop("left", None)
    say(f"How they stand: {_counted(ends) or 'nobody entered'}")
    for reason, count in summed.stayed_out.most_common():
        say(f"{count} never entered: {reason}")


def _counted(counts: "Mapping[str, int]") -> str:
    return ", ".join(f"{word}: {count}" for word, count in counts.items() if count)
