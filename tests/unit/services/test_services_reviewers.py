"""Reviewers prove who they are by one-time codes: each counts once, for a short while, and nobody guesses one."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any

import pyotp
import pytest
from reviewer_stage import NOW, ROLES, added, another, shown
from reviewer_stage import database as database
from reviewer_stage import ewa as ewa
from sqlalchemy import select

from services import reviewers
from services.auditing import verify_chain
from services.reviewers import (
    CannotChange,
    Credentials,
    Voter,
    WrongCode,
    add_reviewer,
    change_roles,
    check_code,
    check_new,
    full_name,
    is_shown_by,
    list_reviewers,
    new_credentials,
    remove,
    renew,
    sign_in,
)
from services.tries import TooManyTries
from store.tables import metadata


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "94287082"),
        (1111111109, "07081804"),
        (1111111111, "14050471"),
        (1234567890, "89005924"),
        (2000000000, "69279037"),
        (20000000000, "65353130"),
    ],
)
def test_codes_are_those_of_rfc_6238(seconds: int, code: str) -> None:
    """Appendix B, SHA-1: it has eight digits, phones show the last six."""
    secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"  # "12345678901234567890"
    made = Credentials("Ewa Lis", secret, ())
    now = datetime.fromtimestamp(seconds, UTC)

    assert is_shown_by(made, code[-6:], now=now)
    assert not is_shown_by(made, code[-6:], now=now + timedelta(seconds=180))
    assert not is_shown_by(made, another(code[-6:]), now=now)


def test_a_code_says_who_it_is_and_what_they_may(database: Any, ewa: Credentials) -> None:
    assert check_code(database, "Ewa Lis", shown(ewa), now=NOW) == Voter("Ewa Lis", frozenset({"on_call"}))


@pytest.mark.parametrize("name", ["ewa lis", "  EWA   lis ", "Ewa Lis"])
def test_a_phone_capitalises_as_it_likes_and_shows_codes_in_two_halves(
    database: Any, ewa: Credentials, name: str
) -> None:
    code = shown(ewa)

    assert check_code(database, name, f" {code[:3]} {code[3:]} ", now=NOW).name == "Ewa Lis"


@pytest.mark.parametrize(
    ("read_at", "is_right"), [(-150, False), (-120, True), (-30, True), (0, True), (30, True), (60, False)]
)
def test_a_code_counts_for_two_minutes_and_a_fast_clock_is_forgiven(
    database: Any, ewa: Credentials, read_at: int, is_right: bool
) -> None:
    code = shown(ewa, read_at)

    if is_right:
        assert check_code(database, "Ewa Lis", code, now=NOW)
    else:
        with pytest.raises(WrongCode, match="the name or the code is wrong"):
            check_code(database, "Ewa Lis", code, now=NOW)


def test_a_code_read_at_the_end_of_its_time_counts_for_120_seconds_too(database: Any, ewa: Credentials) -> None:
    at = NOW.replace(second=29, microsecond=999_000)

    assert check_code(database, "Ewa Lis", pyotp.TOTP(ewa.secret).at(at), now=at + timedelta(seconds=120))


def test_a_code_counts_once_and_none_from_before_it(database: Any, ewa: Credentials) -> None:
    earlier, code = shown(ewa, -30), shown(ewa)
    check_code(database, "Ewa Lis", code, now=NOW)

    for spent in (code, earlier):
        with pytest.raises(WrongCode, match="used already: wait until the phone shows the next one"):
            check_code(database, "Ewa Lis", spent, now=NOW)
    assert check_code(database, "Ewa Lis", shown(ewa, 30), now=NOW + timedelta(seconds=30))


def test_clicking_twice_locks_nobody_out(database: Any, ewa: Credentials) -> None:
    code = shown(ewa)
    check_code(database, "Ewa Lis", code, now=NOW)
    for _ in range(10):
        with pytest.raises(WrongCode):
            check_code(database, "Ewa Lis", code, now=NOW)

    assert check_code(database, "Ewa Lis", shown(ewa, 30), now=NOW + timedelta(seconds=30))


@pytest.mark.parametrize("kind", ["phone", "recovery"])
def test_of_those_who_use_a_code_at_once_one_wins(database: Any, ewa: Credentials, kind: str) -> None:
    """On two ways: half of them sign in on the page, the others decide with it (a command, Prefect's form)."""
    code = shown(ewa) if kind == "phone" else ewa.recovery_codes[3]

    def use(number: int) -> Voter:
        if number % 2:
            return sign_in(database, "Ewa Lis", code, f"token {number}", now=NOW)
        return check_code(database, "Ewa Lis", code, now=NOW)

    assert race(8, use).count(Voter) == 1


def test_guesses_made_at_once_are_all_counted(database: Any, ewa: Credentials) -> None:
    wrong = another(shown(ewa))

    came = race(16, lambda _: check_code(database, "Ewa Lis", wrong, now=NOW))

    assert (came.count(WrongCode), came.count(TooManyTries)) == (5, 11)


def test_of_those_who_add_one_name_at_once_one_wins_and_the_others_hear_that_it_is_taken(database: Any) -> None:
    names = ("Ewa Lis", "EWA LIS")
    came = race(8, lambda number: added(database, names[number % 2]))
    assert (came.count(Credentials), came.count(CannotChange)) == (1, 7)
    assert len(list_reviewers(database)) == 1
    assert verify_chain(database).touched == ()


def test_whatever_is_done_to_a_reviewer_at_once_is_done_one_after_the_other(database: Any, ewa: Credentials) -> None:
    """Renewed, given roles, removed, added, and signing in meanwhile: each is done or refused in words."""
    by: Any = {"by": "admin", "now": NOW}

    def change(number: int) -> object:
        match number % 5:
            case 0:
                return renew(database, new_credentials("Ewa Lis"), **by)
            case 1:
                return change_roles(database, "Ewa Lis", ["lead"], known_roles=ROLES, **by)
            case 2:
                return remove(database, "Ewa Lis", **by)
            case 3:
                return added(database, "Ewa Lis")
            case _:
                return check_code(database, "Ewa Lis", ewa.recovery_codes[number // 5], now=NOW)

    assert len(race(15, change)) == 15
    assert verify_chain(database).touched == ()


def race(count: int, work: Callable[[int], object]) -> list[type]:
    """What came of each of so many that begin at once."""
    together = Barrier(count)

    def run(number: int) -> type:
        together.wait()
        try:
            return type(work(number))
        except (CannotChange, WrongCode, TooManyTries) as refused:
            return type(refused)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def test_a_code_of_somebody_else_is_wrong(database: Any, ewa: Credentials) -> None:
    jan = added(database, "Jan Nowak")

    for code in (shown(jan), jan.recovery_codes[0]):
        with pytest.raises(WrongCode):
            check_code(database, "Ewa Lis", code, now=NOW)
    assert check_code(database, "Jan Nowak", shown(jan), now=NOW), "and it was not spent"


@pytest.mark.parametrize("code", ["", "12345", "1234567", "①②③④⑤⑥", "١٢٣٤٥٦", "a" * 10_000, "0x1234", "-12345", "\0"])
def test_what_is_no_code_is_wrong(database: Any, ewa: Credentials, code: str) -> None:
    with pytest.raises(WrongCode):
        check_code(database, "Ewa Lis", code, now=NOW)


def test_a_recovery_code_counts_once_however_it_was_written_down(database: Any, ewa: Credentials) -> None:
    by_hand = ewa.recovery_codes[0].lower().replace("o", "0").replace("i", "1").replace("-", " ")

    assert check_code(database, "Ewa Lis", by_hand, now=NOW)
    with pytest.raises(WrongCode):
        check_code(database, "Ewa Lis", ewa.recovery_codes[0], now=NOW)
    (listed,) = list_reviewers(database)
    assert listed["recovery_codes"] == 9


def test_after_five_wrong_codes_none_is_looked_at_for_a_while_and_the_whiles_grow(
    database: Any, ewa: Credentials
) -> None:
    now, waits = NOW, []
    for _ in range(6):
        for _ in range(5):
            with pytest.raises(WrongCode):
                check_code(database, "Ewa Lis", another(shown(ewa, (now - NOW).total_seconds())), now=now)
        minutes = 0
        with pytest.raises(TooManyTries) as refused:
            check_code(database, "Ewa Lis", shown(ewa, (now - NOW).total_seconds()), now=now)
        minutes = int(str(refused.value).split("try again in ")[1].split()[0])
        waits.append(minutes)
        with pytest.raises(TooManyTries):
            check_code(database, "Ewa Lis", "123456", now=now + timedelta(minutes=minutes, seconds=-1))
        now += timedelta(minutes=minutes)

    assert waits == [15, 30, 60, 120, 240, 240]
    assert check_code(database, "Ewa Lis", shown(ewa, (now - NOW).total_seconds()), now=now)


def test_at_most_fifteen_guesses_an_hour_are_looked_at(database: Any, ewa: Credentials) -> None:
    """Each of them one of the six codes that count, of a million: the docstring says what that comes to."""
    looked_at = 0
    for minute in range(60):
        for _ in range(6):
            now = NOW + timedelta(minutes=minute)
            with pytest.raises((WrongCode, TooManyTries)) as refused:
                check_code(database, "Ewa Lis", another(shown(ewa, minute * 60)), now=now)
            looked_at += refused.type is WrongCode

    assert looked_at == 15


def test_a_right_code_begins_the_count_anew(database: Any, ewa: Credentials) -> None:
    for at in (0, 30, 60):
        for _ in range(4):
            with pytest.raises(WrongCode):
                check_code(database, "Ewa Lis", another(shown(ewa, at)), now=NOW + timedelta(seconds=at))
        check_code(database, "Ewa Lis", shown(ewa, at), now=NOW + timedelta(seconds=at))


def test_a_guesser_does_not_lock_out_who_has_a_recovery_code(database: Any, ewa: Credentials) -> None:
    for _ in range(5):
        with pytest.raises(WrongCode):
            check_code(database, "Ewa Lis", another(shown(ewa)), now=NOW)
    with pytest.raises(TooManyTries, match="use a recovery code now"):
        check_code(database, "Ewa Lis", "AAAA-BBBB-CCCC-DDDD", now=NOW)

    assert check_code(database, "Ewa Lis", ewa.recovery_codes[0], now=NOW)
    assert check_code(database, "Ewa Lis", shown(ewa), now=NOW), "and the wait is over"


def test_names_that_nobody_has_are_refused_like_those_that_somebody_has(database: Any, ewa: Credentials) -> None:
    heard = {}
    for name in ("Ewa Lis", "Nobody"):
        heard[name] = []
        for _ in range(7):
            with pytest.raises((WrongCode, TooManyTries)) as refused:
                check_code(database, name, another(shown(ewa)), now=NOW)
            heard[name].append((refused.type, str(refused.value)))

    assert heard["Ewa Lis"] == heard["Nobody"]


@pytest.mark.parametrize("name", ["Ewa Lis", "Nobody"])
def test_the_wait_does_not_tell_who_is_known(database: Any, ewa: Credentials, name: str, monkeypatch: Any) -> None:
    """A wrong code costs the same codes made and the same statements whether the name is known or not."""
    from sqlalchemy import event

    made: list[int] = []
    statements: list[str] = []

    class Counting(pyotp.TOTP):
        def generate_otp(self, input: int) -> str:
            made.append(input)
            return super().generate_otp(input)

    monkeypatch.setattr("services.reviewers.pyotp.TOTP", Counting)
    event.listen(database.engine, "before_cursor_execute", lambda *told: statements.append(str(told[2]).split()[0]))

    with pytest.raises(WrongCode):
        check_code(database, name, another(shown(ewa)), now=NOW)

    assert len(made) == 7, "six for the check, one for this test"
    assert [word for word in statements if word in {"SELECT", "INSERT", "UPDATE"}] == [
        "INSERT", "SELECT", "SELECT", "UPDATE",
    ]  # fmt: skip


def test_whatever_names_are_tried_the_table_of_tries_stays_small(database: Any, monkeypatch: Any) -> None:
    for number in range(300):
        with pytest.raises((WrongCode, TooManyTries)):
            check_code(database, f"name {number}", "123456", now=NOW)

    with database.read() as connection:
        kept = connection.execute(select(metadata.tables["code_tries"])).all()
    assert all(len(row.name_hash) == 4 for row in kept)


def test_who_was_removed_is_nobody(database: Any, ewa: Credentials) -> None:
    assert remove(database, "ewa lis", by="admin", now=NOW) == "Ewa Lis"

    for code in (shown(ewa), ewa.recovery_codes[0]):
        with pytest.raises(WrongCode):
            check_code(database, "Ewa Lis", code, now=NOW)
    assert list_reviewers(database) == []
    with database.read() as connection:
        (row,) = connection.execute(select(metadata.tables["reviewers"])).all()
    assert row.secret == ""


def test_who_comes_back_has_other_codes(database: Any, ewa: Credentials) -> None:
    remove(database, "Ewa Lis", by="admin", now=NOW)
    again = added(database, "Ewa Lis", "lead")

    with pytest.raises(WrongCode):
        check_code(database, "Ewa Lis", shown(ewa), now=NOW)
    assert check_code(database, "Ewa Lis", shown(again), now=NOW).roles == {"lead"}


def test_with_another_phone_codes_of_the_lost_one_are_wrong(database: Any, ewa: Credentials) -> None:
    made = new_credentials(full_name(database, "EWA LIS"))
    renew(database, made, by="admin", now=NOW)

    for code in (shown(ewa), ewa.recovery_codes[0]):
        with pytest.raises(WrongCode):
            check_code(database, "Ewa Lis", code, now=NOW)
    assert check_code(database, "Ewa Lis", shown(made), now=NOW)


def test_another_phone_ends_a_wait(database: Any, ewa: Credentials) -> None:
    for _ in range(5):
        with pytest.raises(WrongCode):
            check_code(database, "Ewa Lis", another(shown(ewa)), now=NOW)
    made = new_credentials("Ewa Lis")
    renew(database, made, by="admin", now=NOW)

    assert check_code(database, "Ewa Lis", shown(made), now=NOW)


def test_roles_are_those_of_now(database: Any, ewa: Credentials) -> None:
    change_roles(database, "Ewa Lis", ["lead"], known_roles=ROLES, by="admin", now=NOW)

    assert check_code(database, "Ewa Lis", shown(ewa), now=NOW).roles == {"lead"}


@pytest.mark.parametrize(
    ("name", "roles", "words"),
    [
        ("ewa LIS", ["lead"], "Ewa Lis is a reviewer already"),
        ("Jan", [], "name a role, --role lead or on_call"),
        ("Jan", ["on-call"], 'asks for the role "on-call" .did you mean "on_call"'),
        ("", ["lead"], "a name has 1 to 200 characters"),
        ("J" * 201, ["lead"], "a name has 1 to 200 characters"),
        ("J\x1b[31mn", ["lead"], "a name has 1 to 200 characters"),
    ],
)
def test_what_cannot_be_added_is_said(database: Any, ewa: Credentials, name: str, roles: list[str], words: str) -> None:
    made = new_credentials(name)

    for refused in (
        lambda: add_reviewer(database, made, roles, known_roles=ROLES, by="admin", now=NOW),
        lambda: check_new(database, made.name, roles, known_roles=ROLES),
    ):
        with pytest.raises(CannotChange, match=words):
            refused()


def test_a_name_that_nobody_has_cannot_be_changed(database: Any, ewa: Credentials) -> None:
    for change in (
        lambda: remove(database, "Ewa Lys", by="admin", now=NOW),
        lambda: change_roles(database, "Ewa Lys", ["lead"], known_roles=ROLES, by="admin", now=NOW),
        lambda: renew(database, new_credentials("Ewa Lys"), by="admin", now=NOW),
    ):
        with pytest.raises(CannotChange, match=r'no reviewer "Ewa Lys" .did you mean "Ewa Lis"'):
            change()


def test_secrets_are_shown_by_no_repr_and_no_log(database: Any, ewa: Credentials, caplog: Any) -> None:
    """P23."""
    for code in (another(shown(ewa)), "WRONG-RECOVERY-CODE", *[another(shown(ewa))] * 5):
        with pytest.raises((WrongCode, TooManyTries)) as refused:
            check_code(database, "Ewa Lis", code, now=NOW)
        assert code not in str(refused.value)
        assert code not in caplog.text

    assert "a code for a reviewer was refused" in caplog.text
    assert not [one for one in (ewa.secret, *ewa.recovery_codes) if one in caplog.text + repr(ewa)]


def test_recovery_codes_are_kept_as_hashes_alone(database: Any, ewa: Credentials) -> None:
    with database.read() as connection:
        kept = str([connection.execute(select(table)).all() for table in metadata.tables.values()])

    assert ewa.secret in kept, "codes cannot be checked without it"
    assert not [code for code in ewa.recovery_codes if code in kept or code.replace("-", "") in kept]


def test_an_app_learns_what_it_needs_from_the_uri(ewa: Credentials) -> None:
    parsed = pyotp.parse_uri(ewa.uri)

    assert (parsed.secret, parsed.name, parsed.issuer) == (ewa.secret, "Ewa Lis", reviewers.ISSUER)
