"""The gradient of graded connections: the readouts' error times the sources' values."""

from importlib.resources import files

import numpy as np

from brianlearn import schedule
from brianlearn.kernel import Kernel

__all__ = ["gradient_of_graded"]

_HEADER = files("brianlearn.learners") / "graded_gradient.h"


def accumulate(learning, samples, sources, values, error, gradient):
    """The Python form."""
    if not learning[0] or not error.any():
        return
    errors = error.reshape(samples[0], -1)
    matrix = gradient.reshape(-1, errors.shape[1])
    matrix[: sources[0]] += values.reshape(samples[0], -1).T @ errors
    matrix[sources[0] :] += errors.sum(axis=0)


def gradient_of_graded(graded, readout, trials, name) -> Kernel:
    """The kernel with the ``gradient`` of a `Graded` connection onto readouts."""
    return Kernel(
        accumulate,
        _HEADER,
        {
            "learning": (trials, "learning"),
            "samples": np.int64(trials.samples),
            "sources": np.int64(graded.shape[0]),
            "values": graded.values,
            "error": (readout, "error"),
            "gradient": np.zeros(graded.mask.size),
        },
        clock=trials.clock,
        when=schedule.GRADIENT.when,
        order=schedule.GRADIENT.order,
        name=name,
    )
