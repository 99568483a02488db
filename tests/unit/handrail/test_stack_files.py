"""What `handrail up` keeps in its directory: secrets made once, variables as they were given, one holder at a time."""

import base64
from pathlib import Path

import pytest

from handrail.addresses import Addresses
from handrail.failures import CommandFailed
from handrail.stack import own_variables
from handrail.stack_files import LINKS, SECRET, TOKEN, Lock, keep_variables, secrets_of
from services.settings import load_settings


def test_secrets_are_made_once(tmp_path: Path) -> None:
    made = secrets_of(tmp_path, {})
    keep_variables(tmp_path, made)

    assert secrets_of(tmp_path, {}) == made
    assert len(base64.b64decode(made[SECRET].removeprefix("whsec_"))) == 32
    assert made[SECRET].startswith("whsec_")
    settings, _ = load_settings({"HANDRAIL_DATA": str(tmp_path)})
    assert [one.get_secret_value() for one in settings.link_secrets] == [made[LINKS]]
    assert secrets_of(tmp_path / "another", {}) != made


def test_a_secret_that_somebody_gives_wins(tmp_path: Path) -> None:
    keep_variables(tmp_path, secrets_of(tmp_path, {}))

    assert secrets_of(tmp_path, {TOKEN: "mine"})[TOKEN] == "mine"


@pytest.mark.parametrize("value", ["plain", "it's", 'say "x"', r"back\slash", "a b # c", "x=y", "żółw"])
def test_a_value_is_read_as_it_was_kept(tmp_path: Path, value: str) -> None:
    keep_variables(tmp_path, {"HANDRAIL_X": value, "HANDRAIL_Y": "last"})

    _, variables = load_settings({"HANDRAIL_DATA": str(tmp_path)})

    assert (variables["HANDRAIL_X"], variables["HANDRAIL_Y"]) == (value, "last")


def test_what_is_given_is_kept_for_other_shells_and_the_options_win(tmp_path: Path) -> None:
    given = {
        "HANDRAIL_DATABASE_URL": "postgresql://x/y",
        "HANDRAIL_SANDBOX_URL": "http://proxy:1",
        "HANDRAIL_GATEWAY_PORT": "1",
        "HANDRAIL_PREFECT_API_URL": "http://elsewhere/api",
        "HANDRAIL_DATA": "elsewhere",
        "ZENDESK_TOKEN": "not ours to write down",
    }

    own = own_variables(tmp_path, Addresses(9000, with_prefect=False), given)

    assert own["HANDRAIL_DATABASE_URL"] == "postgresql://x/y"
    assert own["HANDRAIL_SANDBOX_URL"] == "http://proxy:1"
    assert own["HANDRAIL_DATA"] == str(tmp_path)
    assert (own["HANDRAIL_GATEWAY_PORT"], own["HANDRAIL_PREFECT_API_URL"]) == ("9000", "")
    assert "ZENDESK_TOKEN" not in own


def test_one_at_a_time(tmp_path: Path) -> None:
    lock = Lock(tmp_path)
    with pytest.raises(CommandFailed, match="already runs"):
        Lock(tmp_path)
    lock.release()

    Lock(tmp_path).release()
