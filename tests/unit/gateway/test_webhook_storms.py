"""P6: one answer, delivered many times at once, in any order, at any gateway: one ticket, one acknowledgement."""

import random
import ssl
import threading
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from ledger_world import check_audit

pytestmark = pytest.mark.slow  # together; each of them is quick

THREADS = 50


@pytest.fixture
def storm() -> Callable[..., list[tuple[str, httpx.Response]]]:
    """`storm(urls, deliveries)`: each of 50 threads delivers all, in an order of its own, all beginning at once."""

    def run(
        urls: list[str], deliveries: list[tuple[bytes, dict[str, str]]], seed: int
    ) -> list[tuple[str, httpx.Response]]:
        told: list[tuple[str, httpx.Response]] = []
        start = threading.Barrier(THREADS)
        tls = ssl.create_default_context()  # a client of its own reads all certificates anew, 50 times

        def sender(number: int) -> None:
            order = random.Random(seed * 1000 + number)
            mine = order.sample(deliveries, len(deliveries))
            with httpx.Client(timeout=60, verify=tls) as client:
                start.wait(30)
                for body, headers in mine:
                    response = client.post(order.choice(urls) + "/webhooks/standard", content=body, headers=headers)
                    told.append((headers["webhook-id"], response))

        threads = [threading.Thread(target=sender, args=(number,)) for number in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert len(told) == THREADS * len(deliveries)
        return told

    return run


@pytest.mark.parametrize("gateways", [1, 2])
async def test_k_deliveries_one_ticket_one_acknowledgement(
    installation: Any, served: Any, storm: Any, signed: Any, as_bytes: Any, answer: Any, gateways: int
) -> None:
    seed = random.randrange(1_000_000)
    print(f"seed {seed}")  # noqa: T201 - shown when it fails
    urls = [served(installation) for _ in range(gateways)]
    body = as_bytes(answer())
    deliveries = [(body, signed(body, f"msg_{number}")) for number in range(3)]
    assert_equal_but_for_duplicate(storm(urls, deliveries, seed), ids=3)
    await installation.settled()
    assert len(installation.rows("inbox")) == 3
    assert len(installation.rows("survey_responses")) == 1
    assert [case.number for case in installation.rows("cases")] == [1]
    assert sorted(installation.effects()) == [
        ("open_ticket", "case/C-1/1/ticket"),
        ("send_mail", "survey/standard/r-1/acknowledgement"),
    ]
    assert [len(vendor.calls) for vendor in (installation.ticketing, installation.mail)] == [1, 1]
    check_audit(installation.database)


async def test_many_answers_of_one_customer_at_two_gateways_are_one_case(
    installation: Any, served: Any, storm: Any, signed: Any, as_bytes: Any, answer: Any
) -> None:
    """Each opens or joins: one ticket, one note for each other answer, an acknowledgement for every one."""
    urls = [served(installation), served(installation)]
    deliveries = []
    for number in range(4):
        body = as_bytes(answer(response_id=f"r-{number}"))
        deliveries.append((body, signed(body, f"msg_{number}")))
    assert_equal_but_for_duplicate(storm(urls, deliveries, seed=7), ids=4)
    await installation.settled()
    operations = [operation for operation, _ in installation.effects()]
    assert {word: operations.count(word) for word in set(operations)} == {
        "open_ticket": 1,
        "add_note": 3,
        "send_mail": 4,
    }
    assert installation.ticketing.calls[0][0] == "open_ticket", "a note before its ticket"
    check_audit(installation.database)


async def test_quarantined_ones_are_answered_alike_too(
    installation: Any, served: Any, storm: Any, signed: Any, as_bytes: Any, answer: Any
) -> None:
    broken, not_json = as_bytes(answer(score=11)), b'{"type": NaN}'
    deliveries = [(broken, signed(broken, "msg_broken")), (not_json, signed(not_json, "msg_not_json"))]
    told = storm([served(installation), served(installation)], deliveries, seed=11)
    assert_equal_but_for_duplicate(told, ids=2)
    assert {(name, response.status_code) for name, response in told} == {("msg_broken", 202), ("msg_not_json", 400)}
    assert sorted(bytes(row.body) for row in installation.rows("quarantine")) == sorted([broken, not_json])


def assert_equal_but_for_duplicate(told: list[tuple[str, httpx.Response]], ids: int) -> None:
    """Every delivery of an id is answered alike, one of them as the first."""
    answers: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for webhook_id, response in told:
        assert response.status_code in {202, 400}, response.text
        answers[webhook_id].append({**response.json(), "http": response.status_code})
    assert len(answers) == ids
    for same in answers.values():
        assert [one.pop("duplicate") for one in same].count(False) == 1
        assert all(one == same[0] for one in same)
    assert len({same[0]["event_id"] for same in answers.values()}) == ids
