"""`handrail up`: ready when it says so, everything back after a kill, nothing left behind."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from dotenv import dotenv_values
from local_stack import HANDRAIL, LocalStack, answers, eventually, free_base, is_alive, local_stack

pytestmark = pytest.mark.process


def back_seconds() -> float:
    """Within what a killed gateway or sandbox serves again: 3 s, or twice what its imports take now and a second."""
    begun = time.monotonic()
    subprocess.run([sys.executable, "-c", "import gateway.__main__"], check=True, timeout=60)
    return max(3.0, 1 + 2 * (time.monotonic() - begun))


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """One stack for the tests that leave it as it was; its path has the word no command line but one may have."""
    with local_stack(tmp_path_factory.mktemp("a-gateway") / "data") as running:
        yield running


def handrail(*words: str, data: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    variables = {**os.environ, **environment, **({"HANDRAIL_DATA": str(data)} if data else {})}
    return subprocess.run((*HANDRAIL, *words), capture_output=True, text=True, env=variables, timeout=60, check=False)


def command_line(pid: int) -> str:
    """As `ps` shows it."""
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()


def session_of(pid: int) -> int:
    """The session a process belongs to."""
    return os.getsid(pid)


def test_everything_is_ready_when_the_line_is_printed(stack: LocalStack) -> None:
    base = int(stack.told["gateway"].rsplit(":", 1)[1])

    assert stack.told["sandbox"] == f"http://127.0.0.1:{base + 1}"
    assert stack.told["prefect"] is None
    assert stack.told["webhook_secret"].startswith("whsec_")
    assert set(stack.told["pids"]) == {"gateway", "sandbox"}
    assert answers(stack.told["gateway"], "/readyz")
    assert answers(stack.told["sandbox"], "/tickets")
    assert stack.standing["gateway"] == stack.told["gateway"]


def test_children_are_in_its_session_and_only_the_gateway_says_so(stack: LocalStack) -> None:
    pids = stack.standing["pids"]

    assert {session_of(pid) for pid in pids.values()} == {session_of(stack.process.pid)}
    assert [name for name, pid in pids.items() if "gateway" in command_line(pid)] == ["gateway"]


@pytest.mark.parametrize(("name", "path"), [("gateway", "/readyz"), ("sandbox", "/tickets")])
def test_what_is_killed_serves_again(stack: LocalStack, name: str, path: str) -> None:
    first = killed_and_back(stack, name, path)
    second = killed_and_back(stack, name, path)  # a second death at once must not be punished with a pause

    assert stack.pid(name) not in {first, second}
    assert is_alive(stack.pid(name))


def killed_and_back(stack: LocalStack, name: str, path: str) -> int:
    """Kill it and wait until it serves again; the process id it had."""
    back = back_seconds()
    killed = stack.kill(name)
    eventually(lambda: not is_alive(killed), 1)
    eventually(lambda: answers(stack.told[name], path), back, f"the {name} did not serve again")
    return killed


def test_another_one_on_the_same_directory_is_refused(stack: LocalStack) -> None:
    refused = handrail("up", "--data", str(stack.directory), "--ports", str(free_base()), "--no-prefect")

    assert refused.returncode == 1
    assert "already runs" in refused.stderr
    assert str(stack.process.pid) in refused.stderr
    assert answers(stack.told["gateway"], "/readyz")


def test_a_taken_port_is_named_with_the_option_that_changes_it(tmp_path: Path) -> None:
    base = free_base()
    with socket.create_server(("127.0.0.1", base + 1)):
        refused = handrail("up", "--data", str(tmp_path / "data"), "--ports", str(base), "--no-prefect", "--json")

    assert refused.returncode == 1
    assert f"{base + 1} (for the sandbox)" in refused.stderr
    assert "--ports" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_another_shell_needs_only_the_directory(stack: LocalStack) -> None:
    examined = handrail("doctor", "--json", data=stack.directory)

    verdicts = {check["check"]: check["verdict"] for check in json.loads(examined.stdout)["checks"]}
    assert examined.returncode == 0, examined.stdout
    assert verdicts["gateway"] == verdicts["database"] == verdicts["mail via sandbox"] == "ok"


def test_the_end_of_a_call_on_the_sandboxs_phone_is_told_to_the_gateway(stack: LocalStack) -> None:
    token = dotenv_values(stack.directory / "stack.env")["HANDRAIL_SANDBOX_TOKEN"]
    call = {"key": "expiry/S-1/2026-04-20/call/1", "customer_ref": "C-1", "to": "+48601234567"}
    with httpx.Client(base_url=stack.told["sandbox"], trust_env=False, timeout=10) as phone:
        placed = phone.post("/api/calls", json=call, headers={"Authorization": f"Bearer {token}"})
        ended = phone.post("/calls/end", json={"key": call["key"], "outcome": "busy"}).json()

    assert placed.status_code == 201
    assert ended["told"]["status"] == 202, ended
    assert json.loads(ended["told"]["answer"])["problems"][0]["problem"] == "no call of ours has this key"


def test_its_secrets_are_for_the_owner_only(stack: LocalStack) -> None:
    modes = {name: (stack.directory / name).stat().st_mode & 0o077 for name in ("stack.env", "up.json")}

    assert modes == {"stack.env": 0, "up.json": 0}


def test_what_somebody_sets_wins_and_is_kept(tmp_path: Path) -> None:
    secret = "whsec_" + "QUJD" * 8
    chosen: dict[str, Any] = {"HANDRAIL_WEBHOOK_SECRET": secret, "HANDRAIL_LEASE_SECONDS": "17"}

    with local_stack(tmp_path / "data", environment=chosen) as stack:
        assert stack.told["webhook_secret"] == secret
        assert b"HANDRAIL_LEASE_SECONDS=17" in Path(f"/proc/{stack.pid('gateway')}/environ").read_bytes()
        assert "HANDRAIL_LEASE_SECONDS='17'" in (stack.directory / "stack.env").read_text(encoding="utf-8")
    with local_stack(tmp_path / "data") as again:
        assert again.told["webhook_secret"] == secret


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_stop_it_leaves_nothing_behind(tmp_path: Path, how: signal.Signals) -> None:
    with local_stack(tmp_path / "data") as stack:
        pids = stack.standing["pids"]

        assert stack.stop(how) == 0

    assert not any(is_alive(pid) for pid in pids.values())
    assert not (tmp_path / "data" / "up.json").exists()


def test_killed_it_takes_everything_along_and_can_start_again(tmp_path: Path) -> None:
    with local_stack(tmp_path / "data") as stack:
        pids = stack.standing["pids"]
        stack.stop(signal.SIGKILL)

        eventually(lambda: not any(is_alive(pid) for pid in pids.values()), 2, "its children outlived it")
    with local_stack(tmp_path / "data") as again:
        assert answers(again.told["gateway"], "/readyz")


def test_what_does_not_come_up_names_its_log(tmp_path: Path) -> None:
    broken = tmp_path / "integrations.yaml"
    broken.write_text("ticketng: x\n", encoding="utf-8")

    failed = handrail(
        "up",
        "--data",
        str(tmp_path / "data"),
        "--ports",
        str(free_base()),
        "--no-prefect",
        HANDRAIL_INTEGRATIONS=str(broken),
    )

    assert failed.returncode == 1
    assert "the gateway did not come up" in failed.stderr
    assert str(tmp_path / "data" / "logs" / "gateway.log") in failed.stderr


def test_several_gateways_share_the_port_and_one_serves_while_another_is_away(tmp_path: Path) -> None:
    with local_stack(tmp_path / "data", environment={"HANDRAIL_GATEWAY_PROCESSES": "2"}) as running:
        pids = running.standing["pids"]
        assert set(pids) == {"gateway", "gateway-2", "sandbox"}
        back = back_seconds()
        os.kill(pids["gateway"], signal.SIGKILL)
        eventually(lambda: answers(running.told["gateway"], "/readyz"), back)
        eventually(lambda: running.standing["pids"].get("gateway", pids["gateway"]) != pids["gateway"], back)
        os.kill(pids["gateway-2"], signal.SIGKILL)
        eventually(lambda: answers(running.told["gateway"], "/readyz"), back)
