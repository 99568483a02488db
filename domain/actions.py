"""Actions: the states, edges, kinds and keys of everything Handrail does to the outside world."""

from collections.abc import Mapping
from enum import StrEnum
from urllib.parse import quote


class State(StrEnum):
    """Where an action stands. The words are those of design §4 and of every page and log."""

    PLANNED = "planned"  # decided, but its payload must be made anew before it may be sent
    AWAITING_REVIEW = "awaiting_review"  # a person decides first
    READY = "ready"  # may be sent from `due_at` on
    CLAIMED = "claimed"  # reserved by one worker, nothing armed yet
    SENDING = "sending"  # armed: the socket may be open
    DONE = "done"  # the vendor confirmed it
    FAILED = "failed"  # the vendor refused it
    UNCERTAIN = "uncertain"  # the answer was lost: it may or may not have happened
    SKIPPED = "skipped"  # not to be done, with its reason
    CANCELLED = "cancelled"  # withdrawn before it was sent
    EXPIRED = "expired"  # pointless by now (`not_after`)
    NEEDS_HUMAN = "needs_human"  # set aside until a named person settles it

    @property
    def words(self) -> str:
        """The state as pages and messages say it."""
        return _STATE_WORDS.get(self, self.value)


class Basis(StrEnum):
    """Why an action may be done; decides what holds it back."""

    REPLY = "reply"
    SERVICE = "service"
    PROACTIVE = "proactive"
    INTERNAL = "internal"

    @property
    def is_outward(self) -> bool:
        """True when a customer would notice."""
        return self is not Basis.INTERNAL


class Kind(StrEnum):
    """What an action does."""

    TICKET = "ticket"  # open the case's ticket
    TICKET_NOTE = "ticket_note"  # add to it, never lowering its priority
    ACKNOWLEDGEMENT = "acknowledgement"  # tell the customer who has it and by when they hear
    TASK = "task"  # a task in the CRM
    TASK_NOTE = "task_note"  # add to it, never lowering its priority
    TASK_CLOSE = "task_close"  # close it: it is not needed any more
    CALL = "call"  # a voicebot call
    MESSAGE = "message"  # a step of a journey
    PAGE = "page"  # call a colleague on duty
    ERASURE = "erasure"  # ask an outside system to forget a customer


class Capability(StrEnum):
    """What an outside system can do for us."""

    CRM = "crm"
    TICKETING = "ticketing"
    MAIL = "mail"
    SMS = "sms"
    VOICE = "voice"
    PUSH = "push"
    ALERT = "alert"
    SURVEY_INTAKE = "survey_intake"
    DELIVERY_INTAKE = "delivery_intake"


class WriteClass(StrEnum):
    """What an integration promises for one write operation; decides what follows a lost answer."""

    A = "A"  # native idempotency key: send the same key again
    B = "B"  # unique external id: upsert again
    C = "C"  # searchable marker: look, adopt, or (internal effects) try once more
    D = "D"  # none of these

    @property
    def words(self) -> str:
        """The class as pages and messages say it."""
        return _CLASS_WORDS[self]


_STATE_WORDS: Mapping[State, str] = {
    State.AWAITING_REVIEW: "waits for a review",
    State.CLAIMED: "reserved",
    State.SENDING: "being sent",
    State.NEEDS_HUMAN: "waits for a person",
}
"""Those whose word says it already are left out."""

_CLASS_WORDS: Mapping[WriteClass, str] = {
    WriteClass.A: "safe to repeat (the vendor knows our key)",
    WriteClass.B: "safe to repeat (one record per key)",
    WriteClass.C: "can be looked up, not repeated",
    WriteClass.D: "can be neither looked up nor repeated",
}

UNSENT = frozenset({State.PLANNED, State.AWAITING_REVIEW, State.READY, State.CLAIMED})
"""Surely nothing has left the house yet."""

FINAL = frozenset({State.DONE, State.SKIPPED, State.CANCELLED, State.EXPIRED})
"""Nothing more will happen; what had to follow may go ahead."""

OPEN = frozenset(set(State) - FINAL)

EDGES: Mapping[State, frozenset[State]] = {
    State.PLANNED: frozenset({State.AWAITING_REVIEW, State.READY, State.SKIPPED, State.CANCELLED, State.EXPIRED}),
    State.AWAITING_REVIEW: frozenset({State.READY, State.PLANNED, State.SKIPPED, State.CANCELLED, State.EXPIRED}),
    State.READY: frozenset({State.CLAIMED, State.PLANNED, State.SKIPPED, State.CANCELLED, State.EXPIRED}),
    State.CLAIMED: frozenset(
        {
            State.SENDING,
            State.READY,
            State.NEEDS_HUMAN,
            State.PLANNED,
            State.SKIPPED,
            State.CANCELLED,
            State.EXPIRED,
        }
    ),
    State.SENDING: frozenset({State.DONE, State.FAILED, State.UNCERTAIN, State.READY}),
    State.UNCERTAIN: frozenset({State.DONE, State.READY, State.NEEDS_HUMAN}),
    State.NEEDS_HUMAN: frozenset({State.DONE, State.CANCELLED, State.READY, State.AWAITING_REVIEW}),
    State.FAILED: frozenset({State.READY, State.CANCELLED}),
    State.DONE: frozenset(),
    State.SKIPPED: frozenset(),
    State.CANCELLED: frozenset(),
    State.EXPIRED: frozenset(),
}
"""The only moves there are (design §4). `replay` in the tests rebuilds the ledger from them."""


def is_legal(before: State | None, after: State, *, basis: Basis) -> bool:
    """True when an action of `basis` may go from `before` (None: it is new) to `after`.

    From `needs_human` an internal action may go back to `ready`; an outward one only to a review.
    """
    if before is None:
        return after in {State.PLANNED, State.AWAITING_REVIEW, State.READY, State.SKIPPED}
    if before is State.NEEDS_HUMAN and basis.is_outward and after is State.READY:
        return False
    if before is State.NEEDS_HUMAN and not basis.is_outward and after is State.AWAITING_REVIEW:
        return False
    return after in EDGES[before]


def key(*parts: str | int) -> str:
    """An idempotency key of business facts: the parts joined with `/`, each unable to forge another's boundary.

    >>> key("survey", "standard", "r-1", "acknowledgement")
    'survey/standard/r-1/acknowledgement'
    >>> key("survey", "standard", "a/b", "acknowledgement")
    'survey/standard/a%2Fb/acknowledgement'
    """
    return "/".join(quote(str(part), safe=_READABLE) for part in parts)


_READABLE = " !$&'()*+,:;=@[]^_`{|}~-."


def ticket_key(customer_ref: str, number: int) -> str:
    """The key of the one ticket of a customer's case `number` (1, 2, …)."""
    return key("case", customer_ref, number, "ticket")


def ticket_note_key(customer_ref: str, number: int, source: str, response: str) -> str:
    """The key of what one further answer adds to the case's ticket."""
    return key("case", customer_ref, number, "ticket", source, response)


def later_words_key(customer_ref: str, number: int, source: str, response: str) -> str:
    """The key of the words that came after the score of an answer whose case was there by then."""
    return key("case", customer_ref, number, "ticket", source, response, "words")


def changed_answer_key(customer_ref: str, number: int, source: str, response: str, content: str) -> str:
    """The key of what tells a case's ticket that an answer was changed; `content` is what it was changed to, hashed."""
    return key("case", customer_ref, number, "ticket", source, response, "changed", content)


def acknowledgement_key(source: str, response: str) -> str:
    """The key of the one acknowledgement an answer gets."""
    return key("survey", source, response, "acknowledgement")


def message_acknowledgement_key(source: str, message: str) -> str:
    """The key of the one acknowledgement a message gets."""
    return key("message", source, message, "acknowledgement")


def page_key(customer_ref: str, number: int, *step: str | int) -> str:
    """The key of one call to a colleague about a case; `step` says which."""
    return key("case", customer_ref, number, "page", *step)


def last_word_key(customer_ref: str, number: int, turn: int) -> str:
    """The key of what asks for a person's last word in a case's turn 1, 2, … (each reopening begins one)."""
    return key("case", customer_ref, number, "last-word", turn)


def recovery_survey_key(customer_ref: str, number: int, turn: int) -> str:
    """The key of the one recovery survey of a case's turn."""
    return key("case", customer_ref, number, "recovery-survey", turn)


def message_note_key(customer_ref: str, number: int, source: str, message: str) -> str:
    """The key of what one message adds to the case's ticket."""
    return key("case", customer_ref, number, "ticket", "message", source, message)
