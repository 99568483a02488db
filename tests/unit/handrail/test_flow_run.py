"""A flow run's process gives way while it imports, and not any more when it runs."""

import os
import sys
from threading import get_native_id

import pytest

from handrail import flow_run


@pytest.mark.skipif(sys.platform != "linux", reason="threads have a priority of their own on Linux alone")
def test_it_gives_way_while_it_imports_and_not_any_more_when_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = os.getpriority(os.PRIO_PROCESS, 0)
    imported: dict[str, int] = {}
    monkeypatch.setattr(
        flow_run,
        "import_module",
        lambda name: imported.setdefault(name, os.getpriority(os.PRIO_PROCESS, get_native_id())),
    )
    flow_run.import_at_leisure()
    assert "services.wiring" in imported
    assert set(imported.values()) == {min(usual + 10, 19)}
    assert os.getpriority(os.PRIO_PROCESS, 0) == usual
