"""Reviewers: who may decide, known by the one-time codes of their phones (RFC 6238), and by recovery codes.

How many guesses? A code is one of 10⁶, and six of them count at any time: the last four before the phone's, that one
and the next. After five wrong codes in a row no code of that name is looked at for a quarter of an hour, after five
more for half an hour, then one hour, two, four. So a guesser has at most 15 guesses in the first hour (a chance of 1 in
11,000), 50 in the first day and 30 in each day after (1 in 5,500). A right code begins the count anew, as NIST SP
800-63B (5.2.2) has it: each gives the guesser four more. All the while wrong codes stand in the log. They are counted
in the database, for all gateways and commands together.

Nobody is locked out for ever, not even while somebody keeps guessing: a wait ends by itself, and a recovery code
(80 bits, which nobody guesses) counts during one, too, and ends the count.
"""

import hashlib
import hmac
import logging
import secrets
import unicodedata
from base64 import b32encode
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pyotp
from sqlalchemy import Connection, Row

from domain.review_rules import ReviewPolicy
from domain.reviews import Voter as Voter  # who `check_code` finds
from domain.words import did_you_mean, how_many, one_of
from services.operators import SESSION
from services.tries import TooManyTries
from store import chain, sessions
from store import reviewers as store
from store.chain import Subject
from store.database import Database

ISSUER = "Handrail"
"""How authenticator apps head the codes."""

RECOVERY_CODES = 10

_STEP_SECONDS = 30
_DIGITS = 6
_STEPS_BACK = 4
"""A code counts for 120 s after its phone showed it last: the last four before the one it shows."""
_STEPS_AHEAD = 1
"""A phone's clock may be up to half a minute fast."""
_RECOVERY_BYTES = 10
_LOOKS_LIKE = str.maketrans("018", "OIB")
"""What people read in a recovery code that has none of these digits."""

_TRIES = 5
_FIRST_WAIT = timedelta(minutes=15)
_DOUBLINGS = 4
"""So that the longest wait is four hours."""

_NOBODYS = pyotp.random_base32()
"""Checked for unknown names, so that the time it takes does not tell who is known."""
_LONGEST_NAME = 200

_log = logging.getLogger("services.reviewers")


class WrongCode(Exception):
    """The code proves nothing; its text says so without telling whether the name or the code is wrong."""


class CannotChange(Exception):
    """The reviewers stay as they are; its text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a reviewer's phone and drawer keep. Shown once: of the recovery codes only hashes are kept."""

    name: str
    secret: str = field(repr=False)
    recovery_codes: tuple[str, ...] = field(repr=False)

    @property
    def uri(self) -> str:
        """What a QR code says to an authenticator app (`otpauth://totp/…`): a secret."""
        return _codes_of(self.secret).provisioning_uri(name=self.name, issuer_name=ISSUER)


def check_code(database: Database, name: str, code: str, *, now: datetime) -> Voter:
    """Spend a one-time code or a recovery code; whose it is. Raises WrongCode and TooManyTries, with words.

    Each code counts once, for whatever it was typed, on whichever way: of two that use it at once one wins. Names are
    read without regard to case, for phones capitalise as they like.
    """
    called, typed = _plain_name(name), "".join(code.split()).replace("-", "")
    with database.write("check-code") as connection:
        outcome = _check(connection, called, typed, now)
    if isinstance(outcome, Voter):
        return outcome
    _log.warning("a code for a reviewer was refused: %s", type(outcome).__name__)
    raise outcome


def _check(connection: Connection, called: str, typed: str, now: datetime) -> Voter | WrongCode | TooManyTries:
    """In one transaction, committed whatever comes of it: a wrong code counts, too.

    Locks: the name's tries, the code or its owner, and for a recovery code the head of the chain, as whoever changes
    reviewers takes them. A code of a phone is not chained: it is over after two minutes, and signing in stays quick.
    """
    name_hash = _name_hash(called)
    tries = store.tries(connection, name_hash)
    found = _called(store.listed(connection), called)
    name = "" if found is None else str(found.name)
    is_recovery = not (len(typed) == _DIGITS and typed.isascii() and typed.isdigit())
    if is_recovery:
        code_hash = _recovery_hash(name, typed)
        is_right = store.spend_recovery_code(connection, name, code_hash, now)
        if is_right:  # so that nobody makes it good again in the database unnoticed
            _tell(connection, name, store.SPENT, name, now, code=code_hash)
    elif tries.wait_until is not None and now < tries.wait_until:
        return _wait(tries.wait_until - now)
    else:
        secret = _NOBODYS if found is None else found.secret
        step = _step_of(secret, typed, now)
        is_right = step is not None and store.spend_step(connection, name, secret, step)
        if step is not None and not is_right and found is not None:  # a second click, or somebody who looked on
            return WrongCode("this code was used already: wait until the phone shows the next one, then use that")
    if is_right and found is not None:
        store.set_tries(connection, name_hash, wrong=0, wait_until=None)
        return Voter(name, frozenset(found.roles))
    if tries.wait_until is not None and now < tries.wait_until:
        return _wait(tries.wait_until - now)
    wrong = tries.wrong + 1
    store.set_tries(connection, name_hash, wrong=wrong, wait_until=_wait_until(wrong, now))
    return WrongCode("the name or the code is wrong. A code counts for two minutes, and only once")


def _step_of(secret: str, typed: str, now: datetime) -> int | None:
    """The time step whose code it is; every one is compared, and each to the last digit."""
    codes = _codes_of(secret)
    here = int(now.timestamp()) // _STEP_SECONDS
    found = None
    for step in range(max(0, here - _STEPS_BACK), here + _STEPS_AHEAD + 1):
        if hmac.compare_digest(codes.generate_otp(step), typed):
            found = step
    return found


def _wait_until(wrong: int, now: datetime) -> datetime | None:
    if wrong % _TRIES:
        return None
    doublings = min(wrong // _TRIES - 1, _DOUBLINGS)
    return now + _FIRST_WAIT * (1 << doublings)


def _wait(left: timedelta) -> TooManyTries:
    minutes = max(1, -(-int(left.total_seconds()) // 60))
    return TooManyTries(
        f"too many wrong codes for this name: try again in {how_many(minutes, 'minute')}, or use a recovery code now"
    )


def sign_in(database: Database, name: str, code: str, token: str, *, now: datetime) -> Voter:
    """Spend a code and begin a session for `token`. Raises WrongCode and TooManyTries, with words."""
    voter = check_code(database, name, code, now=now)
    with database.write("sign-in") as connection:
        row = store.find(connection, voter.name)
        if row is None:
            raise WrongCode("you were removed a moment ago")
        session = {"credential": _hashed(row.secret), "way": sessions.CODE}
        sessions.begin(connection, _hashed(token), row.name, **session, now=now, until=now + SESSION)
    return voter


def signed_in(database: Database, token: str, now: datetime) -> Voter | None:
    """Whose session it is, with the roles they have now; None when it is over, or they were removed or renewed."""
    with database.read() as connection:
        session = sessions.find(connection, _hashed(token), way=sessions.CODE, now=now)
        row = None if session is None else store.find(connection, session.operator)
    if session is None or row is None or _hashed(row.secret) != session.credential:
        return None
    return Voter(row.name, frozenset(row.roles))


def is_there_any(database: Database) -> bool:
    """Whether anybody may decide: then nobody sees the pages who has not signed in."""
    with database.read() as connection:
        return store.is_there_any(connection)


def list_reviewers(database: Database) -> list[dict[str, Any]]:
    """Those who may decide, with their roles and how many recovery codes they have left."""
    with database.read() as connection:
        rows = store.listed(connection)
    return [
        {
            "name": row.name,
            "roles": row.roles,
            "recovery_codes": row.recovery_codes,
            "added_at": row.added_at,
            "added_by": row.added_by,
        }
        for row in rows
    ]


def undecidable(database: Database, policy: ReviewPolicy) -> list[str]:
    """Which risk classes nobody could decide, in words: what waits in them would expire."""
    with database.read() as connection:
        people = [frozenset(row.roles) for row in store.listed(connection)]
    told = []
    for risk, rules in policy.classes.items():
        there = sum(bool(roles & rules.roles) for roles in people)
        if there < rules.reviewers:
            needed = how_many(rules.reviewers, "person", "people")
            roles = " or ".join(sorted(rules.roles))
            told.append(f"reviews of class {risk} need {needed} with the role {roles}, and there {_are(there)}")
    return told


def new_credentials(name: str) -> Credentials:
    """A secret of 160 bits and recovery codes of 80 bits each, made by chance; nothing is kept yet."""
    codes = tuple(_in_groups(b32encode(secrets.token_bytes(_RECOVERY_BYTES)).decode()) for _ in range(RECOVERY_CODES))
    return Credentials(_line(name), pyotp.random_base32(), codes)


def is_shown_by(made: Credentials, code: str, *, now: datetime) -> bool:
    """Whether a phone that shows this code has learnt the secret; nothing is spent."""
    return _step_of(made.secret, "".join(code.split()), now) is not None


def add_reviewer(
    database: Database,
    made: Credentials,
    roles: Collection[str],
    *,
    known_roles: Iterable[str],
    by: str,
    now: datetime,
) -> None:
    """Let somebody decide. Raises CannotChange for a name that is taken and a role that no risk class asks for."""
    check_new(database, made.name, roles, known_roles=known_roles)
    with database.write("add-reviewer") as connection:
        _forget_tries(connection, made.name)
        _refuse_taken(connection, made.name)
        store.add(connection, made.name, roles=set(roles), secret=made.secret, by=by, now=now)
        _keep(connection, made)
        _tell(
            connection, made.name, "added", by, now, roles=sorted(set(roles)), recovery_codes=len(made.recovery_codes)
        )


def check_new(database: Database, name: str, roles: Collection[str], *, known_roles: Iterable[str]) -> None:
    """Raises CannotChange when `add_reviewer` would, before anybody has scanned a QR code in vain."""
    if not name or not name.isprintable() or len(name) > _LONGEST_NAME:
        raise CannotChange(f"a name has 1 to {_LONGEST_NAME} characters, on one line")
    _refuse_unknown(roles, known_roles)
    with database.read() as connection:
        _refuse_taken(connection, name)


def change_roles(
    database: Database, name: str, roles: Collection[str], *, known_roles: Iterable[str], by: str, now: datetime
) -> str:
    """Give somebody these roles and no others, from their next request on; their name. Raises CannotChange."""
    _refuse_unknown(roles, known_roles)
    with database.write("change-roles") as connection:
        row = _known(connection, name)
        store.change_roles(connection, row.name, set(roles))
        _tell(connection, row.name, "roles changed", by, now, roles=sorted(set(roles)), before=row.roles)
    return str(row.name)


def renew(database: Database, made: Credentials, *, by: str, now: datetime) -> None:
    """Give somebody another secret and recovery codes; those from before end, and sessions. Raises CannotChange."""
    with database.write("renew-reviewer") as connection:
        _forget_tries(connection, made.name)
        row = _known(connection, made.name)
        store.change_secret(connection, row.name, made.secret)
        _keep(connection, made)
        _tell(connection, row.name, "codes renewed", by, now, recovery_codes=len(made.recovery_codes))


def remove(database: Database, name: str, *, by: str, now: datetime) -> str:
    """Take somebody away, with secrets and sessions; their name. Votes they cast stay. Raises CannotChange."""
    with database.write("remove-reviewer") as connection:
        row = _known(connection, name)
        store.remove(connection, row.name, now)
        _tell(connection, row.name, "removed", by, now)
    return str(row.name)


def full_name(database: Database, name: str) -> str:
    """As it is kept, whatever its case was typed like. Raises CannotChange for nobody's."""
    with database.read() as connection:
        return str(_known(connection, name, lock=False).name)


def _keep(connection: Connection, made: Credentials) -> None:
    hashes = [_recovery_hash(made.name, code.replace("-", "")) for code in made.recovery_codes]
    store.change_recovery_codes(connection, made.name, hashes)


def _forget_tries(connection: Connection, name: str) -> None:
    """Before the reviewer's row is locked: whoever checks a code takes them in this order."""
    name_hash = _name_hash(_plain_name(name))
    store.tries(connection, name_hash)
    store.set_tries(connection, name_hash, wrong=0, wait_until=None)


def _tell(connection: Connection, name: str, what: str, by: str, now: datetime, **detail: Any) -> None:
    told = {**detail, "codes": store.codes_hash(connection, name)}
    chain.append(connection, Subject.REVIEWER, name, what, by=by, at=now, detail=told)


def _known(connection: Connection, name: str, *, lock: bool = True) -> Row[Any]:
    people = store.listed(connection)
    found = _called(people, _plain_name(name))
    if found is None:
        names = [row.name for row in people]
        listed = f"; there are {', '.join(names)}" if names else "; there are none"
        raise CannotChange(f'there is no reviewer "{_line(name)}"{did_you_mean(name, names) or listed}')
    row = store.find(connection, found.name, lock=lock)
    if row is None:
        raise CannotChange(f"{found.name} was removed a moment ago")
    return row


def _called(people: Iterable[Row[Any]], called: str) -> Row[Any] | None:
    return next((row for row in people if _plain_name(row.name) == called), None)


def _refuse_taken(connection: Connection, name: str) -> None:
    taken = _called(store.listed(connection), _plain_name(name))
    if taken is not None:
        raise CannotChange(
            f"{taken.name} is a reviewer already: `handrail reviewers roles` changes what they may decide, "
            "`handrail reviewers renew` gives them another phone"
        )


def _refuse_unknown(roles: Collection[str], known_roles: Iterable[str]) -> None:
    known = sorted(set(known_roles))
    if not roles:
        raise CannotChange(f"name a role, --role {one_of(known)}: without one they could decide nothing")
    for role in sorted(set(roles) - set(known)):
        raise CannotChange(
            f'no risk class of the policy asks for the role "{role}"{did_you_mean(role, known)}: '
            f"use {one_of(known)}, or name it there first"
        )


def _codes_of(secret: str) -> pyotp.TOTP:
    return pyotp.TOTP(secret, digits=_DIGITS, digest=hashlib.sha1, interval=_STEP_SECONDS)


def _recovery_hash(name: str, typed: str) -> str:
    """80 bits made by chance need no slow hash. What looks alike is read alike."""
    return _hashed(f"{name}\n{typed.upper().translate(_LOOKS_LIKE)}")


def _name_hash(called: str) -> str:
    return _hashed(called)[:4]


def _are(count: int) -> str:
    return "is one" if count == 1 else f"are {count or 'none'}"


def _hashed(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _in_groups(code: str) -> str:
    return "-".join(code[at : at + 4] for at in range(0, len(code), 4))


def _line(name: str) -> str:
    return " ".join(unicodedata.normalize("NFC", name).split())


def _plain_name(name: str) -> str:
    return _line(name)[:_LONGEST_NAME].casefold()
