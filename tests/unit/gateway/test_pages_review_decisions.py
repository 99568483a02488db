"""Deciding on the pages: one genuine yes of somebody entitled approves what they saw; everything else does nothing."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import review_stage as stage
from pages_site import EWA, PASSWORD, Site, hidden, let_in, read
from reviewing import ON_CALL, browsers, code_of, enter, reviewer

from domain.review_rules import Risk, Rule
from store.ledger.rows import reviews

YES = {"decision": "approve", "reason": "as intended"}
NO = {"decision": "reject", "reason": "the wrong people", "comment": "Anna Nowak has left us"}
JAN = "Jan Nowak"


def key(number: int) -> str:
    """Of the welcome of a customer of the stage."""
    return f"journey/onboarding/C-{number}/1/welcome"


class Stage:
    """A review of three welcomes, and Ewa signed in by a code in a browser of hers."""

    def __init__(self, installation: Any, ewa: Site, jan: Site, review_id: int) -> None:
        self.installation, self.ewa, self.jan, self.id = installation, ewa, jan, review_id
        self.path = f"/reviews/{review_id}"

    @property
    def review(self) -> Any:
        """As it stands."""
        return next(row for row in self.installation.rows("reviews") if row.id == self.id)

    def nothing_happened(self) -> bool:
        """Nobody's word was counted, and nothing moved."""
        return (
            self.review.state == "open"
            and self.review.revision == 1
            and not self.installation.rows("review_votes")
            and {row.state for row in self.installation.rows("actions")} == {"awaiting_review"}
            and [row.what for row in self.installation.rows("chain") if row.subject == "review"] == ["opened"]
        )


async def staged(installation: Any, ask: Any = None) -> AsyncIterator[Stage]:
    """The stage on one installation."""
    made = stage.welcomes(installation.database, installation.policy, now=installation.clock(), ask=ask)
    people = [reviewer(installation, name) for name in (EWA, JAN)]
    async with browsers(installation, 2, link_secret="x" * 40) as sites:
        for site, who in zip(sites, people, strict=True):
            await enter(site, installation, who)
        yield Stage(installation, sites[0], sites[1], made)


@pytest.fixture
async def scene(installation: Any) -> AsyncIterator[Stage]:
    """On each kind of database."""
    async for made in staged(installation):
        yield made


@pytest.fixture
async def small(on_sqlite: Any) -> AsyncIterator[Stage]:
    """On SQLite, for what the database has no part in."""
    async for made in staged(on_sqlite):
        yield made


@pytest.fixture
async def for_two(on_sqlite: Any) -> AsyncIterator[Stage]:
    """A review that two people must approve."""
    async for made in staged(
        on_sqlite, stage.an_ask(stage.WELCOME, Rule.MONEY_OR_APOLOGY, risk=Risk.HIGH, reviewers=2)
    ):
        yield made


async def test_a_yes_approves(scene: Stage) -> None:
    shown = await scene.ewa.get(scene.path)

    said = await scene.ewa.post(f"{scene.path}/decide", shown, **YES)

    assert (said.status_code, said.headers["location"]) == (303, f"{scene.path}#stands")
    assert (scene.review.state, scene.review.decided_by, scene.review.reason) == ("approved", EWA, "as intended")
    words, _ = read(await scene.ewa.get(scene.path))
    assert f"approved low risk by {EWA}" in words
    assert "Decide by" not in words


async def test_whoever_decides_on_the_page_wakes_the_run_that_asks_in_prefect(
    small: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr("services.review_runs.ReviewRounds.nudge", lambda _: told.append(small.review.state))
    shown = await small.ewa.get(small.path)

    await small.ewa.post(f"{small.path}/decide", shown, decision="perhaps", reason="as intended")
    assert told == []
    await small.ewa.post(f"{small.path}/decide", shown, **YES)

    assert told == ["approved"], "after the decision stands"


async def test_a_no_rejects_and_what_was_typed_stays_out_of_the_chain(scene: Stage) -> None:
    shown = await scene.ewa.get(scene.path)

    assert (await scene.ewa.post(f"{scene.path}/decide", shown, **NO)).status_code == 303

    assert (scene.review.state, scene.review.decided_by) == ("rejected", EWA)
    assert "Anna Nowak" not in str(scene.installation.rows("chain"))
    assert "Anna Nowak has left us" in read(await scene.jan.get(scene.path))[0]


async def test_two_must_be_two(for_two: Stage) -> None:
    shown = await for_two.ewa.get(for_two.path)
    await for_two.ewa.post(f"{for_two.path}/decide", shown, **YES)
    again = await for_two.ewa.post(f"{for_two.path}/decide", shown, **YES)

    assert (again.status_code, "you have said yes already" in read(again)[0]) == (403, True)
    assert for_two.review.state == "open"
    other = await for_two.jan.get(for_two.path)
    assert "1 of 2 said yes" in read(other)[0]
    await for_two.jan.post(f"{for_two.path}/decide", other, **YES)
    assert for_two.review.state == "approved"


async def test_the_loser_is_told_who_and_when(scene: Stage) -> None:
    mine, theirs = await scene.ewa.get(scene.path), await scene.jan.get(scene.path)
    await scene.ewa.post(f"{scene.path}/decide", mine, **NO)

    late = await scene.jan.post(f"{scene.path}/decide", theirs, **YES)

    assert late.status_code == 409
    assert f"{EWA} has rejected it at 2026-03-04 11:00:00 UTC" in read(late)[0]
    assert scene.review.state == "rejected"
    assert len(scene.installation.rows("review_votes")) == 1


async def test_an_operator_decides_by_a_code_in_the_form(on_sqlite: Any) -> None:
    let_in(on_sqlite)
    review_id = stage.welcomes(on_sqlite.database, on_sqlite.policy, now=on_sqlite.clock())
    ewa = reviewer(on_sqlite, EWA)
    async with browsers(on_sqlite, 1) as [site]:
        asked = await site.get("/sign-in")
        await site.post("/sign-in", asked, name=EWA, password=PASSWORD)
        shown = await site.get(f"/reviews/{review_id}")
        assert f"One-time code of {EWA}" in read(shown)[0]
        code = code_of(ewa, on_sqlite.clock())

        for wrong, status in (("", 403), ("000000", 403), ("abc", 403)):
            refused = await site.post(f"/reviews/{review_id}/decide", shown, **YES, code=wrong)
            assert refused.status_code == status
            assert "Nothing was done" in read(refused)[0]
        unready = await site.post(f"/reviews/{review_id}/decide", shown, decision="approve", reason="", code=code)
        assert (unready.status_code, on_sqlite.rows("review_votes")) == (422, [])
        done = await site.post(f"/reviews/{review_id}/decide", shown, **YES, code=code)

    assert done.status_code == 303  # the code was not spent by the form that lacked a reason
    assert on_sqlite.rows("reviews")[0].decided_by == EWA


async def test_somebody_without_the_role_is_told_so(on_sqlite: Any) -> None:
    ask = stage.an_ask(stage.WELCOME, Rule.VIP, risk=Risk.LOW)
    review_id = stage.welcomes(on_sqlite.database, on_sqlite.policy, now=on_sqlite.clock(), ask=ask)
    caused = reviewer(on_sqlite, "run-1", ON_CALL)
    async with browsers(on_sqlite, 1) as [site]:
        await enter(site, on_sqlite, caused)
        shown = await site.get(f"/reviews/{review_id}")
        refused = await site.post(f"/reviews/{review_id}/decide", shown, **YES)

    assert (refused.status_code, "you have caused it" in read(refused)[0]) == (403, True)
    assert on_sqlite.rows("reviews")[0].state == "open"


_ALMOST = ["false", "null", "true", "1", "Approve", "APPROVE", "yes", "on", "approved", "None", "undefined", "ａpprove"]
NOT_A_YES: list[dict[str, Any]] = [
    {"decision": word, "reason": "as intended"} for word in ("", " approve", "approve ", "reject approve", *_ALMOST)
]
NOT_A_YES += [
    {"reason": "as intended"},
    {"decision": ["approve", "reject"], "reason": "as intended"},
    {"decision": ["approve", "approve"], "reason": "as intended"},
    {"decision": "approve"},
    {"decision": "approve", "reason": ""},
    {"decision": "approve", "reason": "because"},
    {"decision": "approve", "reason": "As intended"},
    {"decision": "approve", "reason": ["as intended", "another reason"]},
    {"decision[]": "approve", "reason": "as intended"},
    {"Decision": "approve", "reason": "as intended"},
]


@pytest.mark.parametrize("said", NOT_A_YES, ids=str)
async def test_nothing_but_one_plain_approve_approves(small: Stage, said: dict[str, Any]) -> None:
    """P11: every answer that is no yes leaves it open, and says why."""
    shown = await small.ewa.get(small.path)

    answer = await small.ewa.post(f"{small.path}/decide", shown, **said)

    assert answer.status_code == 422
    assert "Nothing was decided" in read(answer)[0]
    assert small.nothing_happened()


@pytest.mark.parametrize("path", ["decide", "exclude", "edit", "halted"])
@pytest.mark.parametrize("wrong", ["missing", "empty", "other", "doubled", "another site", "no form", "json"])
async def test_a_form_from_elsewhere_does_nothing(small: Stage, path: str, wrong: str) -> None:
    shown, other = await small.ewa.get(small.path), await small.jan.get(small.path)
    fields: dict[str, Any] = {**hidden(shown), **YES, "key": key(1), "do": "go on"}
    headers: dict[str, str] = {}
    how: dict[str, Any] = {"data": fields}
    match wrong:
        case "missing":
            del fields["token"]
        case "empty":
            fields["token"] = ""
        case "other":
            fields["token"] = hidden(other)["token"]
        case "doubled":
            fields["token"] = [fields["token"], "x"]
        case "another site":
            headers["sec-fetch-site"] = "cross-site"
        case "no form":
            how = {"content": b"decision=approve", "headers": {"content-type": "text/plain"}}
        case "json":
            how = {"json": fields}

    answer = await small.ewa.client.post(f"{small.path}/{path}", **{"headers": headers, **how})

    assert answer.status_code in {400, 403}
    assert "Nothing was changed" in read(answer)[0]
    assert small.nothing_happened()


@pytest.mark.parametrize("seen", [None, "", "0" * 64, "another", ["twice", "twice"]])
async def test_what_was_not_shown_is_not_decided(small: Stage, seen: Any) -> None:
    shown = await small.ewa.get(small.path)
    fields = {**hidden(shown), **YES, "seen": small.review.payload_hash if seen == ["twice", "twice"] else seen}
    if seen is None:
        del fields["seen"]
    if isinstance(seen, list):
        fields["seen"] = [fields["seen"]] * 2

    answer = await small.ewa.client.post(f"{small.path}/decide", data=fields)

    assert (answer.status_code, "it was changed after it was shown" in read(answer)[0]) == (409, True)
    assert small.nothing_happened()


async def test_the_hash_of_another_review_decides_nothing(small: Stage) -> None:
    now, database = small.installation.clock(), small.installation.database
    ids = [row.id for row in small.installation.rows("customers")]
    survey = stage.a_survey(database, "C-1", now=now, ask=stage.an_ask(stage.SURVEY, Rule.VIP))
    stage.put(database, [(survey, ids[0])], now=now)
    [other] = stage.sealed(database, small.installation.policy, now=now)
    shown = await small.ewa.get(f"/reviews/{other}")

    answer = await small.ewa.post(f"{small.path}/decide", shown, **YES)

    assert answer.status_code == 409
    assert {row.state for row in small.installation.rows("reviews")} == {"open"}


async def test_a_form_sent_twice_decides_once(small: Stage) -> None:
    shown = await small.ewa.get(small.path)

    first = await small.ewa.post(f"{small.path}/decide", shown, **YES)
    second = await small.ewa.post(f"{small.path}/decide", shown, **YES)

    assert (first.status_code, second.status_code) == (303, 409)
    assert len(small.installation.rows("review_votes")) == 1


async def test_signed_out_nothing_can_be_decided(small: Stage) -> None:
    shown = await small.ewa.get(small.path)
    await small.ewa.post("/sign-out", shown)

    answer = await small.ewa.post(f"{small.path}/decide", shown, **YES)

    assert answer.status_code in {401, 403}
    assert small.nothing_happened()


async def test_after_its_time_nobody_decides(small: Stage) -> None:
    shown = await small.ewa.get(small.path)
    with small.installation.database.write() as connection:
        connection.execute(reviews.update().values(deadline=small.installation.clock()))

    answer = await small.ewa.post(f"{small.path}/decide", shown, **YES)

    assert (answer.status_code, "its time was over" in read(answer)[0]) == (409, True)
    assert small.review.state in {"open", "expired"}  # the gateway's sweep comes by when it likes
    assert not small.installation.rows("review_votes")


async def test_no_such_review(small: Stage) -> None:
    shown = await small.ewa.get(small.path)

    for path in ("decide", "halted"):
        answer = await small.ewa.post(f"/reviews/99/{path}", shown, **YES, do="go on")
        assert answer.status_code == 404
    assert small.nothing_happened()


async def test_those_left_out_get_nothing_and_earlier_votes_are_void(scene: Stage) -> None:
    shown = await scene.ewa.get(scene.path)

    said = await scene.ewa.post(f"{scene.path}/exclude", shown, key=[key(1)], refs="C-3, C-3\n")

    assert said.status_code == 303
    states = {row.key: row.state for row in scene.installation.rows("actions")}
    assert states == {key(1): "cancelled", key(2): "awaiting_review", key(3): "cancelled"}
    assert scene.review.revision == 2
    stale = await scene.ewa.post(f"{scene.path}/decide", shown, **YES)
    assert stale.status_code == 409
    anew = await scene.ewa.get(scene.path)
    assert f"excluded by {EWA}" in read(anew)[0]
    assert (await scene.ewa.post(f"{scene.path}/decide", anew, **YES)).status_code == 303


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "Nobody was left out: tick somebody"),
        ({"refs": " ,;\n"}, "Nobody was left out: tick somebody"),
        ({"key": ["journey/onboarding/C-9/1/welcome"]}, "is not in this review"),
        ({"key": [key(1), "' OR 1=1 --"]}, "is not in this review"),
        ({"refs": "C-1 C-77"}, "C-77 is not in this review"),
        ({"refs": " ".join(f"C-{n}" for n in range(600))}, "name at most 500"),
        ({"refs": "%"}, "% is not in this review"),
    ],
)
async def test_nobody_is_left_out_by_half(small: Stage, fields: dict[str, Any], words: str) -> None:
    shown = await small.ewa.get(small.path)

    answer = await small.ewa.post(f"{small.path}/exclude", shown, **fields)

    assert (answer.status_code, words in read(answer)[0]) == (422, True)
    assert small.nothing_happened()


async def test_huge_forms_are_refused(small: Stage) -> None:
    token = hidden(await small.ewa.get(small.path))["token"]
    many = {f"key{number}": "x" for number in range(2_000)}

    for body in ({"token": token, "refs": "C-1 " * 1_000_000}, {"token": token, **many}):
        answer = await small.ewa.client.post(f"{small.path}/exclude", data=body)
        assert answer.status_code == 400
    assert small.nothing_happened()


async def test_a_change_is_shown_before_it_counts(scene: Stage) -> None:
    member = await scene.ewa.get(f"{scene.path}/actions/{key(1)}")
    new = {"param.links.video": "https://handrail.example/new"}

    seen = await scene.ewa.post(f"{scene.path}/edit", member, **new, do="preview")

    assert seen.status_code == 200
    assert scene.nothing_happened()
    kept = await scene.ewa.post(f"{scene.path}/edit", seen, **new, do="keep")
    assert kept.status_code == 303
    params = {row.key: row.payload["params"] for row in scene.installation.rows("actions")}
    assert params[key(1)]["links"]["video"] == "https://handrail.example/new"
    assert params[key(2)]["links"]["video"] == "https://handrail.example/start"
    assert (scene.review.state, scene.review.revision) == ("open", 2)
    assert (await scene.ewa.post(f"{scene.path}/decide", member, **YES)).status_code == 409


async def test_a_change_of_all_is_one(scene: Stage) -> None:
    member = await scene.ewa.get(f"{scene.path}/actions/{key(1)}")
    new = {"param.links.video": "https://handrail.example/new", "all": "yes"}

    assert (await scene.ewa.post(f"{scene.path}/edit", member, **new, do="keep")).status_code == 303

    links = {row.payload["params"]["links"]["video"] for row in scene.installation.rows("actions")}
    assert links == {"https://handrail.example/new"}


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({}, 422),
        ({"param.links.video": "https://handrail.example/start"}, 422),
        ({"param.journey": "another"}, 422),
        ({"param.purpose": "reminders", "param.version": "9"}, 422),
        ({"param.wordings": "{}"}, 422),
        ({"param.links.video": "javascript:alert(1)"}, 409),
        ({"param.links.video": ""}, 409),
        ({"param.links.video": "https://x.example/" + "x" * 3_000}, 409),
        ({"param.links.nothing": "https://handrail.example/"}, 422),
        ({"param.links": "https://handrail.example/"}, 422),
    ],
)
async def test_nothing_else_is_changed(small: Stage, fields: dict[str, str], status: int) -> None:
    member = await small.ewa.get(f"{small.path}/actions/{key(1)}")

    answer = await small.ewa.post(f"{small.path}/edit", member, **fields, do="keep")

    assert answer.status_code == status
    assert small.nothing_happened()


VIP = "onboarding-welcome-vip"


@pytest.mark.parametrize("is_all", [False, True])
async def test_other_approved_words_are_chosen_shown_and_asked_anew(scene: Stage, is_all: bool) -> None:
    database, now = scene.installation.database, scene.installation.clock()
    stage.other_words(database, VIP, "onboarding-welcome", "Yours alone:", now=now)
    member = await scene.ewa.get(f"{scene.path}/actions/{key(2)}")
    assert f"<option>{VIP}</option>" in member.text
    assert "<option>recovery-survey</option>" not in member.text
    fields = {"param.message": VIP, **({"all": "yes"} if is_all else {})}

    seen = await scene.ewa.post(f"{scene.path}/edit", member, **fields, do="preview")

    assert (seen.status_code, "<ins>Yours alone: </ins>" in seen.text) == (200, True)
    assert f"<option selected>{VIP}</option>" in seen.text
    assert scene.nothing_happened()
    assert (await scene.ewa.post(f"{scene.path}/edit", seen, **fields, do="keep")).status_code == 303
    said = {row.key: row.payload["template"] for row in scene.installation.rows("actions")}
    assert said == {key(n): VIP if is_all or n == 2 else "onboarding-welcome" for n in (1, 2, 3)}
    assert (scene.review.state, scene.review.revision) == ("open", 2)
    assert (await scene.ewa.post(f"{scene.path}/decide", member, **YES)).status_code == 409


@pytest.mark.parametrize(
    "message", ["recovery-survey", "onboarding-call", "onboarding-welcome", "nothing", "x" * 3_000]
)
async def test_words_that_do_not_fit_cannot_be_chosen(small: Stage, message: str) -> None:
    member = await small.ewa.get(f"{small.path}/actions/{key(1)}")

    seen = await small.ewa.post(f"{small.path}/edit", member, **{"param.message": message}, do="preview")
    kept = await small.ewa.post(f"{small.path}/edit", member, **{"param.message": message}, do="keep")

    assert ("no approved words that could be said here" in seen.text, "Keep the change" in seen.text) == (True, False)
    assert (seen.status_code, kept.status_code) == (200, 409)
    assert small.nothing_happened()


async def test_surveys_in_several_languages_are_all_said_in_other_words(small: Stage) -> None:
    now, database = small.installation.clock(), small.installation.database
    ids = [row.id for row in small.installation.rows("customers")]
    ask = stage.an_ask(stage.SURVEY, Rule.VIP)
    surveys = [stage.a_survey(database, f"C-{n}", now=now, ask=ask, language=tag) for n, tag in ((1, "en"), (2, "pl"))]
    stage.put(database, list(zip(surveys, ids, strict=False)), now=now)
    [other] = stage.sealed(database, small.installation.policy, now=now)
    stage.other_words(database, "recovery-survey-vip", "recovery-survey", "Yours alone:", now=now)
    member = await small.ewa.get(f"/reviews/{other}/actions/{surveys[0].key}")

    new = {"param.message": "recovery-survey-vip", "all": "yes", "do": "keep"}
    assert (await small.ewa.post(f"/reviews/{other}/edit", member, **new)).status_code == 303

    rows = [row.payload for row in small.installation.rows("actions") if row.review_id == other]
    hashes = {row.hash: (row.name, row.language) for row in small.installation.rows("templates")}
    assert {hashes[one["template_hash"]] for one in rows} == {("recovery-survey-vip", tag) for tag in ("en", "pl")}


async def test_what_is_said_to_one_is_not_said_to_all(small: Stage) -> None:
    now, database = small.installation.clock(), small.installation.database
    ids = [row.id for row in small.installation.rows("customers")]
    surveys = [stage.a_survey(database, f"C-{n}", now=now, ask=stage.an_ask(stage.SURVEY, Rule.VIP)) for n in (1, 2)]
    stage.put(database, list(zip(surveys, ids, strict=False)), now=now)
    [other] = stage.sealed(database, small.installation.policy, now=now)
    member = await small.ewa.get(f"/reviews/{other}/actions/{surveys[0].key}")
    assert "In all actions" not in member.text

    new = {"param.name": "Everybody", "all": "yes", "do": "keep"}
    answer = await small.ewa.post(f"/reviews/{other}/edit", member, **new)

    assert (answer.status_code, "one customer alone" in read(answer)[0]) == (422, True)


@pytest.mark.parametrize(("do", "stands", "is_halted"), [("go on", "approved", False), ("give up", "rejected", True)])
async def test_what_stopped_goes_on_or_is_given_up(small: Stage, do: str, stands: str, is_halted: bool) -> None:
    shown = await small.ewa.get(small.path)
    await small.ewa.post(f"{small.path}/decide", shown, **YES)
    now = small.installation.clock()
    with small.installation.database.write() as connection:
        connection.execute(reviews.update().values(halted_at=now, halted_reason="7 % bounced", released=1))

    shown = await small.jan.get(small.path)
    assert "7 % bounced" in read(shown)[0]
    for wrong in ("", "approve", "Go on"):
        refused = await small.jan.post(f"{small.path}/halted", shown, do=wrong)
        assert (refused.status_code, small.review.halted_at) == (422, now)
    assert (await small.jan.post(f"{small.path}/halted", shown, do=do)).status_code == 303

    assert (small.review.state, small.review.halted_at is not None) == (stands, is_halted)
