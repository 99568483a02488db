"""Where histories run."""

from collections.abc import Iterator

import pytest
from ledger_runs import Place, on_postgresql


@pytest.fixture
def standing(postgres_server: str, postgres_template: str) -> Iterator[Place]:
    """On PostgreSQL: one database, emptied before each history."""
    with on_postgresql(postgres_server, postgres_template) as place:
        yield place
