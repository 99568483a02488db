"""The quick cut of the proof's part about Prefect: killed server, stray events, a killed run retried."""

import subprocess
import sys
from pathlib import Path

import pytest
from finding import Finding

pytestmark = [pytest.mark.process, pytest.mark.prefect, pytest.mark.timeout(600)]

SCRIPT = Path(__file__).with_name("prefect_chaos.py")


def test_nothing_is_lost_or_doubled_whatever_becomes_of_prefect(capsys: pytest.CaptureFixture[str]) -> None:
    done = subprocess.run([sys.executable, str(SCRIPT), "--quick"], capture_output=True, text=True, check=False)

    findings = [Finding.from_line(line) for line in done.stdout.splitlines()]
    with capsys.disabled():  # also when it passes: without the numbers zero failures say nothing
        sys.stdout.write(f"\n{done.stdout}")
    assert done.returncode == 0, done.stderr
    assert len(findings) == 3
    assert not [violation for finding in findings for violation in finding.violations]
    assert all(finding.holds for finding in findings)
    assert sum(finding.effects_due for finding in findings) > 50
