"""What a template must satisfy before anybody may send it."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from html.parser import HTMLParser
from typing import Any

import jinja2
from jinja2 import meta, nodes

from data_contracts.problems import Problem
from domain.actions import Capability
from domain.words import did_you_mean, one_of
from templates.library import CHANNEL_PARTS, PUSH_LINK, Template, TemplateProblem
from templates.names import dial
from templates.renderer import Rendered, environment, render
from templates.text_messages import parts_of

SAMPLE: Mapping[str, Any] = {
    "name": "Anna Kowalska-Nowakowska",
    "agent": "Ewa Lis",
    "answer_by": "2026-11-24T15:00:00Z",
    "time_zone": "America/Los_Angeles",
    "received_at": "2026-11-23T08:12:40Z",
    "survey": "nps",
    "human": {"phone": "+48 22 000 00 00", "mail": "pomoc@example.com", "hours": "pon.–pt. 8:00–18:00"},
    "company": "Handrail",
    "reference": "C-1042-1",
    "link": "https://survey.example.com/C-1042-1",
    "kind": "subscription",
    "product": "Energy and gas for one year",
    "ends_on": "2026-11-24",
    "is_past": False,
    "journey": "onboarding",
    "links": {
        "video": "https://handrail.example/start",
        "knowledge_base": "https://handrail.example/help",
    },
    "unsubscribe": "https://care.handrail.example/unsubscribe/n4bqgoqk5yv5zv7mzqkq3fzg7a3c6xw2",
}
"""The parameters a message knows, with values as long as they get in ordinary life."""

_EXITS: Mapping[Capability, Sequence[str]] = {
    Capability.MAIL: ("phone", "mail"),
    Capability.SMS: ("phone",),
    Capability.PUSH: ("phone",),
    Capability.VOICE: ("phone",),
}
"""The ways to a person every message of a channel must show (promise P28)."""

_NOT_NEEDED = {Capability.PUSH: (PUSH_LINK,)}

_FORBIDDEN = (
    nodes.Block,
    nodes.Extends,
    nodes.Include,
    nodes.Import,
    nodes.FromImport,
    nodes.ScopedEvalContextModifier,
    nodes.EvalContextModifier,
)
"""They let text into HTML unescaped, or words into a message that its hash does not cover."""
_OF_A_JOURNEY = frozenset({"journey", "links", "unsubscribe"})
"""Parameters that messages of a journey alone are given."""
_ADDRESSES = frozenset({"link", "links", "unsubscribe"})
_SPOKEN = CHANNEL_PARTS[Capability.VOICE]
_LONGEST_TITLE, _LONGEST_PUSH = 50, 178
"""Characters of a notification that a phone shows without being asked for more."""
_MOST_SMS_PARTS = 2
_WORD = re.compile(r"\w+")
_VOID = frozenset({"br", "hr", "img", "link", "meta"})


def check(template: Template, *, links: Collection[str] | None = None, proactive: bool = False) -> list[Problem]:
    """Everything wrong with a template; empty when it may be sent.

    Every part is there and compiles, uses known parameters only, extends and includes nothing, renders for every survey
    and ending with and without a name, and then shows, or says, how to reach a person. It fits its channel. A mail of a
    journey, and any that is `proactive`, says why it came and how to have no more of them. `links` are those that its
    journey has; None: any.
    """
    problems = list(_missing(template))
    sample = sample_of(template, links)
    for part in template.parts:
        problems += _of_source(template, part, sample)
    return problems or list(_of_words(template, sample, proactive or is_of_a_journey(template)))


def is_of_a_journey(template: Template) -> bool:
    """True when it can only be sent by a journey: it uses what nothing else gives it."""
    return any(
        meta.find_undeclared_variables(environment(template.parts).parse(source)) & _OF_A_JOURNEY
        for source in template.parts.values()
    )


def parameters(template: Template, channel: Capability) -> frozenset[str]:
    """The names of what its words for a channel are made of."""
    jinja = environment(template.parts)
    its = [part for part in (*CHANNEL_PARTS[channel], *_NOT_NEEDED.get(channel, ())) if part in template.parts]
    used = [meta.find_undeclared_variables(jinja.parse(template.parts[part])) for part in its]
    return frozenset().union(*used)


def samples(sample: Mapping[str, Any] = SAMPLE) -> Iterator[Mapping[str, Any]]:
    """Parameters for every branch a message has: each survey, each kind of ending, with and without a name."""
    for survey, kind in zip(("nps", "csat", "ces"), ("subscription", "policy", "supply"), strict=True):
        for name in (sample["name"], None):
            agent = None if name is None else sample["agent"]
            yield {**sample, "survey": survey, "kind": kind, "is_past": name is None, "name": name, "agent": agent}


def sample_of(template: Template, links: Collection[str] | None = None) -> Mapping[str, Any]:
    """`SAMPLE` with the links that the message points to, or with those of its journey."""
    known = SAMPLE["links"]
    names = _links_of(template) | known.keys() if links is None else links
    made = {name: known.get(name, f"https://handrail.example/help/{name}") for name in sorted(names)}
    return {**SAMPLE, "links": made}


def visible(html: str) -> str:
    """What a reader sees of an HTML mail: no tags, comments, titles or styles."""
    return " ".join("".join(_read(html).seen).split())


def _missing(template: Template) -> Iterator[Problem]:
    for part in template.wanted:
        if part not in template.parts:
            yield Problem(template.where(part), "this part is missing", "add it")


def _of_source(template: Template, part: str, sample: Mapping[str, Any]) -> Iterator[Problem]:
    jinja = environment(template.parts)

    def where(line: int) -> str:
        return template.where(part if part.endswith(".html") else f"{part}:{line}")  # compiled lines are nobody's

    try:
        jinja.compile(template.parts[part], part, raw=True)
    except jinja2.TemplateSyntaxError as broken:
        fix = f"correct it; filters are {one_of(jinja.filters)}"
        yield Problem(where(broken.lineno), broken.message or "syntax error", fix)
        return
    tree = jinja.parse(template.parts[part], part)
    known = _names_in(sample)
    for variable in sorted(_unknown(tree, sample)):
        yield Problem(
            template.where(part),
            f'"{variable}" is no parameter{did_you_mean(variable, known)}',
            f"parameters are {one_of(known)}",
        )
    for variable in sorted(meta.find_undeclared_variables(tree) & _ADDRESSES if part in _SPOKEN else ()):
        what = f'"{variable}" is an address, which nobody can touch on the phone'
        yield Problem(template.where(part), what, "say where else it is, or leave it out")
    for node in tree.find_all(_FORBIDDEN):
        yield Problem(where(node.lineno), f"{type(node).__name__} is not allowed", "write the words where they stand")


def _unknown(tree: nodes.Template, sample: Mapping[str, Any]) -> set[str]:
    """Names, and attributes of the parameters that are objects, which no message is given."""
    return (meta.find_undeclared_variables(tree) | set(_paths(tree))) - set(_names_in(sample))


def _paths(tree: nodes.Template) -> Iterator[str]:
    for access in tree.find_all(nodes.Getattr):
        if isinstance(access.node, nodes.Name) and isinstance(SAMPLE.get(access.node.name), Mapping):
            yield f"{access.node.name}.{access.attr}"


def _links_of(template: Template) -> set[str]:
    """The names of the links it points to; none of a part that does not compile."""
    names = set()
    for source in template.parts.values():
        with suppress(jinja2.TemplateSyntaxError):
            names |= {path for path in _paths(environment({}).parse(source)) if path.startswith("links.")}
    return {path.removeprefix("links.") for path in names}


def _names_in(sample: Mapping[str, Any]) -> list[str]:
    inner = [f"{name}.{key}" for name, value in sample.items() if isinstance(value, Mapping) for key in value]
    return [*sample, "language", *inner]


def _of_words(template: Template, sample: Mapping[str, Any], is_proactive: bool) -> Iterator[Problem]:
    """Rendering finds what reading the source cannot: an exit in a branch that is never taken."""
    found: dict[tuple[str, str], Problem] = {}
    for params in samples(sample):
        try:
            for channel in template.channels:
                for problem in _of_channel(template, channel, params, is_proactive):
                    found.setdefault((problem.path, problem.problem), problem)
        except TemplateProblem as broken:
            return (yield from broken.problems)
    yield from found.values()


def _of_channel(
    template: Template, channel: Capability, params: Mapping[str, Any], is_proactive: bool
) -> Iterator[Problem]:
    rendered = render(template, channel, params)
    yield from _without_exit(template, channel, rendered, params)
    yield from _too_long(template, channel, rendered)
    if is_proactive and channel is Capability.MAIL:
        yield from _unexplained(template, rendered, params["unsubscribe"])


def _without_exit(
    template: Template, channel: Capability, rendered: Rendered, params: Mapping[str, Any]
) -> Iterator[Problem]:
    shown = {
        f"{channel.value}.txt": " ".join(rendered.text.split()),
        f"{channel.value}.html": visible(rendered.html),
    }
    for part, words in shown.items():
        for exit_ in _EXITS[channel] if part in CHANNEL_PARTS[channel] else ():
            if not _shows(words, params["human"][exit_], exit_):
                yield Problem(
                    template.where(part),
                    f"does not say how to reach a person by {exit_}",
                    f"show {{{{ human.{exit_} }}}} in every case",
                )


def _shows(words: str, way: str, exit_: str) -> bool:
    return way in words or (exit_ == "phone" and dial(way) in words)


def _unexplained(template: Template, rendered: Rendered, unsubscribe: str) -> Iterator[Problem]:
    """Whoever did not ask for a mail must see, in both its parts, why it came, and have no more of them at a touch."""
    page, text = _read(rendered.html), rendered.text
    add = 'write it there in <mj-text mj-class="why">, with a link to {{ unsubscribe }}'
    html, plain = template.where("mail.html"), template.where("mail.txt")
    why, said = (set(_WORD.findall(words)) for words in ("".join(page.why), text))
    if not why:
        yield Problem(html, "does not say why it came", add)
    elif unsubscribe not in page.why_links:
        yield Problem(html, "does not say how to have no more such mails", add)
    elif not why <= said:
        yield Problem(plain, "does not say why it came", "say there what mail.mjml says")
    if unsubscribe not in text.split():
        yield Problem(plain, "does not say how to have no more such mails", "show {{ unsubscribe }}, between spaces")


def _too_long(template: Template, channel: Capability, rendered: Rendered) -> Iterator[Problem]:
    if channel is Capability.SMS and (parts := parts_of(rendered.text)).count > _MOST_SMS_PARTS:
        what = f"takes {parts.count} text messages: {parts.used} places in {parts.alphabet}"
        yield Problem(template.where("sms.txt"), what, f"{_MOST_SMS_PARTS} have to do")
    if channel is Capability.PUSH:
        for part, words, most in (
            ("push.title.txt", rendered.subject, _LONGEST_TITLE),
            ("push.txt", rendered.text, _LONGEST_PUSH),
        ):
            if len(words) > most:
                yield Problem(template.where(part), f"has {len(words)} characters", f"phones show {most}")


def _read(html: str) -> "_Page":
    page = _Page()
    page.feed(html)
    page.close()
    return page


class _Page(HTMLParser):
    """Collects the text of a page's body, and of the element that says why it came."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.why: list[str] = []
        self.why_links: list[str] = []
        self._hidden = 0
        self._open_in_why: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in {"title", "style", "script"}:
            self._hidden += 1
        self._add(" " if tag in {"p", "div", "br", "td", "h1", "li"} else "")
        its = dict(attrs)
        if tag not in _VOID and (self._open_in_why or "why" in (its.get("class") or "").split()):
            self._open_in_why.append(tag)
        if self._open_in_why and tag == "a":
            self.why_links.append(its.get("href") or "")

    def handle_endtag(self, tag: str) -> None:
        if tag in {"title", "style", "script"}:
            self._hidden -= 1
        if self._open_in_why:
            self._open_in_why.pop()

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self._add(data)

    def _add(self, words: str) -> None:
        self.seen.append(words)
        if self._open_in_why:
            self.why.append(words)
