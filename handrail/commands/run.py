"""`handrail run JOB`: a job now, not when its schedule says."""

from typing import Annotated, Any

import typer

from handrail.speech import AsJson, say, say_json, say_table, warn


def run(
    job: Annotated[
        str,
        typer.Argument(
            metavar="JOB",
            help="survey-escalation, dispatch-actions, recovery-sweep, integration-health or poll-surveys.",
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Start a job's deployment and print its run's address; without Prefect, run it here."""
    from domain.words import did_you_mean, one_of
    from handrail.jobs import JOBS
    from services.settings import load_settings

    if job not in JOBS:
        raise typer.BadParameter(f'there is no job "{job}"{did_you_mean(job, JOBS)}: use {one_of(JOBS)}')
    settings, _ = load_settings()
    why = "no Prefect server is named (HANDRAIL_PREFECT_API_URL)"
    if settings.prefect_api_url:
        from handrail.failures import PrefectUnreachable
        from handrail.prefect_runs import start_run  # Prefect's client takes more than a second

        try:
            started = start_run(settings.prefect_api_url, job)
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
    _run_here(job, why, as_json=as_json)


def _run_here(job: str, why: str, *, as_json: bool) -> None:
    import asyncio

    from handrail.jobs import run_here

    if not as_json:
        warn(f"{why}: {job} runs here, without Prefect")
    told = asyncio.run(run_here(job))
    if as_json:
        say_json({"job": job, "prefect": False, "why": why, "result": told})
        return
    for name, value in told.items():
        _say(name.replace("_", " "), value)


def _say(name: str, value: Any) -> None:
    if isinstance(value, list) and value and isinstance(value[0], dict):
        say_table(tuple(value[0]), value, title=name)
    elif isinstance(value, list):
        say(f"{name}: {'; '.join(map(str, value)) or 'none'}")
    else:
        say(f"{name}: {value}")
