"""A step of a journey as its customer gets it: their language, a person to reach, a way out of what comes unasked."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr

from domain.actions import Basis, Capability, Kind
from domain.channels import Channel
from domain.customers import Customer, Purpose
from domain.journey_payload import step_payload
from domain.journey_steps import CAPABILITY_OF
from integrations.fakes import FakeVendor
from integrations.ports import Call, Mail, Push, Sms
from services import journey_messages
from services.links import Links
from services.sending import CannotSay, Sender
from store import wordings
from store.ledger.rows import Armed
from templates.dates import LANGUAGES
from templates.journey_files import load_journeys
from templates.library import Template, load
from templates.renderer import render

GATEWAY = "https://care.example"
LINKS = Links(GATEWAY, [SecretStr("a secret of this test")])
ANNA = Customer("C-1", name="Anna Nowak", email="anna@example.com", phone="+48601234567", language="pl-PL")
WRITTEN = {
    "mail.subject.txt": "Guide ({{ language }})",
    "mail.txt": "{{ name }}, {{ company }}: {{ links.guide }} {{ human.phone }} {{ unsubscribe }}",
    "mail.html": "<p>{{ name }} {{ unsubscribe }}</p>",
    "push.title.txt": "Guide",
    "push.txt": "{{ name }}, have a look",
    "push.link.txt": "{{ links.guide }}",
    "sms.txt": "{{ company }}: {{ links.guide }} {{ unsubscribe }}",
}
SPOKEN = {"voice.txt": "{{ name }}, {{ company }}, {{ human.phone }}, {{ journey }}, {{ unsubscribe }}"}


def a_step(
    words: Mapping[str, str], capability: Capability = Capability.MAIL, basis: Basis = Basis.PROACTIVE, **facts: Any
) -> Armed:
    params = {
        "journey": "onboarding",
        "version": 1,
        "step": "guide",
        "purpose": "onboarding",
        "confidentiality": "personal",
        "links": {"guide": "https://example.com/guide"},
        "wordings": dict(words),
    }
    step = Armed(
        id=1,
        key="journey/onboarding/C-1/1/guide",
        fence=1,
        kind=Kind.CALL if capability is Capability.VOICE else Kind.MESSAGE,
        basis=basis,
        capability=capability,
        purpose=Purpose.ONBOARDING if basis is Basis.PROACTIVE else None,
        payload={"schema": "journey-step/1", "template": "guide", "template_hash": None, "params": params},
        customer=ANNA,
        customer_id=77,
        case_id=None,
        response_id=None,
        entitlement_id=None,
        enrolment_id=1,
        attempts=1,
        urgent=False,
    )
    return replace(step, **facts)


def published(stage: Any, parts: Mapping[str, str]) -> dict[str, str]:
    """The hash of the words, by language."""
    hashes = {}
    with stage.database.write() as connection:
        for language in ("pl", "en"):
            template = Template("guide", language, parts)
            hashes[language] = template.hash
            wordings.publish(
                connection,
                content_hash=template.hash,
                name="guide",
                language=language,
                content=template.to_content(),
                approved_by="the tests",
                now=stage.clock(),
            )
    return hashes


@pytest.fixture
def words(on_sqlite: Any) -> dict[str, str]:
    return published(on_sqlite, WRITTEN)


@pytest.fixture
def sender(on_sqlite: Any) -> Sender:
    return Sender(on_sqlite.database, on_sqlite.policy, on_sqlite.clock, LINKS)


async def _sent(sender: Sender, step: Armed) -> Any:
    call = await sender.prepare(step, FakeVendor(step.capability).configured())
    return call.value


async def test_a_proactive_mail_can_be_ended_with_one_click(sender: Sender, words: dict[str, str]) -> None:
    mail = await _sent(sender, a_step(words))
    page = LINKS.page(77, Purpose.ONBOARDING)
    assert page.startswith(f"{GATEWAY}/unsubscribe/")
    assert isinstance(mail, Mail)
    assert mail.headers == {
        "Auto-Submitted": "auto-generated",
        "List-Unsubscribe": f"<{page}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }
    assert page in mail.text.replace("\n", " ")
    assert page in mail.html
    assert "https://example.com/guide" in mail.text
    assert sender._policy.human["pl"].phone in mail.text
    assert (mail.to, mail.template) == ("anna@example.com", "guide")


async def test_a_service_mail_leads_to_the_page_but_one_click_ends_nothing(
    sender: Sender, words: dict[str, str]
) -> None:
    mail = await _sent(sender, a_step(words, basis=Basis.SERVICE))
    assert mail.headers == {"Auto-Submitted": "auto-generated"}
    assert LINKS.page(77, Purpose.ONBOARDING) in mail.text.replace("\n", " ")


@pytest.mark.parametrize(("language", "read"), [("pl-PL", "pl"), ("en", "en"), ("fr", "en"), (None, "en")])
async def test_the_customers_language_picks_the_words_when_they_are_sent(
    sender: Sender, words: dict[str, str], language: str | None, read: str
) -> None:
    mail = await _sent(sender, a_step(words, customer=replace(ANNA, language=language)))
    assert (mail.subject, mail.language) == (f"Guide ({read})", read)


async def test_a_step_by_text_by_push_and_by_voice(on_sqlite: Any, sender: Sender, words: dict[str, str]) -> None:
    sms = await _sent(sender, a_step(words, Capability.SMS))
    assert isinstance(sms, Sms)
    assert LINKS.page(77, Purpose.ONBOARDING) in sms.text
    push = await _sent(sender, a_step(words, Capability.PUSH, customer=replace(ANNA, device="d-1")))
    assert push == Push("C-1", "d-1", "Guide", "Anna Nowak, have a look", "https://example.com/guide", "pl", "guide")
    call = await _sent(sender, a_step(published(on_sqlite, SPOKEN), Capability.VOICE))
    assert isinstance(call, Call)
    assert call.script.startswith("Anna Nowak, ")
    assert (call.to, call.language, call.customer_ref) == ("+48601234567", "pl", "C-1")


@pytest.mark.parametrize("capability", [Capability.MAIL, Capability.SMS])
async def test_without_a_secret_no_message_with_a_link_of_theirs_is_sent(
    on_sqlite: Any, words: dict[str, str], capability: Capability
) -> None:
    sender = Sender(on_sqlite.database, on_sqlite.policy, on_sqlite.clock, Links(GATEWAY, []))
    with pytest.raises(CannotSay, match=r"journey/onboarding/C-1/1/guide: .*set HANDRAIL_LINK_SECRET"):
        await _sent(sender, a_step(words, capability))
    assert isinstance(await _sent(sender, a_step(published(on_sqlite, SPOKEN), Capability.VOICE)), Call)


async def test_what_has_no_approved_words_is_not_sent(sender: Sender, words: dict[str, str]) -> None:
    only_polish = a_step({"pl": words["pl"]}, customer=replace(ANNA, language="cs"))
    with pytest.raises(CannotSay, match="no wording of guide is approved in en"):
        await _sent(sender, only_polish)


@pytest.mark.parametrize(
    ("capability", "words_for"),
    [
        (Capability.MAIL, "no mail address"),
        (Capability.SMS, "no phone number"),
        (Capability.PUSH, "no device"),
        (Capability.VOICE, "no phone number"),
    ],
)
async def test_an_address_that_is_gone_is_said(
    on_sqlite: Any, sender: Sender, words: dict[str, str], capability: Capability, words_for: str
) -> None:
    said = published(on_sqlite, SPOKEN) if capability is Capability.VOICE else words
    with pytest.raises(CannotSay, match=words_for):
        await _sent(sender, a_step(said, capability, customer=Customer("C-1")))


async def test_other_proactive_mails_can_be_ended_too(on_sqlite: Any, sender: Sender, words: dict[str, str]) -> None:
    params = {"name": "Anna", "company": "Example", "links": {"guide": ""}, "human": {"phone": ""}, "unsubscribe": None}
    payload = {"schema": "message/1", "template": "guide", "template_hash": words["en"], "params": params}
    asking = a_step(words, payload=payload, enrolment_id=None, purpose=Purpose.FEEDBACK)
    mail = await _sent(sender, asking)
    assert mail.headers["List-Unsubscribe"] == f"<{LINKS.page(77, Purpose.FEEDBACK)}>"
    without = Sender(on_sqlite.database, on_sqlite.policy, on_sqlite.clock, Links(GATEWAY, []))
    assert "List-Unsubscribe" not in (await _sent(without, asking)).headers


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_message_of_every_journey_has_all_its_words_need(on_sqlite: Any, language: str) -> None:
    """What the plan carries and what is added when it is sent is what the words name, on every channel they have."""
    templates = {(one.name, one.language): one for one in load()}
    rendered = 0
    for journey in (file.journey for file in load_journeys()):
        for step in (one for one in journey.steps if one.message is not None):
            template = templates[step.message, language]
            said = step_payload(journey, step, {}).params
            for channel in step.by:
                page = None if channel is Channel.VOICE else "https://care.example/unsubscribe/abc"
                params = journey_messages.params(said, ANNA, language, on_sqlite.policy, page)
                words = render(template, CAPABILITY_OF[channel], params)
                assert words.text
                assert "None" not in words.text
                rendered += 1
    assert rendered > 10
