"""Feedback: how the readouts' errors reach the neurons, as weights of neurons x readouts."""

import hashlib
from dataclasses import dataclass

import numpy as np

__all__ = ["Feedback", "Given", "Random", "Symmetric"]


class Feedback:
    """What gives each group of neurons its feedback weights.

    A subclass says with `weights` what a kernel reads in every step: an array of its own, or
    ``(group, variable)``, which may change while the network learns (as adaptive feedback would).
    """

    def weights(self, carrier, first: int):
        """The feedback weights of the neurons that a readout connection comes from.

        Parameters
        ----------
        carrier : Projection or Synapses
            The connection from these neurons to the readouts.
        first : int
            How many neurons come before them in the other groups that learn.

        Returns
        -------
        array of neurons x readouts, or (group, variable)
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Symmetric(Feedback):
    """The readout weights themselves, as they are at each moment.

    Examples
    --------
    >>> feedback = Symmetric()
    """

    def weights(self, carrier, first):
        """See `Feedback.weights`."""
        return carrier.shared_weights


@dataclass(frozen=True, eq=False)
class Given(Feedback):
    """A fixed matrix.

    Parameters
    ----------
    matrix : array
        Neurons x readouts; the neurons of several groups one group after another.

    Examples
    --------
    >>> feedback = Given(np.ones((100, 2)))
    """

    matrix: np.ndarray

    def __str__(self):
        matrix = np.ascontiguousarray(self.matrix, dtype=float)
        return f"Given({matrix.shape}, sha256 {hashlib.sha256(matrix).hexdigest()[:12]})"

    def weights(self, carrier, first):
        """See `Feedback.weights`."""
        matrix = np.asarray(self.matrix, dtype=float)
        n, readouts = carrier.shape
        if matrix.ndim != 2 or matrix.shape[1] != readouts or len(matrix) < first + n:
            raise ValueError(
                f"The feedback is {matrix.shape}, but must be neurons x readouts: at least "
                f"({first + n}, {readouts})."
            )
        if not np.isfinite(matrix).all():
            raise ValueError("The feedback holds something that is not a finite number.")
        return matrix[first : first + n]


@dataclass(frozen=True)
class Random(Feedback):
    """Fixed random weights, normal with standard deviation ``scale``.

    Parameters
    ----------
    seed : int
    scale : float

    Examples
    --------
    >>> feedback = Random(seed=1)
    """

    seed: int = 1
    scale: float = 1.0

    def __post_init__(self):
        if not isinstance(self.seed, int) or self.seed < 0:
            raise ValueError(f"seed is {self.seed!r}, but must be a whole number from 0 on.")

    def weights(self, carrier, first):
        """See `Feedback.weights`."""
        n, readouts = carrier.shape
        drawn = np.random.RandomState(self.seed).standard_normal((first + n, readouts))
        return self.scale * drawn[first:]
