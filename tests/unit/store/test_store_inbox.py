"""The inbox answers a repeat as the first time; the quarantine keeps every byte."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from ledger_world import NOON, World, later

from store import inbox

PROBLEMS = [{"path": "data.score", "problem": "is 42", "fix": "nps scores go from 0 to 10"}]


def _receive(world: World, webhook_id: str = "msg_1", source: str = "standard", body_hash: str = "h") -> inbox.Delivery:
    with world.database.write() as connection:
        return inbox.receive(connection, [inbox.Arrival(source, webhook_id, body_hash, NOON)])[0]


def test_a_delivery_is_new_once(world: World) -> None:
    first, again = _receive(world), _receive(world, body_hash="another body")
    assert (first.is_new, again.is_new) == (True, False)
    assert (again.id, again.event_id, again.body_hash) == (first.id, f"evt_{first.id}", "h")
    assert (again.http_status, again.status, again.problems) == (202, "accepted", [])


def test_each_source_has_ids_of_its_own(world: World) -> None:
    assert _receive(world).is_new
    assert _receive(world, source="other").is_new
    assert _receive(world, "msg_2").is_new


def test_many_deliveries_at_once_are_new_once(world: World) -> None:
    together = Barrier(12)

    def deliver(_: int) -> inbox.Delivery:
        together.wait(timeout=30)
        return _receive(world)

    with ThreadPoolExecutor(12) as pool:
        deliveries = list(pool.map(deliver, range(12)))
    assert sum(delivery.is_new for delivery in deliveries) == 1
    assert len({delivery.id for delivery in deliveries}) == 1


def test_what_broke_its_contract_is_kept_byte_for_byte_and_answered_so_again(world: World) -> None:
    body = b'{"score": 42, "comment": "\xff\x00 za\xc5\xbc\xc3\xb3\xc5\x82\xc4\x87"}'
    delivery = _receive(world)
    with world.database.write() as connection:
        refused = inbox.refuse(
            connection, delivery, "standard", "msg_1", body, PROBLEMS, http_status=202, now=later(seconds=1)
        )
        assert inbox.quarantined(connection) == 1
    assert (refused.status, refused.problems) == ("quarantined", PROBLEMS)
    again = _receive(world)
    assert (again.is_new, again.http_status, again.status, again.problems) == (False, 202, "quarantined", PROBLEMS)
    (kept,) = world.rows("quarantine")
    assert (kept.body, kept.origin, kept.problems, kept.state) == (body, "msg_1", PROBLEMS, "waiting")
    assert (kept.inbox_id, kept.received_at) == (delivery.id, later(seconds=1))


def test_a_row_of_a_file_is_kept_without_a_delivery(world: World) -> None:
    with world.database.write() as connection:
        inbox.keep(connection, "import", "answers.csv:7", b"a;b", PROBLEMS, inbox_id=None, now=NOON)
        assert inbox.quarantined(connection) == 1
