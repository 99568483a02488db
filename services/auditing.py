"""Has anybody touched what was decided? The chain is followed from its first entry, and compared with every row."""

from dataclasses import dataclass

from sqlalchemy import select

from store import chain_check, chain_members
from store.chain_check import Story, Touched
from store.database import Database
from store.ledger.rows import chain_head


@dataclass(frozen=True, slots=True)
class Audit:
    """What a check of the chain found; nothing touched: everything stands as it was written down."""

    entries: int
    head: str  # the hash of the last entry: kept elsewhere, it shows later that the chain was not made anew
    reviews: int
    touched: tuple[Touched, ...]


def verify_chain(database: Database) -> Audit:
    """Check everything in one consistent read: the chain, its head, and the rows it tells of."""
    story = Story()
    with database.read() as connection:
        head = connection.execute(select(chain_head).where(chain_head.c.id == 1)).first()
        touched = [*chain_check.links(connection, story), *chain_check.rows(connection, story)]
        touched += chain_members.members(connection, story)
    entries, last = (0, "") if head is None else (int(head.entries), head.hash)
    return Audit(entries, last, len(story.reviews), tuple(touched))
