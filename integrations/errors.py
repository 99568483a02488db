"""What can go wrong with an outside system, grouped by what the caller should do about it."""

from collections.abc import Sequence
from typing import Any


class IntegrationError(Exception):
    """An outside system did not do what we asked. Its text is for the operator at 3 a.m. and carries no secret.

    >>> str(AuthFailed("ticketing via zendesk", "credentials refused (401)", "renew ZENDESK_TOKEN"))
    'ticketing via zendesk: credentials refused (401): renew ZENDESK_TOKEN'
    """

    def __init__(self, integration: str, what: str, remedy: str) -> None:
        super().__init__(integration, what, remedy)
        self.integration = integration
        self.what = what
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.integration}: {self.what}: {self.remedy}"

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (type(self), vars(self))


def _again(kind: type[IntegrationError], fields: dict[str, Any]) -> IntegrationError:
    """The error as it was before it was pickled, whatever its constructor asks for."""
    error = kind.__new__(kind)
    vars(error).update(fields)
    return error


class AskedToWait(IntegrationError):
    """What a vendor may say together with how long to wait.

    `retry_after` is in seconds, 0 to 3600; None when the vendor did not say or said nothing usable.
    """

    def __init__(self, integration: str, what: str, remedy: str, retry_after: float | None = None) -> None:
        super().__init__(integration, what, remedy)
        self.retry_after = retry_after


def wait_asked(problem: object) -> float:
    """For how many seconds a vendor asked us to wait when it answered so; 0 when it did not."""
    return (problem.retry_after or 0.0) if isinstance(problem, AskedToWait) else 0.0


class NotSent(AskedToWait):
    """Surely nothing reached the vendor: name lookup, connect, TLS, or no free connection. Retry freely."""


class RateLimited(AskedToWait):
    """429 or what the vendor documents as such: surely not processed. Wait, then retry."""


class Busy(IntegrationError):
    """Not applied, says the vendor, and the same may go well later: a record that somebody else was changing, a mailbox
    that takes nothing now. It concerns this one request, not the others.
    """


class AuthFailed(IntegrationError):
    """401 or 403: nothing will work until a person renews a credential or a right. Opens the breaker."""


class Rejected(IntegrationError):
    """The vendor understood and refused (`status` 3xx or 4xx): the same request fails for good."""

    def __init__(self, integration: str, what: str, remedy: str, status: int) -> None:
        super().__init__(integration, what, remedy)
        self.status = status


class Unsupported(IntegrationError):
    """It cannot be said faithfully at this vendor; nothing was sent, and trying again changes nothing."""


class OutcomeUnknown(AskedToWait):
    """The answer to a WRITE was lost (read or write error or timeout, 5xx, unreadable 2xx), or is an unclear conflict.

    It may or may not have happened. What follows is decided by the operation's write class.
    """


class Unavailable(AskedToWait):
    """The answer to a READ was lost (timeout, connection lost, 5xx). Nothing changed anywhere: retry freely."""


class ContractViolation(IntegrationError):
    """A READ answered something we do not understand: the vendor changed, or we talk to something else."""


class SignatureRefused(IntegrationError):
    """A webhook that is not to be believed. Nothing of its body may be used."""


class Unsigned(SignatureRefused):
    """The signature's headers are missing, doubled, oversized or malformed."""


class Forged(SignatureRefused):
    """No signature fits: another secret, or the body changed on its way."""


class Stale(SignatureRefused):
    """A genuine signature of another time: a replay, or one of the two clocks is wrong."""


class ConfigurationError(Exception):
    """The integrations' configuration cannot be used: `problems` says everything wrong with it at once."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(list(problems))
        self.problems = list(problems)

    def __str__(self) -> str:
        return "\n".join(self.problems)
