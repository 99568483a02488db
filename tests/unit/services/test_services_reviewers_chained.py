"""What the chain knows of reviewers and their codes: whoever touches them in the database is noticed."""

from datetime import timedelta
from typing import Any

import pytest
from reviewer_stage import NOW, ROLES, added, shown
from reviewer_stage import database as database
from reviewer_stage import ewa as ewa
from sqlalchemy import delete, insert, select, update

from services.auditing import verify_chain
from services.reviewers import Credentials, change_roles, check_code, new_credentials, remove, renew
from store.tables import metadata


def test_the_chain_tells_what_was_done_and_no_secret(database: Any, ewa: Credentials) -> None:
    change_roles(database, "Ewa Lis", ["lead"], known_roles=ROLES, by="admin", now=NOW)
    made = new_credentials("Ewa Lis")
    renew(database, made, by="admin", now=NOW)
    remove(database, "Ewa Lis", by="admin", now=NOW)

    with database.read() as connection:
        told = connection.execute(select(metadata.tables["chain"]).order_by(metadata.tables["chain"].c.id)).all()
    assert [(row.subject, row.subject_id, row.what, row.by) for row in told] == [
        ("reviewer", "Ewa Lis", what, "admin") for what in ("added", "roles changed", "codes renewed", "removed")
    ]
    assert {name: told[1].detail[name] for name in ("roles", "before")} == {"roles": ["lead"], "before": ["on_call"]}
    for made_once in (ewa, made):
        for secret in (made_once.secret, *made_once.recovery_codes):
            assert secret not in str(told)


@pytest.mark.parametrize("planted", ["secret", "recovery code", "reviewer", "one taken back"])
def test_codes_that_somebody_plants_in_the_database_are_named(database: Any, ewa: Credentials, planted: str) -> None:
    """P9: whoever writes into the tables can make codes of their own; `handrail audit verify` says where."""
    jan = added(database, "Jan Nowak")
    remove(database, "Jan Nowak", by="admin", now=NOW)
    people, codes = metadata.tables["reviewers"], metadata.tables["recovery_codes"]
    assert verify_chain(database).touched == ()
    with database.write() as connection:
        match planted:
            case "secret":
                connection.execute(update(people).where(people.c.name == "Ewa Lis").values(secret=jan.secret))
            case "recovery code":
                connection.execute(insert(codes).values(code_hash="of the attacker's", reviewer="Ewa Lis"))
            case "reviewer":
                row = {"roles": ["lead"], "secret": jan.secret, "added_at": NOW, "added_by": "admin"}
                connection.execute(insert(people).values(name="Adam Gość", **row))
            case _:
                back = {"secret": jan.secret, "removed_at": None}
                connection.execute(update(people).where(people.c.name == "Jan Nowak").values(**back))

    (found,) = verify_chain(database).touched

    whose = {"reviewer": "Adam Gość", "one taken back": "Jan Nowak"}.get(planted, "Ewa Lis")
    assert (found.table, found.id) == ("reviewers", whose)
    assert jan.secret not in found.what


@pytest.mark.parametrize("how", ["never used", "used later", "put back", "taken away", "somebody else's"])
def test_a_used_recovery_code_that_somebody_makes_good_again_is_named(
    database: Any, ewa: Credentials, how: str
) -> None:
    """P9: each counts once, whoever has the database."""
    added(database, "Jan Nowak")
    codes = metadata.tables["recovery_codes"]
    check_code(database, "Ewa Lis", ewa.recovery_codes[2], now=NOW)
    assert verify_chain(database).touched == ()
    with database.write() as connection:
        used = connection.execute(select(codes).where(codes.c.spent_at.is_not(None))).one()
        touched = update(codes).where(codes.c.code_hash == used.code_hash)
        match how:
            case "never used":
                connection.execute(touched.values(spent_at=None))
            case "used later":
                connection.execute(touched.values(spent_at=NOW + timedelta(days=1)))
            case "somebody else's":
                connection.execute(touched.values(reviewer="Jan Nowak"))
            case _:
                connection.execute(delete(codes).where(codes.c.code_hash == used.code_hash))
                if how == "put back":
                    connection.execute(insert(codes).values(code_hash=used.code_hash, reviewer="Ewa Lis"))

    found = {(one.table, one.id): one.what for one in verify_chain(database).touched}

    told = f"Ewa Lis used it at {NOW:%Y-%m-%dT%H:%M:%S.%f+00:00}"
    assert told in found["recovery_codes", used.code_hash]
    owners = {"somebody else's": {"Ewa Lis", "Jan Nowak"}, "taken away": {"Ewa Lis"}}.get(how, set())
    assert found.keys() - {("recovery_codes", used.code_hash)} == {("reviewers", name) for name in owners}


def test_a_code_that_is_said_to_be_used_and_was_not_is_named(database: Any, ewa: Credentials) -> None:
    codes = metadata.tables["recovery_codes"]
    with database.write() as connection:
        connection.execute(update(codes).values(spent_at=NOW))
    assert {one.table for one in verify_chain(database).touched} == {"recovery_codes"}


def test_used_recovery_codes_end_with_those_they_belong_to(database: Any, ewa: Credentials) -> None:
    check_code(database, "Ewa Lis", ewa.recovery_codes[2], now=NOW)
    made = new_credentials("Ewa Lis")
    renew(database, made, by="admin", now=NOW)
    assert verify_chain(database).touched == ()
    check_code(database, "Ewa Lis", made.recovery_codes[2], now=NOW)
    change_roles(database, "Ewa Lis", ["lead"], known_roles=ROLES, by="admin", now=NOW)
    assert verify_chain(database).touched == ()
    remove(database, "Ewa Lis", by="admin", now=NOW)
    added(database, "Ewa Lis")
    assert verify_chain(database).touched == ()


def test_a_code_of_a_phone_leaves_the_chain_alone(database: Any, ewa: Credentials) -> None:
    """Signing in waits for nobody's decision."""
    before = verify_chain(database).entries
    check_code(database, "Ewa Lis", shown(ewa), now=NOW)
    assert verify_chain(database).entries == before
