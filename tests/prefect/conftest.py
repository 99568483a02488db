"""One Prefect server a session, and installations whose outside world is the sandbox."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from complaints import SECRET, TOKEN
from prefect.settings import PREFECT_API_URL, PREFECT_LOGGING_TO_API_ENABLED, temporary_settings
from prefect_stage import Server, eventually, free_port, running

from handrail.addresses import answers
from handrail.prefect_apply import apply
from services.preparing import prepare
from store.database import Database, sqlite_url


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that knows nothing of us yet, and Prefect's client pointed at it."""
    made = Server(tmp_path_factory.mktemp("prefect-server"))
    try:
        made.wait(90)
        with temporary_settings({PREFECT_API_URL: made.api, PREFECT_LOGGING_TO_API_ENABLED: False}):
            yield made
    finally:
        made.stop()


@pytest.fixture(scope="session")
def applied(server: Server) -> Server:
    """The same with our pool, deployments and automations."""
    apply(server.api)
    return server


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a sandbox."""
    directory = tmp_path_factory.mktemp("sandbox")
    port = free_port()
    command = (sys.executable, "-m", "handrail.sandbox", "--port", str(port), "--record", str(directory / "effects"))
    with running((command, {"HANDRAIL_SANDBOX_TOKEN": TOKEN}), directory / "log"):
        address = f"http://127.0.0.1:{port}"
        eventually(lambda: answers(address, "/faults"), 30, "the sandbox")
        yield address


@pytest.fixture
def variables(tmp_path: Path, sandbox: str) -> dict[str, str]:
    """The environment of an installation without a gateway: nothing is sent but by our flows."""
    database = Database(sqlite_url(tmp_path / "handrail.db"))
    prepare(database, now=datetime.now(UTC))
    database.close()
    httpx.post(f"{sandbox}/reset").raise_for_status()  # a desk that knows other tickets than our books is a finding
    return {
        "HANDRAIL_DATA": str(tmp_path),
        "HANDRAIL_SANDBOX_URL": sandbox,
        "HANDRAIL_SANDBOX_TOKEN": TOKEN,
        "HANDRAIL_WEBHOOK_SECRET": SECRET,
    }


@pytest.fixture
def database(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """The installation's database; this process's environment names the installation."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    opened = Database(sqlite_url(Path(variables["HANDRAIL_DATA"]) / "handrail.db"))
    yield opened
    opened.close()
