"""Zendesk's background jobs: many tickets opened by one call, and what may still be at work.

`create_many` only queues a job. What a job has done is proven by the tickets that then carry our external ids: a
result's `index` is documented as "the index number of the result", so it is believed about refusals alone. A job that
is not over says nothing: its tickets are not known yet, and nothing may be opened in their place.
"""

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from integrations.answers import Answer
from integrations.errors import IntegrationError, OutcomeUnknown, Unavailable, wait_asked
from integrations.http import HttpIntegration
from integrations.ports import Receipt

LARGEST_BATCH = 100
"""Tickets that one call of `create_many` may carry, and that one of `show_many` shows."""

FIRST_PAUSE, LONGEST_PAUSE = 0.25, 2.0
"""Seconds between two looks at a job; they double."""

_OVER = frozenset({"completed", "failed"})
"""The others are "queued" and "working"; a word we have not met is one of those."""

_NOT_CREATED = "TicketCreateFailed"
_REFUSED = 422
_ID = re.compile(r"[0-9A-Za-z_-]+")
_MOST_PAGES = 20
"""Of a hundred jobs each. Zendesk shows those of one day, and works on some tens at a time."""

LOOKED_UP = "it is looked up by its external id; do not repeat it by hand"


@dataclass(frozen=True, slots=True)
class _Job:
    id: str
    status: str
    results: Sequence[Any] = field(default_factory=tuple)


class ZendeskJobs:
    """Starts jobs, follows them, and tells whether any is left."""

    def __init__(self, http: HttpIntegration, name: str) -> None:
        self._http = http
        self._name = name

    async def create(self, tickets: Sequence[Mapping[str, Any]]) -> Sequence[Receipt | IntegrationError]:
        """Opens tickets by one job, followed to its end; how each ended, in order.

        Raises OutcomeUnknown when the job is not over in time, or does not say: each may be there, or come.
        """
        deadline = self._http.deadline()
        job = await self._http.write(
            "POST", "/api/v2/tickets/create_many", {"tickets": tickets}, understand=_job(), deadline=deadline
        )
        results = (await self._followed(job, deadline)).results
        opened = await self._opened([one["id"] for one in results if _is_made(one)], deadline)
        refused = {one["index"]: str(one.get("details", "")) for one in results if _is_refused(one)}
        return [self._end(ticket, opened, refused.get(place)) for place, ticket in enumerate(tickets)]

    async def none_left(self) -> None:
        """Raises Unavailable while any job of the account is queued or at work: one may yet open a ticket of ours."""
        query = {"page[size]": "100"}
        for _ in range(_MOST_PAGES):
            is_at_work, after = await self._http.read("/api/v2/job_statuses", query, understand=_at_work)
            if is_at_work:
                raise Unavailable(
                    self._name, "it has jobs queued or at work, and one may yet open it", "it is asked again later"
                )
            if after is None:
                return
            query = {"page[size]": "100", "page[after]": after}
        raise Unavailable(self._name, f"it shows more than {_MOST_PAGES * 100} jobs", "it is asked again later")

    async def _followed(self, job: _Job, deadline: float) -> _Job:
        pause = FIRST_PAUSE
        while job.status not in _OVER:
            if asyncio.get_running_loop().time() + pause >= deadline:
                raise OutcomeUnknown(self._name, "its job is still queued or at work: not known yet", LOOKED_UP)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
            try:
                job = await self._http.look(
                    f"/api/v2/job_statuses/{job.id}", {}, understand=_job(job.id), deadline=deadline
                )
            except IntegrationError as problem:  # whatever keeps its status from us, the job goes on
                pause = max(pause, wait_asked(problem))
        return job

    async def _opened(self, ids: Sequence[int], deadline: float) -> Mapping[str, int]:
        """The tickets of these ids by their external ids, as they are there now."""
        if not ids:
            return {}
        listed = {"ids": ",".join(str(one) for one in ids)}
        try:
            return await self._http.look(
                "/api/v2/tickets/show_many", listed, understand=_by_external_id, deadline=deadline
            )
        except IntegrationError:
            pass  # leaving the block drops the cause, which would say that nothing was sent
        raise OutcomeUnknown(self._name, "its job is over, and does not show its tickets", LOOKED_UP)

    def _end(
        self, ticket: Mapping[str, Any], opened: Mapping[str, int], refused: str | None
    ) -> Receipt | IntegrationError:
        found = opened.get(ticket["external_id"])
        if found is not None:
            return Receipt(external_id=str(found), detail={"created": True})
        if refused is not None:
            return self._http.refused_item(_REFUSED, refused, sent=ticket)
        return self._http.lost_item()


def _job(wanted: str | None = None) -> Callable[[Answer], _Job]:
    def understand(answer: Answer) -> _Job:
        said = answer.json["job_status"]
        if not _ID.fullmatch(said["id"]) or wanted not in {None, said["id"]}:
            raise ValueError("the answer is about another job")
        results = said.get("results")
        return _Job(said["id"], said["status"], results if isinstance(results, list) else ())

    return understand


def _is_made(result: Any) -> bool:
    return isinstance(result, Mapping) and type(result.get("id")) is int and "error" not in result


def _is_refused(result: Any) -> bool:
    """The one error that says that nothing was created. Any other leaves its ticket to be looked up."""
    return isinstance(result, Mapping) and type(result.get("index")) is int and result.get("error") == _NOT_CREATED


def _by_external_id(answer: Answer) -> Mapping[str, int]:
    return {str(one["external_id"]): int(one["id"]) for one in answer.json["tickets"]}


def _at_work(answer: Answer) -> tuple[bool, str | None]:
    """Whether a job on this page is not over; and where the next page begins, if there is one."""
    said = answer.json
    meta = said.get("meta") or {}
    if said.get("next_page") or not isinstance(said["job_statuses"], list):
        raise ValueError("jobs in pages that we cannot turn")
    is_at_work = any(job["status"] not in _OVER for job in said["job_statuses"])
    return is_at_work, meta["after_cursor"] if meta.get("has_more") else None
