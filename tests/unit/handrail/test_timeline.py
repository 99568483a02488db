"""The page of a simulation: sums and timelines, one file by itself, and nothing of what it shows is read as markup."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from travels import LEFT, OPTED_OUT, OUTSIDE, THROUGH, TROUBLE, after, simulated

from domain.channels import Channel
from domain.journeys import Standing
from handrail.timeline.charts import HEIGHT, columns_of, stacked
from handrail.timeline.page import EXAMPLES, page, ways_of
from services.simulated import Fate, Simulated, Touch, Travel

HOSTILE = "</script><script>alert(1)</script>\"'&{{ 7*7 }}\u2028<b>"


class _Text(HTMLParser):
    """What a reader sees, and what a browser would fetch or run."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.outside: list[tuple[str, str]] = []
        self.scripts = 0
        self.tags: list[str] = []
        self._in: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.scripts += tag == "script"
        self.outside += [(tag, name) for name, _ in attrs if name in {"src", "href", "action", "srcset", "data"}]
        self._in.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._in and self._in.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self._in):
            self.words.append(data)


def seen(words: str) -> _Text:
    parser = _Text()
    parser.feed(words)
    return parser


def text_of(simulation: Simulated) -> str:
    return re.sub(r"\s+", " ", " ".join(seen(page(simulation)).words))


def test_sums_are_told() -> None:
    text = text_of(simulated())
    assert "4 customers in the file" in text
    assert "3 entered the journey" in text
    assert "1 got at least one message" in text
    assert "2 messages" in text
    assert "1 tasks for colleagues" in text
    assert "left churned 1" in text
    assert "never entered not activated before the end 1" in text


def test_each_step_says_what_became_of_it_and_one_nobody_came_to_says_so() -> None:
    text = text_of(simulated())
    assert "welcome mail 1, colleague 1, skipped 1 3 2" in text
    assert "guide SMS 1, skipped 1, cancelled, as the customer left 1 3 1" in text
    assert "thanks nobody came to it 0 0" in text
    assert "guide quiet hours 1 Mon 30 Mar 07:00" in text


def test_times_are_the_customers_own_also_after_clocks_leapt() -> None:
    text = text_of(simulated(THROUGH))
    assert "Fri 27 Mar 08:00 welcome sent by mail" in text
    assert "Mon 30 Mar 09:00 guide sent by SMS" in text
    assert "put off until Mon 30 Mar 09:00 : quiet hours" in text
    assert "Fri 27 Mar 23:00 welcome task for a colleague" in text_of(simulated(LEFT)).replace(
        "Fri 27 Mar 23:00 entered", ""
    )


def test_a_day_is_the_day_where_the_customer_lives() -> None:
    late = replace(THROUGH, touches=(Touch("welcome", after(hours=15.5), Fate.SENT, Channel.MAIL),))
    assert "Fri 27 Mar 2026 1" in text_of(simulated(late))
    assert "Sat 28 Mar 2026 1" in text_of(simulated(replace(late, time_zone="Asia/Tokyo")))


def test_trouble_and_what_could_not_be_read_come_first() -> None:
    text = text_of(simulated(trouble=(TROUBLE,), refused_customers=2, refused_events=1))
    assert "nobody serves push here (3)" in text
    assert "cannot be read: 2 customers, 1 events" in text


def test_nothing_is_fetched_from_anywhere() -> None:
    parsed = seen(page(simulated()))
    assert parsed.outside == []
    assert not {"link", "img", "iframe", "object"} & set(parsed.tags)
    style = page(simulated()).partition("<style>")[2].partition("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style


def test_what_customers_are_called_is_only_ever_text() -> None:
    hostile = replace(
        LEFT,
        ref=HOSTILE,
        language=HOSTILE,
        reason=HOSTILE,
        touches=(Touch(HOSTILE, after(hours=1), Fate.SKIPPED, None, HOSTILE),),
    )
    words = page(simulated(hostile, journey=HOSTILE, steps=(HOSTILE,)))
    parsed = seen(words)
    assert parsed.scripts == 2  # the data and ours
    assert "49" not in "".join(parsed.words)
    assert "alert(1)" in "".join(parsed.words)
    assert json.loads(data_of(words))["customers"][0][0] == HOSTILE


def data_of(words: str) -> str:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', words, re.DOTALL)
    assert found is not None
    return found[1]


def test_the_search_knows_every_customer_with_each_step_s_time() -> None:
    data = json.loads(data_of(page(simulated())))
    by_ref = {one[0]: one for one in data["customers"]}
    assert set(by_ref) == {"C-1", "C-2", "C-3", "C-4"}
    _, way, language, place, *minutes = by_ref["C-1"]
    standing, reason, steps = data["ways"][way]
    assert (standing, reason, data["languages"][language], data["zones"][place]) == (
        "finished", None, "pl", "Europe/Warsaw",
    )  # fmt: skip
    assert [step[:3] for step in steps] == [["welcome", "sent", "mail"], ["guide", "sent", "sms"]]
    day = 24 * 60
    assert minutes[1:] == [0, 3 * day + 60, 0]  # an hour more on the wall, as clocks leapt
    assert by_ref["C-4"][4:] == []


def test_customers_who_went_alike_are_one_way_and_the_most_travelled_is_first() -> None:
    others = [replace(OPTED_OUT, ref=f"C-{number}", time_zone="UTC") for number in range(10, 13)]
    ways = ways_of([THROUGH, *others, LEFT, OUTSIDE])
    assert [(way.count, way.example.ref) for way in ways] == [(3, "C-10"), (1, "C-1"), (1, "C-3"), (1, "C-4")]


def test_ten_thousand_customers_make_a_small_page() -> None:
    steps = [f"step-{number}" for number in range(7)]

    def travel(number: int) -> Travel:
        touches = tuple(
            Touch(step, after(days=3 * place, minutes=number % 60), Fate.SENT, Channel.MAIL)
            if (number >> place) & 1
            else Touch(step, after(days=3 * place), Fate.SKIPPED, None, "not needed any more")
            for place, step in enumerate(steps)
        )
        return Travel(f"C-{number:05}", "pl", "Europe/Warsaw", after(), Standing.FINISHED, None, None, touches)

    words = page(simulated(*map(travel, range(10_000)), steps=tuple(steps)))
    assert len(words.encode()) < 1_000_000
    assert f"the {EXAMPLES} most travelled are shown" in words


@pytest.mark.parametrize("travels", [(OUTSIDE,), (replace(THROUGH, touches=()),)])
def test_a_simulation_in_which_nothing_goes_out_says_so(travels: tuple[Travel, ...]) -> None:
    assert "Nothing goes out." in text_of(simulated(*travels))


def test_parts_of_a_bar_lie_beside_each_other() -> None:
    bars = stacked([("mail", 3), ("sms", 0), ("skipped", 1)], 8)
    assert [(bar.word, bar.start, bar.size) for bar in bars] == [("mail", 0.0, 37.5), ("skipped", 37.5, 12.5)]
    assert stacked([("mail", 0)], 0) == []


def test_the_tallest_column_is_as_high_as_the_chart_and_the_first_word_lies_at_the_bottom() -> None:
    day = after().date()
    small, tall = columns_of([(day, {"sms": 1}), (day, {"mail": 3, "sms": 1})], ["mail", "sms"])
    assert [(part.word, part.top, part.height) for part in tall.parts] == [
        ("mail", HEIGHT / 4, HEIGHT * 3 / 4),
        ("sms", 0, HEIGHT / 4),
    ]
    assert (small.total, small.parts[0].height, small.left < tall.left) == (1, HEIGHT / 4, True)
