"""The kill switch: stop everything at once, and let it go on."""

from datetime import datetime

from sqlalchemy import select, update

from store import chain
from store.database import Database
from store.ledger.rows import controls


def set_stopped(database: Database, stopped: bool, *, by: str, reason: str, now: datetime) -> bool:
    """Flip the switch; False when it stood that way already. When this returns, nothing more is armed.

    Arming holds the row FOR SHARE until it commits, so the flip waits for it and everything after the flip sees it.
    """
    with database.write("controls") as connection:
        standing = connection.execute(
            select(controls.c.stopped).where(controls.c.id == 1).with_for_update()
        ).scalar_one()
        if standing == stopped:
            return False
        change = {"stopped": stopped, "by": by, "reason": reason, "at": now}
        connection.execute(update(controls).where(controls.c.id == 1).values(change))
        what = "stopped" if stopped else "started"
        chain.append_control(connection, what, by=by, at=now, detail={"scope": "all"})
        return True
