"""A named person's word on an action that machines left to people."""

from datetime import datetime

from sqlalchemy import Connection, insert, select, update

from domain.actions import Basis, State, is_legal
from domain.review_rules import ReviewPolicy
from domain.risk import let_go
from store import reviews
from store.ledger.rows import actions, receipts


class CannotSettle(Exception):
    """The action does not stand where a person may settle it, or not that way."""


def settle(
    connection: Connection, key: str, to: State, policy: ReviewPolicy, *, by: str, reason: str, now: datetime
) -> State:
    """Move a `needs_human` or `failed` action to `to`; where it stood. The person and the reason are kept.

    What may be out already is let go only through a review of its own, which its initiator never decides: with the
    class of the rule `uncertain_effect`, and with the highest where that is off.
    Raises CannotSettle with words to show: unknown key, or a move that design §4 does not allow.
    """
    row = connection.execute(
        select(*(actions.c[name] for name in ("id", "state", "kind", "basis", "integration", "payload_hash")))
        .where(actions.c.key == key)
        .with_for_update()
    ).first()
    if row is None:
        raise CannotSettle(f"no action has the key {key!r}; `handrail actions` lists them")
    before, basis = State(row.state), Basis(row.basis)
    if before not in {State.NEEDS_HUMAN, State.FAILED}:
        raise CannotSettle(f"{key} is {before}: only needs_human and failed actions wait for a person")
    if not is_legal(before, to, basis=basis):
        ways = ", ".join(sorted(state for state in State if is_legal(before, state, basis=basis)))
        raise CannotSettle(f"{key} is {before} ({basis}): it may become {ways}, not {to}")
    asked, was_in = {}, None
    if to is State.AWAITING_REVIEW:
        was_in = reviews.member(connection, row.id)
        ask = let_go(f"again/{row.kind}/{row.id}", policy)
        asked = {"review_id": reviews.join(connection, ask, initiator=by, now=now), "reviewed_hash": row.payload_hash}
    connection.execute(
        update(actions)
        .where(actions.c.id == row.id)
        .values(
            **asked,
            state=to,
            reason=f"{by}: {reason}",
            verified_by=by,
            due_at=now,
            attempts=0,
            lookups=0,
            deaths_alone=0,
            updated_at=now,
            updated_by=by,
        )
    )
    if to is State.DONE:
        connection.execute(
            insert(receipts).values(
                action_id=row.id,
                integration=row.integration or "",
                external_id="",
                adopted=True,
                detail={"settled_by": by, "reason": reason},
                at=now,
            )
        )
    if was_in is not None:
        reviews.leave(connection, was_in, why="asked again", now=now)
    return before
