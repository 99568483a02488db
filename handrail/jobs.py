"""The jobs by name, as they run without Prefect: the same services, in this process."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from domain.actions import Capability
from domain.instants import iso
from services.arriving import Before, Folder, arrived
from services.asking import ask_sources
from services.desk import read_desk, words_of
from services.drip_report import run_onboarding
from services.ending_report import run_detection
from services.following import follow_cases
from services.health import check_integrations
from services.import_files import UnreadableFile
from services.importing import Source, import_batch
from services.reconciling import reconcile_tickets
from services.recovery import sweep
from services.survey_follow_up import follow_survey
from services.wiring import Handrail

RUN = "handrail run"
"""What the ledger keeps in place of a run's id."""

Told = dict[str, Any]


async def dispatch_actions(handrail: Handrail) -> Told:
    """Send everything that is due, integration by integration."""
    return await _dispatch(handrail, urgent_only=False)


async def survey_escalation(handrail: Handrail) -> Told:
    """Follow the open cases, finish what the gateway left of urgent actions, then tell what became of each."""
    desk = await read_desk(handrail, run=RUN)
    following = await follow_cases(handrail, run=RUN)
    reconciled = await reconcile_tickets(handrail, run=RUN)
    dispatched = await _dispatch(handrail, urgent_only=True)
    followed = await follow_survey(handrail)
    return {
        **dispatched,
        "desk": words_of(desk),
        "cases": following.words,
        "differences": reconciled.rows,
        "actions": followed.rows,
        "open": followed.open_keys,
        "waiting_for_people": followed.waiting_for_people,
        "late": followed.late,
    }


async def recovery_sweep(handrail: Handrail) -> Told:
    """Take over from the dead, settle lost answers, plan anew what has changed."""
    report = await sweep(handrail, run=RUN)
    return {"swept": report.lines, "waiting_for_people": report.waiting_for_people}


async def integration_health(handrail: Handrail) -> Told:
    """Ask every integration how it is."""
    return {"integrations": [row.as_json() for row in await check_integrations(handrail, run=RUN)]}


async def poll_surveys(handrail: Handrail) -> Told:
    """Ask survey tools for answers that no webhook has brought."""
    report = await ask_sources(handrail, run=RUN)
    waiting = [
        {"source": those.source, "answers": those.count, "since": iso(those.since), "problem": those.problem}
        for those in report.waiting
    ]
    return {"asked": [one.as_json() for one in report.asked], "fetched": report.fetched, "not_here_yet": waiting}


async def import_data(handrail: Handrail) -> Told:
    """Import every file that was not taken yet from the folder where files arrive."""
    database, folder = handrail.database, handrail.settings.imports
    there = await asyncio.to_thread(arrived, database, folder) if folder.is_dir() else Folder()
    imported = []
    for file in there.files:
        if file.before is not Before.NEW:
            continue
        source = Source(Path(file.path), file.data_set, file.feed)
        try:
            report = await asyncio.to_thread(
                import_batch, database, handrail.policy, source, clock=handrail.clock, run=RUN
            )
        except (UnreadableFile, OSError) as problem:
            imported.append({"file": file.name, "feed": file.feed, "problem": str(problem)})
        else:
            about: Told = {"file": file.name, "feed": file.feed, "verdict": report.gate["verdict"]}
            imported.append({**about, **report.counts()})
    alone = [f"{one.name}: {one.before}" for one in there.files if one.before is not Before.NEW]
    return {"imported": imported, "left_alone": alone, "problems": there.problems}


async def expiry_detection(handrail: Handrail, *, at: datetime | None = None, dry_run: bool = False) -> Told:
    """Plan one task or call about each ending that is near; a dry run writes nothing and contacts nobody."""
    report = await asyncio.to_thread(run_detection, handrail, at=at, run=RUN, dry_run=dry_run)
    sent = {} if dry_run else await _dispatch(handrail, of=(Capability.CRM, Capability.VOICE))
    return {**report.as_json(), **sent}


async def onboarding_drip(handrail: Handrail, *, at: datetime | None = None, dry_run: bool = False) -> Told:
    """Plan the steps that are due and send what may go now; a dry run writes nothing and contacts nobody."""
    story = await asyncio.to_thread(run_onboarding, handrail, at=at, run=RUN, dry_run=dry_run)
    sent = {} if dry_run else await _dispatch(handrail, of=story.sendable)
    return {**story.as_json(), **sent}


AT_A_TIME: Mapping[str, Callable[..., Awaitable[Told]]] = {
    "expiry-detection": expiry_detection,
    "onboarding-drip": onboarding_drip,
}
"""Jobs that plan from a time they are given, and can only say what they would do."""

JOBS: Mapping[str, Callable[..., Awaitable[Told]]] = {
    **AT_A_TIME,
    "survey-escalation": survey_escalation,
    "dispatch-actions": dispatch_actions,
    "recovery-sweep": recovery_sweep,
    "integration-health": integration_health,
    "poll-surveys": poll_surveys,
    "import-data": import_data,
}


async def run_here(job: str, **how: Any) -> Told:
    """Run a job in this process, on the installation the environment names; `how` is for those of `AT_A_TIME`."""
    async with Handrail.from_environment() as handrail:
        return await JOBS[job](handrail, **how)


async def _dispatch(
    handrail: Handrail, *, urgent_only: bool = False, of: Collection[Capability] = tuple(Capability)
) -> Told:
    reports = [
        await handrail.dispatcher.run_once(capability=configured.capability, run=RUN, urgent_only=urgent_only)
        for configured in handrail.roster
        if configured.capability in of
    ]
    return {
        "dispatched": [report.words() for report in reports],
        "waiting_for_people": sum(report.waiting_for_people for report in reports),
    }
