"""P5, P6, P16 with real processes: the gateway is killed and stopped at random moments while answers arrive.

The judge is the sandbox's own record. Of our tables it reads only what they admit: resends and rows left to people.
"""

import json
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from gateway_stack import LEASE, SWEEP, Program, Sender, Shape, Stack, check_answers
from ledger_world import check_audit

from store.database import Database

pytestmark = [pytest.mark.process, pytest.mark.timeout(180)]


@pytest.fixture
def stack(database_url: str, tmp_path: Path) -> Iterator[Callable[[int], Stack]]:
    """`stack(2)`: a sandbox and two gateways, running; ended whatever happens."""
    programs: list[Program] = []
    database = Database(database_url)

    def make(gateways: int) -> Stack:
        return Stack.start(tmp_path, database, programs, gateways, Shape())

    yield make
    for program in programs:
        program.clean_up()
    database.close()


def _seed() -> int:
    return int(os.environ.get("HANDRAIL_TEST_SEED") or random.randrange(1_000_000))


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Callable[..., None]:
    """Shows a run's numbers, also when it passes: without them zero failures say nothing."""

    def show(**numbers: object) -> None:
        with capsys.disabled():
            sys.stdout.write("\n" + json.dumps(numbers) + "\n")

    return show


def test_killed_again_and_again_loses_nothing_and_doubles_nothing_it_does_not_count(
    stack: Callable[[int], Stack], say: Callable[..., None], request: pytest.FixtureRequest
) -> None:
    seed = _seed()
    chance = random.Random(seed)
    running = stack(1)
    running.slow(0.02)
    (gateway,) = running.gateways
    sender = Sender(running.urls, seed)
    sending = threading.Thread(target=sender.run)
    sending.start()
    kills, down = 8 if "sqlite" in request.node.name else 5, 0.0
    for _ in range(kills):
        _wait_for_more(sender, chance.randrange(1, 60))
        gateway.kill()
        killed = time.monotonic()
        gateway.start()
        down = max(down, time.monotonic() - killed)
    _wait_for_more(sender, 20)
    sender.stop()
    sending.join(70)
    assert not sending.is_alive()
    running.quiet(60)
    gateway.end()
    told = judge(running, sender)
    say(
        test=request.node.name,
        seed=seed,
        answers=len(sender.heard),
        deliveries=sender.attempts,
        kills=kills,
        longest_down_seconds=round(down, 2),
        longest_sending_seconds=round(running.longest_sending(), 2),
        **told,
    )
    assert running.longest_sending() < LEASE + SWEEP + down + 3, "a row stayed `sending`"
    check_audit(running.database)


def test_stopped_past_the_lease_and_woken_doubles_nothing_it_does_not_count(
    stack: Callable[[int], Stack], say: Callable[..., None], request: pytest.FixtureRequest
) -> None:
    """Another gateway takes over what the sleeper held; what the sleeper says when it wakes is refused (P15)."""
    seed = _seed()
    chance = random.Random(seed)
    running = stack(2)
    running.slow(0.02)
    sender = Sender(running.urls, seed)
    sending = threading.Thread(target=sender.run)
    sending.start()
    stops = 3
    for _ in range(stops):
        _wait_for_more(sender, chance.randrange(1, 40))
        sleeper = chance.choice(running.gateways)
        sleeper.signal(signal.SIGSTOP)
        time.sleep(LEASE + chance.uniform(0.5, 1.2))  # it must be longer than the lease: that is the case
        sleeper.signal(signal.SIGCONT)
    _wait_for_more(sender, 20)
    sender.stop()
    sending.join(70)
    assert not sending.is_alive()
    running.quiet(60)
    for gateway in running.gateways:
        gateway.end()
    told = judge(running, sender)
    refused = sum(gateway.said.count("its lease ran out and was refused") for gateway in running.gateways)
    say(
        test=request.node.name,
        seed=seed,
        answers=len(sender.heard),
        deliveries=sender.attempts,
        stops=stops,
        stale_results_refused=refused,
        longest_sending_seconds=round(running.longest_sending(), 2),
        **told,
    )
    check_audit(running.database)


def _wait_for_more(sender: Sender, answers: int) -> None:
    wanted, deadline = len(sender.heard) + answers, time.monotonic() + 30
    while len(sender.heard) < wanted:
        assert time.monotonic() < deadline, "no more answers are accepted"
        time.sleep(0.005)


def judge(running: Stack, sender: Sender) -> dict[str, object]:
    """Hold the sender's log against the sandbox's record; numbers to show."""
    rows = {row.key: row for row in running.actions()}
    told = check_answers(running.received(), sender, rows)
    assert not told.lost, f"answered 2xx and lost: {told.lost}"
    assert not told.unexplained, f"more or fewer than the ledger admits: {told.unexplained}"
    assert not sender.complaints
    responses = [row for row in rows.values() if row.kind == "acknowledgement"]
    assert len(responses) == len(sender.heard), "an answer that nobody was told of, or one that is missing"
    return {
        "acknowledged_twice_and_counted": told.resent,
        "left_to_people": told.left_to_people,
        "longest_recovery_seconds": round(told.longest_seconds, 2),
    }
