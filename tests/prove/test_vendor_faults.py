"""A quick cut of the proof of vendor faults: every mode, every write class, both databases, few of each."""

import pytest
from vendor_faults import QUICK, prove


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_no_fault_of_a_vendor_loses_or_doubles_anything(database_url: str) -> None:
    findings = [finding async for finding in prove(database_url, seed=1, size=QUICK)]
    assert len(findings) == 5
    for finding in findings:
        assert finding.holds, finding.as_line()
    assert sum(finding.faults.total() for finding in findings) > 300
