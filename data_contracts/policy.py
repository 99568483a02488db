"""The policy file: YAML in, a consistent `Policy` out, or every problem with its line and column."""

from functools import lru_cache

from data_contracts.yaml_files import FileProblem, Read, read
from domain.policy import Policy


class PolicyProblem(FileProblem):
    """The policy cannot be used. Its text lists every problem, each with its line and column."""


@lru_cache(maxsize=2)
def load_policy(text: str, source: str) -> Policy:
    """The policy in `text`; `source` names the file in errors.

    Raises `PolicyProblem` with every problem found: first those of the YAML, then those of single keys, and once each
    key is right by itself, those that lie between keys. What is read again and says the same is the same object: each
    task of a flow run reads the file.
    """
    return read_policy(text, source).value


def read_policy(text: str, source: str) -> Read[Policy]:
    """As `load_policy`, with where the file says what."""
    return read(text, Policy, source, PolicyProblem)
