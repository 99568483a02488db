"""Column types and clock expressions that mean the same on SQLite and PostgreSQL."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, BindParameter, DateTime, Dialect, Float, Integer, literal
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine

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
        return (value - _EPOCH) // _MICROSECOND if dialect.name == "sqlite" else value.astimezone(UTC)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if dialect.name == "sqlite":
            return _EPOCH + timedelta(microseconds=value)
        assert isinstance(value, datetime)  # noqa: S101 - narrows the driver's answer for the type checker
        return value.astimezone(UTC)


class db_now(FunctionElement[datetime]):
    """The database's own clock, `db_now(seconds)` from now: the only clock leases know."""

    name = "db_now"
    type = Instant()
    inherit_cache = True

    def __init__(self, ahead_seconds: float | BindParameter[Any] = 0.0) -> None:
        super().__init__(literal(ahead_seconds, Float()) if isinstance(ahead_seconds, float) else ahead_seconds)


@compiles(db_now, "sqlite")
def _sqlite_now(element: db_now, compiler: SQLCompiler, **kw: Any) -> str:
    ahead = compiler.process(element.clauses, **kw)
    return f"CAST((julianday('now') - 2440587.5) * 86400000000.0 + ({ahead}) * 1000000.0 AS INTEGER)"


@compiles(db_now, "postgresql")
def _postgresql_now(element: db_now, compiler: SQLCompiler, **kw: Any) -> str:
    ahead = compiler.process(element.clauses, **kw)
    return f"(clock_timestamp() + make_interval(secs => CAST({ahead} AS double precision)))"
