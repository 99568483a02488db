"""Files that arrived to be imported: in a folder, or at an address of a host we may ask."""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx

from domain.gates import DataSet, GateVerdict, feed_of
from domain.words import did_you_mean, one_of
from services.batch_files import ENDINGS
from services.import_files import UnreadableFile
from store import gates
from store.database import Database

LARGEST_BYTES = 1024 * 1024 * 1024
"""Of a file that is fetched."""

_SECONDS = httpx.Timeout(30.0, connect=5.0)


class CannotFetch(Exception):
    """The place cannot be looked at; its text says why and what to do."""


class Before(StrEnum):
    """What we know of a file's bytes already."""

    NEW = "new"
    TAKEN = "taken already"
    HALTED = "halted, and nobody has let it through"


@dataclass(frozen=True, slots=True)
class Arrived:
    """A file that is there."""

    path: str
    data_set: DataSet
    feed: str
    before: Before = Before.NEW
    gate_id: int | None = None  # that said so

    @property
    def name(self) -> str:
        """The file's name."""
        return Path(self.path).name


@dataclass(frozen=True, slots=True)
class Folder:
    """What is in a folder: customers before what refers to them, then by name."""

    files: list[Arrived] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """Files whose names do not say what they hold, in words. They do not keep the others waiting."""


def arrived(database: Database, folder: Path, *, data_set: DataSet | None = None, feed: str = "") -> Folder:
    """Look at the files of a folder. Raises CannotFetch when there is no such folder."""
    if not folder.is_dir():
        raise CannotFetch(f"{folder}: there is no such folder")
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.suffix.lower() in ENDINGS)
    found, problems = [], []
    for path in files:
        try:
            found.append(_looked_up(database, path, data_set or data_set_of(path.name), feed))
        except UnreadableFile as problem:
            problems.append(str(problem))
    return Folder(sorted(found, key=lambda one: list(DataSet).index(one.data_set)), problems)


def data_set_of(name: str) -> DataSet:
    """What a file holds, by its name. Raises UnreadableFile when the name does not say."""
    told = [data_set for data_set in DataSet if data_set.value in name.lower()]
    if len(told) == 1:
        return told[0]
    hint = did_you_mean(Path(name).stem, DataSet)
    raise UnreadableFile(f"{name}: the name does not say what it holds{hint}: put {one_of(DataSet)} into it")


def _looked_up(database: Database, path: Path, data_set: DataSet, feed: str) -> Arrived:
    feed = feed or feed_of(path.name, data_set)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    with database.read() as connection:
        same = gates.of_bytes(connection, data_set, feed, digest)
    before, gate_id = Before.NEW, None
    if same and same[0].verdict == GateVerdict.HALT:
        before, gate_id = (Before.NEW if same[0].approved_by else Before.HALTED), same[0].id
    elif same and same[0].taken_at is not None:
        before, gate_id = Before.TAKEN, same[0].id
    return Arrived(str(path), data_set, feed, before, gate_id)


def is_address(place: str) -> bool:
    """True for an address, false for a folder."""
    return "://" in place


def download(
    address: str, hosts: Collection[str], folder: Path, *, transport: httpx.BaseTransport | None = None
) -> Path:
    """Fetch the file at an address into a folder. Raises CannotFetch."""
    host = require_allowed(address, hosts)
    name = Path(unquote(urlsplit(address).path)).name
    if Path(name).suffix.lower() not in ENDINGS:
        raise CannotFetch(f"{host}: the address must end in the name of a file ({one_of(ENDINGS)})")
    path = folder / name
    try:
        with httpx.Client(timeout=_SECONDS, transport=transport, trust_env=False) as client:
            _download(client, address, host, path)
    except httpx.HTTPError as problem:
        raise CannotFetch(f"{host} does not answer: {type(problem).__name__}") from None
    return path


def _download(client: httpx.Client, address: str, host: str, path: Path) -> None:
    with client.stream("GET", address) as answer, path.open("wb") as file:
        if answer.status_code != httpx.codes.OK:  # a redirect too: it might lead to a host we must not ask
            raise CannotFetch(f"{host} answers {answer.status_code}: look at the address")
        size = 0
        for part in answer.iter_bytes():
            size += len(part)
            if size > LARGEST_BYTES:
                raise CannotFetch(f"{host}: the file has more than {LARGEST_BYTES} bytes: send it in parts")
            file.write(part)
        told = answer.headers.get("content-length")
        if told is not None and "content-encoding" not in answer.headers and int(told) != size:
            raise CannotFetch(f"{host}: {size} of {told} bytes came")


def require_allowed(address: str, hosts: Collection[str]) -> str:
    """The address's host. Raises CannotFetch for one we must not ask."""
    parts = urlsplit(address)
    host = (parts.hostname or "").lower()
    if parts.scheme != "https" or parts.username or parts.password or not host:
        raise CannotFetch("the address must be https://HOST/…, without a name and password in it")
    if host not in hosts:
        raise CannotFetch(f"{host} is not among the hosts we may ask: add it to HANDRAIL_IMPORT_HOSTS")
    return host
