"""Prefect's server and worker as programs of the local stack: what to start, and with which settings."""

import http.client
import json
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from handrail.flow_process import FORK_SERVER
from services.settings import ROOT

HOST = "127.0.0.1"
POOL = "handrail"
TAG = "handrail"
"""Which deployments at a server are ours."""

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


def fork_server_program(directory: Path, api_url: str) -> Launch:
    """What the worker's runs are forked from."""
    return (sys.executable, "-P", "-m", "handrail.fork_server"), worker_program(directory, api_url)[1]


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
        "PREFECT_API_SSL_CERT_FILE": str(ROOT / "deployments" / "nobody.pem"),  # says itself why
        FORK_SERVER: str(directory.resolve() / "flow-runs.sock"),
    }


def worker_is_online(api_url: str) -> bool:
    """True when a worker of our pool has just said that it is there."""
    since = datetime.now(UTC) - _FRESH
    workers = _ask(api_url, f"/work_pools/{POOL}/workers/filter") or []
    beats = [worker["last_heartbeat_time"] for worker in workers if worker["status"] == "ONLINE"]
    return any(beat is not None and datetime.fromisoformat(beat) >= since for beat in beats)


def knows_nothing(api_url: str) -> bool:
    """True when the server answers, in a second, and has none of our deployments: its database was lost."""
    ours = {"deployments": {"tags": {"all_": [TAG]}}}
    return bool(_ask(api_url, "/deployments/count", ours, seconds=1.0) == 0)


def _ask(api_url: str, path: str, body: Any = None, *, seconds: float = 5.0) -> Any:
    """What the server answers to a POST; None when it does not, or not with 200."""
    server = urlsplit(api_url)
    connection = http.client.HTTPConnection(server.netloc, timeout=seconds)
    try:
        headers = {"Content-Type": "application/json"}
        connection.request("POST", server.path.rstrip("/") + path, body=json.dumps(body or {}), headers=headers)
        answer = connection.getresponse()
        return json.loads(answer.read()) if answer.status == http.client.OK else None
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()


def _common(directory: Path, api_url: str) -> dict[str, str]:
    """Prefect's settings for this stack alone, whatever profile the person at the keyboard has."""
    return {
        "PREFECT_HOME": str(directory.resolve() / "prefect"),
        "PREFECT_API_URL": api_url,
        "PREFECT_API_KEY": "",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }
