"""Feedback: how the readouts' errors reach the neurons, as weights of neurons x readouts."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral

import numpy as np

from brianlearn.checks import is_number, real_numbers

__all__ = ["Feedback", "Given", "Random", "Symmetric", "by_name"]


def by_name(groups) -> list:
    """Groups in the order in which feedback counts their neurons, whatever list they come from.

    It is that of their names, where numbers count by their value: ``lif_2`` comes before
    ``lif_10``.
    """
    parts = re.compile(r"(\d+)")

    def key(group):
        return [int(one) if one.isdigit() else one for one in parts.split(group.name)]

    return sorted(groups, key=key)


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
            How many neurons come before them in the other groups that learn: in those whose names
            do, as `by_name` has them.

        Returns
        -------
        array of neurons x readouts, or (group, variable)
        """
        raise NotImplementedError

    def check(self, groups: list) -> None:
        """Refuse what does not fit the groups of neurons that learn; by default nothing."""


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
    """A fixed matrix, or one for each group of neurons.

    Parameters
    ----------
    matrix : array, or dict of group or str to array
        Neurons x readouts. The neurons of several groups come one group after another, in the order
        of the groups' names (numbers in them by value, as `by_name` has them); or each group, or
        its name, has a matrix of its own.

    Raises
    ------
    TypeError, ValueError, brian2.DimensionMismatchError
        If it holds something else than finite numbers without unit.

    Examples
    --------
    >>> feedback = Given(np.ones((100, 2)))
    >>> feedback = Given({"excitatory": np.ones((80, 2)), "inhibitory": -np.ones((20, 2))})
    """

    matrix: np.ndarray | Mapping

    def __post_init__(self):
        if isinstance(self.matrix, Mapping):
            named = {getattr(key, "name", key): value for key, value in self.matrix.items()}
            matrix = {
                name: real_numbers(value, f"The feedback of '{name}'")
                for name, value in sorted(named.items())
            }
        else:
            matrix = real_numbers(self.matrix, "The feedback")
        object.__setattr__(self, "matrix", matrix)

    def __str__(self):
        if isinstance(self.matrix, np.ndarray):
            return f"Given({_digest(self.matrix)})"
        shown = (f"{name}: {_digest(matrix)}" for name, matrix in self.matrix.items())
        return f"Given({'; '.join(shown)})"

    def check(self, groups):
        """See `Feedback.check`."""
        if isinstance(self.matrix, np.ndarray):
            return
        names = {group.name for group in groups}
        if wrong := names ^ {*self.matrix}:
            raise ValueError(
                f"The feedback is given for {', '.join(self.matrix)}, but the neurons that learn "
                f"are {', '.join(sorted(names))}: give it for each, and no other "
                f"({', '.join(sorted(wrong))})."
            )

    def weights(self, carrier, first):
        """See `Feedback.weights`."""
        n, readouts = carrier.shape
        if not isinstance(self.matrix, np.ndarray):
            name = carrier.source.name
            matrix = self.matrix[name]
            if matrix.shape != (n, readouts):
                raise ValueError(
                    f"The feedback of '{name}' is {matrix.shape}, but must be {(n, readouts)}."
                )
            return matrix
        matrix = self.matrix
        if matrix.ndim != 2 or matrix.shape[1] != readouts or len(matrix) < first + n:
            raise ValueError(
                f"The feedback is {matrix.shape}, but must be neurons x readouts: at least "
                f"({first + n}, {readouts})."
            )
        return matrix[first : first + n]


def _digest(matrix):
    """A short name of a matrix."""
    return f"{matrix.shape}, sha256 {hashlib.sha256(matrix).hexdigest()[:12]}"


@dataclass(frozen=True)
class Random(Feedback):
    """Fixed random weights, normal with standard deviation ``scale``.

    They are drawn for one group of neurons after another, in the order of the groups' names (as
    `by_name` has them), whatever the order of the connections.

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
        whole = isinstance(self.seed, Integral) and not isinstance(self.seed, bool)
        if not whole or not 0 <= self.seed < 2**32:
            raise ValueError(
                f"seed is {self.seed!r}, but must be a whole number from 0 on, below 2**32."
            )
        if not is_number(self.scale) or not np.isfinite(self.scale):
            raise ValueError(f"scale is {self.scale!r}, but must be a finite number without unit.")

    def weights(self, carrier, first):
        """See `Feedback.weights`."""
        n, readouts = carrier.shape
        drawn = np.random.RandomState(self.seed).standard_normal((first + n, readouts))
        return self.scale * drawn[first:]
