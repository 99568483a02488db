"""A quick cut of the proof of vendor faults: every mode and write class, few of each, two classes a database."""

from collections.abc import Sequence

import pytest
from vendor_faults import QUICK, prove

from domain.actions import WriteClass


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("database_url", "classes"),
    [
        ("sqlite", (WriteClass.A, WriteClass.C)),
        pytest.param("postgresql", (WriteClass.B, WriteClass.D), marks=pytest.mark.postgres),
    ],
    indirect=["database_url"],
)
async def test_no_fault_of_a_vendor_loses_or_doubles_anything(database_url: str, classes: Sequence[WriteClass]) -> None:
    is_paced = WriteClass.A in classes  # once is enough: waits and rates are the same on both
    findings = [each async for each in prove(database_url, seed=1, size=QUICK, classes=classes, paced=is_paced)]
    assert len(findings) == len(classes) + is_paced
    for finding in findings:
        assert finding.holds, finding.as_line()
        assert finding.faults.total() > 60
