"""Values that are made by the thousand, and that nobody changes."""

from typing import TYPE_CHECKING

__all__ = ["light"]

if TYPE_CHECKING:
    from dataclasses import dataclass as light
else:
    from dataclasses import dataclass

    def light(*, frozen, slots):
        """A frozen dataclass to the type checker, at run time one that everybody only happens to leave alone.

        To forbid it at run time costs a tenth of a microsecond a field, and a message goes through a hundred fields.
        """
        return dataclass(slots=slots, unsafe_hash=frozen)
