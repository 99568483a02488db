"""How many windows are under way at once, and what becomes of trouble with one of them."""

import asyncio
import time

import pytest

from services.flight import WINDOWS, Flight
from services.recording import Window
from store.ledger.rows import Reserved


def _window(sends: int = 1) -> Window:
    return Window(sends, ends=time.monotonic() + 60)


async def _nothing() -> None:
    return None


async def _never() -> None:
    await asyncio.Event().wait()


def _is_back(window: Window, *, went_well: bool = True) -> Window:
    window.out, window.went_well = 0, went_well
    return window


async def test_no_more_windows_are_being_sent_than_a_stop_may_overshoot() -> None:
    flight = Flight()
    for _ in range(WINDOWS):
        assert flight.has_room
        flight.begin(_window(), _never())
    assert not flight.has_room
    await asyncio.sleep(0)
    flight.give_up()


async def test_what_is_only_written_down_leaves_room_for_the_next_but_not_without_end() -> None:
    flight = Flight()
    begun = 0
    while flight.has_room:
        flight.begin(_is_back(_window()), _nothing())
        begun += 1
    assert WINDOWS < begun <= 2 * WINDOWS
    await asyncio.sleep(0)
    flight.give_up()


async def test_while_the_breaker_has_not_heard_of_trouble_nothing_is_armed_beside_it() -> None:
    flight = Flight()
    windows = [_is_back(_window(), went_well=False), _is_back(_window())]
    for window in windows:
        flight.begin(window, _nothing())
    assert not flight.has_room
    windows[0].finished(1)  # told, and written down
    await flight.changed(1)
    assert flight.has_room
    await asyncio.sleep(0)
    flight.give_up()


async def test_a_window_that_is_back_wakes_whoever_waits_for_room() -> None:
    flight, sent = Flight(), asyncio.Event()
    window = _window()

    async def send() -> None:
        await sent.wait()
        _is_back(window)

    flight.begin(window, send())
    flight.begin(_window(), _never())
    asyncio.get_running_loop().call_soon(sent.set)
    async with asyncio.timeout(5):
        await flight.changed(60)
    assert flight.has_room
    await asyncio.sleep(0)
    flight.give_up()


async def test_rows_that_come_meanwhile_are_handed_over_once_and_trouble_with_them_is_told_in_the_end() -> None:
    flight = Flight()
    row = Reserved(1, "k", 1, "normal", None, "reply")

    async def more() -> list[Reserved]:
        return [row]

    async def broken() -> list[Reserved]:
        raise OSError("away")

    assert flight.fetched() is None
    flight.fetch(more)
    assert flight.is_under_way
    await flight.changed(5)
    assert flight.fetched() == [row]
    assert flight.fetched() is None
    flight.fetch(broken)
    await flight.changed(5)
    assert flight.fetched() == []
    assert not flight.is_under_way
    with pytest.raises(OSError, match="away"):
        raise flight.trouble[0]
