"""As much of Zendesk as tickets opened by a job meet, with tickets that one can count."""

from typing import Any

from aiohttp import web


class Account:
    """An account whose jobs are queued, worked on, and over after so many looks at them."""

    def __init__(self, *, looks: int = 2) -> None:
        self.looks = looks
        self.tickets: dict[int, dict[str, Any]] = {}
        self.jobs: list[dict[str, Any]] = []
        self.refuses: dict[str, dict[str, Any]] = {}  # by external id, the result that says so
        self.asked: list[str] = []
        self.shuffles = False
        self.loses: set[str] = set()  # paths that are not answered
        self.pages = 100

    async def serve(self, request: web.Request) -> web.StreamResponse:
        path = request.path.removeprefix("/api/v2/")
        self.asked.append(f"{request.method} {path}")
        said = await self._said(path, request)
        if path.split("/")[0] in self.loses or path in self.loses:
            request.transport.abort()
        return web.json_response(said)

    async def _said(self, path: str, request: web.Request) -> dict[str, Any]:
        if request.method == "POST" and path == "tickets/create_many":
            job = {"id": f"{len(self.jobs):032x}", "status": "queued", "total": None, "results": None}
            self.jobs.append(job | {"tickets": (await request.json())["tickets"]})
            return {"job_status": job}
        if request.method == "POST":
            return {"ticket": self._open((await request.json())["ticket"]), "audit": {"id": 1}}
        if path == "tickets/show_many":
            shown = [self.tickets[int(one)] for one in request.query["ids"].split(",")]
            return {"tickets": shown[::-1]}  # in no promised order
        if path == "tickets":
            found = [one for one in self.tickets.values() if one["external_id"] == request.query["external_id"]]
            return {"tickets": found}
        if path == "job_statuses":
            at = int(request.query.get("page[after]", "0"))
            some = self.jobs[at : at + self.pages]
            more = at + self.pages < len(self.jobs)
            meta = {"has_more": more, "after_cursor": str(at + self.pages)}
            return {"job_statuses": [{"id": job["id"], "status": job["status"]} for job in some], "meta": meta}
        job = next(job for job in self.jobs if path == f"job_statuses/{job['id']}")
        self.looks -= 1
        if self.looks <= 0:
            self.work(job)
        elif self.looks == 1:
            job["status"] = "working"
        return {"job_status": {name: value for name, value in job.items() if name != "tickets"}}

    def work(self, job: dict[str, Any]) -> None:
        """The job is done."""
        if job["status"] == "completed":
            return
        results = []
        for place, ticket in enumerate(job["tickets"]):
            refusal = self.refuses.get(ticket["external_id"])
            results.append({"index": place, **(refusal or {"id": self._open(ticket)["id"]})})
        if self.shuffles:
            places = [result["index"] for result in results]
            results = [result | {"index": place} for result, place in zip(results[::-1], places, strict=True)]
        job |= {"status": "completed", "results": results, "total": len(results)}

    def _open(self, ticket: dict[str, Any]) -> dict[str, Any]:
        opened = {"id": 35436 + len(self.tickets), "external_id": ticket["external_id"]}
        self.tickets[opened["id"]] = opened
        return opened

    @property
    def keys(self) -> list[str]:
        """What carries our keys, in order; a key twice is a second ticket."""
        return [ticket["external_id"] for ticket in self.tickets.values()]
