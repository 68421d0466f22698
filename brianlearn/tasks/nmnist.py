"""N-MNIST: which handwritten digit is it that an event camera looks at.

Each pixel and polarity is an input, and each event of it a spike; readouts name the digit. The
recordings are those of Orchard, Jayawant, Cohen and Thakor (2015), Frontiers in Neuroscience 9:437
(see `brianlearn.tasks.recordings`). The defaults are those of NEST's tutorial of e-prop: the
longest recording, 336,040 microseconds, becomes 300 steps.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from brianlearn.checks import check_whole, is_number, plain_array, whole_numbers
from brianlearn.tasks.events import PIXELS, Events
from brianlearn.tasks.recordings import Recordings
from brianlearn.tasks.waves import Weights
from brianlearn.trial import Trial

__all__ = ["NMNIST", "inactive_pixels", "read_blocklist"]


@dataclass(frozen=True, eq=False)
class NMNIST:
    """How a recording becomes a trial.

    The inputs are the pixels that are not left out, by their flat index ``polarity*34*34 + y*34 +
    x``. An event's step is ``time*steps/longest``, rounded (halves to even numbers), and the last
    step for what would come later. A pixel's events in one step are as many spikes.

    Parameters
    ----------
    steps : int
        Of a trial.
    longest : float
        The time, in microseconds, that becomes all steps.
    blocklist : array of int, optional
        Flat indices of pixels that are left out, such as `read_blocklist` or `inactive_pixels`
        gives.

    Raises
    ------
    ValueError
        If one of them is out of its range, or no pixel remains.

    Examples
    --------
    >>> task = NMNIST(blocklist=[0, 1, 2])
    >>> events = Events(*np.array([[3, 33, 33], [0, 33, 33], [0, 1, 1], [10, 25000, 25001]]))
    >>> trial = task.trial([events], [7])
    >>> task.inputs, trial.steps.tolist(), trial.indices.tolist(), trial.labels.tolist()
    (2309, [0, 22, 22], [0, 2308, 2308], [7])
    """

    steps: int = 300
    longest: float = 336040
    blocklist: Sequence[int] | np.ndarray = ()

    def __post_init__(self):
        check_whole("steps", self.steps, 1)
        if not (is_number(self.longest) and 0 < self.longest < np.inf):
            raise ValueError(f"longest is {self.longest}, but must be a time above 0.")
        blocklist = plain_array(self.blocklist, "blocklist", booleans=True)
        whole = np.issubdtype(blocklist.dtype, np.integer) or not blocklist.size
        if not whole or blocklist.ndim != 1 or not np.isin(blocklist, range(PIXELS)).all():
            raise ValueError(f"blocklist must hold whole numbers within 0 and {PIXELS - 1}.")
        if not self.inputs:
            raise ValueError("blocklist leaves no pixel.")

    @cached_property
    def pixels(self) -> np.ndarray:
        """The flat index of each input's pixel: array of int (inputs)."""
        return np.setdiff1d(np.arange(PIXELS), self.blocklist)

    @property
    def inputs(self) -> int:
        """How many inputs a sample has."""
        return len(self.pixels)

    @cached_property
    def _input(self):
        """The input of each pixel, or -1."""
        table = np.full(PIXELS, -1, np.int32)
        table[self.pixels] = np.arange(len(self.pixels))
        return table

    def weights(
        self, random: np.random.RandomState, n_rec: int = 150, n_out: int = 10, *,
        scale: float = 0.01,
    ) -> Weights:  # fmt: skip
        """Initial weights by the legacy generator, in the order of NEST's tutorial.

        A quarter of the weights of inputs is not 0, and a hundredth of those among neurons.

        Parameters
        ----------
        random : RandomState
        n_rec, n_out : int
            Neurons and readouts.
        scale : float
            What readout weights are multiplied by, and feedback is divided by: 1 - kappa, where
            spikes are filtered without that gain.

        Examples
        --------
        >>> weights = NMNIST().weights(np.random.RandomState(1))
        >>> weights.w_in.shape, round(float(np.mean(weights.w_in != 0)), 2)
        ((2312, 150), 0.25)
        """
        n_in = self.inputs
        w_in = random.randn(n_in, n_rec) / np.sqrt(n_in)
        w_rec = random.randn(n_rec, n_rec) / np.sqrt(n_rec)
        np.fill_diagonal(w_rec, 0)
        limit = np.sqrt(3 / max(1, (n_rec + n_out) / 2))  # Glorot and Bengio 2010
        w_out = random.uniform(-limit, limit, (n_rec, n_out)) * scale
        feedback = random.randn(n_rec, n_out) / scale
        w_in = w_in * random.choice([0, 1], (n_rec, n_in), p=[0.75, 0.25]).T
        w_rec = w_rec * random.choice([0, 1], (n_rec, n_rec), p=[0.99, 0.01]).T
        return Weights(w_in, w_rec, w_out, feedback)

    def trial(self, recordings: Sequence[Events], labels) -> Trial:
        """A trial of some recordings, side by side, with their classes.

        Raises
        ------
        ValueError
            If they are so many that 32-bit numbers cannot count steps times inputs.
        """
        samples, inputs = len(recordings), self.inputs
        most = (2**31 - 1) // (self.steps * inputs)
        if not 0 < samples <= most:
            raise ValueError(f"{samples} recordings were given, but a trial has 1 to {most}.")
        # A spike's key is (step*samples + sample)*inputs + input: keys in order, spikes in order.
        keys = np.concatenate([self._keys(*one, samples) for one in enumerate(recordings)])
        keys.sort()
        steps = keys // (samples * inputs)
        indices = keys - steps * (samples * inputs)
        labels = whole_numbers(labels, "labels", np.int32)
        return Trial(steps, indices, labels=labels, raster=(samples, self.steps, inputs))

    def _keys(self, sample, events, samples):
        # multiplied before it is divided, as published: halves stay halves
        step = np.rint(events.time * float(self.steps) / self.longest)
        step = np.minimum(step, self.steps - 1, out=step).astype(np.int32)
        place = self._input.take(events.pixel)
        return ((step * samples + sample) * self.inputs + place)[place >= 0]


def read_blocklist(path) -> np.ndarray:
    r"""Read the pixels to leave out from a file: array of int, in order.

    The file holds one flat index ``polarity*34*34 + y*34 + x`` a line; ``numpy.savetxt(path,
    blocklist, "%d")`` writes it.

    Raises
    ------
    ValueError
        If a line holds no such index, or one that was there before; the message names the line.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     _ = Path(folder, "blocklist.txt").write_text("0\n2311\n")
    ...     read_blocklist(f"{folder}/blocklist.txt")
    array([   0, 2311])
    """
    lines = {}
    text = Path(path).read_text(encoding="utf-8", errors="replace")
    for number, line in enumerate(text.splitlines(), 1):
        word = line.strip()
        if not word:
            continue
        if not (word.isascii() and word.isdigit() and int(word) < PIXELS):
            raise ValueError(
                f"{path}, line {number}: {word[:40]!r} is no pixel, 0 to {PIXELS - 1}."
            )
        first = lines.setdefault(int(word), number)
        if first != number:
            raise ValueError(f"{path}, line {number}: {word} is in line {first} already.")
    return np.array(sorted(lines), int)


def inactive_pixels(
    recordings: Recordings, fewer_than: int, *, progress: bool = True
) -> np.ndarray:
    """Find the pixels with fewer events than that in all recordings: their flat indices.

    Examples
    --------
    >>> train = Recordings.scan("nmnist", "Train")  # doctest: +SKIP
    >>> task = NMNIST(blocklist=inactive_pixels(train, 25))  # doctest: +SKIP
    """
    return np.flatnonzero(recordings.event_counts(progress) < fewer_than)
