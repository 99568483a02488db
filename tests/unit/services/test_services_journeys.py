"""Journeys as they are published and read again."""

from dataclasses import replace
from typing import Any

import pytest

from data_contracts.journeys import JourneyFile, read_journey
from services.journeys import Journeys
from services.publishing import publish_journeys
from store import journeys as store
from templates.journey_files import JOURNEYS, load_journeys


def _changed(old: str, new: str) -> JourneyFile:
    text = (JOURNEYS / "onboarding.yaml").read_text(encoding="utf-8")
    assert old in text
    return read_journey(text.replace(old, new), "onboarding.yaml")


def test_the_first_version_is_live_and_a_later_one_waits_for_a_person(installation: Any) -> None:
    database, known = installation.database, Journeys()
    [file] = load_journeys()
    assert publish_journeys(database, [file], now=installation.clock()) == 1
    assert publish_journeys(database, [file], now=installation.clock()) == 0
    later = _changed("version: 1", "version: 2")
    assert publish_journeys(database, [later], now=installation.clock()) == 1
    with database.read() as connection:
        assert known.live(connection) == {"onboarding": (file.hash, file.journey)}
        assert known.of(connection, later.hash) == replace(file.journey, version=2)
    with database.write() as connection:
        store.approve(connection, later.hash, by="marta", now=installation.clock())
    with database.read() as connection:
        assert known.live(connection)["onboarding"][0] == later.hash


def test_a_comment_is_no_new_version() -> None:
    assert _changed("# Where answers are found at any hour.", "# Answers.").hash == load_journeys()[0].hash


def test_a_journey_nobody_published_is_not_found(installation: Any) -> None:
    with installation.database.read() as connection, pytest.raises(LookupError, match="no journey abc was published"):
        Journeys().of(connection, "abc")
