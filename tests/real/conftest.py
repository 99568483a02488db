"""Real systems, started for the tests that ask for them (`make test-real`)."""

from collections.abc import Iterator

import pytest
from real_mailbox import Mailbox, running_mailbox


@pytest.fixture(scope="session")
def mailbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mailbox]:
    """A running maildev, which npm fetches the first time."""
    with running_mailbox(tmp_path_factory.mktemp("maildev") / "output.txt") as mailbox:
        yield mailbox
