"""Delays once more in plain NumPy: synapses with delays, and multiplicative dendrites.

Nothing here imports Brian2 or brianlearn. Every derivative is carried forward in time, synapse by
synapse. Arrays of a step are ``[batch, neuron]`` or ``[batch, source, target]``; delays are in
steps, and every trial starts from rest and loses what has not arrived at its end.

A synapse with the delay d reads the train x at ``t - d``, which linear interpolation places
between two steps: ``(1-f) x[t-n] + f x[t-n-1]`` with n = floor(d) and f = d - n. The derivative
by d is ``x[t-n-1] - x[t-n]``; at whole delays, where it jumps, this is its value on the right.
Delays may also be rounded, to ``floor(d + 0.5)``; the derivative is then the same by definition.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

__all__ = [
    "arrivals",
    "combine",
    "dendrite_gradients",
    "dendrite_outputs",
    "dendrites",
    "learned",
    "readout",
    "spiking_forward",
    "spiking_gradients",
]


def read(trains, s, lag):
    """What each synapse sees at step `s` of trains ``[batch, step, source]`` with whole delays."""
    source = np.arange(len(lag))[:, None]
    return np.where(lag <= s, trains[:, np.maximum(s - lag, 0), source], 0.0)


def arrivals(trains, s, delays, interpolate=True):
    """What arrives at step `s`, and its derivative by the delay, both ``[batch, source, target]``.

    Parameters
    ----------
    trains : ndarray, shape (batch, steps, sources)
        0 and 1, or any numbers; steps after `s` are not looked at.
    s : int
    delays : ndarray, shape (sources, targets)
        In steps, not below 0.
    interpolate : bool
        Whether the delay is interpolated, or else rounded.
    """
    whole = np.floor(delays).astype(int)
    here, later = read(trains, s, whole), read(trains, s, whole + 1)
    slope = later - here
    if interpolate:
        return here + (delays - whole) * slope, slope
    return read(trains, s, np.floor(delays + 0.5).astype(int)), slope


def combine(u, pairs="first", soma="product"):
    """What dendrites ``u`` of shape (K, ...) make at the soma, and its derivative by each of them.

    Parameters
    ----------
    u : ndarray, shape (K, ...)
    pairs : {"first", "all"}
        Whether each dendrite is paired with the first only, or with each other.
    soma : {"product", "difference"}
        Of a pair: ``u_k u_l`` or ``-(u_k - u_l)^2``.
    """
    value, slopes = np.zeros_like(u[0]), np.zeros_like(u)
    for k, m in combinations(range(len(u)), 2):
        if pairs == "first" and k > 0:
            continue
        if soma == "product":
            value += u[k] * u[m]
            slopes[k] += u[m]
            slopes[m] += u[k]
        else:
            value -= (u[k] - u[m]) ** 2
            slopes[k] -= 2 * (u[k] - u[m])
            slopes[m] += 2 * (u[k] - u[m])
    return value, slopes


def dendrites(trains, weights, delays, dendrite, tau, interpolate=True, silenced=None):
    """Yield the dendrites of each step, and their derivatives.

    Parameters
    ----------
    trains : ndarray, shape (batch, steps, sources)
    weights, delays : ndarray, shape (sources, neurons)
    dendrite : sequence of int (sources)
        Which dendrite of each neuron a source drives, from 0 on.
    tau : float
        Of all dendrites, in steps.
    interpolate : bool
    silenced : list of ndarray (batch, neurons), optional
        1 where all dendrites are set to 0 after the step. It is looked at when the next step is
        asked for, so that it may grow on the way; no derivative goes through it.

    Yields
    ------
    u : ndarray, shape (K, batch, neurons)
    by_weight, by_delay : ndarray, shape (batch, sources, neurons)
        The derivatives of the dendrite that the source drives.
    """
    alpha, dendrite = np.exp(-1 / tau), np.asarray(dendrite)
    trace, slope = np.zeros((2, len(trains), *weights.shape))
    for s in range(trains.shape[1]):
        if s and silenced is not None:
            kept = 1 - silenced[s - 1][:, None, :]
            trace, slope = trace * kept, slope * kept
        arrived, change = arrivals(trains, s, delays, interpolate)
        trace, slope = alpha * trace + arrived, alpha * slope + change
        u = [(weights * trace)[:, dendrite == k].sum(axis=1) for k in range(dendrite.max() + 1)]
        yield np.array(u), trace, weights * slope


def dendrite_outputs(
    spikes, weights, delays, dendrite, tau, pairs="first", soma="product", interpolate=True
):
    """Return the integrals of the somata over time, ``[batch, step, neuron]``."""
    steps = dendrites(spikes, weights, delays, dendrite, tau, interpolate)
    return np.cumsum([combine(u, pairs, soma)[0] for u, _, _ in steps], axis=0).swapaxes(0, 1)


def dendrite_gradients(
    spikes, weights, delays, dendrite, tau, error, pairs="first", soma="product", interpolate=True
):
    """Return the gradients of ``sum_j error_j o_j``, with ``o`` the outputs at the last step.

    `error` is ``[batch, neuron]``.

    Returns
    -------
    dict of ndarray, shape (batch, sources, neurons)
        ``weights`` and ``delays``, of each sample of the batch.
    """
    total = {"weights": 0.0, "delays": 0.0}
    for u, by_weight, by_delay in dendrites(spikes, weights, delays, dendrite, tau, interpolate):
        _, slopes = combine(u, pairs, soma)
        factor = _per_source(slopes, dendrite) * error[:, None, :]
        total["weights"] += factor * by_weight
        total["delays"] += factor * by_delay
    return total


def spiking_forward(
    trains, weights, delays, dendrite, tau, v_th, surrogate, pairs="first", interpolate=True,
    spikes=None,
):  # fmt: skip
    """Run neurons that spike when the sum of products of their dendrites reaches a threshold.

    A spike sets all dendrites of its neuron to 0 after the step.

    Parameters
    ----------
    trains, weights, delays, dendrite, tau, pairs, interpolate
        As for `dendrites` and `combine`.
    v_th : float
    surrogate : callable
        The derivative that stands for that of a spike, as a function of ``p - v_th``.
    spikes : ndarray, shape (batch, steps, neurons), optional
        Reset at these instead.

    Returns
    -------
    dict
        ``p``, ``psi`` and ``z`` ``[batch, step, neuron]``; and ``e``, the eligibility traces: a
        list with, for each step, a dict of ``weights`` and ``delays`` ``[batch, source, neuron]``.
    """
    resets, rows, eligibility = [], [], []
    running = dendrites(trains, weights, delays, dendrite, tau, interpolate, resets)
    for s, (u, by_weight, by_delay) in enumerate(running):
        p, slopes = combine(u, pairs)
        psi, z = surrogate(p - v_th), (p >= v_th).astype(float)
        resets.append(z if spikes is None else spikes[:, s])
        factor = psi[:, None, :] * _per_source(slopes, dendrite)
        eligibility.append({"weights": factor * by_weight, "delays": factor * by_delay})
        rows.append((p, psi, z))
    columns = (np.stack(column, axis=1) for column in zip(*rows, strict=True))
    return dict(zip(("p", "psi", "z"), columns, strict=True)) | {"e": eligibility}


def _per_source(slopes, dendrite):
    """The derivative by the dendrite that each source drives, ``[batch, source, neuron]``."""
    return slopes[np.asarray(dendrite)].swapaxes(0, 1)


def readout(spikes, w_out, kappa, zeta):
    """Return leaky readouts, ``y[t] = kappa y[t-1] + zeta sum_j w_j z_j[t]``."""
    y, rows = 0.0, []
    for s in range(spikes.shape[1]):
        y = kappa * y + zeta * (spikes[:, s] @ w_out)
        rows.append(y)
    return np.stack(rows, axis=1)


def learned(eligibility, signal, kappa, rates=None):
    """Return what learning signals make of eligibility traces, of each sample.

    Parameters
    ----------
    eligibility : iterable of dict of ndarray (batch, sources, neurons)
        One for each step.
    signal : ndarray, shape (batch, steps, neurons)
        Errors of the readouts, times the feedback weights.
    kappa : float
        The readouts' decay per step, by which the traces are filtered: with the factor 1 - kappa.
    rates : ndarray, shape (batch, neurons), optional
        The factor of the firing rates' regularization, which takes the traces unfiltered.
    """
    total, ebar = {}, {}
    for s, step in enumerate(eligibility):
        for name, e in step.items():
            ebar[name] = kappa * ebar.get(name, 0.0) + (1 - kappa) * e
            change = signal[:, s, None, :] * ebar[name]
            if rates is not None:
                change = change + rates[:, None, :] * e
            total[name] = total.get(name, 0.0) + change
    return total


def spiking_gradients(outcome, error, feedback, kappa, rates=None):
    """Return the gradients of e-prop for `spiking_forward`, of each sample.

    `error` is ``[batch, step, readout]`` and `feedback` ``[neuron, readout]``.

    Returns
    -------
    dict of ndarray, shape (batch, sources, neurons)
        ``weights`` and ``delays``.
    """
    return learned(outcome["e"], error @ feedback.T, kappa, rates)
