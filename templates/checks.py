"""What a template must satisfy before anybody may send it."""

from collections.abc import Iterator, Mapping, Sequence
from html.parser import HTMLParser
from typing import Any

import jinja2
from jinja2 import meta, nodes

from data_contracts.problems import Problem
from domain.actions import Capability
from domain.words import did_you_mean, one_of
from templates.library import CHANNEL_PARTS, LAYOUT, Template, TemplateProblem
from templates.names import dial
from templates.renderer import environment, render

SAMPLE: Mapping[str, Any] = {
    "name": "Anna Kowalska-Nowakowska",
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
}
"""The parameters a message knows, with values as long as they get in ordinary life."""

_EXITS: Mapping[Capability, Sequence[str]] = {
    Capability.MAIL: ("phone", "mail"),
    Capability.SMS: ("phone",),
    Capability.VOICE: ("phone",),
}
"""The ways to a person every message of a channel must show (promise P28)."""

_FORBIDDEN = (nodes.Include, nodes.Import, nodes.FromImport, nodes.ScopedEvalContextModifier, nodes.EvalContextModifier)
"""They let text into HTML unescaped, or words into a message that its hash does not cover."""


def check(template: Template) -> list[Problem]:
    """Everything wrong with a template; empty when it may be sent.

    Every part is there and compiles, uses known parameters only, extends nothing but the layout, renders for every
    survey and ending with and without a name, and then shows, or says, how to reach a person.
    """
    problems = list(_missing(template))
    for part in template.parts:
        problems += _of_source(template, part)
    return problems or list(_of_words(template))


def samples() -> Iterator[Mapping[str, Any]]:
    """Parameters for every branch a message has: each survey, each kind of ending, with and without a name."""
    for survey, kind in zip(("nps", "csat", "ces"), ("subscription", "policy", "supply"), strict=True):
        for name in (SAMPLE["name"], None):
            yield {**SAMPLE, "survey": survey, "kind": kind, "is_past": name is None, "name": name}


def visible(html: str) -> str:
    """What a reader sees of an HTML mail: no tags, comments, titles or styles."""
    page = _Page()
    page.feed(html)
    page.close()
    return " ".join("".join(page.seen).split())


def _missing(template: Template) -> Iterator[Problem]:
    for part in template.wanted:
        if part not in template.parts:
            yield Problem(template.where(part), "this part is missing", "add it")


def _of_source(template: Template, part: str) -> Iterator[Problem]:
    jinja = environment(template.parts)
    try:
        jinja.compile(template.parts[part], part, raw=True)
    except jinja2.TemplateSyntaxError as broken:
        where = template.where(f"{part}:{broken.lineno}")
        yield Problem(where, broken.message or "syntax error", f"correct it; filters are {one_of(jinja.filters)}")
        return
    tree = jinja.parse(template.parts[part], part)
    for variable in sorted(_unknown(tree)):
        yield Problem(
            template.where(part),
            f'"{variable}" is no parameter{did_you_mean(variable, _known_names())}',
            f"parameters are {one_of(_known_names())}",
        )
    for node in tree.find_all((*_FORBIDDEN, nodes.Extends)):
        if not _is_layout(node):
            where = template.where(f"{part}:{node.lineno}")
            yield Problem(where, f"{type(node).__name__} is not allowed", f'only {{% extends "{LAYOUT}" %}} is')


def _unknown(tree: nodes.Template) -> set[str]:
    """Names, and attributes of the parameters that are objects, which no message is given."""
    unknown = meta.find_undeclared_variables(tree) - SAMPLE.keys() - {"language"}
    for access in tree.find_all(nodes.Getattr):
        if isinstance(access.node, nodes.Name) and isinstance(SAMPLE.get(access.node.name), Mapping):
            path = f"{access.node.name}.{access.attr}"
            if path not in _known_names():
                unknown.add(path)
    return unknown


def _known_names() -> list[str]:
    inner = [f"{name}.{key}" for name, value in SAMPLE.items() if isinstance(value, Mapping) for key in value]
    return [*SAMPLE, "language", *inner]


def _is_layout(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Extends) and isinstance(node.template, nodes.Const) and node.template.value == LAYOUT


def _of_words(template: Template) -> Iterator[Problem]:
    """Rendering finds what reading the source cannot: an exit in a branch that is never taken."""
    found: dict[tuple[str, str], Problem] = {}
    for params in samples():
        try:
            for problem in _without_exit(template, params):
                found.setdefault((problem.path, problem.problem), problem)
        except TemplateProblem as broken:
            return (yield from broken.problems)
    yield from found.values()


def _without_exit(template: Template, params: Mapping[str, Any]) -> Iterator[Problem]:
    for channel in template.channels:
        rendered = render(template, channel, params)
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


class _Page(HTMLParser):
    """Collects the text of a page's body."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in {"title", "style", "script"}:
            self._hidden += 1
        self.seen.append(" " if tag in {"p", "div", "br", "td", "h1"} else "")

    def handle_endtag(self, tag: str) -> None:
        if tag in {"title", "style", "script"}:
            self._hidden -= 1

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.seen.append(data)
