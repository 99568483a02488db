"""What somebody may type where we ask for a name, and worse; and how a page is seen not to mind."""

from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any

from templates.checks import SAMPLE

EVIL = [
    "{{ 7 * 7 }}",
    "{% for x in range(10**9) %}{% endfor %}",
    "{{ ''.__class__.__mro__ }}",
    "{# gone #}",
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' style='display:none",
    "</p></td></table><!--",
    "--><![endif]--><b>",
    "]]><![CDATA[",
    "&lt;b&gt;",
    "javascript:alert(1)",
    "a\r\nBcc: victim@example.com",
    "a\n\n\nCall 666",
    "\u202egnp.exe",
    "\u2067\u05e9\u05dc\u05d5\u05dd\u2069 \u0645\u0631\u062d\u0628\u0627 \u200f\u200e",
    "👩🏽\u200d🚀 🏳️\u200d🌈 Z\u0351\u036b\u0343\u036aalgo",
    "jinja0mark jinja1mark",
    "=HYPERLINK(1)",
    "# Heading\n- *item* [link](https://evil.example)",
    "\x00\x1b[31m",
    "\ud800 lone",
    "x" * 10_000,
    "W \u00a0" * 3_333 + "x",
]


def every_word(text: str) -> dict[str, Any]:
    """Every free text of a message's parameters at once; what must be a date or a link of ours stays."""
    human = {"phone": text, "mail": text, "hours": text}
    return {
        **SAMPLE,
        "human": human,
        **dict.fromkeys(("name", "company", "reference", "survey", "journey", "product"), text),
    }


def everything(text: str) -> dict[str, Any]:
    """Addresses as well."""
    links: Mapping[str, str] = SAMPLE["links"]
    return {**every_word(text), "links": dict.fromkeys(links, text), "unsubscribe": text, "link": text}


class Structure(HTMLParser):
    """The tags and attribute names of a page: what must not depend on any value."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.seen: list[Any] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, [name for name, _ in attrs], dict(attrs).get("style")))

    def handle_endtag(self, tag: str) -> None:
        self.seen.append(f"/{tag}")

    def handle_comment(self, data: str) -> None:
        self.seen.append(f"<!--{data}")
