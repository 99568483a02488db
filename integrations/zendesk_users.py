"""Zendesk's users: whoever has our ref as their external id is deleted, and then deleted for good.

Zendesk keeps a deleted user until it is deleted once more, under another path, where no external id finds it any more.
So what goes wrong between the two is not to be repeated but for a person to finish, who is told the user's number.
Sources: https://developer.zendesk.com/api-reference/ticketing/users/users/ (search, delete, permanently delete).
"""

from collections.abc import Callable

from integrations.answers import Answer
from integrations.errors import IntegrationError, OutcomeUnknown
from integrations.http import HttpIntegration


class ZendeskUsers:
    """The users of one account, by the external id that is the customer's ref."""

    def __init__(self, http: HttpIntegration, name: str) -> None:
        self._http = http
        self._name = name

    async def erase(self, ref: str) -> str:
        """Delete the user of this ref for good; its id, or "" for one that is not there.

        Rejected (422) while they are the requester of a ticket that is not closed: a person closes it first.
        """
        deadline = self._http.deadline()
        user = await self._http.look(
            "/api/v2/users/search", {"external_id": ref}, understand=_the_one(ref), deadline=deadline
        )
        if user is None:
            return ""
        await self._delete(f"/api/v2/users/{user}", deadline)
        try:
            await self._delete(f"/api/v2/deleted_users/{user}", deadline)
        except IntegrationError as problem:
            what = f"user {user} is deleted, but perhaps not for good ({problem.what})"
            raise OutcomeUnknown(self._name, what, "delete it permanently there, then settle the action") from problem
        return str(user)

    async def _delete(self, path: str, deadline: float) -> None:
        await self._http.write("DELETE", path, None, understand=_deleted, refusal=_gone, deadline=deadline)


def _deleted(answer: Answer) -> bool:
    return True


def _gone(answer: Answer) -> bool | None:
    """There is nothing to delete any more."""
    return True if answer.status == 404 else None


def _the_one(ref: str) -> Callable[[Answer], int | None]:
    """The user of exactly this ref: a search may answer what resembles it, too."""

    def understand(answer: Answer) -> int | None:
        return next((int(user["id"]) for user in answer.json["users"] if user["external_id"] == ref), None)

    return understand
