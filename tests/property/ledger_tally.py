"""What happened in histories, by kind: so that nobody believes a thing tried that never was."""

from collections import Counter

from ledger_outside import ENDS

from domain.actions import State

KINDS = frozenset(
    {
        "delivered: accepted",
        "delivered: again",
        "delivered: another body under a known id",
        "delivered: broken, kept in quarantine",
        "answer: opened a case",
        "answer: joined a case",
        "answer: was known under another id",
        "answer: its words came later",
        "planned",
        "planned again: nothing changed",
        "planned anew",
        "sent back to planning",
        "reserved",
        *(f"arming: {verdict}" for verdict in ("go", "skip", "expire", "defer", "replan", "toperson")),
        "arming: left to the next window",
        *(f"sent: {end}" for end in ENDS),
        "sent: not any more, its lease was over",
        "recorded",
        "recorded too late: refused",
        "recorded too late: another is sending it: refused",
        *(f"recovery: {before} to {after}" for before, after in (
            ("claimed", "ready"), ("sending", "uncertain"), ("planned", "ready"), ("uncertain", "ready"),
            ("uncertain", "done"), ("uncertain", "needs_human"),
        )),
        "recovery: searched and not found",
        "died holding something",
        "died holding something: proven",
        "slept past its lease",
        *(f"customer: {what}" for what in ("move", "withdraw", "allow", "suppress", "lock", "lift", "erase")),
        "case solved",
        "stopped",
        "started",
        "breaker opened",
        "breaker closed",
        "clock went on",
        "clock set back an hour",
        "clock set ahead an hour",
        *(f"decided: {to}" for to in (State.DONE, State.READY, State.CANCELLED, State.AWAITING_REVIEW)),
    }
)  # fmt: skip


class Tally(Counter[str]):
    """How often each kind of thing changed something."""

    def did(self, kind: str, times: int = 1) -> None:
        """Count it. Raises KeyError for a kind nobody listed: it would be missed by no one."""
        if kind not in KINDS:
            raise KeyError(kind)
        if times:
            self[kind] += times

    def never(self) -> list[str]:
        """What did not happen at all."""
        return sorted(KINDS - set(self))

    def in_order(self) -> dict[str, int]:
        """By kind."""
        return {kind: self[kind] for kind in sorted(self)}
