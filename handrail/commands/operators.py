"""`handrail operators`: who may sign in to the gateway's pages."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from handrail.speech import AsJson, say, say_json

app = typer.Typer(help="Who may sign in to the gateway's pages.", invoke_without_command=True)

Name = Annotated[str, typer.Argument(help="As it will stand beside decisions: “Ewa Lis”.")]


@app.callback()
def operators(context: typer.Context, as_json: AsJson = False) -> None:
    """List them. Without any, pages are shown to the machine itself only."""
    if context.invoked_subcommand is not None:
        return
    from services.operators import read_hashes

    file = _file()
    names = sorted(read_hashes(file))
    if as_json:
        say_json({"file": str(file), "operators": names})
    else:
        say("\n".join(names) if names else f"none: {file} names nobody")


@app.command()
def add(
    name: Name,
    password: Annotated[
        str,
        typer.Option(prompt=True, hide_input=True, confirmation_prompt=True, help="Asked for when left out."),
    ],
    as_json: AsJson = False,
) -> None:
    """Add an operator, or give one another password; the gateway must be restarted to know."""
    from services.operators import hashed_password, read_hashes

    name = " ".join(name.split())
    if not name or not name.isprintable() or len(name) > 200:
        raise typer.BadParameter("a name has 1 to 200 characters, on one line")
    try:
        kept = hashed_password(password)
    except ValueError as problem:
        raise typer.BadParameter(str(problem)) from None
    file = _file()
    _write(file, {**read_hashes(file), name: kept})
    if as_json:
        say_json({"file": str(file), "added": name})
    else:
        say(f"{name} may sign in once the gateway is started anew (kept in {file})")


@app.command()
def remove(name: Name, as_json: AsJson = False) -> None:
    """Take an operator away; their sessions end when the gateway is restarted."""
    from domain.words import did_you_mean, one_of
    from handrail.failures import CommandFailed
    from services.operators import read_hashes

    file = _file()
    hashes = read_hashes(file)
    if name not in hashes:
        there = f"there is {one_of(sorted(hashes))}" if hashes else f"nobody is in {file}"
        raise CommandFailed(f'there is no operator "{name}"{did_you_mean(name, hashes)}: {there}')
    del hashes[name]
    _write(file, hashes)
    if as_json:
        say_json({"file": str(file), "removed": name})
    else:
        say(f"{name} may not sign in any more once the gateway is started anew")


def _file() -> Path:
    from services.settings import load_settings

    return load_settings()[0].operators_file


def _write(file: Path, hashes: Mapping[str, str]) -> None:
    from handrail.stack_files import write_atomically
    from services.operators import as_file

    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(file, as_file(hashes))
