"""Prefect's server and worker as programs of the local stack: what to start, and with which settings."""

import http.client
import json
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

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
    command = (sys.executable, "-P", "-m", "handrail.server_process", "--host", HOST, "--port", str(port))
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
        "PREFECT_LOGGING_EXTRA_LOGGERS": "services,tasks",
    }


def worker_is_online(api_url: str) -> bool:
    """True when a worker of our pool has just said that it is there."""
    since = datetime.now(UTC) - _FRESH
    beats = [worker["last_heartbeat_time"] for worker in _workers(api_url) if worker["status"] == "ONLINE"]
    return any(beat is not None and datetime.fromisoformat(beat) >= since for beat in beats)


def _workers(api_url: str) -> list[dict[str, Any]]:
    """What the server knows of our pool's workers; nothing when it does not answer."""
    server = urlsplit(api_url)
    connection = http.client.HTTPConnection(server.netloc, timeout=5.0)
    try:
        path = f"{server.path.rstrip('/')}/work_pools/{POOL}/workers/filter"
        connection.request("POST", path, body="{}", headers={"Content-Type": "application/json"})
        answer = connection.getresponse()
        found: list[dict[str, Any]] = json.loads(answer.read()) if answer.status == http.client.OK else []
    except (OSError, http.client.HTTPException, ValueError):
        return []
    finally:
        connection.close()
    return found


def _common(directory: Path, api_url: str) -> dict[str, str]:
    """Prefect's settings for this stack alone, whatever profile the person at the keyboard has."""
    return {
        "PREFECT_HOME": str(directory.resolve() / "prefect"),
        "PREFECT_API_URL": api_url,
        "PREFECT_API_KEY": "",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }
