"""A row of a batch that waited in quarantine, taken through a gate of its own: a person decided about it."""

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from data_contracts.any_event import ahead_of
from data_contracts.problems import ContractBroken, Problem
from domain.gates import DataSet, GateVerdict, feed_of
from domain.policy import Policy
from services.applying import apply
from services.gating import CONTRACTS, CURRENCY, LATEST_PURCHASE, NOT_BOUGHT_YET, UNKNOWN_CUSTOMER, no_rate
from services.imports import Fate, Taken
from store import gates
from store.customers import ids_and_zones


def batch_row(
    policy: Policy, row: Row[Any], body: bytes, cells: Mapping[Any, Any], now: datetime
) -> Callable[[Connection], Taken]:
    """How the row goes into the books. What that returns raises ContractBroken before it has written anything."""
    layout = row.layout
    data_set = DataSet(layout["contract"])
    feed = layout.get("feed") or feed_of(row.origin.rpartition(":")[0], data_set)

    def take(connection: Connection) -> Taken:
        read = _with_customer(connection, _checked(data_set, cells, policy, now))
        gate_id = gates.record(
            connection,
            data_set=data_set,
            feed=feed,
            batch=hashlib.sha256(body).hexdigest(),
            origin=f"{gates.REPLAYED}{row.id}",
            verdict=GateVerdict.PASS,
            rows=1,
            broken=0,
            findings=[],
            measures={},
            run=f"{gates.REPLAYED}{row.id}",
            now=now,
        )
        saved = apply(connection, data_set, [read], gate_id=gate_id, policy=policy, now=now)
        if saved.unchanged or saved.outdated:
            known = "known already" if saved.unchanged else "older than what is known"
            return Taken(Fate.KNOWN, read["ref"], known)
        return Taken(Fate.ACCEPTED, read["ref"], "written down")

    return take


def _checked(data_set: DataSet, cells: Mapping[Any, Any], policy: Policy, now: datetime) -> dict[str, Any]:
    """The row as its contract reads it. Raises ContractBroken, also for a reference that leads nowhere."""
    read = CONTRACTS[data_set].read(cells)
    problems: list[Problem] = []
    currency = read[CURRENCY[data_set]]
    if currency is not None and currency not in policy.value.rates:
        problems.append(no_rate(CURRENCY[data_set], currency))
    if data_set is DataSet.PURCHASES and read["bought_on"] > now.date() + LATEST_PURCHASE:
        problems.append(NOT_BOUGHT_YET)
    if read.get("changed_at") is not None:
        problems += ahead_of(read["changed_at"], now, "changed_at")
    if problems:
        raise ContractBroken(problems)
    return read


def _with_customer(connection: Connection, read: dict[str, Any]) -> dict[str, Any]:
    if "customer_ref" not in read:
        return read
    found = ids_and_zones(connection, [read["customer_ref"]])
    if not found:
        raise ContractBroken([UNKNOWN_CUSTOMER])
    [(customer_id, _, zone)] = found
    return {**read, "customer_id": customer_id, "customer_zone": zone}
