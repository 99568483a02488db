"""What an integration declares about itself, and the settings every integration has."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Generic, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PrivateAttr

from domain.actions import Capability, WriteClass


class VendorConfig(BaseModel):
    """The settings of one integration. Secrets are `SecretStr`; every field's description is a sentence."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    _variables: dict[str, str] = PrivateAttr(default_factory=dict)

    def model_post_init(self, context: Any) -> None:
        """Keeps which environment variable filled which field (validation context `variables`)."""
        self._variables.update((context or {}).get("variables", {}))

    def setting(self, field: str) -> str:
        """What a person must change to change `field`: the name of its environment variable, or the field's own."""
        return self._variables.get(field) or f"the setting {field!r}"


class CallingConfig(VendorConfig):
    """The settings of everything that we call, if only to read."""

    timeout_seconds: float = Field(
        default=8.0, gt=0, description="Longest time one call may take, all told; shorter than half a lease."
    )
    connections: int = Field(
        default=128,
        ge=1,
        le=500,
        description="Most connections open at the same time; the gateway keeps four windows of 32 sends in flight.",
    )


class IntegrationConfig(CallingConfig):
    """The settings of every integration that we write to."""

    rate_per_second: float | None = Field(
        default=50.0, gt=0, description="Most calls a second that the vendor allows us; empty for no limit."
    )
    batch: int = Field(
        default=1, ge=1, description="Most items we send in one call, where the vendor takes several; 1 is one by one."
    )
    search_lag_seconds: float = Field(
        default=5.0, ge=0, description="How long the vendor's search may miss what was just written."
    )


def _base_url(value: str) -> str:
    """A base URL without anything secret in it. The value itself is never quoted in an error."""
    try:
        parts = urlsplit(value)
        _ = parts.port  # raises when it is no number
    except ValueError:
        raise ValueError("is not a URL: write https://host or https://host:port/path") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("is not a URL: write https://host or https://host:port/path")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not carry a user or password: credentials have settings of their own")
    if parts.query or parts.fragment:
        raise ValueError("must end before any ? or #")
    if not value.isascii() or not value.isprintable() or " " in value:
        raise ValueError("has a character that a URL cannot have")
    return value.rstrip("/")


BaseUrl = Annotated[str, AfterValidator(_base_url)]
"""Where a vendor's API begins, without a trailing slash. The only host the integration may speak to."""

C = TypeVar("C", bound=VendorConfig)


def writes_nothing(config: VendorConfig, operation: str) -> WriteClass:
    """The write class of an integration that only listens. Raises LookupError: it has no operations."""
    raise LookupError(f"{type(config).__name__} declares no write, so it has no class for {operation!r}")


@dataclass(frozen=True, kw_only=True)
class Integration(Generic[C]):
    """One vendor for one capability: the module-level `INTEGRATION` of `integrations/<capability>/<vendor>.py`."""

    vendor: str
    capability: Capability
    config: type[C]
    connect: Callable[[C], Any]
    """Builds the capability's port (`integrations.ports`). No I/O yet: the first call opens the first connection."""
    write_class: Callable[[C, str], WriteClass] = writes_nothing
    """What the vendor promises for one operation (`integrations.ports.WRITES`) as configured."""
    batches: Mapping[str, int] = field(default_factory=dict)
    """Most items one call of an operation may carry. With any, the port is a `ports.Batches`; what is left out takes
    one."""
    docs_url: str
    """Where the vendor documents what the file relies on."""

    @property
    def name(self) -> str:
        """What pages, logs and errors call it: "ticketing via zendesk"."""
        return integration_name(self.capability, self.vendor)


def integration_name(capability: Capability, vendor: str) -> str:
    """What pages, logs and errors call the integration of `vendor` for `capability`."""
    return f"{capability} via {vendor}"
