"""Health, readiness, metrics and the description of the API."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from unittest.mock import AsyncMock

import pytest
from jsonschema import Draft202012Validator
from open_reviews import open_review
from pages_site import site_of
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Connection, text

from domain.controls import Part, Scope
from domain.review_rules import Risk
from integrations.errors import NotSent
from services.controls import start, stop
from services.urgent import UrgentDispatch
from store import fetches, inbox
from store.schema import newest

Answer = Callable[..., dict[str, Any]]
HERE = {"host": "127.0.0.1"}


@pytest.fixture
def broken(installation: Any) -> Iterator[Callable[[str, str], None]]:
    """`broken("ALTER …", "ALTER … back")`: the database in another shape until the test is over."""
    mend: list[str] = []

    def change(statement: str, back: str) -> None:
        with installation.database.write() as connection:
            _run(connection, statement)
        mend.append(back)

    yield change
    with installation.database.write() as connection:
        for statement in mend:
            _run(connection, statement)


def _run(connection: Connection, statement: str) -> None:
    connection.execute(text(statement))


def metric(exposition: str, sample_name: str, /, **labels: str) -> float:
    """One sample's value; fails when there is none."""
    for family in text_string_to_metric_families(exposition):
        for sample in family.samples:
            if sample.name == sample_name and all(sample.labels.get(label) == value for label, value in labels.items()):
                return float(sample.value)
    raise AssertionError(f"no {sample_name} {labels} in\n{exposition}")


async def test_alive_and_ready(door: Any) -> None:
    alive, ready = await door.get("/healthz"), await door.get("/readyz")
    assert (alive.status_code, alive.json()) == (200, {"status": "ok"})
    assert (ready.status_code, ready.json()) == (200, {"status": "ready"})


async def test_alive_but_not_ready_without_the_schema(door: Any, broken: Any) -> None:
    broken("ALTER TABLE alembic_version RENAME TO away", "ALTER TABLE away RENAME TO alembic_version")
    ready = await door.get("/readyz")
    assert ready.status_code == 503
    assert "handrail db upgrade" in ready.json()["problem"]
    assert (await door.get("/healthz")).status_code == 200


async def test_not_ready_with_an_older_schema(door: Any, broken: Any) -> None:
    back = f"UPDATE alembic_version SET version_num = '{newest()}'"  # noqa: S608 - our own constant
    broken("UPDATE alembic_version SET version_num = '0000'", back)
    ready = await door.get("/readyz")
    assert ready.status_code == 503
    assert "0000" in ready.json()["problem"]


async def test_metrics_tell_what_came_in_and_what_stands_where(
    door: Any, installation: Any, answer: Answer, clock: Any, signed: Any
) -> None:
    installation.ticketing.script(*[NotSent("ticketing via fake", "no route", "wait")] * 3)
    await door.deliver(answer())
    await door.deliver(answer())
    await door.deliver(answer(score=99), "msg_2")
    await door.deliver(b"NaN", "msg_3")
    await door.post(b"{}", {})
    await door.post(b"{}", signed(b"{}"), "nobody")
    await installation.settled()
    with installation.database.write() as connection:
        _run(connection, "UPDATE controls SET stopped = TRUE")
    calls = Part(Scope.KIND, "call")
    stop(installation.database, calls, by="ann", reason="x", now=clock())
    clock.go(seconds=600)  # stopped first, or what is due again by now may go before it is counted
    scraped = await door.get("/metrics")
    assert scraped.headers["content-type"].startswith("text/plain; version=")
    told = scraped.text
    with installation.database.write() as connection:
        _run(connection, "UPDATE controls SET stopped = FALSE")
    start(installation.database, calls, by="ann", reason="x", now=clock())
    counts = {
        outcome: metric(told, "handrail_webhooks_total", source="standard", outcome=outcome)
        for outcome in ("accepted", "quarantined", "401")
    }
    assert counts == {"accepted": 2, "quarantined": 2, "401": 1}
    assert metric(told, "handrail_quarantine") == 2
    assert metric(told, "handrail_stopped", scope="all") == 1
    assert metric(told, "handrail_stopped", scope="kind", name="call") == 1
    again = (await door.get("/metrics")).text
    assert metric(again, "handrail_stopped", scope="all") == 0
    assert 'name="call"' not in again
    assert metric(told, "handrail_breaker_open", name="ticketing via fake") in {0, 1}
    assert metric(told, "handrail_actions", capability="ticketing", state="ready") == 1
    assert 0 < metric(told, "handrail_oldest_urgent_seconds") <= 600


async def test_metrics_and_the_first_page_tell_of_answers_that_are_not_here_yet(
    installation: Any, opened: Any, clock: Any
) -> None:
    async with opened(installation) as door:
        told = (await door.get("/metrics")).text
        assert "handrail_answers_to_fetch{" not in told
        assert metric(told, "handrail_oldest_answer_to_fetch_seconds") == 0
        assert "to be fetched" not in (await door.client.get("/", headers=HERE)).text
        for response in ("r-1", "r-2"):
            with installation.database.write() as connection:
                (arrived,) = inbox.receive(connection, [inbox.Arrival("tool", response, "h", clock())])
                fetches.announce(connection, "tool", response, b"{}", inbox_id=arrived.id, now=clock())
            clock.go(minutes=7)

        told = (await door.get("/metrics")).text
        assert metric(told, "handrail_answers_to_fetch", source="tool") == 2
        assert metric(told, "handrail_oldest_answer_to_fetch_seconds") == 14 * 60
        words = (await door.client.get("/", headers=HERE)).text
        assert "<strong>2</strong><span>answers to be fetched</span>" in words
        assert "for 14 min" in words


async def test_no_label_grows_with_what_strangers_send(small_door: Any) -> None:
    for number in range(5):
        await small_door.post(b"{}", {}, f"guess-{number}")
        await small_door.post(b"x" * 300_000, {}, f"large-{number}")
    told = (await small_door.get("/metrics")).text
    assert "guess" not in told
    assert "large" not in told
    assert metric(told, "handrail_webhooks_total", source="unknown", outcome="404") == 5


async def test_metrics_and_the_first_page_tell_of_reviews(installation: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gateway's own round over reviews is kept away: rows without actions are none that it could leave alone."""
    monkeypatch.setattr(UrgentDispatch, "_settle_reviews", AsyncMock())
    async with site_of(installation) as door:
        told = (await door.get("/metrics")).text
        assert [metric(told, "handrail_reviews_open", risk=risk) for risk in ("low", "medium", "high")] == [0, 0, 0]
        assert metric(told, "handrail_review_oldest_seconds") == 0
        now, database = installation.clock(), installation.database
        open_review(database, 1, now=now - timedelta(minutes=10))
        open_review(database, 2, Risk.HIGH, now=now)
        open_review(database, 3, Risk.HIGH, now=now, state="collecting")
        open_review(database, 4, now=now, state="expired", deadline=now - timedelta(hours=2))
        open_review(database, 5, now=now, state="expired", deadline=now - timedelta(hours=25))
        open_review(database, 6, now=now, state="approved", halted_at=now)
        open_review(database, 7, now=now, state="approved")
        told = (await door.get("/metrics")).text
        assert [metric(told, "handrail_reviews_open", risk=risk) for risk in ("low", "medium", "high")] == [1, 0, 1]
        assert metric(told, "handrail_review_oldest_seconds") == 600
        assert (metric(told, "handrail_reviews_halted"), metric(told, "handrail_reviews_expired")) == (1, 1)
        page = (await door.get("/")).text
        assert '<strong>2</strong><a href="/reviews">reviews to decide</a>' in page
        assert "1 had nobody decide since yesterday" in page
        assert 'What review 6 approved has stopped itself on its way out. <a href="/reviews/6">' in page


async def test_metrics_show_no_customer(small_door: Any, on_sqlite: Any, answer: Answer, secrets: list[str]) -> None:
    await small_door.deliver(answer())
    await on_sqlite.settled()
    told = (await small_door.get("/metrics")).text
    assert not [word for word in ("Anna", "anna@", "C-1", "r-1", "Czekam", *secrets) if word in told]


async def test_metrics_outlive_the_database(door: Any, answer: Answer, broken: Any) -> None:
    """What this process counted is never as wanted as while the database is away."""
    await door.deliver(answer())
    broken("ALTER TABLE actions RENAME TO away", "ALTER TABLE away RENAME TO actions")
    scraped = await door.get("/metrics")
    assert scraped.status_code == 200
    assert metric(scraped.text, "handrail_webhooks_total", source="standard", outcome="accepted") == 1
    assert metric(scraped.text, "handrail_ledger_readable") == 0
    assert "handrail_quarantine 0" not in scraped.text, "a number that nobody read"


async def test_openapi_describes_what_the_webhook_really_answers(small_door: Any, answer: Answer) -> None:
    document = (await small_door.get("/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    assert {"/webhooks/{source}", "/healthz", "/readyz", "/metrics"} <= set(document["paths"])
    operation = document["paths"]["/webhooks/{source}"]["post"]
    assert set(operation["responses"]) >= {"202", "400", "401", "404", "413", "503"}
    assert "422" not in operation["responses"], "it is never answered"
    assert all(response["description"] for response in operation["responses"].values())
    assert operation["requestBody"]["required"] is True
    answers = {
        "202": await small_door.deliver(answer()),
        "400": await small_door.deliver(b"{", "msg_2"),
        "401": await small_door.post(b"{}", {}),
        "404": await small_door.post(b"{}", {}, "nobody"),
        "413": await small_door.post(b"x" * 300_000, {}),
    }
    for status, given in answers.items():
        assert given.status_code == int(status)
        schema = operation["responses"][status]["content"]["application/json"]["schema"]
        Draft202012Validator.check_schema(schema)
        Draft202012Validator(schema).validate(given.json())
        assert schema["additionalProperties"] is False


async def test_every_operation_says_what_it_is_for(small_door: Any) -> None:
    document = (await small_door.get("/openapi.json")).json()
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert operation["summary"], path


async def test_no_page_loads_scripts_from_outside(small_door: Any) -> None:
    assert [(await small_door.get(path)).status_code for path in ("/docs", "/redoc")] == [404, 404]
