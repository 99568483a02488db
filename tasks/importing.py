"""Importing what arrived, as operators see it: one task run a file."""

import asyncio
import re
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from prefect import task

from domain.gates import DataSet
from services.arriving import Arrived, Before, CannotFetch, arrived, data_set_of, download, is_address, require_allowed
from services.gate_story import as_table, story_of
from services.import_files import UnreadableFile
from services.importing import BatchReport, Source, import_batch
from services.settings import load_settings
from services.wiring import Handrail
from tasks.retrying import DELAYS_SECONDS, RETRIES, if_retryable
from tasks.run_names import run_id, say_how_it_went


@dataclass(frozen=True, slots=True)
class Found:
    """What is at a place."""

    to_import: list[Arrived] = field(default_factory=list)
    left_alone: list[Arrived] = field(default_factory=list)
    problem: str = ""
    """Why the place, or a file there, cannot be looked at, in words; empty: it can be."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of one file."""

    name: str
    feed: str
    problem: str = ""  # why it could not be read, in words
    is_halted: bool = False
    has_warnings: bool = False
    quarantined: int = 0
    words: str = ""
    story: str = ""  # the verdict in Markdown
    questions: list[dict[str, Any]] = field(default_factory=list)


@task(
    name="look-for-files",
    task_run_name="what arrived",
    retries=RETRIES,
    retry_delay_seconds=DELAYS_SECONDS,
    retry_condition_fn=if_retryable,
)
async def look_for_files(place: str, *, data_set: str, feed: str, again: bool) -> Found:
    """The files at a place that are to be imported, and those that are left alone. `again`: halted ones too."""
    told = DataSet(data_set) if data_set else None
    settings, _ = load_settings()
    problems: list[str] = []
    try:
        if is_address(place):
            require_allowed(place, settings.allowed_import_hosts)
            name = Path(place.split("?")[0]).name
            files = [Arrived(place, told or data_set_of(name), feed)]
        elif not place and not settings.imports.is_dir():
            files = []
        else:
            folder = Path(place) if place else settings.imports
            async with Handrail.from_environment() as handrail:
                there = await asyncio.to_thread(arrived, handrail.database, folder, data_set=told, feed=feed)
            files, problems = there.files, there.problems
    except (CannotFetch, UnreadableFile) as problem:
        say_how_it_went(str(problem))
        return Found(problem=str(problem))
    alone = [one for one in files if one.before is Before.TAKEN or (one.before is Before.HALTED and not again)]
    found = Found([one for one in files if one not in alone], alone, "; ".join(problems))
    say_how_it_went(f"{len(found.to_import)} to import, {len(alone)} left alone")
    return found


@task(
    name="import-file",
    task_run_name="{file.feed}",
    retries=RETRIES,
    retry_delay_seconds=DELAYS_SECONDS,
    retry_condition_fn=if_retryable,
)
async def import_file(file: Arrived) -> Imported:
    """Take one file through its gate. Twice is once."""
    async with Handrail.from_environment() as handrail:
        imported = await asyncio.to_thread(_import, handrail, file)
    say_how_it_went(f"{file.feed}: {imported.problem or imported.words}")
    return imported


def _import(handrail: Handrail, file: Arrived) -> Imported:
    try:
        if not is_address(file.path):
            return _through_the_gate(handrail, Path(file.path), file)
        with TemporaryDirectory(prefix="handrail-import-") as folder:
            hosts = handrail.settings.allowed_import_hosts
            return _through_the_gate(handrail, download(file.path, hosts, Path(folder)), file)
    except (CannotFetch, UnreadableFile, OSError) as problem:
        return Imported(file.name.split("?")[0], file.feed, problem=_without_folders(problem))


def _through_the_gate(handrail: Handrail, path: Path, file: Arrived) -> Imported:
    source = Source(path, file.data_set, file.feed)
    report = import_batch(handrail.database, handrail.policy, source, clock=handrail.clock, run=run_id())
    rules = handrail.policy.gates.data_sets[file.data_set]
    story = story_of(
        handrail.database,
        report,
        name=path.name,
        compared_with=rules.compared_with,
        gateway_url=handrail.settings.gateway_url,
    )
    return Imported(
        name=path.name,
        feed=report.feed,
        is_halted=report.is_halted,
        has_warnings=report.has_warnings,
        quarantined=report.quarantined,
        words=in_words(report),
        story=story,
        questions=as_table(report.gate["findings"]),
    )


def in_words(report: BatchReport) -> str:
    """As in `980 accepted, 12 known already, 8 in quarantine`."""
    if report.is_halted:
        return f"halted, gate {report.gate['id']}"
    counts = f"{report.accepted} accepted, {report.known_in_words()}"
    return f"{counts}, {report.quarantined} in quarantine" if report.quarantined else counts


def artifact_key(what: str, one: Imported) -> str:
    """The key of a standing artifact of a feed: `gate-verdict-nightly-insurance`."""
    return f"gate-{what}-{re.sub('[^a-z0-9]+', '-', one.feed.lower()).strip('-') or 'feed'}"


def _without_folders(problem: Exception) -> str:
    return str(problem) if isinstance(problem, CannotFetch | UnreadableFile) else type(problem).__name__


def listed(found: Found, imported: list[Imported]) -> list[dict[str, Any]]:
    """A row a file, for the run's table."""
    done = [{"file": one.name, "feed": one.feed, "what became of it": one.problem or one.words} for one in imported]
    alone = [
        {"file": one.name, "feed": one.feed, "what became of it": f"{one.before} (gate {one.gate_id})"}
        for one in found.left_alone
    ]
    return [*done, *alone]


def wrong(found: Found, imported: list[Imported]) -> str:
    """What makes the run fail: batches that were halted, files that cannot be read."""
    halted = ", ".join(one.feed for one in imported if one.is_halted)
    unread = "; ".join(one.problem for one in imported if one.problem)
    return "; ".join(filter(None, (found.problem, unread, f"halted: {halted}" if halted else "")))


def for_people(found: Found, imported: list[Imported]) -> str:
    """What a person should look at, though the batches were taken."""
    waiting = sum(one.quarantined for one in imported)
    warned = ", ".join(one.feed for one in imported if one.has_warnings and not one.is_halted)
    halted = ", ".join(f"gate {one.gate_id}" for one in found.left_alone if one.before is Before.HALTED)
    words = (
        f"rows in quarantine: {waiting}" if waiting else "",
        f"passed with warnings: {warned}" if warned else "",
        f"halted before, and nobody has let it through: {halted}" if halted else "",
    )
    return "; ".join(filter(None, words))
