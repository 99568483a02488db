"""Customers' words are text at every sink: never a template, markup, a header or a command."""

from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest

Answer = Callable[..., dict[str, Any]]

JINJA = "{{ 7 * 7 }} {% for x in ().__class__.__base__.__subclasses__() %}{{ x }}{% endfor %} {# gone #}"
HTML = "<script>alert(1)</script><img src=x onerror=alert(1)><b>bold</b>&amp;"
MARKDOWN = "[click](https://evil.example) ![x](https://evil.example/x.png) `code` **bold** | a | b |"
FORMATS = "%s %(name)s {0} ${HOME} $(id) `id` '; DROP TABLE customers; --"
ODD = "\u202eright to left\u202c \u200bzero width\ufeff 🙂 \U0001f469\u200d\U0001f469 a\u0301 \u2028 tab\tend"
WORDS = {"jinja": JINJA, "html": HTML, "markdown": MARKDOWN, "formats": FORMATS, "odd": ODD}


@pytest.mark.parametrize("words", WORDS.values(), ids=WORDS.keys())
async def test_words_reach_the_ticket_as_they_were_said(
    small_door: Any, on_sqlite: Any, answer: Answer, words: str
) -> None:
    told = await small_door.deliver(answer(comment=words))
    await small_door.deliver(answer(comment=words, response_id="r-2"), "msg_2")
    await on_sqlite.settled()
    assert told.json()["status"] == "accepted"
    (_, _, ticket), (_, _, note) = on_sqlite.ticketing.effects
    assert words in ticket.body
    assert ticket.context["said"][-1]["words"] == words
    assert words in note.text
    assert words not in ticket.subject
    assert "\n" not in ticket.subject


class Reader(HTMLParser):
    """The text a mail program would show, and the elements it would build."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text = ""
        self.elements: set[str] = set()
        self.feed(page)

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.elements.add(tag)
        assert not [name for name, _ in attrs if name.startswith("on")]


NAMES = {
    "jinja": "{{ 7*7 }}{% raw %}",
    "jinja that makes a name": "{{ 'Ev' ~ 'il' }}",
    "html": "<script>alert(1)</script>",
    "attribute": '" onmouseover="alert(1)',
    "entity": "&lt;b&gt;",
    "markdown": "[Anna](https://evil.example)",
    "formats": "%s {0} %(name)s",
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
async def test_a_name_is_text_in_every_part_of_the_mail(
    small_door: Any, on_sqlite: Any, answer: Answer, name: str
) -> None:
    await small_door.deliver(answer(customer={"ref": "C-1", "name": name, "email": "a@example.com"}))
    await on_sqlite.settled()
    ((_, _, mail),) = on_sqlite.mail.effects
    page = Reader(mail.html)
    assert "script" not in page.elements
    assert not [made for made in ("49", "Evil") if made in mail.text + mail.html]
    greeted = [name in part for part in (mail.text, page.text)]
    assert greeted in ([True, True], [False, False]), "the parts differ"
    assert "\n" not in mail.subject


async def test_mail_says_nothing_the_customer_wrote_to_us(small_door: Any, on_sqlite: Any, answer: Answer) -> None:
    """Their own words come back to nobody's mailbox: it may not be only theirs."""
    await small_door.deliver(answer(comment="SECRETWORD"))
    await on_sqlite.settled()
    ((_, _, mail),) = on_sqlite.mail.effects
    assert "SECRETWORD" not in mail.text + mail.html + mail.subject


async def test_one_recipient_and_no_header_from_outside(small_door: Any, on_sqlite: Any, answer: Answer) -> None:
    await small_door.deliver(answer())
    await on_sqlite.settled()
    ((_, _, mail),) = on_sqlite.mail.effects
    assert mail.to == "anna@example.com"
    assert mail.headers == {"Auto-Submitted": "auto-replied"}
    assert not [part for part in (mail.to, mail.subject, *mail.headers.values()) if "\n" in part or "\r" in part]
