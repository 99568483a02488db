"""What a worker has committed before it sends."""

from collections.abc import Callable
from typing import Any

from domain.actions import Capability
from integrations.ports import Receipt
from services.wiring import Handrail

TICKETING = Capability.TICKETING
Answered = Callable[..., tuple[str, str]]


async def test_what_is_sent_is_committed_as_sending_before_its_socket_opens(
    installation: Any, handrail: Handrail, answered: Answered
) -> None:
    """Else a death in between would look like a row that never left the house, and be sent again."""
    ticket, _ = answered()
    seen: list[str] = []
    write = installation.ticketing.open_ticket

    async def looks(value: Any, *, key: str) -> Receipt:
        seen.append(installation.states()[key])  # as another process reads it
        return await write(value, key=key)  # type: ignore[no-any-return]

    installation.ticketing.open_ticket = looks
    await handrail.dispatcher.run_once(capability=TICKETING, run="run-1")
    assert seen == ["sending"]
    assert installation.states()[ticket] == "done"
