"""Journeys: every version stays readable; the last approved one of a name is live, what waits changes nothing."""

from ledger_world import World, later

from store import journeys


def _publish(
    world: World, content_hash: str, version: int, *, approved_by: str | None = "anna", minutes: int = 0
) -> bool:
    with world.database.write() as connection:
        return journeys.publish(
            connection,
            content_hash=content_hash,
            name="onboarding",
            version=version,
            content={"version": version},
            approved_by=approved_by,
            now=later(minutes=minutes),
        )


def _live(world: World) -> dict[str, str]:
    with world.database.read() as connection:
        return journeys.live(connection)


def test_the_last_approved_version_is_live_and_a_new_one_waits(world: World) -> None:
    assert _live(world) == {}
    assert _publish(world, "first", 1)
    assert _publish(world, "second", 2, minutes=1)
    assert _publish(world, "waiting", 3, approved_by=None, minutes=2)
    assert _live(world) == {"onboarding": "second"}
    with world.database.write() as connection:
        journeys.approve(connection, "waiting", by="marta", now=later(minutes=3))
    assert _live(world) == {"onboarding": "waiting"}
    with world.database.write() as connection:
        journeys.approve(connection, "first", by="marta", now=later(minutes=4))
    assert _live(world) == {"onboarding": "first"}  # an older one may be taken up again


def test_the_same_version_again_is_no_new_one(world: World) -> None:
    assert _publish(world, "first", 1)
    assert not _publish(world, "first", 1, minutes=9)
    assert len(world.rows("journeys")) == 1


def test_every_version_stays_readable(world: World) -> None:
    _publish(world, "first", 1)
    _publish(world, "second", 2, minutes=1)
    with world.database.read() as connection:
        assert journeys.content(connection, "first") == {"version": 1}
        assert journeys.content(connection, "unknown") is None
        assert [(row.hash, row.version) for row in journeys.published(connection, "onboarding")] == [
            ("first", 1),
            ("second", 2),
        ]
