"""`Graded`: weights between what neurons hold, not what they spike."""

from importlib.resources import files

import numpy as np

from brianlearn import schedule
from brianlearn.checks import check_clocks, check_unit, find_array, real_numbers
from brianlearn.connectivity import count_samples, find_heard
from brianlearn.kernel import Kernel

__all__ = ["Graded"]

HEADER = files("brianlearn") / "graded.h"


def read(samples, sources, values, weights, read_out):
    """The Python form: every target is a weighted sum of its sample's values, plus its bias."""
    matrix = weights.reshape(-1, len(read_out) // samples[0])
    sums = values.reshape(samples[0], -1) @ matrix[: sources[0]]
    read_out[:] = (sums + matrix[sources[0] :].sum(axis=0)).ravel()


class Graded(Kernel):
    """A variable of the targets as a weighted sum of a variable of the sources, in every step.

    For readouts of neurons that do not spike, such as the integrating soma of `delay_dendrite`.
    Shared by all samples of a batch; a learner such as `EProp` can change the weights.

    Parameters
    ----------
    source, target : NeuronGroup
        For a batch of B samples, B times as many neurons as the weights have rows and columns.
    weights : array
        Sources x targets, without unit.
    bias : array, optional
        One for each target, which learns with the weights; it lies in a last row below them.
    reads, variable : str
        The variables of source and target.
    name : str

    Attributes
    ----------
    weights : array
        Row by row; the bias, if there is one, comes last. `matrix` shows them as rows.

    Raises
    ------
    KeyError
        If a group has no such variable.
    brian2.DimensionMismatchError
        If they have different units.
    TypeError
        If weights or bias are no real numbers, or views of a group's variable.
    ValueError
        If the shapes do not fit the groups, a number is not finite, or the groups take different
        time steps.

    Examples
    --------
    >>> from brian2 import NeuronGroup
    >>> sums, classes = NeuronGroup(8, "v : 1"), NeuronGroup(3, "v : 1")
    >>> readout = Graded(sums, classes, np.ones((8, 3)), bias=np.zeros(3))
    """

    is_dense = True
    layout = None
    states = ()

    def __init__(
        self, source, target, weights, *, bias=None, reads: str = "v", variable: str = "v",
        name: str = "graded*",
    ):  # fmt: skip
        read_unit = find_array(source, reads).dim
        check_unit(find_heard(target, variable).dim, read_unit, f"'{variable}' of '{target.name}'")
        check_clocks(f"'{name}'", source, target)
        self.source, self.target, self.variable, self.reads = source, target, variable, reads
        weights = real_numbers(weights, f"A weight onto '{target.name}'")
        self.samples, self.shape = count_samples(source, target, weights.shape), weights.shape
        self.has_bias = bias is not None
        if self.has_bias:
            bias = real_numbers(bias, "bias", shape=self.shape[1:])
            weights = np.vstack([weights, bias])
        self.mask = np.ones(weights.shape, dtype=bool)
        super().__init__(
            read,
            HEADER,
            {
                "samples": np.int64(self.samples),
                "sources": np.int64(self.shape[0]),
                "values": (source, reads),
                "weights": weights,
                "read_out": (target, variable),
            },
            clock=target.clock,
            when=schedule.PROPAGATE.when,
            order=schedule.PROPAGATE.order,
            name=name,
        )

    def before_run(self, run_namespace):
        """Brian2's hook: the groups still take the same time steps."""
        check_clocks(f"'{self.name}'", self.source, self.target)
        super().before_run(run_namespace)

    @property
    def values(self) -> tuple:
        """Where the sources' values lie, for a kernel that reads them."""
        return (self, "values")

    @property
    def shared_weights(self) -> tuple:
        """Where the weights lie, sources x targets, for a kernel that reads them."""
        return (self, "weights")

    @property
    def matrix(self) -> np.ndarray:
        """The weights as sources x targets, and the bias as a last row."""
        return np.array(self._array("weights")).reshape(self.mask.shape)

    def set_matrix(self, weights) -> None:
        """Set all weights, and the bias if there is one; the errors are those of a new one."""
        weights = real_numbers(weights, "weights", shape=self.mask.shape, finite=False)
        self.variables["weights"].set_value(weights.ravel())
