"""Whether a time needs its zone named, and how that zone is called in the customer's language."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

_HOME = {"pl": ZoneInfo("Europe/Warsaw"), "cs": ZoneInfo("Europe/Prague")}
"""Where a reader of the language takes a bare time to be meant. English is read everywhere, so it has none."""

_CITIES = {
    "pl": {
        "Athens": "Ateny",
        "Brussels": "Bruksela",
        "Bucharest": "Bukareszt",
        "Copenhagen": "Kopenhaga",
        "Istanbul": "Stambuł",
        "Kyiv": "Kijów",
        "Lisbon": "Lizbona",
        "London": "Londyn",
        "Madrid": "Madryt",
        "New York": "Nowy Jork",
        "Paris": "Paryż",
        "Prague": "Praga",
        "Rome": "Rzym",
        "Stockholm": "Sztokholm",
        "Tokyo": "Tokio",
        "Vienna": "Wiedeń",
        "Vilnius": "Wilno",
        "Warsaw": "Warszawa",
    },
    "cs": {
        "Athens": "Athény",
        "Brussels": "Brusel",
        "Bucharest": "Bukurešť",
        "Copenhagen": "Kodaň",
        "Kyiv": "Kyjev",
        "Lisbon": "Lisabon",
        "London": "Londýn",
        "Paris": "Paříž",
        "Prague": "Praha",
        "Rome": "Řím",
        "Tokyo": "Tokio",
        "Vienna": "Vídeň",
        "Warsaw": "Varšava",
    },
}
"""Cities whose name differs in the language; all others are called as the time zone database spells them."""


def zone_name(local: datetime, language: str) -> str:
    """How to name the zone of an aware local time, or "" where a reader of the language knows which clock is meant.

    It goes without saying when the clock shows what it shows at home: a Polish reader in Berlin needs no "Berlin".
    """
    home = _HOME.get(language)
    if home is not None and local.astimezone(home).replace(tzinfo=None) == local.replace(tzinfo=None):
        return ""
    region, _, city = str(local.tzinfo).rpartition("/")
    if not region or region == "Etc":
        return _offset(local.utcoffset() or timedelta())
    city = city.replace("_", " ")
    return _CITIES.get(language, {}).get(city, city)


def _offset(offset: timedelta) -> str:
    """Zones named after no place ("UTC", "Etc/GMT+5", "EST"): "UTC", "UTC-5", "UTC+5:30"."""
    minutes = round(offset / timedelta(minutes=1))
    hours, rest = divmod(abs(minutes), 60)
    if not minutes:
        return "UTC"
    return f"UTC{'+' if minutes > 0 else '-'}{hours}" + (f":{rest:02}" if rest else "")
