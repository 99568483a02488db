"""Which integrations there are, and which of them serve us: found in the packages, chosen in one file."""

import functools
import importlib
import pkgutil
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, get_args

from pydantic import SecretStr, ValidationError
from pydantic_core import ErrorDetails

import integrations
from domain.actions import Capability, WriteClass
from domain.words import did_you_mean, one_of
from integrations.declaration import CallingConfig, Integration, IntegrationConfig, VendorConfig
from integrations.errors import ConfigurationError
from integrations.ports import ERASE, LISTENING, WRITES, Erases, SurveyArchive, SurveyIntake
from integrations.roster_file import Filling, Path, RosterFile, read_roster_file

Known = Mapping[Capability, Mapping[str, Integration[Any]]]
"""Every integration there is, by capability and vendor."""

_SOURCE_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True)
class Configured:
    """One outside system as configured: who does what for us, and what may be asked of it."""

    name: str
    """What pages, logs, errors and the breaker call it: "ticketing via zendesk"."""
    capability: Capability
    vendor: str
    port: Any
    """The capability's protocol of `integrations.ports`."""
    class_of: Callable[[str], WriteClass]
    rate_per_second: float | None
    timeout_seconds: float
    search_lag_seconds: float = 5.0
    connections: int = 128
    """Most that are open at the same time: more sends than that would only wait."""
    batches: Mapping[str, int] = field(default_factory=dict)
    """Items one call of an operation carries, as configured; what is left out goes one by one."""

    def batch_of(self, operation: str) -> int:
        """How many items one call of `operation` carries."""
        return self.batches.get(operation, 1)

    @property
    def largest_batch(self) -> int:
        """Of any operation."""
        return max(self.batches.values(), default=1)

    @property
    def erases(self) -> bool:
        """Whether it keeps customers under our ref and can be asked to forget one."""
        return isinstance(self.port, Erases)

    def write_class(self, operation: str) -> WriteClass:
        """What the vendor promises for `operation`. Raises LookupError for one the capability does not have."""
        if operation not in WRITES[self.capability] and not (operation == ERASE and self.erases):
            hint = did_you_mean(operation, WRITES[self.capability])
            raise LookupError(f"{self.name} has no write {operation!r}{hint}")
        return self.class_of(operation)


class Roster:
    """The outside systems that serve this installation, at most one a capability, and the sources of events.

    A roster belongs to one event loop: its connections are opened in it.
    """

    def __init__(self, configured: Iterable[Configured], intakes: Mapping[str, SurveyIntake] | None = None) -> None:
        self._configured = {each.capability: each for each in configured}
        self.intakes: Mapping[str, SurveyIntake] = dict(intakes or {})

    def of(self, capability: Capability) -> Configured | None:
        """Who serves `capability`; None when nobody does."""
        return self._configured.get(capability)

    def archives(self) -> dict[str, SurveyArchive]:
        """The sources whose answers can be asked for, by name."""
        return {name: it for name, it in self.intakes.items() if isinstance(it, SurveyArchive)}

    def __iter__(self) -> Iterator[Configured]:
        return iter(self._configured.values())

    async def aclose(self) -> None:
        """Closes every port."""
        for configured in self:
            await configured.port.aclose()
        for archive in self.archives().values():
            await archive.aclose()


@functools.cache
def discover() -> Known:
    """Every integration there is: `INTEGRATION` of each `integrations/<capability>/<vendor>.py`."""
    return find_integrations(integrations)


def find_integrations(package: ModuleType) -> Known:
    """The integrations in `package`. Raises ConfigurationError for a file that is not where it says it belongs."""
    known: dict[Capability, dict[str, Integration[Any]]] = {}
    problems: list[str] = []
    for folder in pkgutil.iter_modules(package.__path__):
        if not folder.ispkg:
            continue
        inner = importlib.import_module(f"{package.__name__}.{folder.name}")
        for file in pkgutil.iter_modules(inner.__path__):
            module = importlib.import_module(f"{inner.__name__}.{file.name}")
            found = getattr(module, "INTEGRATION", None)
            if not isinstance(found, Integration):
                problems.append(f"{module.__name__}: has no INTEGRATION = Integration(…)")
            elif (found.capability, found.vendor) != (folder.name, file.name):
                problems.append(f"{module.__name__}: declares {found.name}: move the file or correct the declaration")
            else:
                known.setdefault(found.capability, {})[found.vendor] = found
    if problems:
        raise ConfigurationError(problems)
    return known


def load_roster(
    text: str,
    environment: Mapping[str, str],
    source: str = "deployments/integrations.yaml",
    *,
    lease_seconds: float = 20.0,
) -> Roster:
    """The roster that `text` (YAML) describes, its `${NAME}` filled from `environment`. Opens no connection yet.

    Raises ConfigurationError with everything that is wrong; no secret is quoted in it.
    """
    file = read_roster_file(text, source)
    chosen = _Chosen(file, environment, lease_seconds)
    if not file.problems and not isinstance(file.value, dict):
        file.complain((), "says nothing: write a section for each capability")
    for word, section in file.value.items() if isinstance(file.value, dict) else ():
        chosen.add(word, section)
    if file.problems:
        raise ConfigurationError(file.problems)
    return Roster(
        [_configured(integration, config) for integration, config in chosen.outbound],
        {name: integration.connect(config) for name, (integration, config) in chosen.intakes.items()},
    )


def _configured(integration: Integration[Any], config: IntegrationConfig) -> Configured:
    return Configured(
        name=integration.name,
        capability=integration.capability,
        vendor=integration.vendor,
        port=integration.connect(config),
        class_of=functools.partial(integration.write_class, config),
        rate_per_second=config.rate_per_second,
        timeout_seconds=config.timeout_seconds,
        search_lag_seconds=config.search_lag_seconds,
        connections=config.connections,
        batches={operation: min(config.batch, most) for operation, most in integration.batches.items()},
    )


class _Chosen:
    """The sections of a file read so far."""

    def __init__(self, file: RosterFile, environment: Mapping[str, str], lease_seconds: float) -> None:
        self._file = file
        self._environment = environment
        self._lease_seconds = lease_seconds
        self._known = discover()
        self.outbound: list[tuple[Integration[Any], Any]] = []
        self.intakes: dict[str, tuple[Integration[Any], VendorConfig]] = {}

    def add(self, word: str, section: Any) -> None:
        """One section of the file: a capability, with a vendor or, where we only listen, with sources."""
        if word not in set(Capability):
            hint = did_you_mean(word, Capability)
            self._file.complain((word,), f"is no capability{hint}: there are {one_of(Capability)}")
            return
        capability = Capability(word)
        if capability not in LISTENING:
            made = self._made(capability, section, (word,))
            if made is not None:
                self.outbound.append(made)
            return
        if not isinstance(section, dict):
            self._file.complain((word,), "must name its sources, each with a vendor and secrets")
            return
        for source, inner in section.items():
            if not _SOURCE_NAME.fullmatch(source):
                self._file.complain((word, source), "a source's name is lower case letters, digits, - and _")
            if source in self.intakes:  # its name is the end of one address
                self._file.complain((word, source), "is the name of another source too: give it one of its own")
            made = self._made(capability, inner, (word, source))
            if made is not None:
                self.intakes[source] = made

    def _made(self, capability: Capability, section: Any, path: Path) -> tuple[Integration[Any], VendorConfig] | None:
        vendors = self._known.get(capability, {})
        vendor = section.get("vendor") if isinstance(section, dict) else None
        if not isinstance(vendor, str):
            self._file.complain(path, f"must say its vendor: {one_of(vendors)}")
            return None
        if vendor not in vendors:
            self._file.complain(
                (*path, "vendor"), f"{vendor!r} is no vendor of it{did_you_mean(vendor, vendors)}: {one_of(vendors)}"
            )
            return None
        config = self._config(vendors[vendor], section, path)
        return None if config is None else (vendors[vendor], config)

    def _config(self, integration: Integration[Any], section: Mapping[str, Any], path: Path) -> VendorConfig | None:
        fields = integration.config.model_fields
        values: dict[str, Any] = {}
        variables: dict[str, str] = {}
        unfilled: set[str] = set()
        for name, raw in section.items():
            if name == "vendor":
                continue
            filling = Filling(self._file, self._environment)
            is_secret = name in fields and _is_secret(fields[name].annotation)
            values[name] = filling.fill(raw, (*path, name), is_secret=is_secret)
            variables[name] = " or ".join(filling.used)
            if not filling.is_whole:
                unfilled.add(name)
        try:
            config: VendorConfig = integration.config.model_validate(values, context={"variables": variables})
        except ValidationError as error:
            for problem in error.errors(include_url=False, include_input=False):
                if unfilled.isdisjoint(problem["loc"][:1]):
                    self._file.complain((*path, *problem["loc"]), _in_words(problem, fields))
            return None
        self._check_timeout(config, path)
        self._check_batch(integration, config, path)
        return config

    def _check_timeout(self, config: VendorConfig, path: Path) -> None:
        """A worker whose vendor is silent must be back before another takes over its lease."""
        longest = self._lease_seconds / 2
        if isinstance(config, CallingConfig) and config.timeout_seconds >= longest:
            self._file.complain(
                (*path, "timeout_seconds"),
                f"{config.timeout_seconds:g} is too long for a lease of {self._lease_seconds:g} s: "
                f"set less than {longest:g}",
            )

    def _check_batch(self, integration: Integration[Any], config: VendorConfig, path: Path) -> None:
        most = max(integration.batches.values(), default=1)
        if isinstance(config, IntegrationConfig) and config.batch > most:
            takes = f"at most {most} items in one call" if most > 1 else "one item a call: leave it out"
            self._file.complain((*path, "batch"), f"{config.batch} is too many: {integration.name} takes {takes}")


def _is_secret(annotation: Any) -> bool:
    return annotation is SecretStr or any(_is_secret(inner) for inner in get_args(annotation))


def _in_words(problem: ErrorDetails, fields: Mapping[str, Any]) -> str:
    """What pydantic found, for a person, without the value."""
    name = str(next(iter(problem["loc"]), ""))  # none where settings do not go together
    if problem["type"] == "extra_forbidden":
        return f"is no setting{did_you_mean(name, fields)}: there are {one_of(fields)}"
    if problem["type"] == "missing":
        return f"is missing: {fields[name].description}"
    return problem["msg"].removeprefix("Value error, ").removeprefix("Input ")
