"""Evidence accumulation: a row of cues on two sides, a long delay, then the question which won.

Each cue makes one of two populations of inputs fire; after the delay a third population asks, and
the network should name the side with the more cues. A fourth population is noise throughout
(Bellec et al. 2020, Nature Communications 11:3625).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np

from brianlearn.checks import check_whole
from brianlearn.tasks.waves import Weights, normal_weights, single

__all__ = ["Batch", "Evidence", "generator"]


@dataclass(frozen=True, eq=False)
class Batch:
    """The input spikes of some samples, and what is right.

    Parameters
    ----------
    step, sample, neuron : arrays of int32
        One entry a spike, sorted by step, then sample, then neuron; step 0 is silent.
    label : array of int32 (samples)
        The side with the more cues.
    cues : array of int32 (samples, cues)
        The side of each cue, 0 or 1.
    """

    step: np.ndarray
    sample: np.ndarray
    neuron: np.ndarray
    label: np.ndarray
    cues: np.ndarray


def generator(seed: int | Sequence[int], k: int) -> np.random.Generator:
    """The random numbers of batch ``k``: they depend on nothing but the seed and ``k``.

    Examples
    --------
    >>> generator(1, 7).random() == generator(1, 7).random() != generator(1, 8).random()
    True
    """
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(k,))))


def _positions(random: np.random.Generator, cells: int, probability: float):
    """Which of some cells hold a spike, each independently; sorted.

    The gaps between successes of a Bernoulli process are geometric numbers, and these are
    exponential ones rounded up: the cost is that of the spikes, not of the cells.
    """
    if probability == 0:
        return np.empty(0, np.int32)
    rate = -math.log1p(-probability) if probability < 1 else math.inf
    pieces, last = [], -1.0
    while last < cells:
        expected = (cells - last) * probability
        gaps = random.standard_exponential(int(expected + 2 * math.sqrt(expected)) + 1)
        gaps /= rate
        np.floor(gaps, out=gaps)
        gaps += 1
        gaps[0] += last
        pieces.append(np.cumsum(gaps, out=gaps))  # whole numbers: exact
        last = gaps[-1]
    positions = np.concatenate(pieces)
    positions = positions[: np.searchsorted(positions, cells)]
    return positions.astype(np.int32)


@dataclass(frozen=True)
class Evidence:
    """The task; the defaults are the published ones, in steps of 1 ms.

    The inputs are four populations of one size, in this order: cues of side 0, of side 1, recall,
    noise. A trial is ``cues`` times (``spacing``, ``cue``), then ``delay``, then ``recall``.

    Parameters
    ----------
    inputs : int
        How many inputs, a multiple of 4.
    cues : int
        How many cues, an odd number: one side has the more.
    cue, spacing, delay, recall : int
        Steps of a cue, of the pause before each, between the last and the recall, of the recall.
    cue_probability, recall_probability, noise_probability : float
        Of a spike per input and step, where the population is active.
    bias : float
        Probability of a cue on one side; which side, is a fair coin's choice in each sample.

    Raises
    ------
    ValueError
        If one of them is out of its range.

    Examples
    --------
    >>> task = Evidence()
    >>> task.steps, task.window
    (2250, 150)
    >>> batch = next(task.batches(seed=1, size=64))
    >>> batch.cues.shape, bool(batch.step.min() > 0), bool(batch.step.max() < task.steps)
    ((64, 7), True, True)
    """

    inputs: int = 40
    cues: int = 7
    cue: int = 100
    spacing: int = 50
    delay: int = 1050
    recall: int = 150
    cue_probability: float = 0.04
    recall_probability: float = 0.04
    noise_probability: float = 0.01
    bias: float = 0.3

    def __post_init__(self):
        for name, least in {
            "inputs": 4,
            "cues": 1,
            "cue": 1,
            "spacing": 0,
            "delay": 0,
            "recall": 1,
        }.items():
            check_whole(name, getattr(self, name), least)
        if self.inputs % 4:
            raise ValueError(f"inputs is {self.inputs}, but must be divisible by 4.")
        if self.cues % 2 == 0:
            raise ValueError(f"cues is {self.cues}, but must be odd, or the sides could be even.")
        for name in ("cue_probability", "recall_probability", "noise_probability", "bias"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ValueError(f"{name} is {value}, but must lie within 0 and 1.")

    @property
    def steps(self) -> int:
        """Steps of a trial."""
        return self.cues * (self.spacing + self.cue) + self.delay + self.recall

    @property
    def window(self) -> int:
        """Steps at the trial's end in which the answer counts."""
        return self.recall

    def weights(self, random: np.random.RandomState, n_rec: int = 100, n_out: int = 2) -> Weights:
        """Initial weights by the legacy generator, in the published order.

        Examples
        --------
        >>> Evidence().weights(np.random.RandomState(1)).w_out.shape
        (100, 2)
        """
        w_in, w_rec = normal_weights(random, self.inputs, n_rec)
        limit = np.sqrt(3 / max(1, (n_rec + n_out) / 2))  # Glorot and Bengio 2010
        w_out = single(random.uniform(-limit, limit, (n_rec, n_out)))
        return Weights(w_in, w_rec, w_out, single(random.randn(n_rec, n_out)))

    def published(self, random: np.random.RandomState, size: int) -> Batch:
        """Draw one batch by the legacy generator, in the published order (2 ms a sample)."""
        self._check_size(size)
        first = np.array([self.bias, 1 - self.bias], np.float32)[random.choice([0, 1], size)]
        cues = np.array(
            [random.choice([0, 1], self.cues, p=np.array([p, 1 - p], np.float32)) for p in first],
            np.int32,
        )
        keys = []
        for sample in range(size):
            hits = random.rand(self.steps, self.inputs) < self._probabilities(cues[sample])
            step, neuron = np.nonzero(hits)
            keys.append((step * size + sample) * self.inputs + neuron)
        return self._batch(np.concatenate(keys), cues)

    def sample(self, random: np.random.Generator, size: int) -> Batch:
        """Draw one batch of the same statistics fast: the cost is that of its spikes.

        Examples
        --------
        >>> small = Evidence(cue=10, spacing=5, delay=20, recall=15)
        >>> batch = small.sample(generator(seed=1, k=0), size=2)
        >>> batch.label.tolist() == [int(sides.sum() > 3) for sides in batch.cues]
        True
        """
        self._check_size(size)
        side = random.integers(2, size=size)
        first = np.where(side == 0, self.bias, 1 - self.bias)
        cues = (random.random((size, self.cues)) >= first[:, None]).astype(np.int32)
        keys = [
            self._cue_keys(random, cues),
            self._keys(random, size, self.steps - self.recall, 2, self.recall_probability),
            self._keys(random, size, 0, 3, self.noise_probability),
        ]
        return self._batch(np.concatenate(keys), cues)

    def batches(self, seed: int | Sequence[int], size: int, start: int = 0) -> Iterator[Batch]:
        """Batches from number ``start`` on, without end; number k is ever the same.

        Examples
        --------
        >>> task = Evidence()
        >>> one, two = task.batches(seed=1, size=4), task.batches(seed=1, size=4, start=1)
        >>> _ = next(one)
        >>> bool((next(one).cues == next(two).cues).all())
        True
        """
        for k in count(start):
            yield self.sample(generator(seed, k), size)

    def raster(self, batch: Batch) -> np.ndarray:
        """The spikes of a batch as booleans of shape (samples, steps, inputs)."""
        dense = np.zeros((len(batch.label), self.steps, self.inputs), bool)
        dense[batch.sample, batch.step, batch.neuron] = True
        return dense

    # A spike's key is (step*size + sample)*inputs + neuron: keys in order are spikes in order.

    def _keys(self, random, size, start, population, probability):
        """Spikes of a population from a step on to the end of the trial."""
        width = self.inputs // 4
        at = _positions(random, (self.steps - start) * size * width, probability)
        row = at // width
        return (row + start * size) * self.inputs + population * width + at - row * width

    def _cue_keys(self, random, cues):
        """Spikes of the two populations of cues, drawn as one that takes the cues' sides."""
        size, width = len(cues), self.inputs // 4
        at = _positions(random, self.cues * self.cue * size * width, self.cue_probability)
        row = at // width
        step = row // size
        cue = step // self.cue
        # What turns row*inputs + unit into a key: the pauses so far, and the side's population.
        pauses = np.arange(1, self.cues + 1) * (self.spacing * size * self.inputs)
        shift = (pauses[:, None] + cues.T * width).ravel().astype(np.int32)
        which = row - (step - cue) * size  # cue*size + sample
        return row * self.inputs + shift[which] + at - row * width

    def _probabilities(self, sides):
        """Of a spike, per step and input of one sample."""
        table = np.zeros((self.steps, 4, self.inputs // 4))
        for k, side in enumerate(sides):
            start = k * (self.spacing + self.cue) + self.spacing
            table[start : start + self.cue, side] = self.cue_probability
        table[-self.recall :, 2] = self.recall_probability
        table[:, 3] = self.noise_probability
        return table.reshape(self.steps, self.inputs)

    def _batch(self, keys, cues):
        """Sort and unpack the spikes; none at step 0."""
        size, inputs = len(cues), int(self.inputs)
        keys = np.sort(keys.astype(np.int32, copy=False))
        keys = keys[np.searchsorted(keys, size * inputs) :]
        row = keys // inputs
        step = row // size
        label = (cues.sum(axis=1) > self.cues // 2).astype(np.int32)
        return Batch(step, row - step * size, keys - row * inputs, label, cues)

    def _check_size(self, size):
        """Refuse a batch without samples, or whose keys would not be 32-bit integers."""
        check_whole("size", size, 1)
        most = 2**31 // (self.steps * self.inputs)
        if size > most:
            raise ValueError(f"size is {size}, but must be {most} or less: draw several batches.")
