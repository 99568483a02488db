"""The kill switch: stop everything or a part at once, and let it go on. What a start lets go: `services.starting`."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from domain.controls import EVERYTHING, Part, Scope, Stop, part_of
from store import chain, controls
from store.crash_points import reached
from store.database import Database
from store.integrations import states
from store.pages import in_steps

_AT_ONCE = 1_000
"""Actions that one transaction makes due, so that no other writer waits for long."""


@dataclass(frozen=True, slots=True)
class Flipped:
    """What a stop or a start did."""

    part: Part
    changed: bool  # False: it stood that way already
    stands: tuple[Stop, ...]  # every stop that stands now
    freed: int = 0  # actions that the stop had put off, and that are due now

    @property
    def words(self) -> str:
        """For whoever asked."""
        what = self.part.words
        mine = next((stop for stop in self.stands if stop.part == self.part), None)
        if mine is not None and self.changed:
            return f"stopped: {what}; nothing more of it is sent until it is started again"
        if mine is not None:
            return f"stopped already: {mine.told}"
        still = "; ".join(stop.told for stop in self.stands)
        rest = f"; still stopped: {still}" if still else ""
        return f"started: {what}; what is due goes out{rest}" if self.changed else f"{what} was not stopped{rest}"


def stop(database: Database, part: Part, *, by: str, reason: str, now: datetime) -> Flipped:
    """Stop it. When this returns, nothing more of it is armed; a second time changes nothing, not even who and why.

    Arming holds the row FOR SHARE until it commits, so the stop waits for it and everything after the stop sees it.
    """
    with database.write("controls") as connection:
        stands = controls.standing(connection, for_update=True)
        if _is_in(part, stands):
            return Flipped(part, False, stands)
        if part == EVERYTHING:
            controls.set_everything(connection, stopped=True, by=by, reason=reason, at=now)
        else:
            controls.set_parts(connection, [*_parts(stands), Stop(part, reason, by, now)])
        _note(connection, part, "stopped", by, reason, now)
        return Flipped(part, True, controls.standing(connection))


def start(database: Database, part: Part, *, by: str, reason: str, now: datetime) -> Flipped:
    """Let it go on. Each stop is for itself: starting everything leaves parts stopped, and the reverse; it says so.

    What the stop had put off is due at once. If this dies on the way, the same start again makes the rest due.
    """
    with database.write("controls") as connection:
        stands = controls.standing(connection, for_update=True)
        changed = _is_in(part, stands)
        if changed:
            if part == EVERYTHING:
                controls.set_everything(connection, stopped=False, by=by, reason=reason, at=now)
            else:
                controls.set_parts(connection, [one for one in _parts(stands) if one.part != part])
            _note(connection, part, "started", by, reason, now)
        stands = controls.standing(connection)
    reached("start.committed")
    return Flipped(part, changed, stands, _free(database, part, by, now))


def standing(database: Database) -> tuple[Stop, ...]:
    """Every stop that stands, the one of everything first."""
    with database.read() as connection:
        return controls.standing(connection)


def named_part(database: Database, scope: Scope, name: str = "") -> Part:
    """What these words name in this installation. Raises ValueError, with the nearest name there is."""
    return part_of(scope, name, integrations(database))


def integrations(database: Database) -> dict[str, str]:
    """The configured integrations' names by capability."""
    with database.read() as connection:
        return {row.capability: row.name for row in states(connection)}


def _is_in(part: Part, stands: tuple[Stop, ...]) -> bool:
    return part in {stop.part for stop in stands}


def _parts(stands: tuple[Stop, ...]) -> list[Stop]:
    return [stop for stop in stands if stop.part != EVERYTHING]


def _note(connection: Connection, part: Part, what: str, by: str, reason: str, now: datetime) -> None:
    """The reason as it was said: it is told to everybody meanwhile, and no customer may stand in it."""
    detail = {"scope": part.scope.value, "name": part.name, "reason": reason}
    chain.append_control(connection, what, by=by, at=now, detail=detail)


def _free(database: Database, part: Part, by: str, now: datetime) -> int:
    with database.read() as connection:
        waiting = controls.put_off(connection, part)
    freed = 0
    for ids in in_steps(database, waiting, _AT_ONCE):
        with database.write("free") as connection:
            freed += controls.free(connection, ids, part, by=by, now=now)
    return freed
