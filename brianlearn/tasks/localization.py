"""Sound localization: from which side a tone comes, by the phase between the two ears.

A tone of random phase reaches two ears with an interaural phase difference (IPD) of one of 36
values. Auditory nerve fibres spike at random, the likelier the nearer the tone is to its peak. How
well this can be solved at all, Bayes' rule tells: the posterior given the spikes of both ears,
whatever the phase. The task is that of Ghosh et al. (2025), eNeuro 12(7),
doi:10.1523/ENEURO.0383-24.2025; in one of their notebooks the class itself, 0 to 35, was taken for
the IPD in degrees, so that it could hardly be solved.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from brianlearn.checks import check_whole, plain_array, real_numbers, whole_numbers
from brianlearn.tasks.evidence import generator
from brianlearn.trial import Trial

__all__ = ["IPDS", "Localization", "accuracy", "median", "median_error"]

IPDS = np.arange(-90, 90, 5)  # degrees, one for each class
IPDS.setflags(write=False)
_AT_ONCE = 64  # samples whose likelihoods are in a cache together: 180 KB an array


@dataclass(frozen=True)
class Localization:
    """The task; the defaults are those of the published notebooks, in steps of 1 ms.

    The inputs are the fibres of ear 1, then those of ear 2. At step t of the sound a fibre spikes
    with the probability ``peak*((1 + sin(2*pi*t/period + phase))/2)**sharpness``; in ear 2 the
    IPD of the sample's class is added to the phase.

    Parameters
    ----------
    fibres : int
        Of each ear.
    sound, tail : int
        Steps of the sound, and of the silence after it, in which delayed spikes still arrive.
    period : float
        Of the tone, in steps.
    peak : float
        The probability of a spike per fibre and step at the tone's peak, above 0 and below 1.
    sharpness : float
        How much spikes gather there.

    Raises
    ------
    ValueError
        If one of them is out of its range.

    Examples
    --------
    >>> task = Localization(fibres=20, tail=10)
    >>> trial = task.batch(0, seed=1, size=256)
    >>> trial.raster, trial.labels.shape
    ((256, 60, 40), (256,))
    >>> probabilities = task.posterior(task.counts(trial))
    >>> bool(median_error(probabilities, trial.labels) < 4)  # degrees
    True
    """

    fibres: int = 1
    sound: int = 50
    tail: int = 0
    period: float = 20.0
    peak: float = 0.6
    sharpness: float = 10.0

    def __post_init__(self):
        for name, least in {"fibres": 1, "sound": 1, "tail": 0}.items():
            check_whole(name, getattr(self, name), least)
        if not 0 < self.peak < 1:
            raise ValueError(f"peak is {self.peak}, but must lie between 0 and 1.")
        for name in ("period", "sharpness"):
            value = getattr(self, name)
            if not 0 < value < np.inf:
                raise ValueError(f"{name} is {value}, but must be a number above 0.")

    @property
    def steps(self) -> int:
        """Steps of a trial."""
        return self.sound + self.tail

    @property
    def inputs(self) -> int:
        """Fibres of both ears."""
        return 2 * self.fibres

    def probabilities(self, phase) -> np.ndarray:
        """Of a spike per fibre, for phases in degrees: array (sound, *shape of phase)."""
        time = np.arange(self.sound).reshape(-1, *[1] * np.ndim(phase))
        tone = np.sin(2 * np.pi * time / self.period + np.deg2rad(phase))
        return self.peak * (0.5 * (1 + tone)) ** self.sharpness

    def sample(self, random: np.random.Generator, size: int) -> Trial:
        """Draw a batch of sounds; their labels are their classes, that is, indices of `IPDS`.

        Raises
        ------
        ValueError
            If the batch is empty, or so large that 32-bit numbers cannot count its inputs.
        """
        check_whole("size", size, 1)
        if size * self.inputs >= 2**31:
            raise ValueError(
                f"size is {size}, but must be below {2**31 // self.inputs}: draw several batches."
            )
        labels = random.integers(len(IPDS), size=size)
        phase = random.uniform(0, 360, size)
        ears = self.probabilities(np.stack([phase, phase + IPDS[labels]], axis=1))
        # Step by step, so that no more than a step's random numbers are in memory.
        spikes = [
            np.flatnonzero(random.random((size, 2, self.fibres)) < probability[:, :, None])
            for probability in ears
        ]
        steps = np.repeat(np.arange(self.sound, dtype=np.int32), [len(each) for each in spikes])
        indices = np.concatenate(spikes).astype(np.int32)
        shape = size, self.steps, self.inputs
        return Trial(steps, indices, labels=labels.astype(np.int32), raster=shape)

    def batch(self, number: int, *, seed: int | Sequence[int], size: int) -> Trial:
        """The batch of that number: it depends on nothing but its number, seed and size.

        Examples
        --------
        >>> task = Localization()
        >>> one, again = (task.batch(3, seed=1, size=8) for _ in range(2))
        >>> bool((one.indices == again.indices).all())
        True
        """
        return self.sample(generator(seed, number), size)

    def counts(self, trial: Trial) -> np.ndarray:
        """How many fibres of each ear spike at each step of the sound: (samples, sound, 2)."""
        samples = len(trial.labels)
        sample, neuron = np.divmod(trial.indices.astype(np.int64), self.inputs)
        cell = (sample * self.sound + trial.steps) * 2 + neuron // self.fibres
        return np.bincount(cell, minlength=samples * self.sound * 2).reshape(samples, -1, 2)

    def posterior(self, counts, resolution: float = 1.0) -> np.ndarray:
        """The ideal observer: probabilities of all classes, given the spikes of both ears.

        A sum over phases, all of them equally likely, stands for the integral. They must lie closer
        than the spikes tell them apart: 1 degree does for 100 fibres, while with 5 degrees, the
        distance of the classes, the observer would err three times as much as it need.

        Parameters
        ----------
        counts : array of int (samples, sound, 2)
            How many fibres of each ear spike at each step.
        resolution : float
            Degrees between phases, 5 or a whole part of it.

        Returns
        -------
        array (samples, classes)

        Raises
        ------
        ValueError
            If counts has another shape, or holds what so many fibres cannot do; or if the phases
            of all classes do not lie on one grid.
        """
        counts = plain_array(counts, "counts")
        if counts.ndim != 3 or counts.shape[1:] != (self.sound, 2):
            raise ValueError(
                f"counts has the shape {counts.shape}, but must be samples x {self.sound} x 2."
            )
        if counts.size and not (counts.min() >= 0 and counts.max() <= self.fibres):
            raise ValueError(
                f"counts lie within {counts.min()} and {counts.max()}, but an ear has "
                f"{self.fibres} fibres."
            )
        finer = round(5 / resolution) if 0 < resolution <= 5 else 0
        if abs(finer * resolution - 5) > 1e-9:
            raise ValueError(f"resolution is {resolution}, but must be 5 degrees or 5/n.")
        p = self.probabilities(np.arange(72 * finer) * 5 / finer)
        p = np.maximum(p, 1e-300)  # where the sine is -1, and no spike ever comes
        odds, silent = np.log(p) - np.log1p(-p), self.fibres * np.log1p(-p).sum(axis=0)
        parts = [
            _log_likelihoods(counts[first : first + _AT_ONCE], odds, silent, finer)
            for first in range(0, len(counts), _AT_ONCE)
        ]
        log = np.concatenate(parts) if parts else np.empty((0, len(IPDS)))
        probabilities = np.exp(log - log.max(axis=1, keepdims=True))
        return probabilities / probabilities.sum(axis=1, keepdims=True)


def _log_likelihoods(counts, odds, silent, finer):
    """Of all classes, up to a constant; ``finer`` phases a class are summed over."""
    left, right = (counts[:, :, ear] @ odds + silent for ear in range(2))
    found = np.empty((len(counts), len(IPDS)))
    for k, ipd in enumerate(IPDS):
        both = left + np.roll(right, -ipd // 5 * finer, axis=1)
        peak = both.max(axis=1, keepdims=True)
        both -= peak
        np.maximum(both, -50, out=both)  # subnormal numbers are slow, and count for nothing
        found[:, k] = peak[:, 0] + np.log(np.exp(both, out=both).sum(axis=1))
    return found


def median(probabilities) -> np.ndarray:
    """The median IPD of each sample, in degrees, given the probabilities of all classes.

    Examples
    --------
    >>> median(np.eye(36)[[0, 35]])
    array([-90,  85])
    """
    cumulated = np.cumsum(_checked(probabilities), axis=1)
    return IPDS[np.argmax(cumulated >= 0.5 * cumulated[:, -1:], axis=1)]


def median_error(probabilities, labels) -> float:
    """The mean absolute error of the median, in degrees.

    Parameters
    ----------
    probabilities : array (samples, 36)
        Of all classes, as by a softmax.
    labels : array of int (samples)
        The classes that are right.

    Examples
    --------
    >>> median_error(np.full((36, 36), 1/36), np.arange(36))  # that of a guess
    45.0
    """
    medians = median(probabilities)
    return float(np.abs(medians - IPDS[_classes(labels, len(medians))]).mean())


def accuracy(probabilities, labels) -> float:
    """The fraction of samples whose class is the most probable one.

    Examples
    --------
    >>> accuracy(np.eye(36), np.arange(36))
    1.0
    """
    found = _checked(probabilities).argmax(axis=1)
    return float(np.mean(found == _classes(labels, len(found))))


def _classes(labels, samples):
    """Labels as an array, if there is one for each sample."""
    labels = whole_numbers(labels, "labels")
    if labels.shape != (samples,) or not np.isin(labels, range(len(IPDS))).all():
        raise ValueError(
            f"labels is {labels.shape}, but must be {samples} classes within 0 and {len(IPDS) - 1}."
        )
    return labels


def _checked(probabilities):
    """Probabilities as an array, if there is one for each class."""
    probabilities = real_numbers(probabilities, "probabilities")
    if probabilities.ndim != 2 or probabilities.shape[1] != len(IPDS):
        raise ValueError(
            f"probabilities have the shape {probabilities.shape}, but should be samples x "
            f"{len(IPDS)} classes."
        )
    return probabilities
