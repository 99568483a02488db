"""`handrail up`: the whole system on this machine."""

import logging
from pathlib import Path
from typing import Annotated, Any

import typer

from handrail.addresses import DEFAULT_BASE
from handrail.speech import AsJson, say, say_json, say_table

_WHAT = {
    "gateway": "what waits, cases, quarantine, traces; POST /webhooks/standard; /readyz, /metrics, /openapi.json",
    "prefect": "runs, schedules, artifacts",
    "sandbox": "the ticket desk, CRM, mailbox and phone we pretend to have",
}


def up(
    data: Annotated[
        Path | None, typer.Option(help="Directory of the database and logs.", show_default="HANDRAIL_DATA, or var")
    ] = None,
    ports: Annotated[
        int, typer.Option(min=1024, max=65533, help="Gateway BASE, sandbox BASE+1, Prefect BASE+2.", metavar="BASE")
    ] = DEFAULT_BASE,
    no_prefect: Annotated[bool, typer.Option("--no-prefect", help="Without Prefect's server and worker.")] = False,
    as_json: AsJson = False,
) -> None:
    """Start the gateway, the sandbox and Prefect, and keep them running until SIGTERM or Ctrl-C."""
    from handrail.stack import run_stack
    from services.settings import load_settings

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    directory = data or load_settings()[0].data
    run_stack(directory, ports, with_prefect=not no_prefect, ready=say_json if as_json else _show(directory))


def _show(directory: Path) -> Any:
    def show(standing: dict[str, Any]) -> None:
        rows = [
            {"what": name, "where": standing[name], "for": words} for name, words in _WHAT.items() if standing[name]
        ]
        say_table(("what", "where", "for"), rows)
        say(
            f"The source `standard` signs with the secret in {directory}/stack.env; logs are in {directory}/logs.\n"
            f"In another shell: HANDRAIL_DATA={directory.resolve()} handrail doctor\n"
            "Ctrl-C stops everything."
        )

    return show
