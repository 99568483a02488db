"""From armed actions to how their sends ended: one call each, or several in one vendor batch."""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial

from integrations.errors import IntegrationError, OutcomeUnknown, Rejected, Unsupported
from integrations.registry import Configured
from services.lanes import Lanes, Send
from services.outcomes import Outcome, failed_before_sending
from services.recording import Recording, Window
from services.sending import Call, CannotSay, Context, Sender
from store.crash_points import reached
from store.ledger.rows import Armed

_log = logging.getLogger("services.dispatch")


class Calling:
    """Makes the calls of one window and hands each end to the recording as soon as it is known. Raises nothing."""

    def __init__(
        self,
        sender: Sender,
        configured: Configured,
        recording: Recording,
        lanes: Lanes,
        window: Window,
        *,
        latest_start: float,
    ) -> None:
        self._sender = sender
        self._configured = configured
        self._recording = recording
        self._lanes = lanes
        self._window = window
        self._latest_start = latest_start

    async def send(self, armed: Sequence[Armed], contexts: Mapping[int, Context]) -> None:
        """Send all of them, side by side, once all are put into words: that side by side would cost more."""
        prepared: dict[str, list[tuple[Armed, Call]]] = defaultdict(list)
        for action in armed:
            call = await self._prepared(action, contexts.get(action.id))
            if isinstance(call, Outcome):
                self._ended(call)
            else:
                prepared[call.operation].append((action, call))
        calls: list[Send] = []
        for operation, items in prepared.items():
            if self._configured.largest_batch == 1:
                calls += [partial(self._send_one, action, call) for action, call in items]
                continue
            most = self._configured.batch_of(operation)
            calls += [partial(self._send_several, operation, items[i : i + most]) for i in range(0, len(items), most)]
        await self._lanes.through(calls)

    async def _send_one(self, action: Armed, call: Call) -> None:
        self._ended(await self._call(action, call))

    async def _send_several(self, operation: str, items: Sequence[tuple[Armed, Call]]) -> None:
        """One call for all; when the vendor refuses it as a whole, nothing was done, and each has a call of its own."""
        if len(items) > 1 and self._is_late():
            self._ended(*(_stopped(action) for action, _ in items))
            return
        if len(items) > 1:
            reached("send.begins")
            try:
                ends = await self._configured.port.write_batch(operation, [(call.key, call.value) for _, call in items])
                reached("send.answered")
            except (Rejected, Unsupported) as problem:
                _log.warning("%s: a batch of %d was refused, one by one now: %s", operation, len(items), problem)
            except Exception as problem:  # lost or limited as a whole: each of them was
                self._ended(*(Outcome(action, problem=problem, is_shared=True) for action, _ in items))
                return
            else:
                self._ended(*self._each([action for action, _ in items], ends))
                return
        self._ended(*await asyncio.gather(*(self._call(action, call) for action, call in items)))

    def _each(self, actions: Sequence[Armed], ends: Sequence[object]) -> list[Outcome]:
        if len(ends) != len(actions):
            lost = OutcomeUnknown(
                self._configured.name, f"{len(ends)} answers to {len(actions)} items", "the ledger decides what follows"
            )
            return [Outcome(action, problem=lost, is_shared=True) for action in actions]
        return [_end(action, end) for action, end in zip(actions, ends, strict=True)]

    async def _call(self, action: Armed, call: Call) -> Outcome:
        if self._is_late():
            return _stopped(action)
        reached("send.begins")
        try:
            receipt = await call()
            reached("send.answered")
            return Outcome(action, receipt=receipt)
        except Exception as problem:  # sorted by meaning in `as_result`; what we do not know counts as unknown
            return Outcome(action, problem=problem)

    async def _prepared(self, action: Armed, context: Context | None) -> Call | Outcome:
        """The call, or how it ended before it began."""
        try:
            call = await self._sender.prepare(action, self._configured, context)
        except CannotSay as problem:
            return failed_before_sending(action, str(problem), retry=False)
        except Exception as problem:  # one bad row must not spoil its window; surely nothing was sent
            _log.exception("%s: could not be prepared", action.key)
            return failed_before_sending(action, f"could not be prepared: {type(problem).__name__}", retry=True)
        return _stopped(action) if self._is_late() else call

    def _is_late(self) -> bool:
        """It was stopped so long after arming that its lease may be over: somebody else may be sending by now."""
        return time.monotonic() > self._latest_start

    def _ended(self, *outcomes: Outcome) -> None:
        if outcomes:
            self._recording.note(outcomes, self._window)


def _end(action: Armed, end: object) -> Outcome:
    """What a vendor batch made of one item. The same problem of several is one: that of a call within the batch."""
    if isinstance(end, IntegrationError):
        return Outcome(action, problem=end, is_shared=True)
    return Outcome(action, receipt=end)  # type: ignore[arg-type]


def _stopped(action: Armed) -> Outcome:
    return failed_before_sending(action, "its worker was stopped between arming and sending", retry=True)
