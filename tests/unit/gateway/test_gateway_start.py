"""What `python -m gateway` says when it cannot start: words for the person at 3 a.m., not a traceback."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from pages_site import let_in

from gateway.__main__ import main

GOOD = {
    "HANDRAIL_SANDBOX_URL": "http://127.0.0.1:9",
    "HANDRAIL_SANDBOX_TOKEN": "token",
    "HANDRAIL_WEBHOOK_SECRET": "whsec_" + "QUJD" * 8,
}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "run `handrail db upgrade`"),
        ({"HANDRAIL_DATABASE_URL": "postgresql://127.0.0.1:1/none"}, "the database: OperationalError"),
        ({"HANDRAIL_DATABASE_URL": "postgres://u:geheim@127.0.0.1/x"}, "HANDRAIL_DATABASE_URL: no address of ours"),
        ({"HANDRAIL_WEBHOOK_SECRET": ""}, "the variable HANDRAIL_WEBHOOK_SECRET is empty"),
        ({"HANDRAIL_LEASE_SECONDS": "soon"}, "HANDRAIL_LEASE_SECONDS: input should be a valid number"),
        ({"HANDRAIL_LEASE_SECONDS": "10"}, "timeout_seconds: 8 is too long for a lease of 10 s: set less than 5"),
        ({"HANDRAIL_INTEGRATIONS": "/nowhere/integrations.yaml"}, "/nowhere/integrations.yaml"),
        ({"HANDRAIL_POLICY": "/nowhere/policy.yaml"}, "/nowhere/policy.yaml"),
        ({"HANDRAIL_OPERATORS": __file__}, "test_gateway_start.py: is not YAML"),
    ],
)
def test_what_is_wrong_is_said_and_the_process_ends(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    changes: dict[str, str],
    words: str,
) -> None:
    for name, value in {"HANDRAIL_DATA": str(tmp_path), **GOOD, **changes}.items():
        monkeypatch.setenv(name, value)
    assert main() == 1
    (said,) = [record for record in caplog.records if record.name == "gateway"]
    assert words in said.getMessage()
    assert said.exc_info is None
    assert not [secret for secret in (GOOD["HANDRAIL_WEBHOOK_SECRET"], "geheim") if secret in caplog.text]


@pytest.mark.parametrize(
    "changes",
    [{"HANDRAIL_GATEWAY_HOST": "0.0.0.0"}, {"HANDRAIL_GATEWAY_URL": "https://handrail.example"}],  # noqa: S104
)
def test_pages_that_others_reach_are_not_served_without_sign_in(
    tmp_path: Path,
    sqlite_template: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    changes: dict[str, str],
) -> None:
    (tmp_path / "handrail.db").write_bytes(sqlite_template.read_bytes())
    for name, value in {"HANDRAIL_DATA": str(tmp_path), **GOOD, **changes}.items():
        monkeypatch.setenv(name, value)

    assert main() == 1
    assert "handrail operators add NAME" in caplog.text


def test_behind_a_proxys_path_pages_are_found_and_link_there(on_sqlite: Any, served: Callable[..., str]) -> None:
    """The proxy takes its path off again; who asks the gateway itself, as probes do, never had it."""
    let_in(on_sqlite)
    where = served(on_sqlite, gateway_url="https://care.example/handrail")

    with httpx.Client(base_url=where, trust_env=False) as client:
        assert client.get("/healthz").json() == {"status": "ok"}
        sent = client.get("/trace/C-1")
        assert sent.headers["location"] == "/handrail/sign-in?to=%2Ftrace%2FC-1"
        shown = client.get("/sign-in")
        assert 'action="/handrail/sign-in"' in shown.text
        assert "Path=/handrail;" in shown.headers["set-cookie"]
        assert client.get("/openapi.json").json()["servers"] == [{"url": "/handrail"}]
        assert client.post("/webhooks/standard", content=b"{}").status_code == 401
