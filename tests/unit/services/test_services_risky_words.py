"""Words that give money or apologise are found in any part of a message, in its own language."""

from dataclasses import replace
from typing import Any

import pytest

from domain.policy import Policy
from services.risky_words import says_money_or_apology
from templates.library import Template, load

GIVES = {
    "pl": [
        "Przepraszamy za opóźnienie dostawy.",
        "Jest nam bardzo przykro, że tak wyszło.",
        "Zwrócimy Pani/Panu całą kwotę w ciągu trzech dni.",
        "Zwrot pieniędzy zobaczą Państwo na koncie w środę.",
        "Oddamy nadpłatę przy następnym rachunku.",
        "Anulujemy naliczone odsetki.",
        "Obniżymy Pani/Panu opłatę o połowę.",
        "W ramach rekompensaty dodajemy miesiąc.",
        "Należy się Państwu odszkodowanie.",
        "Przygotowaliśmy rabat 10%.",
        "Kod na zniżkę: WIOSNA",
        "To był nasz błąd.",
        "Stało się to z naszej winy.",
    ],
    "cs": [
        "Omlouváme se za zpoždění zásilky.",
        "Velmi nás to mrzí. Je nám to líto.",
        "Vrátíme Vám celou částku do tří dnů.",
        "Vrácení peněz uvidíte na účtu ve středu.",
        "Promineme Vám poplatek za upomínku.",
        "Jako kompenzaci přidáváme měsíc.",
        "Máte nárok na odškodnění.",
        "Připravili jsme pro Vás slevu 10 %.",
        "V příloze najdete dárkový poukaz.",
        "Byla to naše chyba.",
    ],
    "en": [
        "We apologise for the delay.",
        "Please accept our apologies.",
        "We are sorry that this happened.",
        "We have refunded the full amount.",
        "You will have your money back by Wednesday.",
        "We would like to compensate you for the trouble.",
        "Here is a 10% discount.",
        "We will waive the fee.",
        "As a gesture of goodwill we add a month.",
        "We have credited £20 to your account.",
        "Take £10 off your next bill.",
        "This was our mistake.",
    ],
}
GIVES_NOTHING = {
    "pl": [
        "Prosimy o kontakt, gdyby coś było niejasne.",
        "Umowa kończy się 24 listopada. Czy mamy ją przedłużyć?",
        "W razie pytań o zwrot towaru pomoże infolinia.",
        "Zwracamy uwagę, że termin mija we wtorek.",
        "Opłata pozostaje bez zmian.",
    ],
    "cs": [
        "Ozveme se Vám nejpozději v úterý.",
        "Smlouva končí 24. listopadu. Máme ji prodloužit?",
        "Vrátíme se k tomu příští týden.",
        "Poplatek se nemění.",
        "Poukazujeme na to, že lhůta končí v úterý.",
    ],
    "en": [
        "Your contract ends on 24 November. Shall we renew it?",
        "The price stays the same.",
        "Three mistakes that cost most people time.",
        "We are glad to have you back.",
        "You can switch it off in your account.",
    ],
}


def a_wording(language: str, text: str, part: str = "mail.txt") -> dict[str, Any]:
    """As it is published."""
    return Template("words", language, {part: text}).to_content()


@pytest.mark.parametrize(("language", "text"), [(its, text) for its, texts in GIVES.items() for text in texts])
def test_money_and_apologies_are_found(policy: Policy, language: str, text: str) -> None:
    assert says_money_or_apology(a_wording(language, text), policy)


@pytest.mark.parametrize(("language", "text"), [(its, text) for its, texts in GIVES_NOTHING.items() for text in texts])
def test_ordinary_sentences_are_not(policy: Policy, language: str, text: str) -> None:
    assert says_money_or_apology(a_wording(language, text), policy) == ()


@pytest.mark.parametrize("template", load(), ids=lambda one: f"{one.name}-{one.language}")
def test_of_the_shipped_words_acknowledgements_alone_apologise(template: Template, policy: Policy) -> None:
    found = says_money_or_apology(template.to_content(), policy)
    if template.name in {"acknowledgement", "acknowledgement-vip"}:
        assert found
    else:
        assert found == ()


def test_every_part_and_branch_is_read_and_no_tag_or_parameter(policy: Policy) -> None:
    for part in ("mail.subject.txt", "mail.txt", "sms.txt", "push.title.txt", "push.txt", "voice.txt"):
        assert says_money_or_apology(a_wording("en", "Our apologies, {{ name }}", part), policy) == ("apolog*",)
    page = '<p title="refund">Hello {{ refund }}</p><style>.refund {}</style>'
    assert says_money_or_apology(a_wording("en", page, "mail.html"), policy) == ()
    assert says_money_or_apology(a_wording("en", "<p>Money&nbsp;<b>back</b></p>", "mail.html"), policy)
    branch = "{% if survey == 'sorry' %}Well{% else %}We are sorry, {{ name }}{% endif %}"
    assert says_money_or_apology(a_wording("en", branch), policy) == ("sorry",)
    assert says_money_or_apology(a_wording("en", branch.replace("sorry, {{", "here, {{")), policy) == ()


def test_another_language_and_a_rule_that_is_off_say_nothing(policy: Policy) -> None:
    assert says_money_or_apology(a_wording("cs", "refund"), policy) == ()
    reviews = replace(policy.reviews, rules=replace(policy.reviews.rules, money_or_apology=None))
    assert says_money_or_apology(a_wording("en", "refund"), replace(policy, reviews=reviews)) == ()
