"""Brian2's spike queues as trials want them: nothing is under way when one begins."""

from importlib.resources import files

import numpy as np

from brianlearn import schedule
from brianlearn.kernel import Kernel, Queues

__all__ = ["empty_queues"]


def empty(step, longest, early, late):
    """The Python form: at a trial's start, nothing is under way."""
    if step[0] == 0:
        for queues in (early, late):
            for _ in range(longest[0]):
                queues.pathway.queue.advance()


def empty_queues(synapses, trials) -> Kernel:
    """The kernel that keeps delayed spikes of one trial out of the next."""
    return Kernel(
        empty,
        files("brianlearn.learners") / "empty_queues.h",
        {
            "step": (trials, "step"),
            "longest": np.int64(synapses.layout.maximum + 2),
            "early": Queues(synapses, "early"),
            "late": Queues(synapses, "late"),
        },
        clock=trials.clock,
        when=schedule.DELAYS.when,
        order=schedule.DELAYS.order,
        name=f"{synapses.name}_empty",
    )
