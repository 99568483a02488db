"""Sends go side by side, never more than there are connections, and each window hears of its own."""

import asyncio
from functools import partial

import pytest

from services.lanes import Lanes, Send


class _Vendor:
    def __init__(self) -> None:
        self.out = 0
        self.most = 0
        self.made: list[str] = []

    async def send(self, name: str) -> None:
        self.out += 1
        self.most = max(self.most, self.out)
        try:
            await asyncio.sleep(0.001)
        finally:
            self.out -= 1
        if name == "broken":
            raise RuntimeError("broken")
        self.made.append(name)

    def window(self, *names: str) -> list[Send]:
        return [partial(self.send, name) for name in names]


async def test_no_more_at_once_than_lanes_and_all_of_them_in_turn() -> None:
    vendor, lanes = _Vendor(), Lanes(3)
    first, second = [f"a{i}" for i in range(10)], [f"b{i}" for i in range(10)]
    await asyncio.gather(lanes.through(vendor.window(*first)), lanes.through(vendor.window(*second)))
    assert vendor.most == 3
    assert vendor.made == first + second
    await lanes.through(vendor.window("later"))
    assert vendor.made[-1] == "later"
    await lanes.through([])


async def test_a_window_is_over_when_its_own_sends_are() -> None:
    vendor, lanes = _Vendor(), Lanes(1)
    other = asyncio.create_task(lanes.through(vendor.window("a", "b", "c", "d")))
    await asyncio.sleep(0)
    mine = asyncio.create_task(lanes.through(vendor.window("e")))
    await other
    assert vendor.made == ["a", "b", "c", "d"]
    assert not mine.done()
    await mine


async def test_what_one_raises_its_window_raises_and_the_others_go_on() -> None:
    vendor, lanes = _Vendor(), Lanes(1)
    broken = asyncio.create_task(lanes.through(vendor.window("a", "broken", "b")))
    whole = asyncio.create_task(lanes.through(vendor.window("c")))
    with pytest.raises(RuntimeError, match="broken"):
        await broken
    await whole
    assert vendor.made == ["a", "b", "c"]


async def test_who_gives_up_sends_nothing_more() -> None:
    vendor, lanes = _Vendor(), Lanes(2)
    window = asyncio.create_task(lanes.through(vendor.window(*"abcdef")))
    while len(vendor.made) < 2:
        await asyncio.sleep(0.0005)
    window.cancel()
    with pytest.raises(asyncio.CancelledError):
        await window
    so_far = list(vendor.made)
    await asyncio.sleep(0.01)
    assert vendor.made == so_far
    assert vendor.out == 0
