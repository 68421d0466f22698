"""Which neurons a connection joins: what is checked of weights, masks and lists of pairs."""

import numpy as np
from brian2.groups.subgroup import Subgroup
from brian2.units.fundamentalunits import Quantity, get_dimensions

from brianlearn.checks import check_unit

__all__ = ["check_fit", "compressed_rows", "connected_pairs", "count_samples", "mask_of"]


def count_samples(source, target, shape):
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


def mask_of(weights, mask, autapses):
    """Which pairs are connected: those of ``mask``, or those whose weight is not 0."""
    shape = np.shape(weights)
    mask = np.asarray(weights) != 0 if mask is None else np.array(mask)
    if mask.shape != shape or mask.dtype != bool:
        raise ValueError(f"mask is {mask.dtype} {mask.shape}, but must be bool {shape}.")
    if not autapses:
        if shape[0] != shape[1]:
            raise ValueError(f"autapses need as many sources as targets, but weights is {shape}.")
        mask = mask & ~np.eye(len(mask), dtype=bool)
    return mask


def connected_pairs(weights, mask):
    """Source, target and weight (with unit) of the pairs in ``mask``."""
    i, j = np.nonzero(mask)
    values = np.asarray(weights, dtype=float)[i, j]
    return i, j, Quantity(values, dim=get_dimensions(weights))


def check_fit(weights, target, variable):
    """Refuse weights that are no numbers, or not in units of the variable that they add to."""
    if not np.isfinite(np.asarray(weights, dtype=float)).all():
        raise ValueError(f"A weight onto '{target.name}' is not a finite number.")
    what = f"A weight onto '{target.name}', which is added to '{variable}',"
    check_unit(weights, target.variables[variable].dim, what)


def compressed_rows(weights, i, j, n_source, n_target):
    """Connections sorted by source, then target: row starts, targets, weights, and the order."""
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
    return rows.astype(np.int32), j.astype(np.int32), Quantity(values, dim=dim), order
