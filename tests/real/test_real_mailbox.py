"""Our mail in a real mailbox: sent by the SMTP vendor as it is configured, read back as maildev reads it."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from real_mailbox import Mailbox

from domain.actions import Capability
from integrations.ports import Mail
from integrations.registry import Configured, load_roster
from templates.checks import SAMPLE, visible
from templates.library import Template, load
from templates.renderer import render

pytestmark = pytest.mark.real

ACKNOWLEDGEMENTS = [template for template in load() if template.name == "acknowledgement"]


@pytest.fixture
async def post(mailbox: Mailbox) -> AsyncIterator[Configured]:
    """The mailbox as a vendor of mail."""
    roster = load_roster(
        f"""
        mail:
          vendor: smtp
          host: 127.0.0.1
          port: {mailbox.smtp_port}
          security: none
          sender: Péče Acme <care@acme.example>
        """,
        {},
    )
    configured = roster.of(Capability.MAIL)
    assert configured is not None
    yield configured
    await roster.aclose()


def a_mail(template: Template, to: str) -> Mail:
    words = render(template, Capability.MAIL, SAMPLE)
    headers = {"Auto-Submitted": "auto-replied"}
    return Mail("C-1", to, words.subject, words.text, words.html, template.language, template.name, headers)


@pytest.mark.parametrize("template", ACKNOWLEDGEMENTS, ids=lambda template: template.language)
async def test_an_acknowledgement_reads_there_as_it_was_written(
    template: Template, post: Configured, mailbox: Mailbox
) -> None:
    mail = a_mail(template, f"{template.language}@example.com")
    receipt = await post.port.send_mail(mail, key=f"survey/real/{template.language}/acknowledgement")
    [there] = [one for one in mailbox.mails() if one["to"][0]["address"] == mail.to]
    assert (there["subject"], there["messageId"]) == (mail.subject, receipt.external_id)
    assert there["from"] == [{"address": "care@acme.example", "name": "Péče Acme"}]
    assert there["text"].strip() == mail.text.strip()
    assert visible(there["html"]) == visible(mail.html)  # maildev writes the markup in its own way
    assert there["headers"]["auto-submitted"] == "auto-replied"
    assert there["headers"]["content-language"] == mail.language


async def test_many_at_once_are_each_for_one(post: Configured, mailbox: Mailbox) -> None:
    people = [f"person-{number}@example.com" for number in range(100)]
    await asyncio.gather(*(post.port.send_mail(a_mail(ACKNOWLEDGEMENTS[0], each), key=each) for each in people))
    arrived = [one["to"] for one in mailbox.mails() if one["to"][0]["address"].startswith("person-")]
    assert sorted(to[0]["address"] for to in arrived) == sorted(people)
    assert {len(to) for to in arrived} == {1}


async def test_it_is_well(post: Configured) -> None:
    assert (await post.port.check()).ok
