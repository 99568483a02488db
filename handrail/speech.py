"""How the command speaks: one JSON document on stdout for machines, or tables for people; errors on stderr."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

AsJson = Annotated[bool, typer.Option("--json", help="Say it as one JSON document.")]


def say_json(value: Any) -> None:
    """One JSON document on one line."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, default=str) + "\n")
    sys.stdout.flush()


def say(text: str) -> None:
    """A line for a person, on stdout."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def warn(text: str) -> None:
    """A line for a person, on stderr."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def console(*, stderr: bool = False) -> "Console":
    """Where tables and progress bars go."""
    from rich.console import Console  # 60 ms that --json and --help need not wait for

    stream = sys.stderr if stderr else sys.stdout
    # A pipe has no width of its own; cutting cells there would lose what somebody greps for.
    return Console(file=stream, highlight=False, soft_wrap=True, width=None if stream.isatty() else 200)


def say_table(columns: Sequence[str], rows: Iterable[Mapping[str, Any]], *, title: str = "") -> None:
    """A table for people. What customers or vendors said is shown as it is, never read as markup."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD)
    for column in columns:
        table.add_column(column.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*(Text(_cell(row.get(column))) for column in columns))
    console().print(table)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
