"""Addresses but for what their owner knows them by: whoever else reads them learns nothing."""

_HIDDEN = "•••"


def masked_mail(address: str) -> str:
    """The first letter, and the last part of the domain: `e•••@•••.pl`; empty for no address."""
    name, _, domain = address.rpartition("@")
    return f"{name[:1]}{_HIDDEN}@{_HIDDEN}.{domain.rpartition('.')[2]}" if name and "." in domain else ""


def masked_phone(number: str) -> str:
    """The last two digits: `•••45`; empty for no number."""
    return f"{_HIDDEN}{number[-2:]}" if len(number) > len("00") else ""
