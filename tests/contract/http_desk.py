"""A ticket desk spoken to by nothing but HttpIntegration."""

from typing import Any

from pydantic import Field, SecretStr

from integrations.answers import Answer
from integrations.declaration import IntegrationConfig
from integrations.http import HttpIntegration

TOKEN = "canary-token-5521"


class Config(IntegrationConfig):
    """Its settings."""

    url: str = Field("", description="Where it is.")
    token: SecretStr = Field(SecretStr(TOKEN), description="What it asks for.")


def client(url: str, **settings: Any) -> HttpIntegration:
    """A client of the desk at `url`."""
    config = Config.model_validate(
        {"url": url, "timeout_seconds": 5, **settings},
        context={"variables": {"token": "DESK_TOKEN", "url": "DESK_URL"}},
    )
    bearer = SecretStr(f"Bearer {config.token.get_secret_value()}")
    return HttpIntegration("ticketing via desk", config, base_url=url, credentials={"Authorization": bearer})


def identifier(answer: Answer) -> str:
    """What the tests understand of an answer."""
    return str(answer.json["id"])


async def write(desk: HttpIntegration, body: dict[str, Any] | None = None, **more: Any) -> str:
    """Opens a ticket."""
    return await desk.write("POST", "/tickets", body or {"key": "k"}, understand=identifier, **more)


async def read(desk: HttpIntegration) -> str:
    """Reads a ticket."""
    return await desk.read("/tickets", {"key": "k"}, understand=identifier)
