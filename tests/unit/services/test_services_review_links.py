"""A signed link decides for one person, about one payload, once, for a while; nobody else makes one."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any

import pytest
from pydantic import SecretStr

from domain.customers import Purpose
from domain.review_rules import Risk, Rule
from domain.risk import Ask
from services.links import Links
from services.review_links import LinkEnded, ReviewLink, ReviewLinks, is_spent, review_link, spend, whose
from services.reviewers import Voter, add_reviewer, change_roles, new_credentials, remove, renew
from services.signed_tokens import NotOurLink
from store.reviews import join

NEW, OLD = SecretStr("new" * 16), SecretStr("old" * 16)
GATEWAY = "https://care.example/handrail"
NOW = datetime(2026, 3, 4, 11, tzinfo=UTC)
HASH = "ab" * 32
ROLES = ("lead", "on_call")


@pytest.fixture
def links() -> ReviewLinks:
    return ReviewLinks(GATEWAY, [NEW])


@pytest.fixture
def database(installation: Any) -> Any:
    """Of each kind, with a reviewer."""
    add_reviewer(installation.database, new_credentials("Ewa Lis"), ["on_call"], known_roles=ROLES, by="admin", now=NOW)
    return installation.database


def token_for(database: Any, links: ReviewLinks, name: str = "Ewa Lis", review_id: int = 7) -> str:
    """The last part of a link's address."""
    with database.read() as connection:
        address = review_link(connection, links, review_id, name, HASH, expires=NOW + timedelta(hours=1))
    assert address is not None
    assert address.startswith(f"{GATEWAY}/reviews/{review_id}/link/")
    return address.rpartition("/")[2]


@pytest.mark.parametrize("review_id", [1, 255, 256, 2**63 - 1])
def test_a_link_says_which_review_which_payload_and_until_when(links: ReviewLinks, review_id: int) -> None:
    made = ReviewLink(review_id, HASH, NOW, b"somebody")

    assert links.read(links.page(made).rpartition("/")[2]) == made


def test_nobody_else_makes_a_link(links: ReviewLinks) -> None:
    """P9."""
    link = ReviewLink(7, HASH, NOW, b"somebody")
    mine = links.page(link).rpartition("/")[2]
    changed = [mine[:place] + ("a" if mine[place] != "a" else "b") + mine[place + 1 :] for place in range(len(mine))]
    theirs = ReviewLinks(GATEWAY, [OLD]).page(link).rpartition("/")[2]
    customers = Links(GATEWAY, [NEW]).token(7, Purpose.ONBOARDING)

    for token in [*changed, theirs, customers, "", "a", mine[:-2], mine + "a" * 8, "żółw", "a" * 10_000, mine + "="]:
        with pytest.raises(NotOurLink):
            links.read(token)


def test_a_reviewers_link_is_none_of_a_customers(links: ReviewLinks) -> None:
    with pytest.raises(NotOurLink):
        Links(GATEWAY, [NEW]).read(links.page(ReviewLink(7, HASH, NOW, b"somebody")).rpartition("/")[2])


def test_every_secret_is_believed_and_the_first_signs() -> None:
    link = ReviewLink(7, HASH, NOW, b"somebody")
    both, old = ReviewLinks(GATEWAY, [NEW, OLD]), ReviewLinks(GATEWAY, [OLD])

    assert both.read(old.page(link).rpartition("/")[2]) == link
    assert both.page(link) == ReviewLinks(GATEWAY, [NEW]).page(link)


def test_without_a_secret_and_for_nobody_there_is_no_link(database: Any, links: ReviewLinks) -> None:
    with database.read() as connection:
        for made_with, name in ((ReviewLinks(GATEWAY, []), "Ewa Lis"), (links, "Jan Nowak")):
            assert review_link(connection, made_with, 7, name, HASH, expires=NOW) is None


def test_it_is_its_persons_with_the_roles_of_now(database: Any, links: ReviewLinks) -> None:
    link = links.read(token_for(database, links))

    assert whose(database, link) == Voter("Ewa Lis", frozenset({"on_call"}))
    change_roles(database, "Ewa Lis", ["lead"], known_roles=ROLES, by="admin", now=NOW)
    assert whose(database, link) == Voter("Ewa Lis", frozenset({"lead"}))


@pytest.mark.parametrize("how", ["removed", "another phone"])
def test_links_on_a_lost_phone_end_with_it(database: Any, links: ReviewLinks, how: str) -> None:
    link = links.read(token_for(database, links))
    if how == "removed":
        remove(database, "Ewa Lis", by="admin", now=NOW)
    else:
        renew(database, new_credentials("Ewa Lis"), by="admin", now=NOW)

    assert whose(database, link) is None


def test_of_those_who_use_a_link_at_once_one_decides(database: Any, links: ReviewLinks, installation: Any) -> None:
    """P9, P10: on both databases, however it was typed."""
    review_id = a_review(database)
    token = token_for(database, links, review_id=review_id)
    together = Barrier(8)

    def use(number: int) -> bool:
        together.wait()
        try:
            with database.write("vote") as connection:
                spend(connection, token.upper() if number % 2 else token, review_id, "Ewa Lis", now=NOW)
        except LinkEnded:
            return False
        return True

    assert not is_spent(database, token)
    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(use, range(8))) == 1
    assert is_spent(database, token)
    assert token not in str(installation.rows("spent_links")), "P23: who reads the table cannot use it"


def test_a_decision_that_fails_spends_nothing(database: Any, links: ReviewLinks) -> None:
    review_id = a_review(database)
    token = token_for(database, links, review_id=review_id)

    def decide_and_fail() -> None:
        with database.write("vote") as connection:
            spend(connection, token, review_id, "Ewa Lis", now=NOW)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        decide_and_fail()

    assert not is_spent(database, token)


def a_review(database: Any) -> int:
    """One that collects: links are spent whatever became of theirs."""
    with database.write() as connection:
        return join(connection, Ask("survey/recovery", (Rule.VIP,), Risk.LOW, 1, 0), initiator="run-1", now=NOW)
