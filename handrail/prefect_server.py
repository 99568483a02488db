"""Prefect's server and worker as programs of the local stack: what to start, and with which settings."""

import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

HOST = "127.0.0.1"
POOL = "handrail"
WORKER = "local"
"""One name for all restarts: in the UI the worker comes back, instead of one more that is offline."""

_FRESH = timedelta(seconds=5)
"""A heartbeat not older than this is that of a worker which runs, not of the one before the last restart."""

Launch = tuple[tuple[str, ...], dict[str, str]]
"""A command, and what its environment says beside the stack's."""


def server_program(directory: Path, port: int) -> Launch:
    """The API, the UI and all services of Prefect as one process, on a SQLite file of its own below `directory`.

    Killed, it takes nothing with it and leaves nothing running; started again, it serves in three seconds.
    """
    command = (
        *(sys.executable, "-P", "-m", "uvicorn", "--factory", "prefect.server.api.server:create_app"),
        *("--host", HOST, "--port", str(port), "--log-level", "warning", "--no-access-log"),
        *("--timeout-graceful-shutdown", "3"),
    )
    home = directory.resolve() / "prefect"
    home.mkdir(parents=True, exist_ok=True)
    return command, {
        **_common(directory, f"http://{HOST}:{port}/api"),
        "PREFECT_API_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{home / 'prefect.db'}",
        "PREFECT_UI_API_URL": f"http://{HOST}:{port}/api",
        "PREFECT_UI_STATIC_DIRECTORY": str(home / "ui"),  # else it writes into its own package
        "PREFECT_SERVER_UI_V2_ENABLED": "false",  # V2 asks for outside addresses
        # Slots of a deployment outlive a killed server only when their leases do.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
        # A cold run starts seconds after its time: that is not late.
        "PREFECT_SERVER_SERVICES_LATE_RUNS_AFTER_SECONDS": "60",
        "PREFECT_SERVER_SERVICES_LATE_RUNS_LOOP_SECONDS": "15",
        "PREFECT_SERVER_SERVICES_PAUSE_EXPIRATIONS_LOOP_SECONDS": "30",
        # Runs every minute: a quarter of an hour ahead is plenty, an hour would be 240 rows at each deploy.
        "PREFECT_SERVER_SERVICES_SCHEDULER_MIN_SCHEDULED_TIME": "PT15M",
        "PREFECT_SERVER_SERVICES_SCHEDULER_MAX_RUNS": "20",
        # 5,760 runs a day would fill the disk.
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": "P7D",
    }


def worker_program(directory: Path, api_url: str) -> Launch:
    """A process worker of our pool: one process, and one more for each run while it lasts."""
    command = (
        *(sys.executable, "-P", "-m", "prefect", "worker", "start"),
        *("--pool", POOL, "--type", "process", "--name", WORKER),
    )
    return command, {
        **_common(directory, api_url),
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath))),
        "PREFECT_WORKER_QUERY_SECONDS": "3",
        # A run fetched early would hold its deployment's slot while it waits for its time.
        "PREFECT_WORKER_PREFETCH_SECONDS": "1",
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",  # deployments/automations.yaml waits for three of them
        "PREFECT_LOGGING_EXTRA_LOGGERS": "services,tasks",
    }


def worker_is_online(api_url: str) -> bool:
    """True when a worker of our pool has just said that it is there."""
    try:
        answer = httpx.post(f"{api_url}/work_pools/{POOL}/workers/filter", json={}, timeout=5.0, trust_env=False)
        answer.raise_for_status()
    except httpx.HTTPError:
        return False
    since = datetime.now(UTC) - _FRESH
    beats = [worker["last_heartbeat_time"] for worker in answer.json() if worker["status"] == "ONLINE"]
    return any(beat is not None and datetime.fromisoformat(beat) >= since for beat in beats)


def _common(directory: Path, api_url: str) -> dict[str, str]:
    """Prefect's settings for this stack alone, whatever profile the person at the keyboard has."""
    return {
        "PREFECT_HOME": str(directory.resolve() / "prefect"),
        "PREFECT_API_URL": api_url,
        "PREFECT_API_KEY": "",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }
