"""However many actions there are: no statement of a claim reads a whole table."""

import re
from typing import Any

from ledger_world import WORKER, World, a_message
from sqlalchemy import event

from domain.actions import Capability, State
from store.ledger.reserve import renew
from store.ledger.rows import Result

LARGE = ("actions", "audit", "cap_slots", "consents", "customers", "evidence", "receipts", "reviews", "suppressions")
_READS_ALL = re.compile(rf"SCAN ({'|'.join(LARGE)})\b(?! USING (COVERING )?INDEX ix_actions_ready)")


def test_a_claim_from_reserve_to_record_searches_and_never_scans(world: World) -> None:
    """On SQLite, whose planner needs no statistics for this; on PostgreSQL a small table is rightly read whole."""
    if not world.database.is_sqlite:
        return
    asked: list[tuple[str, Any]] = []

    @event.listens_for(world.database.engine, "before_cursor_execute")
    def _note(_connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:
        asked.append((statement, parameters[0] if many else parameters))

    for number in range(3):
        world.put(a_message(f"m{number}", facts=frozenset({"customer"})), customer_id=world.customer(f"C-{number}"))
    asked.clear()
    rows = world.reserve(Capability.MAIL, keys=["m0", "m1", "m2"])
    with world.database.write() as connection:
        assert renew(connection, [row.id for row in rows], worker=WORKER, lease_seconds=20) == 3
    armed = world.arm(rows, Capability.MAIL).armed
    ends = (State.DONE, State.UNCERTAIN, State.DONE)
    world.record(*(Result(one.id, one.fence, end) for one, end in zip(armed, ends, strict=True)))
    statements = [(said, given) for said, given in asked if said.split()[0] in {"SELECT", "UPDATE", "INSERT"}]
    assert len(statements) > 10
    with world.database.engine.connect() as connection:
        plans = {
            said: [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {said}", given)]
            for said, given in statements
        }
    scans = {said: plan for said, plan in plans.items() if any(_READS_ALL.search(step) for step in plan)}
    assert scans == {}
