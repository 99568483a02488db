"""What is wrong with something that came in: where, what, and how to put it right."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong. JSON-able, shown to the sender and to the person who looks after the quarantine.

    Never quotes a customer's words, name or address: problems are logged and answered to the sender.
    """

    path: str
    """Where, as a dotted path (`data.customer.ref`), a column's name, or empty for the whole."""
    problem: str
    """What is wrong, in words."""
    fix: str
    """What to send instead, in words."""

    def __str__(self) -> str:
        return ": ".join(part for part in (self.path, self.problem, self.fix) if part)

    def as_json(self) -> dict[str, str]:
        """The same as a JSON object."""
        return asdict(self)


class NotStrictJson(ValueError):
    """The bytes are not strict JSON (RFC 8259, UTF-8, no duplicate keys), so nothing in them can be trusted."""

    def __init__(self, problem: str, where: str, fix: str) -> None:
        super().__init__(f"not strict JSON: {where}: {problem}: {fix}")
        self.problem = problem
        self.where = where
        self.fix = fix

    def __reduce__(self) -> tuple[type["NotStrictJson"], tuple[str, str, str]]:
        return type(self), (self.problem, self.where, self.fix)

    @property
    def problems(self) -> list[Problem]:
        """The same in the shape of a broken contract's problems."""
        return [Problem(path=self.where, problem=self.problem, fix=self.fix)]


class ContractBroken(ValueError):
    """Well-formed input that breaks its contract: every problem at once."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = list(problems)

    def __reduce__(self) -> tuple[type["ContractBroken"], tuple[list[Problem]]]:
        return type(self), (self.problems,)
