"""Sequence detection: which of two inputs spikes first, told by delays alone.

In each of the two classes the inputs spike once each, one at the start and the other an interval
later; in class 0 input 0 is first, in class 1 input 1. Output 0 should respond most to class 0 and
output 1 to class 1. Each does when the delay of what is first is longer by the interval, so that
both spikes arrive at once. All weights are the same, and learning begins where each output is
aligned to the other class (Mészáros, Knight and Nowotny 2025, Nature Communications 16,
doi:10.1038/s41467-025-65394-8: all right after 6 presentations of both classes).
"""

from dataclasses import dataclass

import numpy as np

from brianlearn.checks import check_whole, plain_array
from brianlearn.trial import Trial

__all__ = ["Sequence"]


@dataclass(frozen=True)
class Sequence:
    """The task, in steps of 1 ms; the defaults are the published ones.

    Delays are arrays (inputs, outputs).

    Parameters
    ----------
    interval : int
        Between the two spikes.
    reference : int
        The shorter one of the delays that are right: by so much they can also become shorter.
    tail : int
        Steps after the last spike has arrived.

    Raises
    ------
    ValueError
        If one of them is out of its range.

    Examples
    --------
    >>> task = Sequence(reference=5)
    >>> task.solution()
    array([[15.,  5.],
           [ 5., 15.]])
    >>> task.worst_case()
    array([[ 5., 15.],
           [15.,  5.]])
    >>> trial = task.batch([0, 1])
    >>> trial.steps.tolist(), trial.indices.tolist()  # sample*2 + input
    ([0, 0, 10, 10], [0, 3, 1, 2])
    """

    interval: int = 10
    reference: int = 0
    tail: int = 50

    def __post_init__(self):
        for name, least in {"interval": 1, "reference": 0, "tail": 1}.items():
            check_whole(name, getattr(self, name), least)

    @property
    def max_delay(self) -> int:
        """The longest delay: the one that is right, and as much again as it can become shorter."""
        return self.interval + 2 * self.reference

    @property
    def steps(self) -> int:
        """Steps of a trial."""
        return self.interval + self.max_delay + self.tail

    def batch(self, labels=(0, 1)) -> Trial:
        """A trial whose samples are of the classes named: a presentation of each, by default.

        Raises
        ------
        ValueError
            If a label is neither 0 nor 1.
        """
        labels = plain_array(labels, "labels", booleans=True)
        if labels.ndim != 1 or not np.isin(labels, (0, 1)).all():
            raise ValueError(f"labels is {labels.tolist()}, but must be a row of 0 and 1.")
        labels = labels.astype(np.int32)
        inputs = 2 * np.arange(len(labels), dtype=np.int32)
        steps = np.repeat(np.array([0, self.interval], np.int32), len(labels))
        indices = np.concatenate([inputs + labels, inputs + 1 - labels])
        return Trial(steps, indices, labels=labels, raster=(len(labels), self.steps, 2))

    def solution(self) -> np.ndarray:
        """Delays by which each output's own class arrives at once."""
        return self.reference + self.interval * np.eye(2)

    def worst_case(self) -> np.ndarray:
        """Delays by which, at each output, the other's class arrives at once."""
        return self.solution()[:, ::-1]
