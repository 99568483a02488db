"""Vendor batches: several items in one call, each with an end of its own; a lost answer leaves every one open."""

from collections.abc import Callable
from typing import Any

import pytest
from ledger_world import check_audit
from sqlalchemy import select, update

from domain.actions import Basis, Capability, Kind
from domain.customers import Customer
from domain.planning import Payload, PlannedAction
from integrations.errors import NotSent, OutcomeUnknown, RateLimited, Rejected
from integrations.registry import Roster
from services.dispatch_report import DispatchReport
from services.recovery import sweep
from services.settings import Settings
from services.wiring import Handrail
from store import customers
from store.database import Database
from store.ledger.enqueue import About, enqueue
from store.ledger.rows import actions
from store.wordings import templates

MAIL = Capability.MAIL
WHO = ("mail via fake", "what", "remedy")
Planned = Callable[[int], list[str]]


@pytest.fixture
def planned(installation: Any) -> Planned:
    """`planned(5)`: as many people, each with one mail that is ready; its keys in order."""

    def plan(count: int) -> list[str]:
        now = installation.clock()
        params = {
            **{"name": None, "time_zone": "Europe/Warsaw", "survey": "nps", "company": "Example", "language": "en"},
            **{"answer_by": "2026-03-04T14:30:00Z", "received_at": "2026-03-04T10:59:00Z", "reference": "case"},
            "human": {"phone": "+48 22 000 00 00", "mail": "care@example.com", "hours": "8-18"},
        }
        keys = []
        with installation.database.write() as connection:
            wording = connection.execute(
                select(templates.c.hash).where(templates.c.name == "acknowledgement", templates.c.language == "en")
            ).scalar_one()
            for number in range(count):
                ref = f"C-{number:03}"
                made = customers.create(connection, Customer(ref, email=f"{ref}@example.com"), now=now)
                action = PlannedAction(
                    key=f"reminder/{ref}",
                    kind=Kind.MESSAGE,
                    basis=Basis.SERVICE,
                    capability=MAIL,
                    payload=Payload("message/1", params, "acknowledgement", wording),
                    due_at=now,
                )
                enqueue(connection, [action], About(customer_id=made), run="planner", now=now)
                keys.append(action.key)
        return keys

    return plan


def _process(installation: Any, **how: Any) -> Handrail:
    return Handrail(
        Settings.model_validate({"database_url": installation.url}),
        Database(installation.url),
        installation.policy,
        Roster([installation.mail.configured(**how)]),
        clock=installation.clock,
    )


async def _dispatch(installation: Any, batch: int) -> DispatchReport:
    async with _process(installation, batch=batch) as handrail:
        return await handrail.dispatcher.run_once(capability=MAIL, run="run-1")


async def test_a_window_is_one_batch_and_never_more_than_its_size(installation: Any, planned: Planned) -> None:
    keys = planned(23)
    report = await _dispatch(installation, 10)
    assert report.counts == {"done": 23}
    assert sorted(installation.mail.batches) == [3, 10, 10]
    assert sorted(key for _, key in installation.effects()) == keys
    assert len(installation.rows("receipts")) == 23
    check_audit(installation.database)


async def test_one_by_one_is_the_default_and_a_batch_of_one_is_a_single_call(
    installation: Any, planned: Planned
) -> None:
    planned(1)
    assert (await _dispatch(installation, 10)).done == 1
    assert installation.mail.batches == []
    assert len(installation.mail.calls) == 1


async def test_each_item_of_a_batch_ends_as_the_vendor_says(installation: Any, planned: Planned) -> None:
    keys = planned(5)
    lost = OutcomeUnknown(*WHO)
    installation.mail.script(None, Rejected(*WHO, status=422), None, ("after", lost), RateLimited(*WHO, retry_after=9))
    await _dispatch(installation, 10)
    states = installation.states()
    assert [states[key] for key in keys] == ["done", "failed", "done", "uncertain", "ready"]
    check_audit(installation.database)


@pytest.mark.parametrize(
    ("problem", "state"),
    [
        (OutcomeUnknown(*WHO), "uncertain"),
        (ZeroDivisionError("in an adapter"), "uncertain"),
        (NotSent(*WHO), "ready"),
        (RateLimited(*WHO, retry_after=60), "ready"),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_what_happens_to_the_call_happens_to_every_item(
    installation: Any, planned: Planned, problem: Exception, state: str
) -> None:
    keys = planned(7)
    installation.mail.script_batches(problem)
    await _dispatch(installation, 10)
    assert {installation.states()[key] for key in keys} == {state}
    assert installation.mail.calls == []


async def test_a_lost_batch_is_never_sent_again_by_itself_where_the_vendor_promises_nothing(
    installation: Any, planned: Planned
) -> None:
    """P17: the vendor did all of it, its answer was lost; class D, so a person looks at each."""
    keys = planned(7)
    installation.mail.script_batches(("after", OutcomeUnknown(*WHO)))
    await _dispatch(installation, 10)
    installation.clock.go(minutes=10)
    async with installation.handrail() as handrail:
        await sweep(handrail, run="sweeper")
    await _dispatch(installation, 10)
    assert {installation.states()[key] for key in keys} == {"needs_human"}
    assert len(installation.mail.effects) == 7


async def test_a_lost_batch_counts_as_one_silence_of_the_vendor(installation: Any, planned: Planned) -> None:
    planned(7)
    installation.mail.script_batches(OutcomeUnknown(*WHO))
    await _dispatch(installation, 10)
    (state,) = [row for row in installation.rows("integration_state") if row.name == "mail via fake"]
    assert (state.breaker, state.failures) == ("closed", 1)


async def test_one_lost_call_within_a_batch_is_one_silence_and_each_lost_item_another(
    installation: Any, planned: Planned
) -> None:
    """A vendor's file may need several calls for one batch: items that went by the same share their problem."""
    planned(7)
    lost = OutcomeUnknown(*WHO)
    installation.mail.script(*[lost] * 6, OutcomeUnknown(*WHO))
    await _dispatch(installation, 10)
    (state,) = [row for row in installation.rows("integration_state") if row.name == "mail via fake"]
    assert (state.breaker, state.failures) == ("closed", 2)


async def test_a_batch_that_is_refused_as_a_whole_goes_one_by_one_so_that_one_bad_item_spoils_nobody(
    installation: Any, planned: Planned
) -> None:
    keys = planned(5)
    installation.mail.script_batches(Rejected(*WHO, status=400))
    installation.mail.script(None, None, Rejected(*WHO, status=422))
    report = await _dispatch(installation, 10)
    assert report.counts == {"done": 4, "failed": 1}
    assert len(installation.mail.calls) == 5
    assert sorted(installation.states()[key] for key in keys) == ["done"] * 4 + ["failed"]


async def test_an_item_that_cannot_be_put_into_words_is_left_out_of_its_batch(
    installation: Any, planned: Planned
) -> None:
    keys = planned(4)
    with installation.database.write() as connection:
        bad = {"schema": "message/1", "template": "x", "template_hash": "unknown", "params": {}}
        connection.execute(update(actions).where(actions.c.key == keys[1]).values(payload=bad))
    await _dispatch(installation, 10)
    assert [installation.states()[key] for key in keys] == ["done", "failed", "done", "done"]
    assert installation.mail.batches == [3]


async def test_a_vendor_that_answers_about_too_few_items_leaves_all_open(
    installation: Any, planned: Planned, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = planned(4)
    write = installation.mail.write_batch

    async def forgetful(operation: str, items: Any) -> Any:
        return (await write(operation, items))[1:]

    monkeypatch.setattr(installation.mail, "write_batch", forgetful)
    await _dispatch(installation, 10)
    assert {installation.states()[key] for key in keys} == {"uncertain"}


async def test_the_vendors_rate_counts_items(installation: Any, planned: Planned) -> None:
    planned(9)
    async with _process(installation, batch=10, rate_per_second=4) as handrail:
        assert (await handrail.dispatcher.run_once(capability=MAIL, run="r")).done == 4
        installation.clock.go(seconds=1)
        assert (await handrail.dispatcher.run_once(capability=MAIL, run="r")).done == 4
    assert installation.mail.batches == [4, 4]
