"""The operation behind `PlasticDelay`: from a variable into the queues, in whole time steps."""

import numpy as np

from brianlearn.errors import DelayError

__all__ = ["ROUNDING", "faults", "move_delays"]

ROUNDING = {"nearest": 0.5, "down": 1e-9}  # what is added before the fraction is cut off
NEGATIVE, NO_NUMBER, TOO_LONG, NO_SYNAPSE = 1, 2, 3, 4
_TOLERANCE = 1e-6  # of a time step: rounding errors of a sum of steps


def move_delays(
    queues, delays, shared, changed, step, every, fresh, rounding, shift, longest, synapse, delay
):
    """The Python form: give the queues the delays of the synapses that may have changed."""
    count, most = changed[-1], len(changed) - 1
    everything = fresh[0] or step[0] % every[0] == 0 or count >= most
    changed[-1] = 0
    if not everything and not count:
        return 0
    moved = np.arange(len(delays)) if everything else changed[:count].copy()
    outside = (moved < 0) | (moved >= len(delays))
    if outside.any():
        synapse[0] = moved[np.argmax(outside)]
        return NO_SYNAPSE
    x = delays[moved] / queues.dt
    wrong = ~((x >= -_TOLERANCE) & (x <= longest[0] / queues.dt + _TOLERANCE))
    if wrong.any():
        synapse[0] = moved[np.argmax(wrong)]
        delay[0] = delays[synapse[0]]
        return NO_NUMBER if np.isnan(delay[0]) else NEGATIVE if delay[0] < 0 else TOO_LONG
    steps = np.zeros(len(delays), dtype=np.int64) if fresh[0] else queues.steps.copy()
    steps[moved] = (x + rounding[0]).astype(np.int64) + shift[0]
    if fresh[0] or not np.array_equal(steps, queues.steps):
        queues.prepare(steps)
    fresh[0] = False
    return 0


def faults(synapses: str, variable: str, shared: bool) -> dict:
    """What each code means, for the synapses and the variable of these names."""
    which = "the delay" if shared else "the delay of synapse {synapse}"
    found = f"{which} in '{synapses}' ('{variable}') is"
    return {
        NEGATIVE: (
            DelayError,
            f"{found} {{delay}} at t = {{time}}, which is negative: keep what is written to it "
            f"above zero, for example by '{variable} = clip({variable}, 0*ms, ...)'",
        ),
        NO_NUMBER: (
            DelayError,
            f"{found} not a number at t = {{time}}: look at what is written to it",
        ),
        TOO_LONG: (
            DelayError,
            f"{found} {{delay}} at t = {{time}}, longer than {{longest}}: keep it below, for "
            f"example by '{variable} = clip({variable}, 0*ms, ...)', or raise max_delay",
        ),
        NO_SYNAPSE: (
            DelayError,
            f"synapse {{synapse}} of '{synapses}' was announced as changed at t = {{time}}, "
            "but there is no such synapse",
        ),
    }
