"""`handrail demo`: from nothing to the whole system running on real input."""

from pathlib import Path
from typing import Annotated

import typer

from handrail.addresses import DEFAULT_BASE
from handrail.speech import say_json


def demo(
    once: Annotated[bool, typer.Option("--once", help="Stop when the story is told; its facts as JSON, last.")] = False,
    data: Annotated[Path, typer.Option(help="Directory of the demo; emptied first.")] = Path("var/demo"),
    ports: Annotated[
        int, typer.Option(min=1024, max=65533, help="Gateway BASE, sandbox BASE+1, Prefect BASE+2.", metavar="BASE")
    ] = DEFAULT_BASE,
) -> None:
    """Start everything afresh, play twenty-nine scenes, and tell what happened in each."""
    from handrail.demo import run_demo
    from handrail.failures import CommandFailed

    try:
        happened = run_demo(data, ports, once=once)
    except CommandFailed as failed:
        if once:
            say_json({"ok": False, "error": str(failed)})
        raise
    if not happened:
        raise typer.Exit(1)
