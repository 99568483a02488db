"""A vendor's rate: how many may go now, and when it is whose turn."""

from dataclasses import dataclass
from datetime import datetime, timedelta

_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Pace:
    """A virtual schedule of one send each 1/rate seconds, with a burst of one second's worth.

    Generic cell rate algorithm (ITU-T I.371). `room` is how many may go now.
    """

    scheduled: datetime
    spacing: timedelta
    burst: timedelta
    room: int

    def after(self, sent: int) -> datetime:
        """The schedule once `sent` more have gone."""
        return self.scheduled + self.spacing * sent

    def turn(self, place: int) -> datetime:
        """When the one at `place` (1, 2, …) of those left over may go."""
        return self.after(self.room + place) - self.burst


def pace_of(rate_per_second: float | None, next_free_at: datetime | None, now: datetime) -> Pace | None:
    """The pace at `now`, when the schedule stands at `next_free_at`; None: as fast as it goes."""
    if rate_per_second is None:
        return None
    spacing = _SECOND / rate_per_second
    burst = max(_SECOND, spacing)  # a vendor slower than one a second takes one at a time
    scheduled = max(next_free_at or now, now)
    return Pace(scheduled, spacing, burst, room=max(0, int((now + burst - scheduled) / spacing)))
