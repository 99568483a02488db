"""What is outside the ledger: vendors that count their own effects, how sends end, what is asked for."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from hypothesis import strategies as st
from ledger_world import SERVED, a_plan

from domain.actions import Basis, Capability, Kind, WriteClass
from integrations.errors import AuthFailed, NotSent, OutcomeUnknown, RateLimited, Rejected
from integrations.ports import Receipt
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

STAGES = ("4 recorded", "4 recorded", "4 recorded", "3 sent", "2 armed", "1 reserved")
"""How far a process comes before something else happens; in the order of their numbers."""

CLASSES = st.tuples(*[st.sampled_from(WriteClass)] * len(SERVED))
ANSWERS = st.tuples(st.sampled_from(REFS), st.integers(0, 3), st.integers(0, 7))
SENDS = st.lists(st.sampled_from(sorted(ENDS)), min_size=1, max_size=3)
PLANS = st.fixed_dictionaries(
    {
        "shape": st.sampled_from(sorted(SHAPES)),
        "ref": st.sampled_from(REFS),
        "number": st.integers(0, 2),
        "is_bound": st.booleans(),
        "urgent": st.booleans(),
        "hours": st.sampled_from([None, 1, 30]),
        "follows": st.booleans(),
    }
)
JOBS = st.fixed_dictionaries(
    {
        "who": st.integers(0, 2),
        "pick": st.integers(0, 99),
        "limit": st.integers(1, 5),
        "until": st.sampled_from(STAGES),
        "ends": SENDS,
        "rate": st.sampled_from([None, None, None, None, 2.0, 0.01]),
    }
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

    def roster(self) -> Roster:
        """Everyone, as configured."""
        return Roster(
            Configured(f"{capability} via fake", capability, "fake", self, _always(write_class), None, 8.0, LAG)
            for capability, write_class in self.classes.items()
        )


def _always(write_class: WriteClass) -> Callable[[str], WriteClass]:
    return lambda operation: write_class
