"""Links to customers' own pages: short, nobody's data, only ours are believed."""

import re

import pytest
from pydantic import SecretStr

from domain.customers import Purpose
from services.links import Links
from services.settings import load_settings
from services.signed_tokens import NotOurLink

NEW, OLD = SecretStr("new" * 16), SecretStr("old" * 16)
GATEWAY = "https://care.example/handrail"


@pytest.fixture
def links() -> Links:
    return Links(GATEWAY, [NEW])


@pytest.mark.parametrize("purpose", Purpose)
@pytest.mark.parametrize("customer_id", [1, 255, 256, 2**63 - 1])
def test_a_link_leads_back_to_whose_it_is(links: Links, customer_id: int, purpose: Purpose) -> None:
    address = links.page(customer_id, purpose)

    assert address.startswith(f"{GATEWAY}/unsubscribe/")
    token = address.rpartition("/")[2]
    assert links.read(token) == (customer_id, purpose)
    assert re.fullmatch("[a-z2-7]{29,45}", token)


def test_links_in_mailboxes_keep_their_meaning(links: Links) -> None:
    known = {purpose: links.token(1042, purpose) for purpose in Purpose}

    assert known == {
        Purpose.ONBOARDING: "n4cbfjuy4iyh627oktrboc6w42g3hwq",
        Purpose.REMINDERS: "oicbeytpfxjcftaxtvz35if2qbwvh3y",
        Purpose.FEEDBACK: "mycbeip47mx742yuqnvslbzmk7mitrq",
        Purpose.MARKETING: "nucbf3owjc2rosmkxycs46gf45nq77q",
    }


def test_a_link_read_out_or_typed_in_capitals_is_the_same(links: Links) -> None:
    assert links.read(links.token(7, Purpose.ONBOARDING).upper()) == (7, Purpose.ONBOARDING)


def test_every_secret_is_believed_and_the_first_signs() -> None:
    both = Links(GATEWAY, [NEW, OLD])

    assert both.read(Links(GATEWAY, [OLD]).token(7, Purpose.ONBOARDING)) == (7, Purpose.ONBOARDING)
    assert both.token(7, Purpose.ONBOARDING) == Links(GATEWAY, [NEW]).token(7, Purpose.ONBOARDING)


def test_nobody_else_makes_a_link(links: Links) -> None:
    mine = links.token(7, Purpose.ONBOARDING)
    changed = [mine[:place] + ("a" if mine[place] != "a" else "b") + mine[place + 1 :] for place in range(len(mine))]
    theirs = Links(GATEWAY, [OLD]).token(7, Purpose.ONBOARDING)

    for token in [*changed, theirs, "", "a", mine[:-2], mine + "aaaaaaaa", "żółw", "=" * 8, "a" * 10_000, mine + "="]:
        with pytest.raises(NotOurLink):
            links.read(token)


def test_without_a_secret_none_is_made_and_none_believed() -> None:
    bare = Links(GATEWAY, [])

    assert not bare.can_be_made
    with pytest.raises(LookupError, match="HANDRAIL_LINK_SECRET"):
        bare.page(7, Purpose.ONBOARDING)
    with pytest.raises(NotOurLink):
        bare.read(Links(GATEWAY, [NEW]).token(7, Purpose.ONBOARDING))


def test_a_secret_that_could_be_guessed_is_refused() -> None:
    with pytest.raises(ValueError, match="too short"):
        load_settings({"HANDRAIL_LINK_SECRET": f"{'x' * 40},short"})

    settings, _ = load_settings({"HANDRAIL_LINK_SECRET": f"{'x' * 40}, {'y' * 40}"})
    assert [one.get_secret_value()[0] for one in settings.link_secrets] == ["x", "y"]
