"""Wordings: by content hash for ever; the last approved one is in use, what waits changes nothing."""

from ledger_world import World, later

from store import wordings


def _publish(world: World, content_hash: str, *, approved_by: str | None = "anna", minutes: int = 0) -> bool:
    with world.database.write() as connection:
        return wordings.publish(
            connection,
            content_hash=content_hash,
            name="acknowledgement",
            language="pl",
            content={"mail.txt": content_hash},
            approved_by=approved_by,
            now=later(minutes=minutes),
        )


def _in_use(world: World) -> str | None:
    with world.database.read() as connection:
        return wordings.approved(connection).get(("acknowledgement", "pl"))


def test_the_last_approved_wording_is_in_use_and_a_new_one_waits(world: World) -> None:
    assert _in_use(world) is None
    assert _publish(world, "first")
    assert _publish(world, "second", minutes=1)
    assert _publish(world, "waiting", approved_by=None, minutes=2)
    assert _in_use(world) == "second"


def test_the_same_wording_again_is_no_new_one(world: World) -> None:
    with world.database.read() as connection:
        assert not wordings.names(connection)
    assert _publish(world, "first")
    assert not _publish(world, "first", minutes=9)
    with world.database.read() as connection:
        assert wordings.names(connection) == {"acknowledgement"}
    assert len(world.rows("templates")) == 1


def test_every_wording_stays_readable(world: World) -> None:
    _publish(world, "first")
    with world.database.read() as connection:
        assert wordings.content(connection, "first") == {"mail.txt": "first"}
        assert wordings.content(connection, "unknown") is None
