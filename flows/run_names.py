"""What operators read in the list of runs: the subject, and the time it was asked for."""

from collections.abc import Callable
from datetime import UTC, datetime

from prefect.runtime import flow_run


def about(subject: str) -> Callable[[], str]:
    """A run name such as `critical answers, 14:05 UTC`."""

    def name() -> str:
        asked_for: datetime = flow_run.get_scheduled_start_time()
        return f"{subject}, {asked_for.astimezone(UTC):%H:%M} UTC"

    return name
