"""A simulation as one HTML file: the sums of all customers, an example of each way through, and a search over all.

Everything but the search works without a script. Names and addresses are in nothing of it: customers are refs.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from domain.channels import Channel
from domain.hours import zone
from domain.journeys import Standing
from handrail.timeline.charts import Bar, Column, columns_of, stacked
from services.simulated import Fate, Simulated, StepTotals, Totals, Touch, Travel, totals

_HERE = Path(__file__).parent

EXAMPLES = 40
"""Ways through the journey that are shown with an example each, the most travelled first."""

CHANNELS: Mapping[str, str] = {
    Channel.MAIL: "mail",
    Channel.SMS: "SMS",
    Channel.PUSH: "push",
    Channel.VOICE: "call",
    Channel.PERSON: "colleague",
}
"""As the page calls them."""

FATES: Mapping[Fate, str] = {
    Fate.SENT: "sent",
    Fate.SKIPPED: "skipped",
    Fate.CANCELLED: "cancelled, as the customer left",
    Fate.EXPIRED: "pointless by then",
    Fate.WAITS: "still waits",
    Fate.NEEDS_HUMAN: "a person has to look",
    Fate.FAILED: "cannot be sent",
}

STANDINGS: Mapping[str, str] = {
    Standing.ACTIVE: "under way",
    Standing.FINISHED: "through to the end",
    Standing.GOAL: "reached the goal",
    Standing.LEFT: "left",
}

_PAGES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(_HERE),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)


def page(simulated: Simulated) -> str:
    """The whole file. Customers' refs and reasons are shown as text, whatever they hold."""
    summed = totals(simulated)
    ways = ways_of(simulated.travels)
    return _PAGES.get_template("page.html").render(
        simulated=simulated,
        totals=summed,
        channels=CHANNELS,
        style=_part("page.css"),
        script=_part("page.js"),
        data=_as_data(simulated, ways),
        steps=_step_bars(summed),
        days=_day_columns(summed),
        skipped=_skipped(summed.steps),
        held=_held(summed.steps),
        ways=ways[:EXAMPLES],
        all_ways=len(ways),
        fates=FATES,
        standings=STANDINGS,
        local=_local,
        count=_count,
        is_used=_used(summed),
    )


def _part(name: str) -> Markup:
    return Markup((_HERE / name).read_text(encoding="utf-8"))  # noqa: S704 - a file of ours


class Way:
    """The customers whose steps ended alike: the same steps sent by the same channels, or skipped for one reason."""

    def __init__(self, travels: Sequence[Travel]) -> None:
        self.travels = travels

    @property
    def example(self) -> Travel:
        """One of them."""
        return self.travels[0]

    @property
    def count(self) -> int:
        """How many they are."""
        return len(self.travels)

    @property
    def in_short(self) -> Markup:
        """The steps in a line."""
        return Markup(" · ").join(_in_short(touch) for touch in self.example.touches)


def ways_of(travels: Iterable[Travel]) -> list[Way]:
    """The different ways through the journey, the most travelled first; who never entered has a way too."""
    together: dict[Any, list[Travel]] = {}
    for travel in travels:
        together.setdefault(_signature(travel), []).append(travel)
    return [Way(alike) for alike in sorted(together.values(), key=len, reverse=True)]


def _signature(travel: Travel) -> Any:
    steps = tuple(
        (touch.step, touch.fate, touch.channel, touch.reason, tuple(held.kind for held in touch.held))
        for touch in travel.touches
    )
    return travel.standing, travel.reason, steps


def _in_short(touch: Touch) -> Markup:
    by = CHANNELS[touch.channel] if touch.channel and touch.fate is Fate.SENT else FATES[touch.fate].partition(",")[0]
    return Markup('<span class="tag {}">{}: {}</span>').format(touch.fate.value, touch.step, by)


def _step_bars(summed: Totals) -> list[tuple[StepTotals, list[Bar]]]:
    """How many came to each step, and what became of it, as shares of those who entered."""
    whole = max((step.came for step in summed.steps), default=0)
    whole = max(whole, summed.entered)
    return [
        (step, stacked([*((word, step.sent[word]) for word in CHANNELS), *_others(step)], whole))
        for step in summed.steps
    ]


def _others(step: StepTotals) -> list[tuple[str, int]]:
    return [(fate.value, step.others[fate.value]) for fate in Fate if fate is not Fate.SENT]


def _day_columns(summed: Totals) -> list[Column]:
    """What went out on each day, also on those with nothing between the first and the last."""
    if not summed.days:
        return []
    first, last = min(summed.days), max(summed.days)
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    return columns_of([(day, summed.days.get(day, Counter())) for day in days], list(CHANNELS))


def _skipped(steps: Sequence[StepTotals]) -> list[tuple[str, str, int]]:
    return [(step.step, reason, count) for step in steps for reason, count in step.skipped.most_common()]


def _held(steps: Sequence[StepTotals]) -> list[tuple[str, str, int, datetime, datetime]]:
    return [
        (step.step, kind, len(until), min(until), max(until))
        for step in steps
        for kind, until in sorted(step.held.items(), key=lambda one: -len(one[1]))
    ]


def _used(summed: Totals) -> Sequence[str]:
    """The channels that anything went out by."""
    by = Counter(channel for step in summed.steps for channel in step.sent.elements())
    return [word for word in CHANNELS if by[word]]


@cache
def _place(name: str) -> Any:
    return zone(name)


def _local(at: datetime, time_zone: str) -> Markup:
    """An instant on a customer's clock."""
    local = at.astimezone(_place(time_zone))
    return Markup('<time datetime="{}">{} {}</time>').format(
        f"{local:%Y-%m-%dT%H:%M:%S%z}", f"{local:%a} {local.day} {local:%b}", f"{local:%H:%M}"
    )


def _count(number: int) -> str:
    """As people write it: 10,000."""
    return f"{number:,}"


def _as_data(simulated: Simulated, ways: Sequence[Way]) -> Markup:
    """All customers for the search, as small as it goes: ways once, then of each customer what is their own.

    Minutes are those of the customer's own clock since the epoch, each but the first as what it is later than the last.
    """
    languages = _Words()
    zones = _Words()
    customers = []
    for number, way in enumerate(ways):
        for travel in way.travels:
            customers.append(
                [travel.ref, number, languages.number(travel.language), zones.number(travel.time_zone),
                 *_minutes(travel)]
            )  # fmt: skip
    data = {
        "ways": [_way_as_data(way.example) for way in ways],
        "languages": languages.words,
        "zones": zones.words,
        "customers": customers,
        "fates": {fate.value: words for fate, words in FATES.items()},
        "channels": {channel.value: words for channel, words in zip(Channel, CHANNELS.values(), strict=True)},
        "standings": STANDINGS,
    }
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), default=str)
    for sign, escaped in (
        ("<", "\\u003c"),
        (">", "\\u003e"),
        ("&", "\\u0026"),
        ("\u2028", "\\u2028"),
        ("\u2029", "\\u2029"),
    ):
        text = text.replace(sign, escaped)
    return Markup(text)  # noqa: S704 - nothing in it can end the element it stands in


class _Words:
    def __init__(self) -> None:
        self.words: list[str] = []
        self._numbers: dict[str, int] = {}

    def number(self, word: str) -> int:
        if word not in self._numbers:
            self._numbers[word] = len(self.words)
            self.words.append(word)
        return self._numbers[word]


def _way_as_data(travel: Travel) -> list[Any]:
    steps = [
        [touch.step, touch.fate.value, touch.channel and touch.channel.value, touch.reason,
         [held.kind for held in touch.held]]
        for touch in travel.touches
    ]  # fmt: skip
    return [travel.standing and travel.standing.value, travel.reason, steps]


def _minutes(travel: Travel) -> list[int]:
    """When they entered, each step was over, and they ended."""
    if travel.entered_at is None:
        return []
    instants = [travel.entered_at, *(touch.at for touch in travel.touches)]
    if travel.ended_at is not None:
        instants.append(travel.ended_at)
    place = _place(travel.time_zone)
    walls = [_wall_minutes(instant.astimezone(place)) for instant in instants]
    return [walls[0], *(later - earlier for earlier, later in pairwise(walls))]


def _wall_minutes(local: datetime) -> int:
    return (local.date() - date(1970, 1, 1)).days * 1440 + local.hour * 60 + local.minute
