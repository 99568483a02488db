"""`handrail run JOB`: a job now, not when its schedule says."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from handrail.instants import instant_or_utc
from handrail.speech import AsJson, say, say_json, say_table, warn


def run(
    job: Annotated[
        str,
        typer.Argument(
            metavar="JOB",
            help="import-data, expiry-detection, onboarding-drip, survey-escalation, dispatch-actions, recovery-sweep, "
            "integration-health, poll-surveys.",
        ),
    ],
    at: Annotated[
        str | None,
        typer.Option(
            help="The time to plan from, as 2026-03-04T12:00+01:00; without a zone it is UTC's. Not every job has one.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be planned; write nothing and contact nobody.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Start a job's deployment and print its run's address; without Prefect, or to try it, run it here."""
    from domain.words import did_you_mean, one_of
    from handrail.jobs import AT_A_TIME, JOBS
    from services.settings import load_settings

    if job not in JOBS:
        raise typer.BadParameter(f'there is no job "{job}"{did_you_mean(job, JOBS)}: use {one_of(JOBS)}')
    how: dict[str, Any] = {}
    if at is not None:
        how["at"] = instant_or_utc(at, "--at")
    if dry_run:
        how["dry_run"] = True
    if how and job not in AT_A_TIME:
        raise typer.BadParameter(
            f"{job} acts on what is there now: it has neither --at nor --dry-run (only {one_of(AT_A_TIME)} does)"
        )
    settings, _ = load_settings()
    if dry_run:
        _run_here(job, "a dry run", how, as_json=as_json)
        return
    why = "no Prefect server is named (HANDRAIL_PREFECT_API_URL)"
    if settings.prefect_api_url:
        from handrail.failures import PrefectUnreachable
        from handrail.prefect_runs import start_run  # Prefect's client takes more than a second

        try:
            started = start_run(settings.prefect_api_url, job, how)
        except PrefectUnreachable as problem:
            why = str(problem)
        else:
            if as_json:
                say_json(
                    {"job": job, "prefect": True, "run": started.id, "name": started.name, "address": started.address}
                )
            else:
                say(f"{job} was started as {started.name}: {started.address}")
            return
    _run_here(job, why, how, as_json=as_json)


def _run_here(job: str, why: str, how: Mapping[str, Any], *, as_json: bool) -> None:
    import asyncio

    from handrail.jobs import run_here

    if not as_json:
        warn(f"{why}: {job} runs here, without Prefect")
    told = asyncio.run(run_here(job, **how))
    if as_json:
        say_json({"job": job, "prefect": False, "why": why, "result": told})
        return
    for name, value in told.items():
        _say(name.replace("_", " "), value)


def _say(name: str, value: Any) -> None:
    if isinstance(value, list) and value and isinstance(value[0], dict):
        say_table(tuple(value[0]), [{word: _cell(cell) for word, cell in row.items()} for row in value], title=name)
    elif isinstance(value, list):
        say(f"{name}: {'; '.join(map(str, value)) or 'none'}")
    else:
        say(f"{name}: {_cell(value)}")


def _cell(value: Any) -> Any:
    """Counts by word as people write them: `over already: 19, cancelled: 3`."""
    if isinstance(value, dict):
        return ", ".join(f"{word}: {count}" for word, count in value.items()) or "none"
    return value
