"""`handrail prefect apply`: make Prefect know our pool, deployments and automations. Applied twice is applied once."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.client.schemas.objects import WorkPool
from prefect.events.schemas.automations import Automation, AutomationCore
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.settings import PREFECT_API_URL, temporary_settings

from handrail.failures import CommandFailed
from handrail.prefect_switches import read_ours, read_switches, switch_off
from services.settings import ROOT

PREFIX = "handrail: "
"""Which automations at a server are ours, by name: what is not declared any more is taken away."""

ON_CALL = "handrail-oncall"
"""The name of the notification block that automations tell people through, when somebody has made it."""


def apply(api_url: str) -> list[str]:
    """Make the server at `api_url` hold exactly what the repository declares; a line for each thing that is there.

    What operators switched off (a pool, a deployment, its schedule, an automation) stays off. Raises CommandFailed
    when nobody answers there or Prefect does not accept a declaration.
    """
    try:
        with temporary_settings({PREFECT_API_URL: api_url}):
            return asyncio.run(_apply(api_url))
    except PrefectHTTPStatusError as problem:
        raise CommandFailed(f"Prefect at {api_url} refused: {problem}") from problem


async def _apply(api_url: str) -> list[str]:
    async with get_client() as client:
        if (silence := await client.api_healthcheck()) is not None:
            raise CommandFailed(
                f"no Prefect server answers at {api_url} ({type(silence).__name__}): "
                "start one with `handrail up`, or name yours with HANDRAIL_PREFECT_API_URL"
            )
        done = [await _pool(client, pool) for pool in _declared("deployments/work_pools.yaml")["work_pools"]]
        off = await read_switches(client)
        await asyncio.to_thread(_deploy, api_url)
        names = [deployment["name"] for deployment in _declared("prefect.yaml")["deployments"]]
        done += [f"deployment {name}" for name in names]
        done += await _take_away_deployments(client, keep=names)
        done += await _automations(client)
        await switch_off(client, off)
    return done


async def _pool(client: PrefectClient, declared: dict[str, Any]) -> str:
    try:
        standing: WorkPool = await client.read_work_pool(declared["name"])
    except ObjectNotFound:
        from prefect.workers.process import ProcessWorker  # half a second, needed once in a server's life

        template = ProcessWorker.get_default_base_job_template()
        await client.create_work_pool(WorkPoolCreate(**declared, base_job_template=template))
        return f"work pool {declared['name']}, made"
    if standing.type != declared["type"]:
        # Somebody moved us to containers: their pool, their limits.
        return f"work pool {declared['name']}, left as it is ({standing.type})"
    changes = {name: value for name, value in declared.items() if name in {"description", "concurrency_limit"}}
    await client.update_work_pool(declared["name"], WorkPoolUpdate(**changes))
    return f"work pool {declared['name']}"


def _deploy(api_url: str) -> None:
    """Have Prefect's own command read prefect.yaml, so that it means here what it means to everybody."""
    deploying = subprocess.run(
        [sys.executable, "-P", "-m", "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", "prefect.yaml"],
        cwd=ROOT,
        env={**os.environ, "PREFECT_API_URL": api_url, "PWD": str(ROOT), "DO_NOT_TRACK": "1", "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if deploying.returncode:
        said = (deploying.stderr.strip() or deploying.stdout.strip()).splitlines()
        raise CommandFailed("\n".join(["prefect.yaml could not be deployed:", *said[-3:]]))


async def _take_away_deployments(client: PrefectClient, *, keep: list[str]) -> list[str]:
    left = [found for found in await read_ours(client) if found.name not in keep]
    for deployment in left:
        await client.delete_deployment(deployment.id)
    return [f"deployment {deployment.name}, taken away: prefect.yaml has it no more" for deployment in left]


async def _automations(client: PrefectClient) -> list[str]:
    on_call = await _notification_block(client)
    declared = [_automation(each, on_call) for each in _declared("deployments/automations.yaml")["automations"]]
    standing: dict[str, list[Automation]] = {}
    for automation in await client.read_automations(limit=200):
        if automation.name.startswith(PREFIX):
            standing.setdefault(automation.name, []).append(automation)
    done = [await _automate(client, automation, standing.pop(automation.name, [])) for automation in declared]
    for name, left in standing.items():
        for automation in left:
            await client.delete_automation(automation.id)
        done.append(f'automation "{name}", taken away')
    if on_call is None:
        done.append(f"no notification block is named {ON_CALL}: automations stand in the event feed and tell nobody")
    return done


async def _automate(client: PrefectClient, declared: AutomationCore, standing: list[Automation]) -> str:
    for automation in standing[1:]:
        await client.delete_automation(automation.id)
    if standing:
        await client.update_automation(standing[0].id, declared)
    else:
        await client.create_automation(declared)
    return f'automation "{declared.name}"'


def _automation(declared: dict[str, Any], on_call: str | None) -> AutomationCore:
    """What automations.yaml says; `notify` is a notification when there is somebody to tell."""
    fields = dict(declared)
    notify = fields.pop("notify", None)
    if notify is not None:
        told = {"type": "send-notification", "block_document_id": on_call, **notify}
        fields["actions"] = [told if on_call else {"type": "do-nothing"}]
    return AutomationCore.model_validate(fields)


async def _notification_block(client: PrefectClient) -> str | None:
    blocks = await client.read_block_documents(include_secrets=False)
    return next((str(block.id) for block in blocks if block.name == ON_CALL), None)


def _declared(path: str) -> Any:
    file: Path = ROOT / path
    return yaml.safe_load(file.read_text(encoding="utf-8"))
