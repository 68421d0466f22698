"""Times that a kernel counts in its own time steps."""

from dataclasses import dataclass

import numpy as np
from brian2.units.allunits import second
from brian2.units.fundamentalunits import DimensionMismatchError, Quantity, get_dimensions

from brianlearn.checks import real_numbers

__all__ = ["Steps"]


@dataclass(frozen=True)
class Steps:
    """A length of time that a kernel receives as a whole number of its own time steps.

    Raises
    ------
    brian2.DimensionMismatchError
        If ``time`` is not a time; the message says ``name``.
    TypeError, ValueError
        If it is several, or no number.
    """

    time: Quantity
    name: str = "A time"

    def __post_init__(self):
        if get_dimensions(self.time) is not second.dim:
            raise DimensionMismatchError(
                f"{self.name} is a time and needs a unit, such as 2.5*ms; got {self.time!r}",
                get_dimensions(self.time),
            )
        real_numbers(self.time, self.name, second.dim, shape=(), finite=False)

    def count(self, dt: Quantity) -> int:
        """How many steps of ``dt`` it takes; a ValueError if not a whole number of them."""
        if np.isinf(float(self.time)):
            return np.iinfo(np.int64).max
        steps = float(self.time) / float(dt)
        if abs(steps - round(steps)) > 1e-3 or (self.time != 0 * second and not round(steps)):
            raise ValueError(f"{self.name} ({self.time}) is not a multiple of the time step, {dt}.")
        return round(steps)
