"""`Projection`: weights of a connection as contiguous rows, one addition per synaptic event."""

from importlib.resources import files

import numpy as np
from brian2.groups.subgroup import Subgroup
from brian2.units.fundamentalunits import Quantity, get_dimensions

from brianlearn import schedule
from brianlearn.checks import check_unit, find_array
from brianlearn.kernel import Kernel

__all__ = ["Projection"]


def propagate(spikes, first, rows, columns, weights, fed):
    """The Python form: add the rows of the neurons that spiked to what the targets hear."""
    for source in spikes[: spikes[-1]] - first[0]:
        if 0 <= source < len(rows) - 1:
            row = slice(rows[source], rows[source + 1])
            fed[columns[row]] += weights[row]  # no target twice in a row


class Projection(Kernel):
    """Static weights from one group's spikes to a variable of another, without delay.

    What ``Synapses`` with ``on_pre="variable_post += w"`` computes, to the bit, from one
    contiguous row of weights per source: no index of the source, no queue.

    Parameters
    ----------
    source, target : Group
        Neurons, or contiguous subgroups of them.
    weights : array
        ``len(source)`` x ``len(target)``, of which the nonzero ones become connections; or, with
        ``i`` and ``j``, one value for each connection. In units of ``variable``.
    variable : str
        The target's variable that a spike adds to.
    i, j : arrays of int, optional
        Source and target of each connection, by Brian2's names.
    name : str

    Attributes
    ----------
    columns, weights : arrays
        Targets and weights, row by row.
    rows : array
        Where each source's row begins in them (and, last, where all end).

    Raises
    ------
    KeyError
        If the target has no such variable.
    brian2.DimensionMismatchError
        If the weights are not in units of the variable.
    ValueError
        If the shape does not fit the groups, an index lies outside them, or a pair occurs twice.

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
        name: str = "projection*",
    ):
        spiking = source.source if isinstance(source, Subgroup) else source
        if "_spikespace" not in spiking.variables:
            raise TypeError(f"'{source.name}' has no threshold: it never spikes.")
        rows, columns, values = _compressed_rows(weights, i, j, len(source), len(target))
        _check_fit(values, target, variable)
        super().__init__(
            propagate,
            files("brianlearn") / "projection.h",
            {
                "spikes": (spiking, "_spikespace"),
                "first": np.int64(getattr(source, "start", 0)),
                "rows": rows,
                "columns": columns,
                "weights": values,
                "fed": (target, variable),
            },
            clock=spiking.clock,
            when=schedule.PROPAGATE.when,
            order=schedule.PROPAGATE.order,
            name=name,
        )


def _check_fit(weights, target, variable):
    if find_array(target, variable).scalar:
        raise TypeError(f"'{variable}' of '{target.name}' is shared: each neuron needs its own.")
    if not np.isfinite(weights).all():
        raise ValueError(f"A weight onto '{target.name}' is not a finite number.")
    what = f"A weight onto '{target.name}', which is added to '{variable}',"
    check_unit(weights, target.variables[variable].dim, what)


def _compressed_rows(weights, i, j, n_source, n_target):
    """Connections sorted by source, then target: row starts, targets, weights (with unit)."""
    dim = get_dimensions(weights)
    values = np.asarray(weights, dtype=float)
    if i is None:
        if values.shape != (n_source, n_target):
            raise ValueError(f"weights is {values.shape}, but must be ({n_source}, {n_target}).")
        i, j = np.nonzero(values)
        values = values[i, j]
    i, j = np.asarray(i), np.asarray(j)
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
