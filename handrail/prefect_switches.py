"""What operators switched off at Prefect, kept over an apply: deploying switches everything on again."""

from dataclasses import dataclass

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterTags
from prefect.client.schemas.responses import DeploymentResponse

from handrail.prefect_server import TAG


@dataclass(frozen=True, slots=True)
class SwitchedOff:
    """What does not run because somebody decided so, by name."""

    deployments: frozenset[str]
    schedules: frozenset[str]
    """Deployments whose schedules are all off."""
    automations: frozenset[str]


async def read_ours(client: PrefectClient) -> list[DeploymentResponse]:
    """Our deployments at the server."""
    return await client.read_deployments(deployment_filter=DeploymentFilter(tags=DeploymentFilterTags(all_=[TAG])))


async def read_switches(client: PrefectClient) -> SwitchedOff:
    """What is off now."""
    ours = await read_ours(client)
    return SwitchedOff(
        deployments=frozenset(each.name for each in ours if each.paused),
        schedules=frozenset(
            each.name for each in ours if each.schedules and not any(schedule.active for schedule in each.schedules)
        ),
        automations=frozenset(each.name for each in await client.read_automations(limit=200) if not each.enabled),
    )


async def switch_off(client: PrefectClient, off: SwitchedOff) -> None:
    """Switch the same things off again."""
    for deployment in await read_ours(client):
        if deployment.name in off.deployments:
            await client.pause_deployment(deployment.id)
        elif deployment.name in off.schedules:
            for schedule in deployment.schedules:
                await client.update_deployment_schedule(deployment.id, schedule.id, active=False)
    for automation in await client.read_automations(limit=200):
        if automation.enabled and automation.name in off.automations:
            await client.pause_automation(automation.id)
