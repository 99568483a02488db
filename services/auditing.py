"""Has anybody touched what was decided? The chain is followed from its first entry, and compared with every row."""

from dataclasses import dataclass

from sqlalchemy import func, select

from store import chain_check, chain_members
from store.chain_check import Story, Touched
from store.database import Database
from store.ledger.rows import chain


@dataclass(frozen=True, slots=True)
class Audit:
    """What a check of the chain found; nothing touched: everything stands as it was written down."""

    entries: int
    reviews: int
    touched: tuple[Touched, ...]


def verify_chain(database: Database) -> Audit:
    """Check everything in one consistent read: the chain, its head, and the rows it tells of."""
    story = Story()
    with database.read() as connection:
        entries = connection.execute(select(func.count()).select_from(chain)).scalar_one()
        touched = [*chain_check.links(connection, story), *chain_check.rows(connection, story)]
        touched += chain_members.members(connection, story)
    return Audit(int(entries), len(story.reviews), tuple(touched))
