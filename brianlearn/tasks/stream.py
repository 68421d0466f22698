"""Recordings as trials: their order in each pass, batches, shifts; and groups in reports."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from numbers import Integral

import numpy as np

from brianlearn.checks import check_whole
from brianlearn.tasks.events import WIDTH, Events
from brianlearn.tasks.nmnist import NMNIST
from brianlearn.tasks.recordings import Recordings
from brianlearn.trial import Trial

__all__ = ["Stream", "grouped"]

_ORDER, _SHIFT = 0, 1  # what random numbers are for


@dataclass(frozen=True, eq=False)
class Stream:
    """Recordings as trials, one after another, over any number of passes; a `Phase`'s source.

    Each is read when its trial is asked for. What trial k is depends on nothing but k and what is
    given here, so that an interrupted training goes on with the same trials.

    Parameters
    ----------
    task : NMNIST
    recordings : Recordings
    seed : int or sequence of int, optional
        Of the order, which is another in each pass, and of the shifts; by default the order is that
        of the recordings, in each pass.
    batch : int
        How many recordings a trial has, side by side.
    shift : int
        By how many pixels, at most, each presentation is moved at random to the left, right, top or
        bottom; what leaves the field is dropped.

    Raises
    ------
    ValueError
        If there is no recording, one of them is out of its range, or shifts have no seed.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     for k in range(30):
    ...         event = Events([k], [0], [1], [1000 * k])
    ...         event.write(f"{folder}/Test/{k % 10}/{k:05}.bin")
    ...     stream = Stream(NMNIST(), Recordings.scan(folder, "Test"), seed=1, batch=16)
    ...     trial, again = stream(7), stream(7)
    >>> trial.raster, trial.labels.shape, trial.labels.tolist() == again.labels.tolist()
    ((16, 300, 2312), (16,), True)
    >>> training.run(Phase("test", stream, 100, learning=False))  # doctest: +SKIP
    """

    task: NMNIST
    recordings: Recordings
    seed: int | Sequence[int] | None = None
    batch: int = 1
    shift: int = 0

    def __post_init__(self):
        check_whole("batch", self.batch, 1)
        check_whole("shift", self.shift, 0)
        if self.shift >= WIDTH:
            raise ValueError(f"shift is {self.shift}, but the field is only {WIDTH} pixels wide.")
        if self.shift and self.seed is None:
            raise ValueError("shift needs a seed.")
        np.random.SeedSequence(self.seed)  # refuses what is no seed
        if not len(self.recordings):
            raise ValueError("There is no recording to present.")

    def __call__(self, k: int) -> Trial:
        """Trial number k.

        Raises
        ------
        RecordingError
            If a file is no recording.
        """
        return self.task.trial(self.events(k), self.recordings.labels[self.numbers(k)])

    def numbers(self, k: int) -> np.ndarray:
        """Which recordings trial k has: array of int (batch)."""
        count = len(self.recordings)
        passes, places = np.divmod(np.arange(k * self.batch, (k + 1) * self.batch), count)
        if self.seed is None:
            return places
        seed = self.seed if isinstance(self.seed, Integral) else tuple(self.seed)
        orders = [_order(seed, int(one), count) for one in passes]
        return np.array([order[place] for order, place in zip(orders, places, strict=True)])

    def events(self, k: int) -> list[Events]:
        """What trial k shows: the events of each of its recordings, shifted if need be."""
        events = [Events.read(self.recordings.paths[i]) for i in self.numbers(k)]
        if not self.shift:
            return events
        by = _generator(self.seed, _SHIFT, k).integers(
            -self.shift, self.shift, (self.batch, 2), endpoint=True
        )
        return [one.shifted(dx, dy) for one, (dx, dy) in zip(events, by.tolist(), strict=True)]


def grouped(history: Mapping[str, np.ndarray], size: int) -> dict[str, np.ndarray]:
    """Means over groups of so many rows; the last group may be smaller.

    Learning knows nothing of groups: they are for reports, such as accuracies that are more than 0
    or 1.

    Parameters
    ----------
    history : dict of arrays
        Such as ``training.histories["train"]``.
    size : int
        Iterations of a group.

    Examples
    --------
    >>> grouped({"accuracy": np.array([1.0, 0.0, 1.0, 1.0, 0.0])}, 2)
    {'accuracy': array([0.5, 1. , 0. ])}
    """
    check_whole("size", size, 1)
    return {name: _means(np.asarray(values), size) for name, values in history.items()}


def _means(values, size):
    starts = range(0, len(values), size)
    means = [values[start : start + size].mean(axis=0) for start in starts]
    return np.array(means).reshape(len(starts), *values.shape[1:])


@lru_cache(maxsize=16)
def _order(seed, number, count):
    """The order of a pass; kept, as all trials of the pass ask for it."""
    return _generator(seed, _ORDER, number).permutation(count)


def _generator(seed, purpose, number):
    """Random numbers that depend on nothing but the seed, what they are for, and which these are.

    Those for one purpose are independent of those for another.
    """
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(purpose, number)))
