"""What other products shipped and their customers felt: each a test by the name of what happened."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import update

from domain.actions import Capability
from integrations.errors import NotSent
from services.recovery import sweep
from services.wiring import Handrail
from store.ledger.rows import actions, customers

MAIL, SMS, TICKETING = Capability.MAIL, Capability.SMS, Capability.TICKETING
Answered = Callable[..., tuple[str, str]]


def _acknowledgements(answered: Answered, count: int) -> list[str]:
    return [answered(f"C-{number:03}")[1] for number in range(count)]


async def _rounds(handrail: Handrail, installation: Any, count: int = 4) -> None:
    """Dispatch and recovery, minutes apart: whatever would be repeated is."""
    for _ in range(count):
        for capability in (MAIL, SMS):
            await handrail.dispatcher.run_once(capability=capability, run="again")
        installation.clock.go(minutes=5)
        await sweep(handrail, run="sweeper")


def _received(installation: Any) -> Counter[str]:
    return Counter(key for _, key, _ in installation.mail.effects)


async def test_one_bad_record_does_not_make_everyone_else_get_it_again(
    installation: Any, handrail: Handrail, answered: Answered
) -> None:
    bad, *others = _acknowledgements(answered, 40)
    with installation.database.write() as connection:
        connection.execute(update(actions).where(actions.c.key == bad).values(payload={"schema": "no such"}))
    await _rounds(handrail, installation, installation.policy.retry.max_attempts + 1)
    assert _received(installation) == Counter(others)
    assert installation.states()[bad] == "failed"


async def test_a_retry_is_for_the_one_who_missed_it_not_for_all_who_have_it(
    installation: Any, handrail: Handrail, answered: Answered
) -> None:
    everyone = _acknowledgements(answered, 40)
    installation.mail.script(NotSent("mail via fake", "cannot connect", "is it up?"))
    await _rounds(handrail, installation)
    assert _received(installation) == Counter(everyone)
    assert len(installation.mail.calls) == len(everyone) + 1


async def test_one_contacts_bad_data_does_not_stop_the_campaign(
    installation: Any, handrail: Handrail, answered: Answered
) -> None:
    bad, *others = _acknowledgements(answered, 40)
    with installation.database.write() as connection:
        whose = installation.action(bad).customer_id
        connection.execute(
            update(customers).where(customers.c.id == whose).values(window_start="25:61", window_end="x")
        )
    await _rounds(handrail, installation)
    assert _received(installation) == Counter(others)
    assert installation.states()[bad] == "needs_human"


async def test_nothing_rings_at_midnight_and_no_answer_is_promised_for_the_night(
    installation: Any, handrail: Handrail, answered: Answered
) -> None:
    """By our rules a mail may come at any hour, as a reply; what rings waits; a promised time is a staffed one."""
    installation.clock.now = midnight = datetime(2026, 3, 4, 23, tzinfo=UTC)  # in Warsaw
    _, by_mail = answered("C-1")
    _, by_text = answered("C-2", email=None, phone="+48601234567")
    await _rounds(handrail, installation, 1)
    assert _received(installation) == Counter([by_mail])
    assert installation.sms.calls == []
    installation.clock.now = midnight + timedelta(hours=8)
    await _rounds(handrail, installation, 1)
    assert [key for _, key, _ in installation.sms.effects] == [by_text]
    for key in (by_mail, by_text):
        promised = datetime.fromisoformat(installation.action(key).payload["params"]["answer_by"])
        assert promised >= midnight + timedelta(hours=8), "nobody is at work before eight"
