"""Solitude: many together or one alone; nobody waits for ever, whoever is cancelled."""

import asyncio
import random
from contextlib import suppress

import pytest

from services.solitude import Solitude


class Room:
    """Who is in it now."""

    def __init__(self) -> None:
        self.solitude = Solitude()
        self.together = 0
        self.alone = 0
        self.most = 0

    async def join(self, leave: asyncio.Event) -> None:
        async with self.solitude.together():
            self.together += 1
            self.most = max(self.most, self.together)
            try:
                assert self.alone == 0
                await leave.wait()
            finally:
                self.together -= 1

    async def be_alone(self, leave: asyncio.Event) -> None:
        async with self.solitude.alone():
            self.alone += 1
            try:
                assert (self.alone, self.together) == (1, 0)
                await leave.wait()
            finally:
                self.alone -= 1


async def _turns(count: int = 10) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_many_are_together() -> None:
    room, leave = Room(), asyncio.Event()
    tasks = [asyncio.create_task(room.join(leave)) for _ in range(5)]
    await _turns()
    assert room.together == 5
    leave.set()
    await asyncio.gather(*tasks)


async def test_one_is_alone_once_the_others_have_left() -> None:
    room, leave, done = Room(), asyncio.Event(), asyncio.Event()
    others = [asyncio.create_task(room.join(leave)) for _ in range(3)]
    await _turns()
    loner = asyncio.create_task(room.be_alone(done))
    await _turns()
    assert (room.together, room.alone) == (3, 0)
    leave.set()
    await _turns(30)
    assert (room.together, room.alone) == (0, 1)
    done.set()
    await asyncio.gather(loner, *others)


async def test_who_wants_to_be_alone_goes_before_new_company() -> None:
    room, first, done, second = Room(), asyncio.Event(), asyncio.Event(), asyncio.Event()
    earlier = asyncio.create_task(room.join(first))
    await _turns()
    loner = asyncio.create_task(room.be_alone(done))
    await _turns()
    later = asyncio.create_task(room.join(second))
    await _turns()
    assert room.together == 1  # the later one waits
    first.set()
    await _turns(30)
    assert (room.together, room.alone) == (0, 1)
    done.set()
    second.set()
    await asyncio.gather(earlier, loner, later)


async def test_who_gives_up_waiting_leaves_the_door_open() -> None:
    room, leave, never = Room(), asyncio.Event(), asyncio.Event()
    company = asyncio.create_task(room.join(leave))
    await _turns()
    loner = asyncio.create_task(room.be_alone(never))
    await _turns()
    waiting = asyncio.create_task(room.join(leave))
    await _turns()
    loner.cancel()
    await _turns(30)
    assert room.together == 2
    leave.set()
    await asyncio.gather(company, waiting)


async def test_who_fails_inside_leaves_too() -> None:
    solitude = Solitude()
    for door in (solitude.alone, solitude.together):
        with suppress(ZeroDivisionError):
            async with door():
                raise ZeroDivisionError
    async with asyncio.timeout(5), solitude.alone():
        pass
    async with asyncio.timeout(5), solitude.together():
        pass


@pytest.mark.parametrize("seed", range(5))
async def test_any_coming_and_going_keeps_the_rule_and_ends(seed: int) -> None:
    room, chance = Room(), random.Random(seed)
    visits: list[tuple[asyncio.Task[None], asyncio.Event]] = []
    for _ in range(200):
        leave = asyncio.Event()
        visit = room.be_alone(leave) if chance.random() < 0.2 else room.join(leave)
        visits.append((asyncio.create_task(visit), leave))
        await _turns(chance.randrange(3))
        if chance.random() < 0.2:
            chance.choice(visits)[0].cancel()
        for _, one in chance.sample(visits, min(len(visits), 8)):
            one.set()
    for _, leave in visits:
        leave.set()
    ends = await asyncio.wait_for(asyncio.gather(*(task for task, _ in visits), return_exceptions=True), timeout=20)
    assert all(end is None or isinstance(end, asyncio.CancelledError) for end in ends)
    assert room.most > 1
    async with asyncio.timeout(5), room.solitude.alone():
        pass
