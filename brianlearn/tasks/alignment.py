"""Alignment: patterns of spikes that reach several inputs at different times, to be made to meet.

A class is a pattern of spikes for each input, always the same, and each shifted in time. It has an
output neuron with multiplicative dendrites, which responds most when delays make up for the shifts.
The first input's delay is fixed; the others' are to be found, and the optimum is known
(`brianlearn.tasks.dendrites`). The two variants are those of the learning-delays notebooks of
Ghosh et al. (2025), eNeuro 12(7), doi:10.1523/ENEURO.0383-24.2025.
"""

from dataclasses import dataclass

import numpy as np

from brianlearn.checks import check_whole, plain_array, real_numbers, whole_numbers
from brianlearn.tasks import dendrites
from brianlearn.trial import Trial

__all__ = ["Alignment", "different_patterns", "same_pattern"]


@dataclass(frozen=True, eq=False)
class Alignment:
    """Classes of spike trains, and what their neurons can make of them; times in steps of 1 ms.

    Delays are arrays (inputs, classes): of each input to the neuron of each class.

    Parameters
    ----------
    patterns : array of bool (classes, inputs, steps)
        The spike trains of each class; a trial goes on for as long as they may be delayed.
    shifts : array of int (classes, inputs)
        When each input's pattern begins.
    tau : float
        Time constant of the dendrites.
    reference, max_delay : int
        The first input's delay, and the longest of all.
    enough : float
        The fraction of the largest possible output from which on a class counts as aligned.

    Examples
    --------
    >>> task = same_pattern(seed=1)
    >>> task.patterns.shape, task.steps
    ((20, 3, 80), 200)
    >>> task.batch([0, 0, 7]).raster  # samples, steps, inputs
    (3, 200, 3)
    >>> largest, delays = task.best()
    >>> bool((delays == task.reference + task.shifts[:, 0] - task.shifts.T).all())
    True
    >>> float(task.aligned(delays).mean()), float(task.aligned(delays + [[0], [1], [0]]).mean())
    (1.0, 0.0)
    """

    patterns: np.ndarray
    shifts: np.ndarray
    tau: float
    reference: int
    max_delay: int
    enough: float

    def __post_init__(self):
        patterns = plain_array(self.patterns, "patterns", booleans=True)
        if patterns.ndim != 3 or not np.isin(patterns, (0, 1)).all():
            raise ValueError("patterns must hold 0 and 1 for classes x inputs x steps.")
        object.__setattr__(self, "patterns", patterns.astype(bool))
        shifts = whole_numbers(self.shifts, "shifts")
        if shifts.shape != patterns.shape[:2]:
            raise ValueError(f"shifts is {shifts.shape}, but must be {patterns.shape[:2]}.")
        object.__setattr__(self, "shifts", shifts)
        for name in ("reference", "max_delay"):
            check_whole(name, getattr(self, name), 0)

    @property
    def classes(self) -> int:
        """How many there are, each with a neuron of its own."""
        return self.patterns.shape[0]

    @property
    def inputs(self) -> int:
        """Inputs, or dendrites of a neuron."""
        return self.patterns.shape[1]

    @property
    def steps(self) -> int:
        """Steps of a trial: the latest spike still arrives after the longest delay."""
        return self.patterns.shape[2] + self.max_delay

    @property
    def raster(self) -> np.ndarray:
        """The spikes of all classes over a trial: array of bool (classes, inputs, steps)."""
        return np.pad(self.patterns, [(0, 0), (0, 0), (0, self.max_delay)])

    def batch(self, labels) -> Trial:
        """A trial whose samples are of the classes named.

        Raises
        ------
        ValueError
            If a label is not the number of a class.
        """
        labels = plain_array(labels, "labels", booleans=True)
        if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
            raise ValueError(
                f"labels is {labels.dtype} {labels.shape}, but must be a row of whole numbers."
            )
        if labels.size and not 0 <= labels.min() <= labels.max() < self.classes:
            wrong = labels.min() if labels.min() < 0 else labels.max()
            raise ValueError(f"the label {wrong} is none of the classes 0 to {self.classes - 1}.")
        spikes = self.patterns.transpose(2, 0, 1)[:, labels]
        steps, sample, neuron = (each.astype(np.int32) for each in np.nonzero(spikes))
        shape = len(labels), self.steps, self.inputs
        return Trial(
            steps, sample * self.inputs + neuron, labels=labels.astype(np.int32), raster=shape
        )

    def output(self, delays, pairs: str = "first", interpolate: bool = True) -> np.ndarray:
        """What each class's neuron integrates over a trial of its class: array (classes).

        Parameters are those of `dendrites.output`.

        Raises
        ------
        ValueError
            If there are too many or too few delays, or they are out of range.
        """
        delays = plain_array(delays, "delays, in steps,")
        if not (delays <= self.max_delay).all():
            raise ValueError(f"the delay {np.max(delays)} is above max_delay, {self.max_delay}.")
        return dendrites.output(self.raster, delays, self.tau, pairs, interpolate)

    def best(self, pairs: str = "first") -> tuple[np.ndarray, np.ndarray]:
        """The largest possible outputs, and delays that reach them: see `dendrites.best`."""
        return dendrites.best(self.raster, self.reference, self.max_delay, self.tau, pairs)

    def aligned(self, delays, pairs: str = "first", interpolate: bool = True) -> np.ndarray:
        """Of each class, whether its output is as good as the largest one: array of bool."""
        largest, _ = self.best(pairs)
        return self.output(delays, pairs, interpolate) >= self.enough * largest

    def misalignment(self, delays, pairs: str = "first") -> np.ndarray:
        """How much longer delays are than the best ones, in steps: array (inputs, classes).

        Examples
        --------
        >>> task = same_pattern(seed=1)
        >>> delays = task.best()[1] + [[0], [0.25], [-3]]
        >>> task.misalignment(delays)[:, 0]
        array([ 0.  ,  0.25, -3.  ])
        """
        shape = self.inputs, self.classes
        return real_numbers(delays, "delays, in steps,", shape=shape) - self.best(pairs)[1]


def same_pattern(
    seed: int,
    classes: int = 20,
    inputs: int = 3,
    *,
    length: int = 20,
    padding: int = 60,
    probability: float = 0.3,
    tau: float = 10.0,
) -> Alignment:
    """One pattern for all classes and inputs: what tells classes apart is the shifts alone.

    A class counts as aligned with 0.999 of the largest output: where delays are rounded, they must
    all be right; where they are interpolated, they must be so to about a tenth of a step.

    Parameters
    ----------
    seed : int
        The same task for the same seed.
    classes, inputs : int
    length, padding : int
        Steps of the pattern, and of the silence around it: shifts are 0 to ``padding``.
    probability : float
        Of a spike per step of the pattern, which has one at least.
    tau : float
        Time constant of the dendrites, in steps.

    Raises
    ------
    ValueError
        If one of them is out of its range.

    Examples
    --------
    >>> task = same_pattern(seed=1, classes=2, inputs=2, length=3, padding=4)
    >>> task.reference, task.max_delay, task.steps
    (4, 8, 15)
    """
    random = _checked(seed, classes, inputs, length, padding, probability, tau)
    pattern = _patterns(random, (1, 1, length), probability)
    patterns = np.broadcast_to(pattern, (classes, inputs, length))
    return _shifted(random, patterns, padding, tau, reference=padding, enough=0.999)


def different_patterns(
    seed: int,
    classes: int = 20,
    inputs: int = 2,
    *,
    length: int = 20,
    padding: int = 60,
    probability: float = 0.3,
    tau: float = 30.0,
) -> Alignment:
    """A pattern for each class and input; parameters are those of `same_pattern`.

    Such patterns never meet entirely, and the output is flat about its maximum: a class counts as
    aligned with 0.99 of the largest output.

    Examples
    --------
    >>> task = different_patterns(seed=1)
    >>> task.patterns.shape, task.reference, task.max_delay
    ((20, 2, 80), 80, 160)
    """
    random = _checked(seed, classes, inputs, length, padding, probability, tau)
    patterns = _patterns(random, (classes, inputs, length), probability)
    # What overlaps best may begin almost a pattern's length earlier or later.
    return _shifted(random, patterns, padding, tau, reference=padding + length, enough=0.99)


def _patterns(random, shape, probability):
    """Random spikes; a pattern that would have none has one at random."""
    patterns = random.random(shape) < probability
    one = np.arange(shape[-1]) == random.integers(shape[-1], size=(*shape[:-1], 1))
    return patterns | (one & ~patterns.any(axis=-1, keepdims=True))


def _shifted(random, patterns, padding, tau, reference, enough):
    """The task in which patterns begin at random steps within their padding."""
    classes, inputs, length = patterns.shape
    shifts = random.integers(padding + 1, size=(classes, inputs))
    trains = np.zeros((classes, inputs, length + padding), bool)
    np.put_along_axis(trains, shifts[:, :, None] + np.arange(length), patterns, axis=2)
    return Alignment(trains, shifts, tau, reference, 2 * reference, enough)


def _checked(seed, classes, inputs, length, padding, probability, tau):
    """Random numbers, if the parameters make sense."""
    sizes = {"classes": (classes, 1), "inputs": (inputs, 2), "length": (length, 1)}
    for name, (value, least) in (sizes | {"padding": (padding, 0)}).items():
        check_whole(name, value, least)
    if not 0 < probability <= 1:
        raise ValueError(f"probability is {probability}, but must be above 0, and 1 at most.")
    if not 0 < tau < np.inf:
        raise ValueError(f"tau is {tau}, but must be a number of steps above 0.")
    return np.random.default_rng(seed)
