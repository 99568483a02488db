"""Currencies: how many decimals each has, and amounts in major units as minor ones.

Source: ISO 4217, list one (current currencies), column "minor units"; those that are not listed here have two.
"""

_DECIMALS = {
    **dict.fromkeys(
        ("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF",
         "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}  # fmt: skip


def decimals_of(currency: str) -> int:
    """How many decimals its amounts have: 2 of EUR, none of JPY, 3 of KWD."""
    return _DECIMALS.get(currency, 2)


def written(minor: int, currency: str) -> str:
    """An amount in minor units as people read it: "129.90 EUR", "1500 JPY"."""
    decimals = decimals_of(currency)
    whole, part = divmod(abs(minor), 10**decimals)
    sign = "-" if minor < 0 else ""
    return f"{sign}{whole}.{part:0{decimals}} {currency}" if decimals else f"{sign}{whole} {currency}"
