"""The signed link of an alert: GET shows, POST decides, once, for one person; nothing else decides anything."""

import re
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
import review_stage as stage
from pages_site import Site, hidden, read, site_of
from sqlalchemy import select

from domain.review_rules import Risk, Way
from domain.reviews import Decision, Reason, Voter
from services.link_decisions import decide_by_link
from services.review_links import LinkEnded, ReviewLinks, review_link
from services.reviewers import Credentials, add_reviewer, change_roles, new_credentials, remove, renew
from services.reviews import ReviewProblem, exclude, vote
from services.reviews_settling import seal_gathered
from store.ledger.rows import reviews
from store.tables import metadata

OUTSIDE = "https://handrail.example"
EWA, JAN = "Ewa Lis", "Jan Nowak"
SECRET = "canary-link-secret-" * 3
ROLES = ("lead", "on_call")
YES = {"decision": "approve", "reason": Reason.AS_INTENDED.value}


@pytest.fixture
def ewa(installation: Any) -> Credentials:
    """A reviewer."""
    made = new_credentials(EWA)
    add_reviewer(installation.database, made, ["on_call"], known_roles=ROLES, by="admin", now=installation.clock())
    return made


@pytest.fixture
def review_id(installation: Any) -> int:
    """One that a link may decide."""
    database, now = installation.database, installation.clock()
    ids = stage.people(database, {}, {"language": "pl"}, {"language": "cs"}, now=now)
    asked = stage.an_ask()
    steps = [stage.a_step(database, number, now=now, ask=asked) for number in (1, 2, 3)]
    stage.put(database, list(zip(steps, ids, strict=True)), now=now)
    (made,) = seal_gathered(database, installation.policy, now=now + timedelta(minutes=16))
    return made


@pytest.fixture
async def site(installation: Any, ewa: Credentials) -> AsyncIterator[Site]:
    """The phone on which the alert came."""
    async with site_of(installation, base_url=OUTSIDE, gateway_url=OUTSIDE, link_secret=SECRET) as made:
        yield made


def link_to(site: Site, review_id: int, name: str = EWA, hours: float = 1) -> str:
    """The path of a link."""
    handrail = site.app.state.handrail
    expires = handrail.clock() + timedelta(hours=hours)
    with handrail.database.read() as connection:
        asked = connection.execute(select(reviews.c.payload_hash).where(reviews.c.id == review_id)).scalar_one()
        made = review_link(connection, handrail.review_links, review_id, name, asked, expires=expires)
    assert made is not None
    return made.removeprefix(OUTSIDE)


def state(installation: Any, review_id: int) -> tuple[str, int, int]:
    """Where the review stands, how many votes there are, and how many links were spent."""
    (row,) = [row for row in installation.rows("reviews") if row.id == review_id]
    return row.state, len(installation.rows("review_votes")), len(installation.rows("spent_links"))


UNTOUCHED = ("open", 0, 0)


async def test_looking_decides_nothing_and_shows_nobodys_data(site: Site, installation: Any, review_id: int) -> None:
    """P11: mail scanners follow every link, and some ask twice."""
    path = link_to(site, review_id)

    for method in ("GET", "HEAD", "GET"):
        sent = await site.client.request(method, path)
        assert sent.status_code == 200

    text, _ = read(sent)
    assert "3 messages: step welcome of the journey onboarding" in text
    assert f"Decide as {EWA}" in text
    assert "more than 2000 customers for one purpose" in text
    assert not re.search(r"Zofia|Name\d|c-\d@example|\+4860|C-\d", sent.text)
    assert sent.headers["referrer-policy"] == "no-referrer"
    assert state(installation, review_id) == UNTOUCHED


async def test_one_tap_decides_in_the_reviewers_name(site: Site, installation: Any, review_id: int) -> None:
    path = link_to(site, review_id)

    done = await site.post(path, await site.get(path), **YES)

    assert (done.status_code, done.headers["location"]) == (303, path)
    assert state(installation, review_id) == ("approved", 1, 1)
    (cast,) = installation.rows("review_votes")
    assert (cast.reviewer, cast.decision, cast.reason, cast.way) == (EWA, "approve", "as intended", "link")
    text, _ = read(await site.get(path))
    assert "Somebody has decided by this link before, and it counts once. Ewa Lis has approved it" in text
    assert "Sign in and open the review" in text


async def test_a_no_is_a_no(site: Site, installation: Any, review_id: int) -> None:
    path = link_to(site, review_id)

    await site.post(path, await site.get(path), decision="reject", reason=Reason.WRONG_WORDS.value)

    assert state(installation, review_id) == ("rejected", 1, 1)


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"decision": "approve"},
        {"reason": "as intended"},
        {"decision": "", "reason": "as intended"},
        {"decision": "false", "reason": "as intended"},
        {"decision": "null", "reason": "as intended"},
        {"decision": "Approve", "reason": "as intended"},
        {"decision": "approved", "reason": "as intended"},
        {"decision": "approve", "reason": "because"},
    ],
)
async def test_what_is_no_decision_decides_nothing(
    site: Site, installation: Any, review_id: int, said: dict[str, str]
) -> None:
    """P11: a yes is the word `approve` with a reason, nothing else."""
    path = link_to(site, review_id)

    refused = await site.post(path, await site.get(path), **said)

    assert (refused.status_code, "Nothing is decided yet" in refused.text) == (400, True)
    assert state(installation, review_id) == UNTOUCHED


@pytest.mark.parametrize("token", ["", "x", "0" * 64])
async def test_a_scanner_that_posts_decides_nothing(site: Site, installation: Any, review_id: int, token: str) -> None:
    """It has not the form's token; and whoever read it off the page has not the cookie that it is made of."""
    path = link_to(site, review_id)
    shown = await site.get(path)
    site.client.cookies.clear()

    for fields in ({**YES, "token": token}, {**YES, **hidden(shown)}):
        refused = await site.client.post(path, data=fields)
        assert (refused.status_code, "Nothing was changed" in refused.text) == (403, True)
    assert (await site.client.post(path, content=b"", headers={"content-type": "text/plain"})).status_code == 400
    assert state(installation, review_id) == UNTOUCHED


async def test_a_form_of_another_site_decides_nothing(site: Site, installation: Any, review_id: int) -> None:
    path = link_to(site, review_id)
    shown = await site.get(path)

    refused = await site.client.post(path, data={**hidden(shown), **YES}, headers={"sec-fetch-site": "cross-site"})

    assert refused.status_code == 403
    assert state(installation, review_id) == UNTOUCHED


async def test_a_click_in_a_mail_signs_nobody_out(site: Site, review_id: int) -> None:
    """The cookie does not come along with it: the page asks itself once more instead of giving another cookie."""
    sent = await site.get(link_to(site, review_id), headers={"sec-fetch-site": "cross-site"})

    assert '<meta http-equiv="refresh" content="0">' in sent.text
    assert "set-cookie" not in sent.headers


async def test_forged_links_are_none(site: Site, installation: Any, review_id: int) -> None:
    """P9: cut off, changed, of another review, signed by somebody else."""
    path = link_to(site, review_id)
    head, token = path.rpartition("/")[::2]
    last = "a" if token[-1] != "a" else "b"
    theirs = ReviewLinks(OUTSIDE, [])
    assert not theirs.can_be_made
    for forged in (
        f"{head}/{token[:-1]}{last}",
        f"{head}/{token[:-8]}",
        f"{head}/aaaa",
        f"/reviews/{review_id + 1}/link/{token}",
    ):
        shown = await site.get(forged)
        assert (shown.status_code, "This is no link of ours" in shown.text) == (404, True), forged
        cookies = await site.get(path)
        posted = await site.post(forged, cookies, **YES)
        assert posted.status_code == 404
    assert state(installation, review_id) == UNTOUCHED


async def ended(site: Site, path: str) -> str:
    """What the link says instead, the same to a look and to a decision; both decide nothing."""
    shown = await site.get(path)
    posted = await site.post(path, await site.get("/sign-in"), **YES)
    text = read(shown)[0]
    assert "This link decides nothing any more" in text
    assert "Sign in and open the review" in text
    assert "Approve" not in text
    assert "This link decides nothing any more" in read(posted)[0]
    return text


async def test_a_link_ends_with_its_time(site: Site, installation: Any, review_id: int) -> None:
    path = link_to(site, review_id)
    installation.clock.go(minutes=60)

    assert "The time of this link is over." in await ended(site, path)
    assert state(installation, review_id) == UNTOUCHED


async def test_a_link_is_about_what_was_asked_when_it_was_sent(site: Site, installation: Any, review_id: int) -> None:
    path, now = link_to(site, review_id), installation.clock()
    (row,) = installation.rows("reviews")
    key = installation.rows("actions")[0].key
    other = Voter(JAN, frozenset({"lead"}))
    seen = {"payload_hash": row.payload_hash, "way": Way.PAGE, "now": now}
    exclude(installation.database, installation.policy, review_id, [key], reviewer=other, **seen)

    assert "What is asked was changed after this link was sent" in await ended(site, path)
    assert state(installation, review_id) == UNTOUCHED


@pytest.mark.parametrize("how", ["removed", "another phone"])
async def test_a_link_ends_with_its_reviewer(site: Site, installation: Any, review_id: int, how: str) -> None:
    path, now = link_to(site, review_id), installation.clock()
    if how == "removed":
        add_reviewer(installation.database, new_credentials(JAN), ["lead"], known_roles=ROLES, by="admin", now=now)
        remove(installation.database, EWA, by="admin", now=now)
    else:
        renew(installation.database, new_credentials(EWA), by="admin", now=now)

    assert "is no reviewer any more, or has another phone since" in await ended(site, path)
    assert state(installation, review_id) == UNTOUCHED


async def test_where_policy_asks_for_the_page_a_link_decides_nothing(
    site: Site, installation: Any, review_id: int
) -> None:
    handrail = site.app.state.handrail
    classes = handrail.policy.reviews.classes
    without = replace(classes[Risk.LOW], ways=classes[Risk.LOW].ways - {Way.LINK})
    asked = replace(handrail.policy.reviews, classes={**classes, Risk.LOW: without})
    path = link_to(site, review_id)
    handrail.policy = replace(handrail.policy, reviews=asked)

    assert "reviews of class low are not decided by a link any more" in (await ended(site, path)).lower()
    assert state(installation, review_id) == UNTOUCHED


async def test_who_has_lost_the_role_is_told_so(site: Site, installation: Any, review_id: int) -> None:
    path = link_to(site, review_id)
    shown = await site.get(path)
    now = installation.clock()
    change_roles(installation.database, EWA, ["audit"], known_roles=["audit"], by="admin", now=now)

    refused = await site.post(path, shown, **YES)

    assert (refused.status_code, "are for people with the role" in refused.text) == (409, True)
    assert state(installation, review_id) == UNTOUCHED


async def test_the_loser_is_told_who_decided(site: Site, installation: Any, review_id: int) -> None:
    path = link_to(site, review_id)
    (row,) = installation.rows("reviews")
    seen = {"payload_hash": row.payload_hash, "way": Way.PAGE, "now": installation.clock()}
    no = {"reviewer": Voter(JAN, frozenset({"lead"})), "decision": Decision.REJECT, "reason": Reason.WRONG_TIME}
    vote(installation.database, installation.policy, review_id, **no, **seen)

    assert "Jan Nowak has rejected it at" in await ended(site, path)
    assert state(installation, review_id) == ("rejected", 1, 0)


async def test_a_link_used_twice_at_once_decides_once(site: Site, installation: Any, review_id: int) -> None:
    """P10: eight taps, yes and no: one vote, one spent link, and the others hear of it."""
    handrail = site.app.state.handrail
    token = link_to(site, review_id).rpartition("/")[2]

    def tap(number: int) -> str:
        decision = Decision.APPROVE if number % 2 else Decision.REJECT
        try:
            said = {"decision": decision, "reason": Reason.OTHER, "now": handrail.clock()}
            decide_by_link(handrail.database, handrail.policy, handrail.review_links, review_id, token, **said)
        except (LinkEnded, ReviewProblem) as refused:
            return str(refused)
        return ""

    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(tap, range(8)))

    assert told.count("") == 1
    assert state(installation, review_id)[1:] == (1, 1)


async def test_tokens_and_secrets_are_in_no_log_and_no_table(
    site: Site, installation: Any, review_id: int, caplog: Any
) -> None:
    """P23."""
    caplog.set_level("DEBUG", logger="gateway")
    caplog.set_level("DEBUG", logger="services")
    path = link_to(site, review_id)
    token = path.rpartition("/")[2]
    await site.post(path, await site.get(path), **YES)
    await site.get(path)
    await site.get(f"{path}aaaaaaaa")

    kept = " ".join(str(row) for name in metadata.tables for row in installation.rows(name))
    assert "review 1" in caplog.text or f"review {review_id}" in caplog.text
    assert not [one for one in (token, token.upper(), SECRET) if one in caplog.text + kept]


async def test_guessers_of_links_are_slowed_and_a_genuine_one_works_all_the_same(site: Site, review_id: int) -> None:
    heard = [(await site.get(f"/reviews/{review_id}/link/{number}")).status_code for number in range(22)]

    assert heard == [404] * 20 + [429] * 2
    assert (await site.get(link_to(site, review_id))).status_code == 200


async def test_behind_a_proxys_path_the_form_posts_there(installation: Any, ewa: Credentials, review_id: int) -> None:
    at = f"{OUTSIDE}/handrail"
    async with site_of(
        installation, base_url=OUTSIDE, root_path="/handrail", gateway_url=at, link_secret=SECRET
    ) as site:
        path = link_to(site, review_id).removeprefix("/handrail")
        shown: httpx.Response = await site.get(path)
        assert f'action="/handrail{path}"' in shown.text
        done = await site.post(path, shown, **YES)
        assert done.headers["location"] == f"/handrail{path}"
