"""`handrail import`: files of customers, entitlements, purchases and survey answers."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from handrail.speech import AsJson, console, say, say_json, warn

if TYPE_CHECKING:
    from services.imports import ImportReport

app = typer.Typer(help="Import files: CSV with a header, JSON lines, Parquet.", no_args_is_help=True)

File = Annotated[Path, typer.Argument(help="A .csv, .jsonl or .ndjson file in UTF-8.")]
BatchFile = Annotated[Path, typer.Argument(help="A .csv, .jsonl or .ndjson file in UTF-8, or a .parquet file.")]
Feed = Annotated[
    str,
    typer.Option(
        help="What comes again and again under this name is compared.", show_default="the file's name, without dates"
    ),
]


@app.callback()
def imports() -> None:
    """Import files. Bad rows wait in quarantine; the same file twice is once; what a gate halts changes nothing."""


@app.command()
def surveys(file: File, as_json: AsJson = False) -> None:
    """Survey answers: response_id, kind, score, answered_at, customer_ref; optional columns say more."""
    from data_contracts.policy import load_policy
    from handrail.opening import the_database
    from services.imports import import_surveys
    from services.settings import load_settings

    settings, _ = load_settings()
    policy = load_policy(settings.policy.read_text(encoding="utf-8"), str(settings.policy))
    with the_database() as database, _progress(file, as_json=as_json) as progress:
        report = import_surveys(database, policy, file, clock=_now, progress=progress)
    _say_report(file, report, as_json=as_json)


@app.command()
def customers(file: BatchFile, feed: Feed = "", as_json: AsJson = False) -> None:
    """Customers: ref and what is known of them; what the file says wins, an empty cell says nothing."""
    _import_batch("customers", file, feed, as_json=as_json)


@app.command()
def entitlements(file: BatchFile, feed: Feed = "", as_json: AsJson = False) -> None:
    """What ends: ref, customer_ref, kind, product, ends_on; optional columns say more."""
    _import_batch("entitlements", file, feed, as_json=as_json)


@app.command()
def purchases(file: BatchFile, feed: Feed = "", as_json: AsJson = False) -> None:
    """What customers bought: ref, customer_ref, product, bought_on, quantity, amount, currency."""
    _import_batch("purchases", file, feed, as_json=as_json)


def _import_batch(data_set: str, file: Path, feed: str, *, as_json: bool) -> None:
    from data_contracts.policy import load_policy
    from domain.gates import DataSet
    from handrail.opening import the_database
    from services.importing import Source, import_batch
    from services.settings import load_settings

    settings, _ = load_settings()
    policy = load_policy(settings.policy.read_text(encoding="utf-8"), str(settings.policy))
    with the_database() as database, _progress(file, as_json=as_json) as progress:
        report = import_batch(
            database, policy, Source(file, DataSet(data_set), feed.strip()), clock=_now, progress=progress
        )
    _say_report(file, report, as_json=as_json, gate=report.gate)
    said = report.in_words()
    if not as_json and said:
        warn(f"gate {report.gate['id']}: {report.gate['verdict']}\n{said}")
    if report.is_halted:
        if not as_json:
            warn(_HALTED.format(id=report.gate["id"]))
        raise typer.Exit(1)


_HALTED = """nothing was changed, and the file is where it was. If it is right as it is, say so, and import it again:
  handrail gates approve {id} --by NAME --reason …"""


def _now() -> datetime:
    return datetime.now(UTC)


@contextmanager
def _progress(file: Path, *, as_json: bool) -> Iterator[Callable[[int], None]]:
    """A bar on the terminal; nothing for machines, and nothing when stderr is no terminal."""
    if as_json or not sys.stderr.isatty():
        yield lambda _read: None
        return
    from rich.progress import Progress  # 30 ms that pipes need not wait for

    with Progress(console=console(stderr=True), transient=True) as progress:
        task = progress.add_task(file.name, total=file.stat().st_size)
        yield lambda read: progress.update(task, completed=read)


def _say_report(file: Path, report: "ImportReport", *, as_json: bool, gate: Mapping[str, Any] | None = None) -> None:
    if as_json:
        say_json({"file": str(file), **report.counts(), "bad": report.bad, **({} if gate is None else {"gate": gate})})
        return
    for bad in report.bad:
        problems = "; ".join(": ".join(filter(None, problem.values())) for problem in bad["problems"])
        warn(f"{file.name}:{bad['line']}: {problems}")
    if report.quarantined > len(report.bad):
        warn(f"… and {report.quarantined - len(report.bad)} more")
    kept = " (kept in quarantine until a person looks)" if report.quarantined else ""
    say(f"{file}: {report.accepted} accepted, {report.known_in_words()}, {report.quarantined} bad{kept}")
