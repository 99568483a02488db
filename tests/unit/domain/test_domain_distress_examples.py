"""The shipped word lists against sentences as customers write them: what must reach a person, and what must not."""

from pathlib import Path

import pytest

from data_contracts.policy import load_policy
from domain.distress import Category, find_distress

_FILE = Path(__file__).parents[3] / "deployments" / "policy.yaml"
RULES = load_policy(_FILE.read_text(encoding="utf-8"), _FILE.name).distress

BEREAVEMENT = [
    # Polish
    "Mój mąż zmarł w zeszłym miesiącu, a wy dalej przysyłacie faktury na jego nazwisko.",
    "Umarła mi mama i nie mam teraz głowy do waszych ankiet",
    "mama mi umarla w maju, prosze o zamkniecie konta",
    "Abonent nie żyje od stycznia. Ile razy mam to jeszcze powtarzać?",
    "Jesteśmy w żałobie, prosimy nie dzwonić.",
    "Po śmierci ojca próbuję przepisać umowę i odbijam się od ściany",
    "Straciłam w wypadku męża, a konsultant pyta czy chcę lepszy pakiet...",
    "Tata odszedł w niedzielę. Umowa była na niego.",
    "Jestem wdową, konto było męża",
    "Wysłałam akt zgonu trzy razy!",
    "zmarla nam babcia",
    # Czech
    "Manžel zemřel v březnu a vy mi pořád píšete na jeho jméno.",
    "Umřela mi maminka, nemám na tohle sílu.",
    "Zítra máme pohřeb, prosím neobtěžujte.",
    "poslala jsem umrtni list uz dvakrat",
    "Ztratila jsem manžela a teď řeším vaše faktury",
    "Jsem vdova a smlouva byla psaná na muže.",
    "Přepis po úmrtí otce trvá už dva měsíce",
    # English
    "My husband passed away in March and you keep writing to him.",
    "my dad died last week, please just close the account",
    "We are arranging her funeral and you ask how likely I am to recommend you?",
    "Since my mother's death nobody can tell me how to transfer the contract.",
    "I lost my wife in June.",
    "There has been a death in the family",
    "I'm a widow, the contract was my husband's",
]

HARDSHIP = [
    # Polish
    "Straciłem pracę i nie wiem, jak opłacę kolejny rachunek.",
    "stracilam prace, prosze o rozlozenie na raty",
    "Od marca jestem bezrobotna",
    "Nie stać mnie na tę podwyżkę, mam dwójkę dzieci.",
    "Po prostu nie mam z czego zapłacić",
    "nie mogę teraz zapłacić, czekam na rentę",
    "Komornik zajął mi konto",
    "Leżę w szpitalu, a wy mi wyłączacie telefon",
    "Mam raka. Proszę o kontakt człowieka, nie automat.",
    "Jestem ciężko chora i potrzebuję tego na wczoraj",
    "Mąż miał zawał, wszystko jest teraz na mojej głowie",
    "Mam depresję i nie ogarniam waszych formularzy",
    "czasem nie chce mi się już żyć",
    # Czech
    "Přišel jsem o práci a nezvládám splátky.",
    "prisla jsem o zamestnani",
    "Ztratila jsem zaměstnání, můžete mi posunout splatnost?",
    "Jsem nezaměstnaný a vy zdražíte o třetinu.",
    "Nemám na zaplacení, prosím o splátkový kalendář",
    "Nemůžu si to teď dovolit",
    "Mám na krku exekuci",
    "Manželka je v nemocnici a já neměl čas to řešit",
    "Diagnostikovali mi rakovinu.",
    "Po mrtvici špatně mluvím, telefon pro mě není",
    # English
    "I lost my job in April and I can't pay the full amount.",
    "I’ve been laid off, is there any way to pause this?",
    "we simply cannot afford it anymore",
    "can't pay in full this month, sorry",
    "I am unemployed and you charge me for a call",
    "My son is in hospital, I have no time for this",
    "I was diagnosed with cancer last month",
    "The bailiffs are coming because of your mistake",
    "I have no money left after rent",
    "some days I don't want to live",
]

LEGAL = [
    # Polish
    "Sprawę przekazuję prawnikowi.",
    "Spotkamy się w sądzie.",
    "Jeśli do piątku nie oddacie pieniędzy, idę do sądu",
    "zglaszam sprawe do UOKiK",
    "Zgłoszę to rzecznikowi praw konsumentów.",
    "Podejmę kroki prawne",
    "Złożę pozew zbiorowy, jest nas więcej",
    "Idę z tym na policję",
    # Czech
    "Předám to svému právníkovi.",
    "Uvidíme se u soudu.",
    "podam zalobu, pokud to nevyresite",
    "Obrátím se na Českou obchodní inspekci.",
    "Podávám trestní oznámení",
    "Advokátka už má všechny podklady",
    # English
    "You will hear from my lawyer.",
    "See you in court.",
    "I'm taking legal action if this is not fixed",
    "I will sue you",
    "This goes to the ombudsman tomorrow",
    "I have reported you to the police",
]

EVERYDAY = [
    # Polish
    "Umarł mi telefon po waszej aktualizacji",
    "po aktualizacji aplikacja mi umarła",
    "Bateria umiera po dwóch godzinach",
    "Router nie żyje od wczoraj",
    "Zanudziliście mnie na śmierć tym formularzem",
    "Na śmierć zapomniałam hasła",
    "Prawie umarłem z nudów na infolinii",
    "To jest chore! Trzeci raz to samo.",
    "Nie mogę zapłacić kartą na waszej stronie",
    "nie moge zaplacic blikiem",
    "Sądzę, że stać was na więcej",
    "Nie stać was na porządną infolinię?",
    "W każdym wypadku dostaję inną odpowiedź",
    "Brak rąk do pracy czy co?",
    "Straciłam całą pracę, bo formularz się zawiesił",
    "Poroniony pomysł z tym menu",
    "Długi czas oczekiwania",
    "Bardzo długo czekałem, ale obsługa miła",
    "Do dziś nie mam pieniędzy za zwrot",
    "Pozwalacie sobie na za dużo",
    "Rakieta! Wszystko załatwione od ręki",
    "Odszedł konsultant i nikt nie wrócił do rozmowy",
    # Czech
    "Umřel mi mobil a nikdo neporadil",
    "Baterie umírá po hodině",
    "Ta aplikace je nudná k smrti",
    "Police dorazila poškrábaná.",
    "Objednal jsem sadu nádobí a přišla jiná",
    "Nemůžu zaplatit kartou",
    "V aplikaci nejde zaplatit online",
    "Pořád čekám, až mi vrátíte peníze zpět",
    "Systém se zhroutil a přišel jsem o objednávku",
    "Ztratila jsem celou práci, když formulář spadl",
    "Výpověď smlouvy trvala dva měsíce",
    "Čtu ty podmínky potřetí a nerozumím jim",
    # English
    "My phone died after the update",
    "The battery is dying after two hours",
    "the router just died on me",
    "I nearly died of boredom on hold",
    "I'm dying to know who designed this menu",
    "I am sick of waiting",
    "Sick and tired of your robot",
    "I can't pay by card in your app",
    "Cannot pay online, the page keeps loading",
    "Can't pay my bill in the app",
    "The order was late, husband waited all day",
    "I can't afford to wait another week",
    "It makes me sad that chat is closed",
    "Great court side seats, thanks to the ticket app",
    "Lost my print job in your portal",
    "The ball is in your court now",
    "Got no money back yet",
    "My account was disabled for no reason",
    "Your hospitality is wonderful",
    "The policies page is hard to find",
    "By accident I ordered two",
    "Late delivery, again.",
    "",
    "10/10",
]


def _expect(category: Category, sentences: list[str]) -> list[tuple[str, Category]]:
    return [(sentence, category) for sentence in sentences]


@pytest.mark.parametrize(
    ("sentence", "category"),
    _expect(Category.BEREAVEMENT, BEREAVEMENT) + _expect(Category.HARDSHIP, HARDSHIP) + _expect(Category.LEGAL, LEGAL),
)
def test_words_of_distress_reach_a_person(sentence: str, category: Category) -> None:
    found = find_distress(sentence, RULES)
    assert found is not None
    if (sentence, category) not in ALSO_GRAVER:
        assert found.category is category


ALSO_GRAVER: set[tuple[str, Category]] = {
    ("podam zalobu, pokud to nevyresite", Category.LEGAL),  # without its marks also Polish mourning
}


@pytest.mark.parametrize("sentence", EVERYDAY)
def test_words_of_every_day_do_not(sentence: str) -> None:
    assert find_distress(sentence, RULES) is None
