"""`Projection`: weights of a connection as contiguous rows, one addition per synaptic event."""

from importlib.resources import files

import numpy as np
from brian2.groups.subgroup import Subgroup
from brian2.synapses.synapses import Synapses
from brian2.units.fundamentalunits import DIMENSIONLESS, Quantity, get_dimensions

from brianlearn import schedule
from brianlearn.checks import check_unit, find_array, unit_name
from brianlearn.kernel import Kernel

__all__ = ["Projection"]

_HEADER = files("brianlearn") / "projection.h"
_DENSE = 0.5  # from this fraction of all pairs on, rows without gaps are faster than lists


def propagate(spikes, first, samples, targets, rows, columns, weights, fed):
    """The Python form: add the rows of the neurons that spiked to what the targets hear."""
    sources = len(rows) - 1
    for source in spikes[: spikes[-1]] - first[0]:
        if 0 <= source < samples[0] * sources:
            sample, i = divmod(source, sources)
            row = slice(rows[i], rows[i + 1])
            fed[sample * targets[0] + columns[row]] += weights[row]  # no target twice in a row


def propagate_dense(spikes, first, samples, targets, weights, fed):
    """The same for rows in which every target has its place."""
    matrix = weights.reshape(-1, targets[0])
    heard = fed.reshape(samples[0], targets[0])
    for source in spikes[: spikes[-1]] - first[0]:
        if 0 <= source < samples[0] * len(matrix):
            sample, i = divmod(source, len(matrix))
            heard[sample] += matrix[i]


class Projection(Kernel):
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
    name : str

    Attributes
    ----------
    weights : array
        Row by row. `matrix` shows them as sources x targets.
    samples, sources, targets : int
        The size of the batch, and of one sample's groups.

    Raises
    ------
    KeyError
        If the target has no such variable.
    brian2.DimensionMismatchError
        If the weights are not in units of the variable.
    ValueError
        If the shape does not fit the groups, an index lies outside them, or a pair occurs twice.

    Notes
    -----
    A spike emitted at the thresholds of step s is added in the same step, after the neurons were
    integrated: a neuron feels it in step s + 1, a readout (integrated later) in step s. A spike of
    a `SpikeInput` is added before the neurons are integrated.

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
        name: str = "projection*",
    ):
        spiking = source.source if isinstance(source, Subgroup) else source
        if "_spikespace" not in spiking.variables:
            raise TypeError(f"'{source.name}' has no threshold: it never spikes.")
        if find_array(target, variable).scalar:
            raise TypeError(
                f"'{variable}' of '{target.name}' is shared: each neuron needs its own."
            )
        self.source, self.target, self.variable = source, target, variable
        if i is None:
            shape = np.shape(weights)
            self.samples = _samples(source, target, shape)
            i, j, values = _connections(weights, _mask(weights, mask, autapses))
        else:
            self.samples, shape = 1, (len(source), len(target))
            i, j, values = np.asarray(i), np.asarray(j), weights
        self.sources, self.targets = shape
        _check_fit(values, target, variable)
        rows, columns, values = _compressed_rows(values, i, j, *shape)
        arguments = {
            "spikes": (spiking, "_spikespace"),
            "first": np.int64(getattr(source, "start", 0)),
            "samples": np.int64(self.samples),
            "targets": np.int64(self.targets),
        }
        self.is_dense = len(columns) >= _DENSE * np.prod(shape)
        self.mask = np.zeros(shape, dtype=bool)
        self.mask[np.repeat(np.arange(shape[0]), np.diff(rows)), columns] = True
        if self.is_dense:
            matrix = np.zeros(shape)
            matrix[self.mask] = values
            arguments["weights"] = Quantity(matrix, dim=get_dimensions(values))
        else:
            arguments |= {"rows": rows, "columns": columns, "weights": values}
        emits = getattr(spiking, "emits", schedule.THRESHOLD)
        at_once = schedule.before(emits, schedule.INTEGRATE)
        moment = schedule.INPUT_ARRIVES if at_once else schedule.PROPAGATE
        super().__init__(
            propagate_dense if self.is_dense else propagate,
            _HEADER,
            arguments | {"fed": (target, variable)},
            clock=spiking.clock,
            when=moment.when,
            order=moment.order,
            name=name,
        )

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
        values = np.array(self._array("weights"))
        matrix[self.mask] = values[self.mask.ravel()] if self.is_dense else values
        return Quantity(matrix, dim=self.variables["weights"].dim)

    def set_matrix(self, weights) -> None:
        """Set all weights, given as sources x targets; those without connection must be 0.

        Raises
        ------
        ValueError
            If the shape is another, or a weight is given where there is no connection.
        brian2.DimensionMismatchError
            If the weights have another unit.
        """
        check_unit(weights, self.variables["weights"].dim, f"A weight of '{self.name}'")
        values = np.asarray(weights, dtype=float)
        if values.shape != self.mask.shape:
            raise ValueError(f"weights is {values.shape}, but must be {self.mask.shape}.")
        if np.any(values[~self.mask]):
            raise ValueError(f"'{self.name}' has no connection where a weight was given.")
        flat = values.ravel() if self.is_dense else values[self.mask]
        self.variables["weights"].set_value(flat)

    def synapses(self, name: str | None = None) -> Synapses:
        """Plain Brian2 `Synapses` that do what this projection does, with its present weights.

        For networks that need nothing of brianlearn any more; in standalone mode, after the run.

        Returns
        -------
        Synapses
            With the variable ``w``; its spikes take effect at the same moment of a time step.
        """
        dim = self.variables["weights"].dim
        unit = "1" if dim is DIMENSIONLESS else unit_name(dim)
        plain = Synapses(
            self.source,
            self.target,
            f"w : {unit}",
            on_pre=f"{self.variable}_post += w",
            name=name or f"{self.name}_synapses",
        )
        plain.pre.when, plain.pre.order = self.when, self.order
        i, j = np.nonzero(self.mask)
        sample = np.repeat(np.arange(self.samples), len(i))
        plain.connect(
            i=sample * self.sources + np.tile(i, self.samples),
            j=sample * self.targets + np.tile(j, self.samples),
        )
        weights = np.tile(np.asarray(self.matrix)[self.mask], self.samples)
        plain.w = Quantity(weights, dim=dim)
        return plain


def _samples(source, target, shape):
    """How often the weights' shape goes into the groups: the size of the batch."""
    sizes = len(source), len(target)
    if len(shape) != 2:
        raise ValueError(f"weights is an array of shape {shape}, but must be sources x targets.")
    samples = sizes[0] // max(1, shape[0])
    if samples == 0 or (shape[0] * samples, shape[1] * samples) != sizes:
        raise ValueError(
            f"weights is {shape}, but must be {sizes}, or for a batch of B samples a B-th of both."
        )
    if samples > 1 and (isinstance(source, Subgroup) or isinstance(target, Subgroup)):
        raise ValueError("A batch of several samples needs whole groups, not subgroups.")
    return samples


def _mask(weights, mask, autapses):
    shape = np.shape(weights)
    mask = np.asarray(weights) != 0 if mask is None else np.array(mask)
    if mask.shape != shape or mask.dtype != bool:
        raise ValueError(f"mask is {mask.dtype} {mask.shape}, but must be bool {shape}.")
    if not autapses:
        if shape[0] != shape[1]:
            raise ValueError(f"autapses need as many sources as targets, but weights is {shape}.")
        mask = mask & ~np.eye(len(mask), dtype=bool)
    return mask


def _connections(weights, mask):
    """Source, target and weight (with unit) of the pairs in ``mask``."""
    i, j = np.nonzero(mask)
    values = np.asarray(weights, dtype=float)[i, j]
    return i, j, Quantity(values, dim=get_dimensions(weights))


def _check_fit(weights, target, variable):
    if not np.isfinite(np.asarray(weights, dtype=float)).all():
        raise ValueError(f"A weight onto '{target.name}' is not a finite number.")
    what = f"A weight onto '{target.name}', which is added to '{variable}',"
    check_unit(weights, target.variables[variable].dim, what)


def _compressed_rows(weights, i, j, n_source, n_target):
    """Connections sorted by source, then target: row starts, targets, weights (with unit)."""
    dim = get_dimensions(weights)
    values = np.asarray(weights, dtype=float)
    if not i.shape == j.shape == values.shape or i.ndim != 1:
        raise ValueError(f"i, j and weights differ in shape: {i.shape}, {j.shape}, {values.shape}.")
    if not len(i):
        raise ValueError("There are no connections: every weight is zero.")
    if min(i.min(), j.min()) < 0 or i.max() >= n_source or j.max() >= n_target:
        raise ValueError(
            f"i or j lies outside the groups ({n_source} sources, {n_target} targets)."
        )
    order = np.lexsort((j, i))
    i, j, values = i[order], j[order], values[order]
    if np.any((np.diff(i) == 0) & (np.diff(j) == 0)):
        raise ValueError("A pair of neurons is connected twice; a Projection has one weight each.")
    rows = np.concatenate([[0], np.cumsum(np.bincount(i, minlength=n_source))])
    return rows.astype(np.int32), j.astype(np.int32), Quantity(values, dim=dim)
