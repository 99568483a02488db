"""HubSpot's batches: up to a hundred records in one call, whose answer settles each of them.

With an `objectWriteTraceId` at every input, what HubSpot refuses spoils itself alone: the answer is a 207, and each
error names in its `context` the traces it is about (https://developers.hubspot.com/docs/api-reference/error-handling;
the place is seen, not documented). Results come in any order, so they are known by their trace, or by the property that
is ours. Of an input that is in neither list nothing is known.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from integrations.answers import Answer
from integrations.errors import IntegrationError, NotSent
from integrations.http import HttpIntegration
from integrations.hubspot_words import refusals, trace_of

LARGEST_BATCH = 100

_NOT_THERE = "OBJECT_NOT_FOUND"
_REFUSED: Mapping[str, int] = {"VALIDATION_ERROR": 400, _NOT_THERE: 404, "RATE_LIMITS": 429}
"""What an error's `category` says of its input: it was not written. Of every other word that is not sure: a conflict,
for one, may be with ourselves."""

Input = Mapping[str, Any]
End = str | IntegrationError | None
"""The id of the record, why there is none, or None: nothing is known."""


def settled(http: HttpIntegration, answer: Answer, sent: Mapping[str, Input], prop: str) -> Mapping[str, End]:
    """What became of the inputs `sent`, by their values of `prop`. Raises ValueError when none is settled."""
    said = answer.json
    traces = {trace_of(value): value for value in sent}
    ends: dict[str, End] = dict.fromkeys(sent)
    for error in said.get("errors") or ():
        status = _REFUSED.get(error.get("category"))
        for trace in (error.get("context") or {}).get("objectWriteTraceId") or ():
            if status is not None and trace in traces:
                value = traces[trace]
                ends[value] = http.refused_item(status, str(error.get("message", "")), sent=sent[value])
    for result in said["results"]:
        about = _whose(result, traces, prop)
        if about is not None and about in sent:  # what was written is there, whatever an error says
            ends[about] = record_id(result)
    if all(end is None for end in ends.values()):
        raise ValueError("an answer that settles nothing we sent")
    return ends


def those_there(answer: Answer) -> Sequence[Mapping[str, Any]]:
    """The records of a batch that was read. Raises ValueError when it does not say of each whether it is there."""
    said = answer.json
    if any(error["category"] != _NOT_THERE for error in said.get("errors") or ()):
        raise ValueError("of some it does not say whether they are there")
    records: Sequence[Mapping[str, Any]] = said["results"]
    return records


def record_id(record: Mapping[str, Any]) -> str:
    """HubSpot's id of a record. Raises ValueError when it has none."""
    return str(int(record["id"]))


def _whose(result: Mapping[str, Any], traces: Mapping[str, str], prop: str) -> str | None:
    """The input a result is about. Where both its trace and our property tell, they must tell the same."""
    by_trace = traces.get(str(result.get("objectWriteTraceId")))
    by_property = (result.get("properties") or {}).get(prop)
    if by_trace is not None and by_property is not None and by_trace != by_property:
        return None
    return by_trace or by_property


class HubSpotContacts:
    """The contacts that tasks are about, known by a property with unique values that is the customer's ref."""

    def __init__(self, http: HttpIntegration, name: str, prop: str) -> None:
        self._http = http
        self._name = name
        self._property = prop
        self._refusal = refusals(name)

    async def of(self, people: Mapping[str, str], deadline: float) -> Mapping[str, str | IntegrationError]:
        """The contact of each ref of `people` (ref → name), made where there is none; or what kept us from it.

        A contact that is there is left as people keep it: an upsert alone would write over its name. Raises `NotSent`
        and its like; both calls may be repeated.
        """
        known = await self._known(people, deadline)
        missing = {ref: self._input(ref, name) for ref, name in people.items() if ref not in known}
        if not missing:
            return known
        made = await self._http.look(
            "/crm/v3/objects/contacts/batch/upsert",
            {},
            body={"inputs": list(missing.values())},
            understand=lambda answer: settled(self._http, answer, missing, self._property),
            refusal=self._refusal,
            deadline=deadline,
        )
        unknown = NotSent(self._name, "it did not say whether it has the customer's contact", "it is tried again")
        return {**known, **{ref: unknown if end is None else end for ref, end in made.items()}}

    async def erase(self, ref: str, deadline: float) -> str:
        """Delete the contact of this ref, and all that HubSpot counts as its content, for good; its id, or "".

        By its id, not by our property: of an `idProperty` that is not found HubSpot says that it keeps a mail address
        on a list (https://developers.hubspot.com/docs/api-reference/crm-contacts-v3/basic/post-crm-v3-objects-contacts-gdpr-delete).
        """
        contact = (await self._known([ref], deadline)).get(ref)
        if contact is None:
            return ""
        return await self._http.write(
            "POST",
            "/crm/v3/objects/contacts/gdpr-delete",
            {"objectId": contact},
            understand=lambda answer: contact,
            refusal=lambda answer: contact if answer.status == 404 else self._refusal(answer),
            deadline=deadline,
        )

    async def _known(self, people: Iterable[str], deadline: float) -> Mapping[str, str]:
        return await self._http.look(
            "/crm/v3/objects/contacts/batch/read",
            {},
            body={
                "idProperty": self._property,
                "inputs": [{"id": ref} for ref in people],
                "properties": [self._property],
                "propertiesWithHistory": [],
            },
            understand=self._by_ref,
            refusal=self._refusal,
            deadline=deadline,
        )

    def _by_ref(self, answer: Answer) -> Mapping[str, str]:
        return {str(one["properties"][self._property]): record_id(one) for one in those_there(answer)}

    def _input(self, ref: str, name: str) -> Input:
        """HubSpot asks for a name or a mail address in every new contact; a name is enough to know whom to call."""
        return {
            "id": ref,
            "idProperty": self._property,
            "properties": {self._property: ref, "lastname": name or ref},
            "objectWriteTraceId": trace_of(ref),
        }
