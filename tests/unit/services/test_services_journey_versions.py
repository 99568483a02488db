"""Versions of a journey: what another one changes for whom, and what taking it live does."""

from dataclasses import replace
from typing import Any

import pytest
from ledger_world import NOTHING_IS_RISKY
from sqlalchemy import insert

from data_contracts.journeys import JourneyFile, read_journey
from services.journey_versions import (
    CannotGoLive,
    UnknownVersion,
    difference,
    list_versions,
    published_version,
    take_live,
)
from services.journeys import Journeys
from services.publishing import publish_journeys
from store import wordings
from store.tables import metadata
from templates.journey_files import JOURNEYS
from templates.library import Template, load

SHIPPED = (JOURNEYS / "onboarding.yaml").read_text(encoding="utf-8")
TEMPLATES = load()


def changed(*changes: tuple[str, str]) -> JourneyFile:
    text = SHIPPED
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return read_journey(text, "onboarding.yaml")


def other_words(old: str = "Hello", new: str = "Good day") -> list[Template]:
    """The wordings with another English welcome."""
    return [
        Template(one.name, one.language, {**one.parts, "mail.txt": one.parts["mail.txt"].replace(old, new)})
        if (one.name, one.language) == ("onboarding-welcome", "en")
        else one
        for one in TEMPLATES
    ]


LATER = changed(("version: 1", "version: 2"), ("days: 1, at: 10:00}\n    message: onboarding-v", "days: 2, at: 10:00}\n"
                 "    message: onboarding-v"))  # fmt: skip
RENAMED = changed(("version: 1", "version: 2"), ("id: video-guide", "id: film"))


@pytest.fixture
def house(installation: Any) -> Any:
    """An installation whose live journey is the shipped one, and where nobody reviews another."""
    installation.policy = replace(installation.policy, reviews=NOTHING_IS_RISKY)
    publish_journeys(installation.database, [changed()], now=installation.clock())
    installation.clock.go(minutes=1)  # what is approved from here on is later than what was there
    return installation


def enrol(house: Any, step: str, count: int, state: str = "active") -> None:
    now, file = house.clock(), changed()
    with house.database.write() as connection:
        for number in range(count):
            ref = f"{step}-{state}-{number}"
            customer = {"ref": ref, "email": f"{ref}@example.com", "created_at": now, "updated_at": now}
            [customer_id] = connection.execute(
                insert(metadata.tables["customers"]).values(customer).returning(metadata.tables["customers"].c.id)
            ).scalars()
            connection.execute(
                insert(metadata.tables["enrolments"]).values(
                    customer_id=customer_id,
                    journey="onboarding",
                    journey_hash=file.hash,
                    key_part=ref,
                    state=state,
                    step=step if state == "active" else None,
                    due_at=now if state == "active" else None,
                    entered_at=now,
                    previous_at=now,
                    created_at=now,
                    updated_at=now,
                    updated_by="t",
                )
            )


def test_a_file_as_it_is_live_changes_nothing(house: Any) -> None:
    told = difference(house.database, changed(), TEMPLATES)
    assert (told.old, told.new, told.changes, told.words, told.under_way) == (1, 1, (), (), ())


def test_the_difference_says_what_changes_for_whom(house: Any) -> None:
    enrol(house, "video-guide", 3)
    enrol(house, "welcome", 2)
    enrol(house, "welcome", 4, state="left")
    told = difference(house.database, LATER, other_words())
    assert [str(change) for change in told.changes] == [
        "video-guide: comes 2 days after the customer entered, at 10:00 "
        "instead of 1 day after the customer entered, at 10:00"
    ]
    [words] = told.words
    assert (words.message, words.language, words.parts) == ("onboarding-welcome", "en", ("mail.txt",))
    assert [line.split(" ")[1] for line in words.lines] == ["-", "+"]
    assert words.lines[1].startswith("mail.txt + Good day")
    assert [(one.version, one.step, one.count, one.stays) for one in told.under_way] == [
        (1, "video-guide", 3, False),
        (1, "welcome", 2, False),
    ]
    assert (told.movable, told.stay) == (5, 0)
    told = difference(house.database, RENAMED, TEMPLATES)
    assert (told.movable, told.stay) == (2, 3)


def test_going_live_lets_customers_enter_it_in_its_words(house: Any) -> None:
    enrol(house, "video-guide", 1)
    told = take_live(house.database, LATER, other_words(), house.policy, by="marta", now=house.clock())
    assert (told.old, told.new, len(told.words)) == (1, 2, 1)
    with house.database.read() as connection:
        assert Journeys().live(connection)["onboarding"][1].version == 2
        in_use = wordings.approved(connection)
    [welcome] = [one for one in other_words() if (one.name, one.language) == ("onboarding-welcome", "en")]
    assert in_use["onboarding-welcome", "en"] == welcome.hash
    assert {row.journey_hash for row in house.rows("enrolments")} == {changed().hash}  # they finish what they began
    rows = {row["version"]: row for row in list_versions(house.database)}
    assert (rows[1]["standing"], rows[1]["active"]) == ("replaced", 1)
    assert (rows[2]["standing"], rows[2]["approved_by"], rows[2]["active"]) == ("live", "marta", 0)


def test_going_live_twice_is_once(house: Any) -> None:
    take_live(house.database, LATER, TEMPLATES, house.policy, by="marta", now=house.clock())
    again = take_live(house.database, LATER, TEMPLATES, house.policy, by="piotr", now=house.clock())
    assert (again.changes, again.words) == ((), ())
    [row] = [row for row in list_versions(house.database) if row["version"] == 2]
    assert row["approved_by"] == "marta"


def test_what_cannot_work_does_not_go_live(house: Any) -> None:
    wrong = changed(("version: 1", "version: 2"), ("    then: end\n", "    then: nowhere\n"))
    with pytest.raises(CannotGoLive, match='there is no step "nowhere"'):
        take_live(house.database, wrong, TEMPLATES, house.policy, by="marta", now=house.clock())
    assert [row["version"] for row in list_versions(house.database)] == [1]


def test_a_version_says_one_thing(house: Any) -> None:
    same_number = changed(("days: 21", "days: 28"))
    with pytest.raises(CannotGoLive, match="version 1 is live, or was, and says something else: write version: 2"):
        take_live(house.database, same_number, TEMPLATES, house.policy, by="marta", now=house.clock())


def test_versions_that_are_not_there_are_named(house: Any) -> None:
    assert published_version(house.database, "onboarding")[1].version == 1
    with pytest.raises(UnknownVersion, match=r'no journey "onbording" was published \(did you mean "onboarding"\?\)'):
        published_version(house.database, "onbording")
    with pytest.raises(UnknownVersion, match="no version 7 of onboarding was published: there is 1"):
        published_version(house.database, "onboarding", 7)
