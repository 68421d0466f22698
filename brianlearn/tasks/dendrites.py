"""What multiplicative dendrites make of known spike trains, and by which delays they make most.

Each input drives a leaky dendrite of its own: ``u[t] = exp(-1/tau) u[t-1] + x[t-d]`` with a delay
d. The soma integrates products of dendrites over time. A delay between two steps is interpolated:
``x[t-d]`` is ``(1-f) x[t-n] + f x[t-n-1]`` with n whole steps and the rest f. From one step to the
next the output is then linear in each delay, so that no delays do better than some whole ones.

Spike trains are arrays (classes, inputs, steps of the trial); times are in steps.
"""

from itertools import combinations

import numpy as np

from brianlearn.checks import real_numbers

__all__ = ["best", "output"]

_MOST = 10**7  # combinations of delays to look at


def output(raster, delays, tau: float, pairs: str = "first", interpolate: bool = True):
    """What the soma integrates over a trial.

    Parameters
    ----------
    raster : array (classes, inputs, steps)
        0 and 1.
    delays : array (inputs, classes)
        In steps.
    tau : float
        Of the dendrites, in steps.
    pairs : {"first", "all"}
        Whether dendrites are multiplied with the first one only, or each with each other.
    interpolate : bool
        Whether a delay lies between two steps, or is rounded.

    Returns
    -------
    array (classes)

    Raises
    ------
    ValueError
        If there are too many or too few delays, or one is negative.

    Examples
    --------
    >>> spikes = np.zeros((1, 2, 500))
    >>> spikes[0, [0, 1], [3, 7]] = 1  # the second input's is 4 steps later
    >>> round(float(output(spikes, [[4], [0]], tau=10)[0]), 3)  # 1/(1 - exp(-2/10))
    5.517
    """
    delays = real_numbers(delays, "delays, in steps,")
    classes, inputs, _ = np.shape(raster)
    if delays.shape != (inputs, classes):
        raise ValueError(
            f"delays has the shape {delays.shape}, but must have {inputs} inputs x {classes} "
            "classes."
        )
    if not (delays >= 0).all():
        raise ValueError(f"the delay {delays.min()} is none: delays are 0 or more steps.")
    delays = delays.T if interpolate else np.floor(delays.T + 0.5)
    whole = np.floor(delays).astype(int)
    part, traces = (delays - whole)[:, :, None], _traces(raster, tau)
    u = (1 - part) * _later(traces, whole) + part * _later(traces, whole + 1)
    return sum((u[:, k] * u[:, m]).sum(axis=1) for k, m in _products(inputs, pairs))


def best(raster, reference: int, max_delay: int, tau: float, pairs: str = "first"):
    """The largest output of each class that delays can reach, and such delays.

    All combinations of whole delays are looked at, with the first input's at the reference.

    Parameters
    ----------
    raster, tau, pairs
        As for `output`.
    reference, max_delay : int
        The first input's delay, and the longest of the others'.

    Returns
    -------
    largest : array (classes)
    delays : array of int (inputs, classes)

    Raises
    ------
    ValueError
        If there are too many combinations to look at.

    Examples
    --------
    >>> spikes = np.zeros((1, 2, 500))
    >>> spikes[0, [0, 1], [3, 7]] = 1
    >>> largest, delays = best(spikes, reference=10, max_delay=20, tau=10)
    >>> delays.tolist()
    [[10], [6]]
    """
    traces = _traces(raster, tau)
    classes, inputs, _ = traces.shape
    counts = [1] + [max_delay + 1] * (inputs - 1)
    if np.prod(counts, dtype=float) > _MOST:
        raise ValueError(
            f"{inputs} inputs with delays up to {max_delay} are too many combinations to look at: "
            "take fewer inputs, or shorter delays."
        )
    tables = [[reference]] + [range(max_delay + 1)] * (inputs - 1)
    u = [_later(traces[:, [k]], np.array(tables[k])[:, None, None])[:, :, 0] for k in range(inputs)]
    largest, delays = np.empty(classes), np.empty((inputs, classes), int)
    for c in range(classes):
        total = np.zeros(counts)  # an axis for each input's delay
        for k, m in _products(inputs, pairs):
            axes = [1] * inputs
            axes[k], axes[m] = counts[k], counts[m]
            total += (u[k][:, c] @ u[m][:, c].T).reshape(axes)
        at = np.unravel_index(total.argmax(), counts)
        largest[c] = total[at]
        delays[:, c] = reference, *at[1:]
    return largest, delays


def _traces(raster, tau):
    """The dendrites, if there are no delays: array like the raster."""
    traces = real_numbers(raster, "raster", booleans=True)
    for t in range(1, traces.shape[2]):
        traces[:, :, t] += np.exp(-1 / tau) * traces[:, :, t - 1]
    return traces


def _later(traces, delays):
    """The dendrites with whole delays (..., classes, inputs): array (..., classes, inputs, steps).

    A delay of the spikes is one of the trace.
    """
    classes, inputs, steps = traces.shape
    at = np.arange(steps) - delays[..., None]
    c, k = np.ogrid[:classes, :inputs]
    return np.where(at >= 0, traces[c[..., None], k[..., None], at.clip(0)], 0.0)


def _products(inputs, pairs):
    """Which dendrites are multiplied with which."""
    if pairs not in ("first", "all"):
        raise ValueError(f"pairs is {pairs!r}, but must be 'first' or 'all'.")
    found = combinations(range(inputs), 2)
    return [pair for pair in found if pairs == "all" or pair[0] == 0]
