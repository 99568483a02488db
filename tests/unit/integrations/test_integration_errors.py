"""The errors: their words, and that they survive being handed between processes."""

import pickle

import pytest

from integrations import errors


@pytest.mark.parametrize(
    "error",
    [
        errors.NotSent("mail via sandbox", "cannot connect", "is it up?"),
        errors.RateLimited("mail via sandbox", "refused with 429", "wait", retry_after=3.5),
        errors.RateLimited("mail via sandbox", "refused with 429", "wait", retry_after=None),
        errors.Rejected("mail via sandbox", "refused with 422", "correct it", 422),
        errors.Forged("survey_intake via standard", "no signature fits", "compare the secrets"),
    ],
)
def test_they_tell_who_what_and_what_to_do_also_after_pickling(error: errors.IntegrationError) -> None:
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert str(error) == f"{error.integration}: {error.what}: {error.remedy}"
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)


def test_every_problem_of_a_configuration_is_a_line() -> None:
    error = errors.ConfigurationError(["a: one", "b: two"])
    assert str(error) == "a: one\nb: two"
    assert pickle.loads(pickle.dumps(error)).problems == error.problems  # noqa: S301 - our own bytes
