"""The policy file: YAML in, a consistent `Policy` out, or every problem with its line and column."""

from data_contracts.yaml_files import FileProblem, read
from domain.policy import Policy


class PolicyProblem(FileProblem):
    """The policy cannot be used. Its text lists every problem, each with its line and column."""


def load_policy(text: str, source: str) -> Policy:
    """The policy in `text`; `source` names the file in errors.

    Raises `PolicyProblem` with every problem found: first those of the YAML, then those of single keys, and once each
    key is right by itself, those that lie between keys.
    """
    return read(text, Policy, source, PolicyProblem).value
