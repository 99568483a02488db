"""What people were shown and what they said, as the test remembers it: may this letter go out, may this word count?

Nothing here asks Handrail. A letter may go out when so many different people as its class needs, entitled and none of
them its initiator, said yes to exactly these words, and nobody changed anything after that.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from domain.actions import Capability
from domain.review_rules import Risk, Way
from domain.reviews import Decision, Stand
from services.reviews import AlreadyDecided, Changed, Late, NotYours, ReviewProblem

STEPS = (2, 3)
"""How many of many go first, and how many then."""
STAGE = timedelta(minutes=15)
NEEDED = {Risk.LOW: 1, Risk.MEDIUM: 1, Risk.HIGH: 2}
ROLE = {Risk.LOW: "on_call", Risk.MEDIUM: "on_call", Risk.HIGH: "lead"}
LASTS = {Risk.LOW: timedelta(hours=8), Risk.MEDIUM: timedelta(hours=8), Risk.HIGH: timedelta(hours=4)}

Said = tuple[str, str]
"""What a letter says: its link, and which words."""


@dataclass
class Colleague:
    """Somebody with a phone that shows codes."""

    name: str
    roles: frozenset[str]
    secret: str
    step: int = 0  # of the last code that was used
    last_code: str | None = None
    misses: int = 0  # wrong codes in a row, or more


@dataclass
class Letter:
    """An action that waits for a review before it goes out."""

    key: str
    ref: str
    what: str
    channel: Capability
    is_ending: bool
    risk: Risk
    initiator: str
    rests_on: tuple[int, int]
    asked: int = 1  # how often: planned anew, or let go again by a person
    is_again: bool = False  # a person wants it out though it may be
    paper: int | None = None  # where people saw it last
    ended: str | None = None  # by a person
    is_over: bool = False  # it was let go, and is neither waiting nor on its way any more
    became: str | None = None  # "refused" or "lost", where that is sure
    went: set[str] = field(default_factory=set)  # whatever may ever have gone wrong with it


@dataclass(frozen=True)
class View:
    """What somebody saw of a paper."""

    paper: int
    version: int
    payload_hash: str
    letters: Mapping[str, tuple[Said, int]]  # what each says, and how often it had been asked


@dataclass
class Paper:
    """One review, as people know it."""

    id: int
    risk: Risk
    needed: int
    initiator: str
    members: frozenset[str]
    opened_at: datetime
    deadline: datetime
    version: int = 1
    yes: dict[str, View] = field(default_factory=dict)
    decided: tuple[Stand, str, datetime] | None = None
    fate: Stand | None = None  # what became of it without anybody's word
    is_closed: bool = False  # a change of it is not finished
    approved_at: datetime | None = None
    is_halted: bool = False
    accepted: Counter[str] = field(default_factory=Counter)  # what had gone wrong when somebody said: go on
    armed: set[str] = field(default_factory=set)

    def is_open(self, now: datetime) -> bool:
        """Somebody may decide it."""
        return self.decided is None and self.fate is None and not self.is_closed and now < self.deadline

    def may(self, who: Colleague, way: Way = Way.PAGE) -> bool:
        """It is for this person, this way."""
        is_a_way = way is Way.PAGE or self.risk is Risk.LOW
        return is_a_way and ROLE[self.risk] in who.roles and who.name.casefold() != plain(self.initiator)

    def refuses(
        self, who: Colleague, way: Way, view: View, now: datetime, decision: Decision | None = None
    ) -> type[ReviewProblem] | None:
        """Why a word does not count; None: it does."""
        if not self.may(who, way):
            return NotYours
        if self.is_closed or self.fate is Stand.SUPERSEDED:
            return Changed
        if self.decided is not None:
            return AlreadyDecided
        if self.fate is Stand.EXPIRED or now >= self.deadline:
            return Late
        if view.version != self.version:
            return Changed
        return NotYours if decision is Decision.APPROVE and who.name in self.yes else None

    def say(self, who: Colleague, view: View, decision: Decision, now: datetime) -> None:
        """A word that counts."""
        if decision is Decision.REJECT:
            self.decided = (Stand.REJECTED, who.name, now)
            return
        self.yes[who.name] = view
        if len(self.yes) >= self.needed:
            self.decided, self.approved_at = (Stand.APPROVED, who.name, now), now

    def change(self, *, is_sorry: bool = False) -> None:
        """Something of it was changed: who has said yes must look again."""
        self.version += 1
        self.yes.clear()
        if is_sorry:
            self.risk, self.needed = Risk.HIGH, max(self.needed, NEEDED[Risk.HIGH])

    def covers(self, key: str, said: Said, asked: int) -> bool:
        """Enough people said yes to exactly this."""
        if self.decided is None or self.decided[0] is not Stand.APPROVED:
            return False
        return sum(view.letters.get(key) == (said, asked) for view in self.yes.values()) >= self.needed


class Model:
    """All letters, papers and facts of a history."""

    def __init__(self) -> None:
        self.letters: dict[str, Letter] = {}
        self.papers: dict[int, Paper] = {}
        self.moves: Counter[str] = Counter()
        self.renewals: Counter[str] = Counter()
        self.is_stopped = False
        self.effects: Counter[tuple[str, int]] = Counter()

    def facts(self, letter: Letter) -> tuple[int, int]:
        """How often what it rests on has changed."""
        return self.moves[letter.ref], self.renewals[letter.ref] if letter.is_ending else 0

    def is_changed(self, letter: Letter) -> bool:
        """It rests on something that is not so any more."""
        return letter.rests_on != self.facts(letter)

    def of(self, paper: Paper) -> Iterator[Letter]:
        """The letters that are asked about in it, as they are asked now."""
        return (one for key in sorted(paper.members) if (one := self.letters[key]).paper == paper.id)

    def forbids(self, key: str, said: Said, now: datetime) -> str | None:
        """Why nobody may do this now; None: it is approved, and as it was."""
        letter = self.letters[key]
        if self.is_stopped:
            return "everything is stopped"
        if letter.ended is not None:
            return letter.ended
        if self.is_changed(letter):
            return f"it rests on {letter.rests_on}, and it is {self.facts(letter)} now"
        paper = next((one for one in self.papers.values() if one.covers(key, said, letter.asked)), None)
        if paper is None:
            return "too few have said yes to it"
        if paper.is_halted:
            return f"paper {paper.id} has stopped"
        return self._beyond_its_stage(paper, key, now)

    def _beyond_its_stage(self, paper: Paper, key: str, now: datetime) -> str | None:
        assert paper.approved_at is not None
        out, since = len(paper.armed | {key}), now - paper.approved_at
        if out > STEPS[0] and not any(self._is_out_of(paper, self.letters[one]) for one in paper.members):
            return f"{out} of paper {paper.id} while nothing of it is over"
        for stage in range(1, len(STEPS) + 1):
            if out > sum(STEPS[:stage]) and since < stage * STAGE:
                return f"{out} of paper {paper.id} within {since}"
        return None

    @staticmethod
    def _is_out_of(paper: Paper, letter: Letter) -> bool:
        return letter.is_over or letter.ended is not None or letter.paper != paper.id

    def troubles(self, paper: Paper) -> Counter[str]:
        """What surely went wrong with what is asked in it now."""
        counts = Counter(one.became for one in self.of(paper) if one.became is not None)
        return counts + Counter(news for one in self.of(paper) for news in one.went & {"bounced", "complained"})

    def must_halt(self, paper: Paper) -> bool:
        """Two of one kind went wrong since somebody looked, and there is something left to be stopped."""
        if paper.approved_at is None or (paper.decided and paper.decided[0] is not Stand.APPROVED):
            return False
        is_any_left = any(not (one.is_over or one.ended or self.is_changed(one)) for one in self.of(paper))
        found = self.troubles(paper)
        return is_any_left and any(found[kind] - paper.accepted[kind] > 1 for kind in found)

    def may_halt(self, paper: Paper) -> bool:
        """Two of one kind may have gone wrong."""
        return max(self.ever(paper).values(), default=0) > 1

    def ever(self, paper: Paper) -> Counter[str]:
        """What may have gone wrong with whatever was asked in it, at any time."""
        return Counter(kind for key in paper.members for kind in self.letters[key].went)


def plain(name: str) -> str:
    """However it was typed."""
    return " ".join(name.split()).casefold()
