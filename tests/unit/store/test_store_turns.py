"""Turns: one at a time, first come, first served, also when somebody fails."""

from threading import Event, Thread

import pytest

from store.turns import Turns


def test_whoever_asked_first_goes_first() -> None:
    turns, order, threads = Turns(), [], []

    def take(name: int, asks: Event) -> None:
        asks.set()
        with turns:
            order.append(name)

    with turns:
        for name in range(20):
            asks = Event()
            threads.append(Thread(target=take, args=(name, asks)))
            threads[-1].start()
            assert asks.wait(timeout=30)
            while len(turns._waiting) <= name:  # it is in the queue now, not only on its way there
                pass
    for thread in threads:
        thread.join(timeout=30)
    assert order == list(range(20))


def test_one_at_a_time() -> None:
    turns, inside, most = Turns(), [0], [0]

    def work() -> None:
        for _ in range(200):
            with turns:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                inside[0] -= 1

    threads = [Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert (inside, most) == ([0], [1])


def test_a_turn_that_fails_is_over() -> None:
    turns = Turns()
    with pytest.raises(ValueError, match="no"), turns:
        raise ValueError("no")
    with turns:
        pass


def test_who_has_its_turn_and_asks_for_another_is_told_so_instead_of_waiting_for_ever() -> None:
    turns = Turns()
    with turns:
        with pytest.raises(RuntimeError, match="inside another of the same thread"), turns:
            pass
        later = Thread(target=lambda: turns.__enter__() or turns.__exit__(None, None, None))
        later.start()
        while not turns._waiting:
            pass
    later.join(timeout=30)
    assert not later.is_alive()
    with turns:
        pass
