"""The fake of every port, held to what the vendors promise."""

import pytest
from vendor_specimens import KEY, NOTED, SENT, TASK_KEY

from domain.actions import Capability, WriteClass
from integrations.errors import NotSent, OutcomeUnknown, Rejected, Unsupported
from integrations.fakes import FakeVendor
from integrations.ports import PORTS, WRITES, Health, Task, Ticket, TicketNote, TicketStatus
from integrations.registry import Roster

WRITTEN = [(capability, operation) for capability, operations in WRITES.items() for operation in operations]
every_write = pytest.mark.parametrize(("capability", "operation"), WRITTEN)


@pytest.mark.parametrize("capability", [each for each in Capability if WRITES[each]])
def test_it_implements_the_port(capability: Capability) -> None:
    assert isinstance(FakeVendor(capability), PORTS[capability])


@every_write
@pytest.mark.parametrize("write_class", list(WriteClass))
async def test_same_key_same_receipt_where_the_class_promises_it(
    capability: Capability, operation: str, write_class: WriteClass
) -> None:
    vendor = FakeVendor(capability, write_class)
    if operation in NOTED:
        vendor.effects.append((*NOTED[operation], None))
    first = await SENT[operation](vendor)
    again = await SENT[operation](vendor)
    applied = [effect for effect in vendor.effects if effect[0] == operation]
    assert len(vendor.calls) == 2
    if write_class in {WriteClass.A, WriteClass.B}:
        assert first == again
        assert len(applied) == 1
    else:
        assert first.external_id != again.external_id
        assert len(applied) == 2


@every_write
@pytest.mark.parametrize("write_class", list(WriteClass))
async def test_only_class_c_can_be_looked_up(capability: Capability, operation: str, write_class: WriteClass) -> None:
    vendor = FakeVendor(capability, write_class)
    if write_class is not WriteClass.C:
        with pytest.raises(Unsupported):
            await vendor.find(operation, KEY)
        return
    assert await vendor.find(operation, KEY) is None
    if operation in NOTED:
        vendor.effects.append((*NOTED[operation], None))
    assert await SENT[operation](vendor) == await vendor.find(operation, KEY)


async def test_a_script_decides_how_each_write_goes() -> None:
    vendor = FakeVendor(Capability.MAIL)
    unsent, lost = NotSent("mail via fake", "down", "wait"), OutcomeUnknown("mail via fake", "silent", "wait")
    vendor.script(unsent, ("after", lost), None)
    with pytest.raises(NotSent):
        await SENT["send_mail"](vendor)
    assert vendor.effects == []
    with pytest.raises(OutcomeUnknown):
        await SENT["send_mail"](vendor)
    assert [effect[:2] for effect in vendor.effects] == [("send_mail", KEY)]
    await SENT["send_mail"](vendor)
    await SENT["send_mail"](vendor)
    assert len(vendor.effects) == 1
    assert len(vendor.calls) == 4


async def test_a_ticket_is_upserted_noted_and_read_back() -> None:
    desk = FakeVendor(Capability.TICKETING)
    assert await desk.read_ticket("t") is None
    with pytest.raises(Rejected):
        await desk.add_note(TicketNote("t", "C-1", "again", "high"), key="n")
    ticket = Ticket("C-1", "first", "", "high", "retention", "en")
    await desk.open_ticket(ticket, key="t")
    await desk.open_ticket(Ticket("C-1", "second", "", "high", "retention", "en"), key="t")
    await desk.add_note(TicketNote("t", "C-1", "again", "high"), key="n")
    assert desk.effects[0][2].subject == "second"
    state = await desk.read_ticket("t")
    assert state is not None
    assert (state.key, state.status, state.external_id) == ("t", TicketStatus.OPEN, "fake-1")
    desk.statuses["t"] = TicketStatus.SOLVED
    state = await desk.read_ticket("t")
    assert state is not None
    assert state.status is TicketStatus.SOLVED


async def test_a_note_is_added_to_a_task_that_is_there() -> None:
    crm = FakeVendor(Capability.CRM)
    with pytest.raises(Rejected):
        await SENT["add_task_note"](crm)
    await crm.upsert_task(Task("C-1", "Call", "", "agent-7", "high", None), key=TASK_KEY)
    await SENT["add_task_note"](crm)
    assert [effect[:2] for effect in crm.effects] == [("upsert_task", TASK_KEY), ("add_task_note", KEY)]


async def test_it_sits_in_a_roster() -> None:
    vendor = FakeVendor(Capability.SMS, WriteClass.D)
    roster = Roster([vendor.configured(rate_per_second=5)])
    configured = roster.of(Capability.SMS)
    assert configured is not None
    assert (configured.name, configured.rate_per_second) == ("sms via fake", 5)
    assert configured.write_class("send_sms") is WriteClass.D
    vendor.health = Health(ok=False, latency_ms=3, problem="down")
    assert not (await configured.port.check()).ok
    await roster.aclose()
    assert vendor.is_closed
