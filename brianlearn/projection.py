"""`Projection`: weights of a connection as contiguous rows, one addition per synaptic event."""

from importlib.resources import files

import numpy as np
from brian2.groups.subgroup import Subgroup
from brian2.synapses.synapses import Synapses
from brian2.units.allunits import second
from brian2.units.fundamentalunits import Quantity

from brianlearn import delays, schedule
from brianlearn.checks import check_clocks, find_array, plain_array, real_numbers, whole_numbers
from brianlearn.connectivity import (
    compressed_rows,
    count_samples,
    find_heard,
    mask_of,
    weights_onto,
)
from brianlearn.delays import Delayed
from brianlearn.errors import DelayError
from brianlearn.export import to_synapses
from brianlearn.kernel import Kernel

__all__ = ["Projection"]

_HEADER = files("brianlearn") / "projection.h"
_DENSE = 0.5  # above this fraction of all pairs, rows without gaps are faster than lists
_FAULTS = {
    delays.OUT_OF_RANGE: (
        DelayError,
        "a delay was negative, longer than max_delay or no number when a spike was sent at {time}. "
        "Keep delay_steps between 0 and max_delay.",
    )
}


def propagate(spikes, first, samples, targets, rows, columns, weights, hears, fed):
    """The Python form: add the rows of the neurons that spiked to what the targets hear."""
    sources = len(rows) - 1
    deaf = np.flatnonzero(~hears)
    kept = fed[deaf]
    for source in spikes[: spikes[-1]] - first[0]:
        if 0 <= source < samples[0] * sources:
            sample, i = divmod(source, sources)
            row = slice(rows[i], rows[i + 1])
            fed[sample * targets[0] + columns[row]] += weights[row]  # no target twice in a row
    fed[deaf] = kept


def propagate_dense(spikes, first, samples, targets, weights, hears, fed):
    """The same for rows in which every target has its place."""
    deaf = np.flatnonzero(~hears)
    kept = fed[deaf]
    matrix = weights.reshape(-1, targets[0])
    heard = fed.reshape(samples[0], targets[0])
    for source in spikes[: spikes[-1]] - first[0]:
        if 0 <= source < samples[0] * len(matrix):
            sample, i = divmod(source, len(matrix))
            heard[sample] += matrix[i]
    fed[deaf] = kept


class Projection(Delayed, Kernel):
    """Weights from one group's spikes to a variable of another, shared by all samples of a batch.

    What ``Synapses`` with ``on_pre="variable_post += w"`` computes, to the bit, from one
    contiguous row of weights per source: no index of the source, no queue, and no copy of the
    weights for each sample. A learner such as `EProp` can change the weights.

    Parameters
    ----------
    source, target : Group
        Neurons, or contiguous subgroups of them. For a batch of B samples, groups of B times as
        many neurons as the weights have rows and columns, sample after sample.
    weights : array
        Sources x targets, of which the nonzero ones become connections (or those of ``mask``); or,
        with ``i`` and ``j``, one value for each connection. In units of ``variable``.
    variable : str
        The target's variable that a spike adds to.
    i, j : arrays of int, optional
        Source and target of each connection, by Brian2's names.
    mask : array of bool, optional
        Sources x targets: which pairs are connected, whatever the weight. Learning keeps to it.
    autapses : bool
        Whether a neuron may be connected to itself; if not, the diagonal is left out.
    delay : Quantity, optional
        From a spike to its effect: one time for all; of shape (sources, 1) one for each source, its
        axon's; (1, targets) one for each target, its dendrite's; (sources, targets) one for each
        connection. With ``i`` and ``j``, also one for each pair.
    max_delay : Quantity, optional
        The longest delay that learning may reach; by default, the longest of ``delay``.
    interpolate : bool
        Whether a spike whose delay lies between two time steps is divided between both; if not, the
        delay is rounded.
    name : str

    Attributes
    ----------
    weights : array
        Row by row. `matrix` shows them as sources x targets, and up to date while a learner changes
        them only when they are used.
    delay_steps : array
        The delays in time steps, as they are stored; `delays` shows them as times. A change counts
        for spikes that are emitted from then on. A `Recorder` records whole arrays such as these,
        which Brian2's monitors do not.
    samples, sources, targets : int
        The size of the batch, and of one sample's groups.

    Raises
    ------
    KeyError
        If the target has no such variable.
    brian2.DimensionMismatchError
        If the weights are not in units of the variable, or the delays are no times.
    TypeError
        If the source never spikes, weights are no real numbers, or indices no whole ones; or if
        they are views of a group's variable, whose values change.
    ValueError
        If the shape does not fit the groups, an index lies outside them, a pair occurs twice, a
        weight is not finite, or the groups take different time steps.
    brianlearn.errors.DelayError
        If a delay is negative or longer than ``max_delay``, at the start or in a run.

    Notes
    -----
    A spike emitted at the thresholds of step s is added in the same step, after the neurons were
    integrated: a neuron feels it in step s + 1, a readout (integrated later) in step s. A spike of
    a `SpikeInput` is added before the neurons are integrated. A variable that is ``(unless
    refractory)`` stays as it is in a neuron that is refractory when the spike arrives.

    Examples
    --------
    >>> import numpy as np
    >>> from brian2 import NeuronGroup, ms
    >>> neurons = NeuronGroup(3, "dv/dt = -v/(10*ms) : 1", threshold="v > 1", reset="v = 0")
    >>> ring = Projection(neurons, neurons, np.roll(np.eye(3), 1, axis=1), variable="v")
    """

    def __init__(
        self,
        source,
        target,
        weights,
        *,
        variable: str = "I",
        i=None,
        j=None,
        mask=None,
        autapses: bool = True,
        delay=None,
        max_delay=None,
        interpolate: bool = False,
        name: str = "projection*",
    ):
        spiking = source.source if isinstance(source, Subgroup) else source
        if "_spikespace" not in spiking.variables:
            raise TypeError(f"'{source.name}' has no threshold: it never spikes.")
        dim = find_heard(target, variable).dim
        check_clocks(f"'{name}'", source, target)
        self.source, self.target, self.variable = source, target, variable
        self.lazy = None  # what brings weights up to date that a learner changes at spikes only
        values = weights_onto(weights, target, variable)
        listed = i is not None or j is not None
        if not listed:
            shape = values.shape
            self.samples = count_samples(source, target, shape)
            i, j = np.nonzero(mask_of(values, mask, autapses))
            values = values[i, j]
        else:
            if i is None or j is None or mask is not None or not autapses:
                raise ValueError(
                    f"'{name}' has i or j, which name each connection: give both, and neither mask "
                    "nor autapses."
                )
            self.samples, shape = 1, (len(source), len(target))
            i, j = whole_numbers(i, "i"), whole_numbers(j, "j")
        self.sources, self.targets = shape
        rows, columns, values, order = compressed_rows(values, i, j, *shape)
        self.is_dense = len(columns) > _DENSE * np.prod(shape)
        self.mask = np.zeros(shape, dtype=bool)
        self.mask[i, j] = True
        lists = {"rows": rows, "columns": columns, "weights": Quantity(values, dim=dim)}
        if self.is_dense:
            matrix = np.zeros(shape)
            matrix[self.mask] = values
            lists = {"weights": Quantity(matrix, dim=dim)}
        form, header = propagate_dense if self.is_dense else propagate, _HEADER
        self.layout = None
        if delay is not None:
            delay = plain_array(delay, "delay, such as 2*ms,", second.dim) * second
            if listed and delay.shape == i.shape:
                delay = delay[order]
            self.layout = delays.Delays.of(
                delay, max_delay, interpolate, spiking.clock.dt, (i[order], j[order]), shape,
                self.is_dense, listed,
            )  # fmt: skip
            if self.is_dense:
                lists |= {"rows": np.full(1, -1, np.int32), "columns": np.full(1, -1, np.int32)}
            lists |= self.layout.arguments(len(target))
            form, header = delays.propagate_delayed, delays.HEADER
        elif max_delay is not None or interpolate:
            raise ValueError(f"'{name}' has no delay: give delay, such as 0*ms.")
        moment = _moment(spiking)
        super().__init__(
            form,
            header,
            {
                "spikes": (spiking, "_spikespace"),
                "first": np.int64(getattr(source, "start", 0)),
                "samples": np.int64(self.samples),
                "targets": np.int64(self.targets),
                **lists,
                "hears": _who_hears(target, variable),
                "fed": (target, variable),
            },
            faults=_FAULTS,
            clock=spiking.clock,
            when=moment.when,
            order=moment.order,
            name=name,
        )
        self.remember_delays()

    @property
    def shape(self) -> tuple[int, int]:
        """Sources and targets of one sample."""
        return self.sources, self.targets

    @property
    def shared_weights(self) -> tuple:
        """Where all weights lie, sources x targets, for a kernel that reads them.

        Raises
        ------
        TypeError
            If they are stored as lists, because most pairs are not connected.
        """
        if not self.is_dense:
            raise TypeError(f"'{self.name}' stores its few connections as lists, not as a matrix.")
        return (self, "weights")

    @property
    def lag(self) -> int:
        """Time steps from a spike's step to the one in which its target is integrated with it."""
        updater = self.target.state_updater
        return int(not schedule.before((self.when, self.order), (updater.when, updater.order)))

    @property
    def matrix(self) -> np.ndarray:
        """The weights as sources x targets, 0 where there is no connection."""
        matrix = np.zeros(self.mask.shape)
        values = self.lazy.stored() if self.lazy else np.array(self._array("weights"))
        matrix[self.mask] = values[self.mask.ravel()] if self.is_dense else values
        return Quantity(matrix, dim=self.variables["weights"].dim)

    def set_matrix(self, weights) -> None:
        """Set all weights, given as sources x targets; those without connection must be 0.

        Raises
        ------
        ValueError
            If the shape is another, a weight is no number, or given where there is no connection.
        brian2.DimensionMismatchError
            If the weights have another unit.
        """
        dim = self.variables["weights"].dim
        values = real_numbers(weights, f"A weight of '{self.name}'", dim, finite=False)
        if values.shape != self.mask.shape:
            raise ValueError(f"weights is {values.shape}, but must be {self.mask.shape}.")
        if np.any(values[~self.mask]):
            raise ValueError(f"'{self.name}' has no connection where a weight was given.")
        if self.lazy:
            self.lazy.settle()
        flat = values.ravel() if self.is_dense else values[self.mask]
        self.variables["weights"].set_value(flat)

    def synapses(self, name: str | None = None) -> Synapses:
        """Plain Brian2 `Synapses` that do what this projection does, with its present weights.

        For networks that need nothing of brianlearn any more; in standalone mode, after the run.

        Returns
        -------
        Synapses
            With the variable ``w``, and ``later`` where delays are interpolated; its spikes take
            effect at the same moment of a time step.
        """
        return to_synapses(self, name or f"{self.name}_synapses")


def _who_hears(target, variable):
    """For a kernel, which targets hear spikes: while refractory, none by some variables.

    Those that are ``(unless refractory)`` in the equations, which Brian2 writes at no other time.
    """
    condition = find_array(target, variable).conditional_write
    return np.ones(1, dtype=bool) if condition is None else (target, condition.name)


def _moment(spiking):
    """When spikes arrive at once: those of an input before its targets are integrated."""
    emits = getattr(spiking, "emits", schedule.THRESHOLD)
    at_once = schedule.before(emits, schedule.INTEGRATE)
    return schedule.INPUT_ARRIVES if at_once else schedule.PROPAGATE
