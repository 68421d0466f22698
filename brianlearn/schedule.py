"""The order of events within a time step: part of every algorithm, so written down here alone.

Brian2 runs ``start``, ``groups``, ``thresholds``, ``synapses``, ``resets``, ``end``, and within a
slot by ``order``. A readout at the start of step k sees the state at the end of step k-1; the
neurons of step k see that readout; a decoder changed at step k shows in the readout of step k+1.
"""

from typing import NamedTuple

__all__ = ["LEARN", "PROGRESS", "PROPAGATE", "READOUT"]


class Moment(NamedTuple):
    """A place in the time step, by Brian2's words."""

    when: str
    order: int


READOUT = Moment("start", -40)  # z = phi . r, which returns to the neurons at once
LEARN = Moment("start", -20)  # before monitors, which record z before and phi after the update
PROPAGATE = Moment("synapses", 0)  # where Brian2's own Synapses act
PROGRESS = Moment("end", 100)
