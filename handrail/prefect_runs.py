"""Runs at Prefect, started and looked up over its API. Importing this costs more than a second: Prefect's client."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowFilter, FlowFilterName
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Scheduled

from handrail.failures import CommandFailed, PrefectUnreachable


@dataclass(frozen=True, slots=True)
class Started:
    """A run that was asked for."""

    id: str
    name: str
    address: str
    """Its page in Prefect's UI."""


def start_run(api_url: str, job: str, parameters: Mapping[str, Any] | None = None) -> Started:
    """Ask for a run of the job's deployment, with its flow's parameters.

    Raises PrefectUnreachable, and CommandFailed when nobody deployed it.
    """
    try:
        with _client(api_url) as client:
            found = client.read_deployments(flow_filter=FlowFilter(name=FlowFilterName(any_=[job])))
            if not found:
                raise CommandFailed(f"{job} is not deployed at {api_url}: run `handrail prefect apply`")
            given = dict(parameters or {})
            run = client.create_flow_run_from_deployment(found[0].id, parameters=given, state=Scheduled())
    except (httpx.TransportError, httpx.HTTPStatusError) as problem:
        raise PrefectUnreachable(f"{api_url} does not answer ({type(problem).__name__})") from problem
    return Started(str(run.id), run.name, f"{ui_of(api_url)}/runs/flow-run/{run.id}")


def ui_of(api_url: str) -> str:
    """Prefect's UI beside its API."""
    return api_url.rstrip("/").removesuffix("/api")


@contextmanager
def _client(api_url: str) -> Iterator[SyncPrefectClient]:
    with temporary_settings({PREFECT_API_URL: api_url}), get_client(sync_client=True) as client:
        yield client
