"""Which write of a port an action is."""

from domain.actions import Capability, Kind
from integrations.ports import ERASE

_BY_KIND = {
    Kind.TICKET: "open_ticket",
    Kind.TICKET_NOTE: "add_note",
    Kind.TASK: "upsert_task",
    Kind.TASK_NOTE: "add_task_note",
    Kind.TASK_CLOSE: "close_task",
    Kind.CALL: "place_call",
    Kind.PAGE: "raise_alert",
    Kind.ERASURE: ERASE,
}
_MESSAGES = {Capability.MAIL: "send_mail", Capability.SMS: "send_sms", Capability.PUSH: "send_push"}


def operation_of(kind: Kind, capability: Capability) -> str:
    """Which write of the capability's port an action calls; its write class decides what a lost answer means.

    Raises KeyError for a message over a capability that carries none.
    """
    return _BY_KIND.get(kind) or _MESSAGES[capability]
