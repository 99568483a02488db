"""Column types, clock and list expressions that mean the same on SQLite and PostgreSQL."""

from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    DateTime,
    Dialect,
    Float,
    Integer,
    String,
    bindparam,
    literal,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.operators import OperatorType
from sqlalchemy.types import NullType, TypeDecorator, TypeEngine

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

Identity = BigInteger().with_variant(Integer, "sqlite")
"""A big integer that SQLite still fills in by itself (only `INTEGER PRIMARY KEY` is a rowid there)."""


class Instant(TypeDecorator[datetime]):
    """A UTC instant: `timestamptz` on PostgreSQL, integer microseconds since 1970 on SQLite (design §4)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(BigInteger() if dialect.name == "sqlite" else DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone; instants are aware, in UTC")
        return self.microseconds(value) if dialect.name == "sqlite" else value.astimezone(UTC)

    @staticmethod
    def microseconds(instant: datetime) -> int:
        """As SQLite keeps it."""
        return (instant - _EPOCH) // _MICROSECOND

    @staticmethod
    def of(microseconds: int) -> datetime:
        """The other way round."""
        return _EPOCH + timedelta(0, 0, microseconds)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], datetime | None]:
        """What makes an instant of the driver's answer, without SQLAlchemy's two calls more for each value."""
        return of_microseconds if dialect.name == "sqlite" else _in_utc


def of_microseconds(value: int | None) -> datetime | None:
    """An instant as SQLite keeps it; None stays None."""
    return None if value is None else _EPOCH + timedelta(0, 0, value)


def _in_utc(value: datetime | None) -> datetime | None:
    return None if value is None else value.astimezone(UTC)


class db_now(FunctionElement[datetime]):
    """The database's own clock, `db_now(seconds)` from now: the only clock leases know. Null seconds: null."""

    name = "db_now"
    type = Instant()
    inherit_cache = True

    def __init__(self, ahead_seconds: float | ColumnElement[float] = 0.0) -> None:
        super().__init__(literal(ahead_seconds, Float()) if isinstance(ahead_seconds, float) else ahead_seconds)


@compiles(db_now, "sqlite")
def _sqlite_now(element: db_now, compiler: SQLCompiler, **kw: Any) -> str:
    ahead = compiler.process(element.clauses, **kw)
    return f"CAST((julianday('now') - 2440587.5) * 86400000000.0 + ({ahead}) * 1000000.0 AS INTEGER)"


@compiles(db_now, "postgresql")
def _postgresql_now(element: db_now, compiler: SQLCompiler, **kw: Any) -> str:
    ahead = compiler.process(element.clauses, **kw)
    return f"(clock_timestamp() + make_interval(secs => CAST({ahead} AS double precision)))"


class microseconds(FunctionElement[int]):
    """`microseconds(column)`: an instant as whole microseconds since 1970, as SQLite keeps it anyway."""

    name = "microseconds"
    type = BigInteger()
    inherit_cache = True


@compiles(microseconds, "postgresql")
def _postgresql_microseconds(element: microseconds, compiler: SQLCompiler, **kw: Any) -> str:
    return f"CAST(EXTRACT(EPOCH FROM {compiler.process(element.clauses, **kw)}) * 1000000 AS BIGINT)"


class since_epoch(FunctionElement[datetime]):
    """`since_epoch(microseconds)`: the instant, the other way round."""

    name = "since_epoch"
    type = Instant()
    inherit_cache = True


@compiles(microseconds, "sqlite")
@compiles(since_epoch, "sqlite")
def _as_sqlite_keeps_it(element: FunctionElement[Any], compiler: SQLCompiler, **kw: Any) -> str:
    return compiler.process(element.clauses, **kw)


@compiles(since_epoch, "postgresql")
def _postgresql_since_epoch(element: since_epoch, compiler: SQLCompiler, **kw: Any) -> str:
    return f"(timestamptz 'epoch' + ({compiler.process(element.clauses, **kw)}) * interval '1 microsecond')"


class _Texts(TypeDecorator[Collection[str]]):
    """Texts as one parameter: an array on PostgreSQL, JSON on SQLite."""

    impl = String
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(String() if dialect.name == "sqlite" else postgresql.ARRAY(String))

    def process_bind_param(self, value: Collection[str] | None, dialect: Dialect) -> Any:
        listed = list(value or ())
        return orjson.dumps(listed).decode() if dialect.name == "sqlite" else listed


class _Ids(TypeDecorator[Collection[int]]):
    """Whole numbers as one parameter, written down by us: the driver takes a microsecond for each, ten lists a window.

    On PostgreSQL a text without a type, which the statement calls an array.
    """

    impl = String
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(String() if dialect.name == "sqlite" else NullType())

    def process_bind_param(self, value: Collection[int] | None, dialect: Dialect) -> str:
        written = orjson.dumps(list(value or ())).decode()
        return written if dialect.name == "sqlite" else f"{{{written[1:-1]}}}"


class among(FunctionElement[bool]):
    """`among(column, "ids")`: the column is one of the parameter's list, a collection of its type.

    Whatever its length the statement stays the same, so that it is compiled and planned once; an expanding `IN` is
    put together anew each time, which cost a third of arming.
    """

    name = "among"
    type = Boolean()
    inherit_cache = True

    def __init__(self, column: ColumnElement[Any], parameter: str) -> None:
        super().__init__(column, bindparam(parameter, type_=_Ids() if isinstance(column.type, Integer) else _Texts()))

    def self_group(self, against: OperatorType | None = None) -> "among":
        """As it stands: SQLAlchemy would write `… = 1` for SQLite, which then reads the whole table."""
        return self


@compiles(among, "sqlite")
def _sqlite_among(element: among, compiler: SQLCompiler, **kw: Any) -> str:
    column, listed = element.clauses
    from_list = f"SELECT value FROM json_each({compiler.process(listed, **kw)})"  # noqa: S608 - a parameter's mark
    return f"{compiler.process(column, **kw)} IN ({from_list})"


@compiles(among, "postgresql")
def _postgresql_among(element: among, compiler: SQLCompiler, **kw: Any) -> str:
    column, listed = element.clauses
    values = compiler.process(listed, **kw)
    if isinstance(listed.type, _Ids):
        values = f"CAST({values} AS BIGINT[])"
    return f"{compiler.process(column, **kw)} = ANY({values})"
