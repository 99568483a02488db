"""Reviews as a terminal lists them."""

from domain.policy import Policy
from services.review_reading import ReviewSummary, summary_of
from store import review_pages
from store.database import Database


def list_reviews(
    database: Database, policy: Policy, *, decided: bool, limit: int, gateway_url: str
) -> list[ReviewSummary]:
    """Those that wait, by deadline and value; or those that are decided, the last first. Without examples."""
    with database.read() as connection:
        rows = (review_pages.decided if decided else review_pages.waiting)(connection, limit=limit)
        return [summary_of(connection, row, policy, gateway_url=gateway_url, with_examples=False) for row in rows]
