"""`handrail demo`: what newcomers see first works, and empties nothing but what a demo made."""

import json
import subprocess
from pathlib import Path

import pytest
from local_stack import HANDRAIL, free_base

pytestmark = pytest.mark.process


@pytest.mark.prefect
@pytest.mark.timeout(400)
def test_once_it_tells_every_story_and_leaves(tmp_path: Path) -> None:
    base = free_base()
    command = (*HANDRAIL, "demo", "--once", "--data", str(tmp_path / "demo"), "--ports", str(base))

    told = subprocess.run(command, capture_output=True, text=True, timeout=360, check=False)

    document = json.loads(told.stdout.splitlines()[-1])
    assert told.returncode == 0, told.stdout
    assert document["ok"] is document["survey"]["ok"] is document["health"]["ok"] is True
    stories = document["survey"]["stories"]
    assert {name: [effect["what"] for effect in story["effects"]] for name, story in stories.items()} == {
        "happy": [],
        "passive": [],
        "unhappy": ["ticket", "message"],
        "unhappy_again": ["note", "message"],
        "delivered_twice": ["ticket", "message"],
        "forged": [],
        "hardship": ["ticket", "message"],
        "ticketing_down": ["message", "ticket"],
    }
    assert stories["unhappy"]["run"].startswith(f"http://127.0.0.1:{base + 2}/runs/flow-run/")


def test_a_directory_that_no_demo_made_is_left_alone(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("everything", encoding="utf-8")

    refused = subprocess.run(
        (*HANDRAIL, "demo", "--once", "--data", str(tmp_path)), capture_output=True, text=True, timeout=60, check=False
    )

    assert refused.returncode == 1
    assert "no demo made it" in refused.stderr
    assert json.loads(refused.stdout)["ok"] is False
    assert precious.read_text(encoding="utf-8") == "everything"
