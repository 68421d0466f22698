"""Finding who spikes, where the model says so with a variable: eight neurons at a time."""

from importlib.resources import files

import numpy as np

from brianlearn import schedule
from brianlearn.kernel import Kernel

__all__ = ["look_for_spikes"]


def find_spikes(spiking, spikes):
    """The Python form: the indices of those that are not 0, and how many there are."""
    found = np.flatnonzero(spiking)
    spikes[: len(found)] = found
    spikes[-1] = len(found)


def look_for_spikes(group, variable: str) -> None:
    """Let a kernel do what Brian2's threshold ``variable > 0`` does neuron by neuron.

    Few neurons spike in a time step, and a test of each costs as much as its integration.
    """
    group.contained_objects.remove(group.thresholder["spike"])
    kernel = Kernel(
        find_spikes,
        files("brianlearn") / "spikes.h",
        {"spiking": (group, variable), "spikes": (group, "_spikespace")},
        clock=group.clock,
        when=schedule.THRESHOLD.when,
        order=schedule.THRESHOLD.order,
        name=f"{group.name}_spikes",
    )
    group.contained_objects.append(kernel)
