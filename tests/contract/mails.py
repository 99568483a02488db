"""Mails as our renderer makes them, to different people in different words, for the tests of mail providers."""

from integrations.ports import Mail

PAGE = """<!doctype html><html lang="{language}"><head><title>{subject}</title></head><body style="margin:0">{filler}
<p>{greeting}</p><p>Welcome to <b>Acme &amp; co</b>.</p><a href="https://care.example/u/{token}">{unsubscribe}</a>
</body></html>"""

WORDS = {
    "cs": ("Dobrý den, {name},", "Odhlásit", "Vítejte"),
    "pl": ("Dzień dobry, {name},", "Zrezygnuj", "Witamy"),
    "en": ("Dear {name},", "Unsubscribe", "Welcome"),
}


def mail(number: int, *, language: str = "pl", name: str = "", filler: int = 40, to: str = "", html: str = "") -> Mail:
    """One of many."""
    greeting, unsubscribe, subject = WORDS[language]
    name = name or f"Zdzisława {number}"
    page = PAGE.format(
        language=language,
        subject=subject,
        greeting=greeting.format(name=name),
        token=f"token-{number}",
        unsubscribe=unsubscribe,
        filler="".join(f"<p class='c{row}'>row {row}</p>" for row in range(filler)),
    )
    return Mail(
        customer_ref=f"C-{number}",
        to=to or f"c{number}@example.com",
        subject=f"{subject}, {name}",
        text=f"{greeting.format(name=name)}\n\nWelcome to Acme & co.\n\nhttps://care.example/u/token-{number}\n",
        html=html or page,
        language=language,
        template="onboarding-welcome",
        headers={
            "List-Unsubscribe": f"<https://care.example/u/token-{number}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
            "Auto-Submitted": "auto-generated",
        },
    )


def keyed(mails: list[Mail]) -> list[tuple[str, Mail]]:
    """Each with a key of its own."""
    return [(f"journey/onboarding/{one.customer_ref}/1/welcome/{place}", one) for place, one in enumerate(mails)]
