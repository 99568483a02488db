"""The end of a history: faults stop, time passes, and everything is over or where a person sees it."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ledger_door import Door
from ledger_house import House
from ledger_outside import SERVED, SHAPES
from ledger_world import check_audit

from domain.actions import FINAL, Capability, State, WriteClass
from store.ledger.enqueue import About, replan

SEEN = {State.NEEDS_HUMAN, State.FAILED, State.AWAITING_REVIEW}
"""Where people look."""


def plan_anew(house: House, key: str) -> None:
    """What a planner does with an action whose facts changed (acknowledgements are recovery's own)."""
    shape, ref, _ = key.split("/")
    anew = replace(SHAPES[shape], key=key, due_at=house.world.now)
    house.rests_on.pop(key, None)
    with house.database.write() as connection:
        about = About(house.people[ref].id)
        assert replan(connection, house.world.row(key).id, anew, about, run="planner", now=house.world.now)


def come_to_rest(house: House, *, recover: Callable[[], None], check: Callable[[Capability], None]) -> None:
    """By the minute first (backoff, lag), then through every hour of the day, for weeks (caps)."""
    for process in house.busy():
        house.stop_a_process(process, for_good=True)
    for turn in range(40):
        for capability in SERVED:
            check(capability)
        recover()
        for key, state in house.world.states().items():
            if state is State.PLANNED and key.split("/")[0] in SHAPES:
                plan_anew(house, key)
        _work_off(house)
        if not _unfinished(house):
            return
        house.world.wait(120 if turn < 12 else 17 * 3600)
    raise AssertionError(f"never at rest: {_unfinished(house)}")


def _work_off(house: House) -> None:
    process = house.processes[0]
    for capability, lane in sorted({(row.capability, row.lane) for row in house.world.rows("actions")}):
        house.reserve(process, Capability(capability), lane, 99)
        while process.reserved[Capability(capability)]:
            house.arm(process, Capability(capability))
        house.send(process, ["done"])
        house.record(process)


def _unfinished(house: House) -> dict[str, str]:
    rows = {row.id: row for row in house.world.rows("actions")}

    def is_over(row: Any) -> bool:
        if row.state == State.READY and row.after_id is not None:  # it waits for one that waits for a person
            return rows[row.after_id].state not in FINAL and is_over(rows[row.after_id])
        return row.state in FINAL | SEEN

    return {row.key: f"{row.state}: {row.reason}" for row in rows.values() if not is_over(row)}


def check_the_end(house: House) -> None:
    """The books agree with themselves, and with what the outside counted."""
    check_audit(house.database)
    for row in house.world.rows("actions"):
        _check_effects(house, row)
    assert len(house.world.rows("cap_slots")) == len(house.contacts)
    open_cases = Counter(row.customer_id for row in house.world.rows("cases") if row.state == "open")
    assert max(open_cases.values(), default=0) <= 1


def check_that_everything_again_changes_nothing(house: House, door: Door) -> None:
    """P22: every delivery comes again, every process starts again, and the outside hears nothing new."""
    door.check_quarantine(house.database)
    states, effects = house.world.states(), list(house.outside.effects)
    assert house.due <= set(states), "a bad answer was accepted, and nothing was planned for it"
    door.deliver_all_again(house.handrail)
    _work_off(house)
    assert (house.world.states(), house.outside.effects) == (states, effects)
    door.check_quarantine(house.database)


def _check_effects(house: House, row: Any) -> None:
    count, by_people = house.outside.count(row.key), house.sent_again_by_people[row.key]
    assert row.resends <= 1 + by_people
    match house.outside.classes[Capability(row.capability)]:
        case WriteClass.C:
            assert count <= 1 + by_people, "a write that can be looked up was doubled"
        case WriteClass.D:
            assert count <= 1 + row.resends + by_people, "a repeat was not counted"
        case _:
            assert count <= 1
    if row.state == State.DONE and row.key not in house.done_by_people:
        assert count >= 1, "done, but nobody got it"
    if row.state in {State.SKIPPED, State.EXPIRED, State.FAILED} and row.key not in house.tried_again_by_people:
        assert count == 0, f"{row.state}, but it had gone out"
