"""A shop for tests: what customers bought and have, written down as if it had come through a gate."""

from datetime import date
from typing import Any

from ledger_world import NOON, World

TODAY = NOON.date()


def gate(world: World) -> int:
    """A gate that everything here came through."""
    facts = {"feed": "shop", "batch": "b", "origin": "f.csv", "verdict": "pass", "rows": 1, "broken": 0}
    return world.add("gates", data_set="purchases", **facts, findings=[], measures={}, decided_at=NOON, run="t")


class Shop:
    """Purchases and entitlements in a world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.gate = gate(world)
        self.count = 0

    def buys(self, customer: int, minor: int, currency: str = "EUR", on: date = TODAY, **facts: Any) -> None:
        self.count += 1
        told = {"product": "coffee", "quantity": 1, "is_supply": True, **facts}
        self.world.add("purchases", ref=f"p{self.count}", customer_id=customer, bought_on=on, amount_minor=minor,
                       currency=currency, gate_id=self.gate, **told)  # fmt: skip

    def has(self, customer: int, minor: int | None, currency: str | None = "EUR", **facts: Any) -> int:
        self.count += 1
        told = {"kind": "policy", "product": "home", "state": "active", "ends_on": TODAY, **facts}
        stamps = {"changed_at": NOON, "created_at": NOON, "updated_at": NOON}
        return self.world.add(
            "entitlements", ref=f"e{self.count}", key_part=f"e{self.count}", customer_id=customer, value_minor=minor,
            currency=currency if minor is not None else None, time_zone="Europe/Warsaw", occurrence="o",
            gate_id=self.gate, **told, **stamps)  # fmt: skip
