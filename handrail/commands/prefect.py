"""`handrail prefect`: what Prefect must know of us."""

import typer

from handrail.speech import AsJson, say, say_json

app = typer.Typer(help="Prefect: pools, limits, deployments, automations.", no_args_is_help=True)


@app.callback()
def prefect() -> None:
    """Prefect: pools, limits, deployments, automations."""


@app.command("apply")
def apply_to_prefect(as_json: AsJson = False) -> None:
    """Create or update pools, limits, deployments and automations. Twice is once."""
    from handrail.failures import CommandFailed
    from services.settings import load_settings

    settings, _ = load_settings()
    if not settings.prefect_api_url:
        raise CommandFailed("no Prefect server is named: set HANDRAIL_PREFECT_API_URL, as in http://127.0.0.1:4200/api")
    from handrail.prefect_apply import apply  # imports Prefect, which takes more than a second

    applied = apply(settings.prefect_api_url)
    if as_json:
        say_json({"prefect": settings.prefect_api_url, "applied": applied})
    else:
        say("\n".join((f"{settings.prefect_api_url} has", *(f"  {line}" for line in applied))))
