"""Every mail we have words for, sent with hostile values and read back: one recipient, the headers we meant."""

from email.message import EmailMessage
from typing import Any

from hostile_words import EVIL, every_word
from mail_server import mail_server
from test_smtp import sending

from domain.actions import Capability
from integrations.ports import Mail
from services.journey_messages import unsubscribe_headers
from templates.library import load
from templates.renderer import render

TO = "anna.kowalska@example.com"
PAGE = "https://care.handrail.example/unsubscribe/n4bqgoqk5yv5zv7mzqkq3fzg7a3c6xw2"
HEADERS = {"Auto-Submitted": "auto-generated", **unsubscribe_headers(PAGE)}


async def test_a_mail_has_one_recipient_and_the_headers_we_meant() -> None:
    async with mail_server() as server, sending(server) as port:
        sent = []
        for number, template in enumerate(one for one in load() if Capability.MAIL in one.channels):
            for text in (EVIL[number % len(EVIL)], EVIL[(number * 7 + 12) % len(EVIL)]):
                words = render(template, Capability.MAIL, {**every_word(text), "unsubscribe": PAGE})
                mail = Mail("C-1", TO, words.subject, words.text, words.html, template.language, template.name, HEADERS)
                await port.send_mail(mail, key=f"test/{number}/{len(sent)}")
                sent.append(mail)
    assert server.recipients == [TO] * len(sent)
    assert {said.split()[0] for said in server.said} == {"EHLO", "MAIL", "RCPT", "DATA"}
    names = [sorted(set(message.keys())) for message in server.mails]
    assert names == [names[0]] * len(sent)
    for mail, message in zip(sent, server.mails, strict=True):
        assert not {"Bcc", "Cc", "Resent-To"} & set(message.keys())
        assert all(len(message.get_all(name, [])) == 1 for name in message)
        assert (message["To"], message["Subject"].strip()) == (TO, mail.subject)
        assert message["List-Unsubscribe"].strip() == f"<{PAGE}>"  # a long one begins on a line of its own
        assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        assert (body(message, "plain"), body(message, "html")) == (mail.text, mail.html + "\n")


def body(message: EmailMessage, kind: str) -> Any:
    """One of the two parts, as it was written."""
    part = message.get_body((kind,))
    assert part is not None
    return part.get_content().replace("\r\n", "\n")
