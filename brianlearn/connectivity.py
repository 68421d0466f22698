"""Which neurons a connection joins: what is checked of weights, masks and lists of pairs."""

import numpy as np
from brian2.groups.subgroup import Subgroup

from brianlearn.checks import check_flag, find_array, plain_array, real_numbers

__all__ = [
    "check_mask",
    "compressed_rows",
    "count_samples",
    "find_heard",
    "mask_of",
    "weights_onto",
]


def find_heard(target, variable: str):
    """The variable of the targets that a connection sets or adds to: real numbers, one each.

    Raises
    ------
    KeyError
        If there is none of that name.
    TypeError
        If it holds no real numbers, or all targets share one.
    """
    found = find_array(target, variable)
    if found.scalar:
        raise TypeError(f"'{variable}' of '{target.name}' is shared: each neuron needs its own.")
    if found.dtype != np.float64:
        raise TypeError(f"'{variable}' of '{target.name}' does not hold real numbers.")
    return found


def weights_onto(weights, target, variable: str) -> np.ndarray:
    """Weights without the unit that they must have; what they are added to decides on it."""
    what = f"A weight onto '{target.name}', which is added to '{variable}',"
    return real_numbers(weights, what, target.variables[variable].dim)


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
    check_flag("autapses", autapses)
    shape = weights.shape
    mask = weights != 0 if mask is None else check_mask(mask, shape)
    if not autapses:
        if shape[0] != shape[1]:
            raise ValueError(f"autapses need as many sources as targets, but weights is {shape}.")
        mask = mask & ~np.eye(len(mask), dtype=bool)
    return mask


def check_mask(mask, shape) -> np.ndarray:
    """A copy of a mask; an error if it holds something else than True and False."""
    mask = np.array(plain_array(mask, "mask", booleans=True))
    if mask.shape != shape or mask.dtype != bool:
        raise ValueError(f"mask is {mask.dtype} {mask.shape}, but must be bool {shape}.")
    return mask


def compressed_rows(values, i, j, n_source, n_target):
    """Connections sorted by source, then target: row starts, targets, weights, and the order."""
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
    return rows.astype(np.int32), j.astype(np.int32), values, order
