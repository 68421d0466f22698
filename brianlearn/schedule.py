"""The order of events within a time step: part of every algorithm, so written down here alone.

Brian2 runs ``start``, ``groups``, ``thresholds``, ``synapses``, ``resets``, ``end``, and within a
slot by ``order``. A readout at the start of step k sees the state at the end of step k-1; the
neurons of step k see that readout; a decoder changed at step k shows in the readout of step k+1.

With trials (`brianlearn.trials`), in step s of a trial: the states are reset if s is 0; the
input's spikes of step s arrive, then the neurons are integrated and may spike. Their spikes of step
s, and those of Brian2's own sources, arrive at other neurons in step s + 1, but at readouts
(integrated after the synapses) in step s: loss and learning signal of step s, at its end, speak of
all spikes up to step s. At the end of the trial's last step the gradient is complete, weights
change if the batch is, and records are kept.
"""

from typing import NamedTuple

__all__ = [
    "ARRIVES_NEXT_STEP",
    "DELAYS",
    "GRADIENT",
    "INPUT",
    "INPUT_ARRIVES",
    "INTEGRATE",
    "LEARN",
    "LOSS",
    "LOSS_AT_ONCE",
    "NOTE",
    "OPTIMIZE",
    "PROPAGATE",
    "PUT_BACK",
    "RATES",
    "READOUT",
    "READOUT_INTEGRATES",
    "RECORD",
    "SET_ASIDE",
    "SIGNAL",
    "TARGET",
    "TARGET_AT_ONCE",
    "TARGET_OF_LOSS",
    "THRESHOLD",
    "TRACES",
    "Moment",
    "before",
]

SLOTS = ("start", "groups", "thresholds", "synapses", "resets", "end")


class Moment(NamedTuple):
    """A place in the time step, by Brian2's words."""

    when: str
    order: int


def before(first, second) -> bool:
    """Whether one moment comes before another in a time step."""
    positions = [(_place(when), order) for when, order in (first, second)]
    return positions[0] < positions[1]


def _place(when):
    """Where a slot lies; Brian2 has one before and one after each, by these names."""
    shift, _, slot = when.rpartition("_")
    return SLOTS.index(slot) + {"before": -0.1, "": 0, "after": 0.1}[shift]


INPUT = Moment("start", -80)  # a trial's step begins: reset, input spikes, targets
SET_ASIDE = Moment("start", -75)  # what a trial that does not learn is not to change
DELAYS = Moment("start", -70)  # delays that a learner has changed count from this step on
INPUT_ARRIVES = Moment("start", -60)  # in the same step
READOUT = Moment("start", -40)  # z = phi . r, which returns to the neurons at once
TARGET = Moment("start", -30)  # what a teacher holds, or says by a readout of its own
LEARN = Moment("start", -20)  # before monitors, which record z before and phi after the update
INTEGRATE = Moment("groups", 0)  # where Brian2 integrates
THRESHOLD = Moment("thresholds", 0)  # where Brian2 looks for spikes
TARGET_AT_ONCE = Moment("thresholds", 5)  # what a teacher holds, for the loss that follows
LOSS_AT_ONCE = Moment("thresholds", 10)  # of readouts that have heard the last step's spikes
RATES = Moment("thresholds", 15)
NOTE = Moment("thresholds", 20)  # what learning at a spike asks for: before the spikes propagate
PROPAGATE = Moment("synapses", 0)  # where Brian2's own Synapses act
READOUT_INTEGRATES = Moment("synapses", 10)  # a membrane that hears this step's spikes
TARGET_OF_LOSS = Moment("end", -10)
LOSS = Moment("end", 0)
SIGNAL = Moment("end", 10)  # what the error tells the neurons
TRACES = Moment("end", 20)  # eligibility traces that are kept step by step
ARRIVES_NEXT_STEP = Moment("end", 25)  # spikes of this step, at Synapses with traces
GRADIENT = Moment("end", 30)
OPTIMIZE = Moment("end", 40)
RECORD = Moment("end", 60)
PUT_BACK = Moment("end", 80)
