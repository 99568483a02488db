"""The settings: the one place that reads the environment."""

import os
from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from store.database import is_database_url, sqlite_url

ROOT = Path(__file__).resolve().parents[1]
STACK_FILE = "stack.env"
_SECRET_LENGTH = 32


class Settings(BaseSettings):
    """Everything an installation may set, by `HANDRAIL_…` variables or, set by `handrail up`, DATA/stack.env."""

    model_config = SettingsConfigDict(env_prefix="HANDRAIL_", frozen=True, extra="ignore")

    data: Path = Field(Path("var"), description="Directory of the SQLite file and of what `handrail up` keeps.")
    database_url: str = Field("", description="Address of the database; empty: a SQLite file in the data directory.")
    policy: Path = Field(ROOT / "deployments" / "policy.yaml", description="The policy file.")
    integrations: Path = Field(ROOT / "deployments" / "integrations.yaml", description="Which vendor serves what.")
    gateway_url: str = Field("http://127.0.0.1:8100", description="Where people and senders reach the gateway.")
    gateway_host: str = Field("127.0.0.1", description="Address the gateway listens on.")
    gateway_port: int = Field(8100, ge=1, le=65535, description="Port the gateway listens on.")
    gateway_processes: int = Field(
        1, ge=1, le=16, description="Gateways `handrail up` keeps on the port; more than one is for PostgreSQL."
    )
    operators: Path | None = Field(
        None,
        description="File of the operators who may sign in to the pages; empty: operators.yaml in the data directory.",
    )
    link_secret: SecretStr = Field(
        SecretStr(""),
        description="What links to customers' own pages, and those by which reviewers decide, are signed with; "
        "while it changes: new,old.",
    )
    prefect_api_url: str = Field("", description="Prefect's API; empty: work without Prefect.")
    prefect_auth: SecretStr = Field(SecretStr(""), description="Prefect's basic auth, user:password; empty: none.")
    import_folder: Path | None = Field(
        None, description="Folder where `import-data` looks for files; empty: `import` in the data directory."
    )
    import_hosts: str = Field("", description="Hosts that files may be fetched from over https, with commas between.")
    lease_seconds: float = Field(20.0, ge=0.5, le=600, description="How long a worker may be silent.")
    sweep_seconds: float = Field(2.0, ge=0.1, le=60, description="How often the gateway sweeps urgent leftovers.")
    follow_seconds: float = Field(15.0, ge=0.1, le=60, description="How often the gateway follows the open cases.")
    urgent_windows: int = Field(4, ge=1, le=64, description="Send windows the gateway keeps in flight per integration.")

    @field_validator("database_url")
    @classmethod
    def _is_one_of_ours(cls, address: str) -> str:
        """Raises ValueError for what is no address of a database we know; never quotes it, for its password."""
        if address and not is_database_url(address):
            raise ValueError("no address of ours: write postgresql://user@host/name, or sqlite:////path/to/file.db")
        return address

    @field_validator("link_secret")
    @classmethod
    def _is_not_guessed(cls, given: SecretStr) -> SecretStr:
        """Raises ValueError for a secret that whoever has one link could find by trying."""
        secrets = [one.strip() for one in given.get_secret_value().split(",") if one.strip()]
        if any(len(one) < _SECRET_LENGTH for one in secrets):
            raise ValueError(f"too short: {_SECRET_LENGTH} characters or more, made by chance (`openssl rand -hex 32`)")
        return given

    @property
    def database(self) -> str:
        """The database's address, whichever way it is given."""
        return self.database_url or sqlite_url(self.data / "handrail.db")

    @property
    def imports(self) -> Path:
        """Where files arrive that are to be imported."""
        return self.import_folder or self.data / "import"

    @property
    def allowed_import_hosts(self) -> frozenset[str]:
        """The hosts that files may be fetched from."""
        return frozenset(host.strip().lower() for host in self.import_hosts.split(",") if host.strip())

    @property
    def link_secrets(self) -> list[SecretStr]:
        """What links are signed with: the first signs, each is believed."""
        return [SecretStr(one.strip()) for one in self.link_secret.get_secret_value().split(",") if one.strip()]

    @property
    def operators_file(self) -> Path:
        """Who may sign in; that it is not there means nobody has to."""
        return self.operators or self.data / "operators.yaml"

    @property
    def prefect_ui(self) -> str:
        """Prefect's pages, beside its API; empty: work without Prefect."""
        return self.prefect_api_url.rstrip("/").removesuffix("/api")


def load_settings(environment: Mapping[str, str] | None = None) -> tuple[Settings, Mapping[str, str]]:
    """The settings, and the variables integrations.yaml may name. What is in the environment wins over stack.env."""
    given = dict(os.environ if environment is None else environment)
    stack = Path(given.get("HANDRAIL_DATA") or "var") / STACK_FILE
    kept = {name: value for name, value in dotenv_values(stack).items() if value is not None} if stack.exists() else {}
    merged = {**kept, **given}
    fields = {
        name: merged[f"HANDRAIL_{name.upper()}"]
        for name in Settings.model_fields
        if merged.get(f"HANDRAIL_{name.upper()}")
    }
    return Settings.model_validate(fields), merged


def wrong_settings(problem: ValidationError) -> list[str]:
    """What is wrong with each variable, in words."""
    return [_wrong(detail["loc"], detail["msg"]) for detail in problem.errors(include_url=False, include_input=False)]


def _wrong(loc: tuple[int | str, ...], words: str) -> str:
    name = "_".join(str(part) for part in loc).upper()
    words = words.removeprefix("Value error, ")
    return f"HANDRAIL_{name}: {words[:1].lower()}{words[1:]}"
