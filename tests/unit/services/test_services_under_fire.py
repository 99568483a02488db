"""What a worker has committed before it sends, and what it keeps while others send."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import update

from domain.actions import Capability
from integrations.ports import Receipt
from services.wiring import Handrail
from store.crash_points import watch
from store.ledger.rows import actions

TICKETING = Capability.TICKETING
Answered = Callable[..., tuple[str, str]]


@contextmanager
def at(place: str, do: Callable[[], None]) -> Iterator[None]:
    """Do something whenever the process is at this place."""
    watch(lambda name: do() if name == place else None)
    try:
        yield
    finally:
        watch(None)


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


async def test_what_waits_for_the_window_before_it_keeps_its_lease(
    installation: Any, handrail: Handrail, answered: Answered
) -> None:
    """Two rows of one customer need two windows; whoever has both keeps the second while the first is under way."""
    first, _ = answered("C-1", "r-1")
    second, _ = answered("C-2", "r-2")
    with installation.database.write() as connection:
        owner = installation.action(first).customer_id
        connection.execute(update(actions).where(actions.c.key == second).values(customer_id=owner))
    leases: list[Any] = []
    with at("arm.written", lambda: leases.append(installation.action(second).lease_until)):  # as others still see it
        report = await handrail.dispatcher.run_once(capability=TICKETING, run="run-1")
    assert report.done == 2
    reserved, kept = leases  # when the first was armed, and when it was its own turn
    assert kept > reserved
