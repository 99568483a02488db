"""What is outside the ledger: vendors that count their own effects, how sends end, what is asked for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import product
from typing import NamedTuple

from hypothesis import strategies as st
from ledger_world import SERVED, a_plan

from domain.actions import Basis, Capability, Kind, WriteClass
from integrations.errors import AuthFailed, NotSent, OutcomeUnknown, RateLimited, Rejected
from integrations.ports import Receipt, SurveyIntake
from integrations.registry import Configured, Roster

CRM, TICKETING, MAIL, SMS, VOICE = SERVED
REFS = ("C-0", "C-1", "C-2")
LAG = 20.0
"""Seconds a vendor's search misses what was just written."""
_WHO = ("x via fake", "it went wrong", "look")

ENDS: dict[str, Exception | None] = {
    "done": None,
    "refused": Rejected(*_WHO, status=422),
    "unsent": NotSent(*_WHO),
    "told to wait": RateLimited(*_WHO, retry_after=90),
    "locked out": AuthFailed(*_WHO),
    "lost before": OutcomeUnknown(*_WHO),
    "lost after": OutcomeUnknown(*_WHO),
    "bug": ZeroDivisionError("in an adapter"),
}
"""How a send ends."""
APPLIED = {"done", "lost after", "bug"}
"""Those after which the vendor has it, whatever it answered."""

SHAPES = {
    "task": a_plan("task", kind=Kind.TASK, basis=Basis.INTERNAL, capability=CRM),
    "mail": a_plan("mail", kind=Kind.MESSAGE, basis=Basis.PROACTIVE, capability=MAIL, purpose="reminders"),
    "sms": a_plan("sms", kind=Kind.MESSAGE, basis=Basis.PROACTIVE, capability=SMS, purpose="reminders"),
    "call": a_plan("call", kind=Kind.CALL, basis=Basis.SERVICE, capability=VOICE),
}
"""What is planned beside the tickets and acknowledgements of answers."""

STAGES = ("1 reserved", "2 armed", "3 sent", "4 recorded")
"""How far a process comes before something else happens."""


class Plan(NamedTuple):
    """What a planner asks for."""

    shape: str
    ref: str
    number: int
    is_bound: bool
    urgent: bool
    hours: int | None  # until it is pointless
    follows: bool

    @property
    def key(self) -> str:
        """Of business facts."""
        return f"{self.shape}/{self.ref}/{self.number}"


class Job(NamedTuple):
    """What a process does with a queue."""

    who: int
    queue: int
    limit: int
    until: str
    ends: tuple[str, ...]
    rate: float | None


_BOTH = (False, True)
_SENDS = [(end,) for end in ENDS] + [("done", "lost after"), ("lost after", "done", "lost before"), ("unsent", "done")]
CLASSES = st.tuples(*[st.sampled_from(WriteClass)] * len(SERVED))
CHANGES = st.sampled_from(
    list(
        product(
            REFS,
            ("nothing", "nothing", "move", "withdraw", "allow", "suppress", "lock", "lift", "solve", "erase"),
            (MAIL, SMS, VOICE),
        )
    )
)
SKEWS = st.sampled_from([(0, 0, 0), (0, 0, 0), (0, 3600, -3600), (-90, 0, 90), (0, 0, 26 * 3600)])
"""Seconds by which each process's clock is ahead."""
SENDS = st.sampled_from(_SENDS)
# One choice each, however many fields: Hypothesis has only so many choices for a whole history.
PLANS = st.sampled_from([Plan(*one) for one in product(SHAPES, REFS, range(3), _BOTH, _BOTH, (None, 1, 30), _BOTH)])
JOBS = st.sampled_from(
    [Job(*one) for one in product(range(3), range(6), (1, 5), (*STAGES, STAGES[-1]), _SENDS, (None, None, None, 0.5))]
)


@dataclass
class Person:
    """What is true of a customer, as the test itself remembers it."""

    id: int
    email: str
    phone: str
    consent: dict[str, bool]
    is_locked: bool = False
    is_erased: bool = False
    moves: int = 0  # how often what messages rest on changed

    def address(self, capability: Capability) -> str:
        """Where they are reached."""
        return self.email if capability is MAIL else self.phone


class Outside:
    """All vendors. With class A or B a key has one effect; with C or D every write is one, as an observer counts."""

    def __init__(self, classes: dict[Capability, WriteClass], clock: Callable[[], datetime]) -> None:
        self.classes = classes
        self._clock = clock
        self.effects: list[tuple[str, datetime]] = []

    def write(self, capability: Capability, key: str) -> Receipt:
        """Apply a write."""
        if self.classes[capability] in {WriteClass.C, WriteClass.D} or not self.count(key):
            self.effects.append((key, self._clock()))
        return Receipt(f"x-{key}")

    def count(self, key: str) -> int:
        """How many effects a key had."""
        return sum(known == key for known, _ in self.effects)

    async def find(self, operation: str, key: str) -> Receipt | None:
        """A vendor's search, which lags."""
        visible = self._clock() - timedelta(seconds=LAG)
        return Receipt(f"x-{key}") if any(known == key and at <= visible for known, at in self.effects) else None

    async def aclose(self) -> None:
        """Nothing to close."""

    def roster(self, intakes: Mapping[str, SurveyIntake]) -> Roster:
        """Everyone, as configured."""
        return Roster(
            (
                Configured(f"{capability} via fake", capability, "fake", self, _always(write_class), None, 8.0, LAG)
                for capability, write_class in self.classes.items()
            ),
            intakes,
        )


def _always(write_class: WriteClass) -> Callable[[str], WriteClass]:
    return lambda operation: write_class
