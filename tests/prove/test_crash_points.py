"""The crash points of the proof, a sample of them; `make prove` runs them all."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from finding import Finding

_SCRIPT = Path(__file__).with_name("crash_points.py")


@pytest.mark.process
@pytest.mark.postgres
@pytest.mark.timeout(240)
def test_a_sample_of_deaths_loses_and_doubles_nothing(postgres_server: str) -> None:
    seed = os.environ.get("HANDRAIL_TEST_SEED", "1")
    ended = subprocess.run(
        [sys.executable, str(_SCRIPT), "--quick", "--seed", seed],
        env={**os.environ, "HANDRAIL_TEST_POSTGRES": postgres_server},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    findings = [Finding.from_line(line) for line in ended.stdout.splitlines()]
    assert {finding.database for finding in findings} == {"sqlite", "postgresql"}
    assert not [violation for finding in findings for violation in finding.violations]
    assert all(finding.holds for finding in findings)
    nobody_died = [f"{finding.what}, {finding.database}" for finding in findings if not finding.deaths]
    assert not nobody_died, "nothing was shown"
