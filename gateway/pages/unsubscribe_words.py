"""What a customer reads on their own page, in each language we write in."""

from collections.abc import Mapping
from dataclasses import dataclass

from domain.actions import Capability
from domain.customers import Purpose


@dataclass(frozen=True, slots=True)
class Words:
    """One language. `{by}` is a deadline as `templates.dates.deadline` says it, `{number}` a number but for its end."""

    language_name: str
    skip: str
    title: str
    intro: str
    purposes: Mapping[Purpose, str]
    writes: str
    gets: str
    gets_nothing: str
    stop_this: Mapping[Purpose, str]
    stop_all: str
    stopped_this: Mapping[Purpose, str]
    stopped_all: str
    on_its_way: str
    goes_on: str
    again: str
    reach: str
    channel: str
    channels: Mapping[Capability, str]
    any_channel: str
    hours: str
    starts: str
    ends: str
    any_hour: str
    clock: str
    night: str
    language: str
    save: str
    saved: str
    one_hour: str
    no_span: str
    person: str
    would_call: str
    call_me: str
    will_call: str
    will_not_call: str
    no_number: str
    contact: str
    phone: str
    mail: str
    no_page: str
    no_page_words: str
    not_now: str
    not_now_words: str


WORDS: Mapping[str, Words] = {
    "pl": Words(
        language_name="polski",
        skip="Przejdź do treści",
        title="Wiadomości od nas",
        intro="Na tej stronie można zdecydować, o czym do Pani/Pana piszemy, jak i kiedy.",
        purposes={
            Purpose.ONBOARDING: "porady na początek",
            Purpose.REMINDERS: "przypomnienia o tym, co wkrótce się kończy",
            Purpose.FEEDBACK: "pytania, czy sprawa została dobrze załatwiona",
            Purpose.MARKETING: "oferty i nowości",
        },
        writes="O czym piszemy z własnej inicjatywy",
        gets="Wysyłamy teraz:",
        gets_nothing="Z własnej inicjatywy nie wysyłamy niczego.",
        stop_this={
            Purpose.ONBOARDING: "Nie chcę już porad na początek",
            Purpose.REMINDERS: "Nie chcę już przypomnień",
            Purpose.FEEDBACK: "Nie chcę już pytań o załatwione sprawy",
            Purpose.MARKETING: "Nie chcę już ofert i nowości",
        },
        stop_all="Nie chcę żadnych takich wiadomości",
        stopped_this={
            Purpose.ONBOARDING: "Gotowe. Nie będziemy już wysyłać porad na początek.",
            Purpose.REMINDERS: "Gotowe. Nie będziemy już wysyłać przypomnień.",
            Purpose.FEEDBACK: "Gotowe. Nie będziemy już pytać o załatwione sprawy.",
            Purpose.MARKETING: "Gotowe. Nie będziemy już wysyłać ofert ani nowości.",
        },
        stopped_all="Gotowe. Z własnej inicjatywy nie będziemy już niczego wysyłać.",
        on_its_way="Wiadomość, która była już w drodze, może jeszcze dotrzeć.",
        goes_on="Odpowiedzi na Pani/Pana wiadomości i informacje o sprawach w toku będą przychodzić jak dotąd.",
        again="Aby znów dostawać te wiadomości, wystarczy do nas zadzwonić albo napisać.",
        reach="Jak i kiedy się kontaktować",
        channel="Najchętniej",
        channels={
            Capability.MAIL: "e-mail",
            Capability.SMS: "SMS",
            Capability.VOICE: "telefon",
            Capability.PUSH: "powiadomienie w aplikacji",
        },
        any_channel="obojętnie",
        hours="W godzinach",
        starts="od",
        ends="do",
        any_hour="obojętnie",
        clock="Czas: {}.",
        night="W nocy sami się nie odzywamy.",
        language="Język wiadomości",
        save="Zapisz",
        saved="Zapisane. Tak będziemy się kontaktować.",
        one_hour="Nic nie zmieniono: proszę podać obie godziny albo żadnej.",
        no_span="Nic nie zmieniono: godzina „do” musi być późniejsza niż godzina „od”.",
        person="Rozmowa z człowiekiem",
        would_call="Możemy zadzwonić pod numer {number}, najpóźniej {by}.",
        call_me="Proszę o telefon",
        will_call="Zadzwonimy pod numer {number} najpóźniej {by}.",
        will_not_call="Dziś nie możemy przyjąć tej prośby na tej stronie. Prosimy zadzwonić albo napisać.",
        no_number="Nie mamy numeru, pod który moglibyśmy zadzwonić. Zapraszamy do kontaktu:",
        contact="Można też do nas zadzwonić albo napisać:",
        phone="Telefon",
        mail="E-mail",
        no_page="Ten odnośnik nie działa",
        no_page_words=(
            "Być może skopiowała się tylko jego część. Prosimy otworzyć go jeszcze raz z wiadomości. Można też do nas "
            "zadzwonić lub napisać, a wszystko ustawimy."
        ),
        not_now="Chwilowo się nie udało",
        not_now_words="Nic nie zmieniono. Prosimy spróbować za kilka minut albo zadzwonić lub napisać.",
    ),
    "cs": Words(
        language_name="čeština",
        skip="Přejít k obsahu",
        title="Zprávy od nás",
        intro="Tady si můžete zvolit, o čem, jak a kdy Vám píšeme.",
        purposes={
            Purpose.ONBOARDING: "rady do začátku",
            Purpose.REMINDERS: "upozornění na to, co Vám brzy skončí",
            Purpose.FEEDBACK: "dotazy, jestli jsme Vaši záležitost vyřídili dobře",
            Purpose.MARKETING: "nabídky a novinky",
        },
        writes="O čem Vám píšeme z vlastního podnětu",
        gets="Teď Vám posíláme:",
        gets_nothing="Z vlastního podnětu Vám neposíláme nic.",
        stop_this={
            Purpose.ONBOARDING: "Rady do začátku už nechci",
            Purpose.REMINDERS: "Upozornění už nechci",
            Purpose.FEEDBACK: "Dotazy na vyřízené záležitosti už nechci",
            Purpose.MARKETING: "Nabídky a novinky už nechci",
        },
        stop_all="Nechci žádné takové zprávy",
        stopped_this={
            Purpose.ONBOARDING: "Hotovo. Rady do začátku už Vám posílat nebudeme.",
            Purpose.REMINDERS: "Hotovo. Upozornění už Vám posílat nebudeme.",
            Purpose.FEEDBACK: "Hotovo. Na vyřízené záležitosti už se ptát nebudeme.",
            Purpose.MARKETING: "Hotovo. Nabídky a novinky už Vám posílat nebudeme.",
        },
        stopped_all="Hotovo. Z vlastního podnětu už Vám nebudeme posílat nic.",
        on_its_way="Zpráva, která už byla na cestě, může ještě dorazit.",
        goes_on="Na Vaše zprávy budeme odpovídat dál a o Vašich otevřených případech Vás budeme informovat jako dosud.",
        again="Pokud budete chtít tyto zprávy znovu dostávat, stačí nám zavolat nebo napsat.",
        reach="Jak a kdy se Vám ozvat",
        channel="Nejraději",
        channels={
            Capability.MAIL: "e-mail",
            Capability.SMS: "SMS",
            Capability.VOICE: "telefon",
            Capability.PUSH: "oznámení v aplikaci",
        },
        any_channel="je mi to jedno",
        hours="V hodinách",
        starts="od",
        ends="do",
        any_hour="kdykoli",
        clock="Čas: {}.",
        night="V noci se sami neozýváme.",
        language="Jazyk zpráv",
        save="Uložit",
        saved="Uloženo. Takhle se Vám budeme ozývat.",
        one_hour="Nic se nezměnilo: uveďte prosím obě hodiny, nebo žádnou.",
        no_span="Nic se nezměnilo: hodina „do“ musí být pozdější než hodina „od“.",
        person="Promluvit si s člověkem",
        would_call="Můžeme Vám zavolat na číslo {number}, nejpozději {by}.",
        call_me="Zavolejte mi, prosím",
        will_call="Zavoláme Vám na číslo {number} nejpozději {by}.",
        will_not_call="Tuto prosbu tady dnes přijmout nemůžeme. Zavolejte nám prosím nebo napište.",
        no_number="Nemáme číslo, na které bychom Vám mohli zavolat. Ozvěte se nám prosím sami:",
        contact="Můžete nám také sami zavolat nebo napsat:",
        phone="Telefon",
        mail="E-mail",
        no_page="Tento odkaz nefunguje",
        no_page_words=(
            "Možná se zkopírovala jen jeho část. Otevřete ho prosím znovu ze zprávy. Můžete nám také zavolat nebo "
            "napsat a všechno nastavíme za Vás."
        ),
        not_now="Teď se to bohužel nepovedlo",
        not_now_words="Nic se nezměnilo. Zkuste to prosím za pár minut, nebo nám zavolejte či napište.",
    ),
    "en": Words(
        language_name="English",
        skip="To the content",
        title="Messages from us",
        intro="Here you decide what we write to you about, how and when.",
        purposes={
            Purpose.ONBOARDING: "tips for getting started",
            Purpose.REMINDERS: "reminders of what is about to end",
            Purpose.FEEDBACK: "questions about whether we settled something well",
            Purpose.MARKETING: "offers and news",
        },
        writes="What we write about unasked",
        gets="You get from us now:",
        gets_nothing="We send you nothing unasked.",
        stop_this={
            Purpose.ONBOARDING: "No more tips for getting started",
            Purpose.REMINDERS: "No more reminders",
            Purpose.FEEDBACK: "No more questions about what was settled",
            Purpose.MARKETING: "No more offers and news",
        },
        stop_all="None of these messages, please",
        stopped_this={
            Purpose.ONBOARDING: "Done. We will not send you tips for getting started any more.",
            Purpose.REMINDERS: "Done. We will not send you reminders any more.",
            Purpose.FEEDBACK: "Done. We will not ask about what was settled any more.",
            Purpose.MARKETING: "Done. We will not send you offers or news any more.",
        },
        stopped_all="Done. We will send you nothing unasked any more.",
        on_its_way="A message that was already on its way may still arrive.",
        goes_on="You will still get answers to what you write to us, and news of your open cases.",
        again="To get these messages again, just call or write to us.",
        reach="How and when to reach you",
        channel="Preferably by",
        channels={
            Capability.MAIL: "email",
            Capability.SMS: "text message",
            Capability.VOICE: "phone call",
            Capability.PUSH: "notification in the app",
        },
        any_channel="no preference",
        hours="Between the hours",
        starts="from",
        ends="to",
        any_hour="any time",
        clock="In {} time.",
        night="We do not disturb you at night.",
        language="Language of our messages",
        save="Save",
        saved="Saved. That is how we will reach you.",
        one_hour="Nothing was changed: please give both hours or neither.",
        no_span="Nothing was changed: the second hour must be later than the first.",
        person="Talk to a person",
        would_call="If you like, we will call you on {number} {by}.",
        call_me="Please call me",
        will_call="We will call you on {number} {by}.",
        will_not_call="We cannot take this request here today. Please call or write to us.",
        no_number="We have no number to call you on. Please get in touch:",
        contact="Or call or write to us:",
        phone="Phone",
        mail="Email",
        no_page="This link does not work",
        no_page_words=(
            "Perhaps only part of it was copied. Please open it once more from the message. You can also call or write "
            "to us, and we will set everything up for you."
        ),
        not_now="That did not work just now",
        not_now_words="Nothing was changed. Please try again in a few minutes, or call or write to us.",
    ),
}
