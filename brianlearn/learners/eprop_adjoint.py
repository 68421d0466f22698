"""The adjoint form of e-prop: one backward recursion per neuron, one product with the spikes.

The eligibility recursions of all synapses are linear in the presynaptic trace, so they can be
transposed: at a trial's end, the sensitivity ``H`` of the loss to one spike that arrives at a
neuron at step t is computed for all t, from the last to the first, and each spike adds a row of it
to the gradient. The numbers are those of the online form; the work is a hundredth of it.
"""

from importlib.resources import files

import numpy as np

from brianlearn import schedule
from brianlearn.kernel import Kernel, Scratch
from brianlearn.learners.eprop_parts import adapts, find_constant

__all__ = ["gradient_of_neurons", "gradient_of_readouts"]

_HEADER = files("brianlearn.learners") / "eprop_adjoint.h"


def adjoint(
    step, steps, interval, window, learning, recording, samples, psi, spiking, error, feedback,
    learning_signal, tau_m, spread, beta, tau_adapt, tau_out, c_reg, rate, psi_history,
    error_history, spike_counts, spikes, first, sources, lag, rows, columns, arrivals, origins,
    counts, gradient,
):  # fmt: skip
    """The Python form for neurons that spike."""
    T, s, B = steps[0], step[0], samples[0]
    errors = error.reshape(B, -1)
    weights = feedback.reshape(-1, errors.shape[1])[: len(psi) // B]
    if recording[0]:
        learning_signal[:] = (errors @ weights.T).ravel()
    if not learning[0]:
        return
    if s == 0:
        spike_counts[:] = 0
    spike_counts[spiking[: spiking[-1]]] += 1
    psis = psi_history.reshape(T, B, -1)
    kept_errors = error_history.reshape(T, B, -1)
    psis[s], kept_errors[s] = psi.reshape(B, -1), errors
    lists = [*zip(spikes, first, sources, lag, arrivals, origins, counts, strict=True)]
    for connection in lists:
        _note_spikes(s, T, B, *connection)
    if s < T - 1:
        return

    n = psis.shape[2]
    alpha, rho, kappa = (np.exp(-interval[0] / tau) for tau in (tau_m, tau_adapt, tau_out[0]))
    zeta = 1 - spread * alpha
    alpha, zeta, rho, beta = (_per_neuron(x, B, n) for x in (alpha, zeta, rho, beta))
    reg = c_reg[0] * (spike_counts.reshape(B, n) / T - rate[0] * interval[0]) / T
    q, lam, H = np.zeros((3, B, n))
    sensitivity = np.empty((T, B, n))
    for t in reversed(range(T)):
        q = kappa * q + kept_errors[t] @ weights.T  # the learning signal, filtered backwards
        g = psis[t] * ((1 - kappa) * q + reg + lam)  # sensitivity to the presynaptic trace
        lam = rho * lam - beta * g  # sensitivity to the trace of the adaptation
        H = alpha * H + zeta * g
        sensitivity[t] = H
    _add_products(sensitivity, sources, arrivals, origins, counts, rows, columns, gradient)


def adjoint_readout(
    step, steps, interval, window, learning, samples, error, tau_m, spread, error_history, spikes,
    first, sources, lag, rows, columns, arrivals, origins, counts, gradient,
):  # fmt: skip
    """The Python form for readouts, whose membrane the error is the derivative of."""
    if not learning[0]:
        return
    T, s, B = steps[0], step[0], samples[0]
    errors = error_history.reshape(T, B, -1)
    errors[s] = error.reshape(B, -1)
    lists = [*zip(spikes, first, sources, lag, arrivals, origins, counts, strict=True)]
    for connection in lists:
        _note_spikes(s, T, B, *connection)
    if s < T - 1:
        return

    kappa = np.exp(-interval[0] / tau_m[0])
    zeta = 1 - spread[0] * kappa
    sensitivity = np.empty(errors.shape)
    H = np.zeros(errors[0].shape)
    for t in reversed(range(T)):
        H = kappa * H + zeta * errors[t]
        sensitivity[t] = H
    _add_products(sensitivity, sources, arrivals, origins, counts, rows, columns, gradient)


def _note_spikes(step, steps, samples, spikes, first, sources, lag, arrivals, origins, count):
    """Note when this step's spikes arrive, and from whom."""
    if step == 0:
        count[0] = 0
    if step + lag[0] >= steps:  # no spike crosses a trial's end
        return
    origin = spikes[: spikes[-1]] - first[0]
    origin = origin[(origin >= 0) & (origin < samples * sources[0])]
    noted = slice(count[0], count[0] + len(origin))
    arrivals[noted], origins[noted] = step + lag[0], origin
    count[0] += len(origin)


def _per_neuron(values, samples, n):
    """Constants of all neurons, or of one sample's, or one for all, as samples x neurons."""
    return np.resize(values, samples * n).reshape(samples, n)


def _add_products(sensitivity, sources, arrivals, origins, counts, rows, columns, gradient):
    """Every spike adds the sensitivities at its arrival to its source's row of the gradient."""
    n = sensitivity.shape[2]
    for p, total in enumerate(gradient):
        sparse = len(rows[p]) > 1
        matrix = np.zeros((sources[p][0], n)) if sparse else total.reshape(-1, n)
        listed = slice(0, counts[p][0])
        sample, origin = np.divmod(origins[p][listed], sources[p][0])
        np.add.at(matrix, origin, sensitivity[arrivals[p][listed], sample])
        if sparse:
            i = np.repeat(np.arange(len(matrix)), np.diff(rows[p]))
            total += matrix[i, columns[p]]


def _lists(projections, trials):
    """The arguments that exist once for each projection onto the same group."""
    T, B = trials.steps_per_trial, trials.samples
    capacity = [B * T * projection.sources for projection in projections]
    nowhere = np.full(1, -1, dtype=np.int32)
    return {
        "spikes": [(projection, "spikes") for projection in projections],
        "first": [(projection, "first") for projection in projections],
        "sources": [np.int64(projection.sources) for projection in projections],
        "lag": [np.int64(projection.lag) for projection in projections],
        "rows": [nowhere if p.is_dense else (p, "rows") for p in projections],
        "columns": [nowhere if p.is_dense else (p, "columns") for p in projections],
        "arrivals": [Scratch(size, np.int32) for size in capacity],
        "origins": [Scratch(size, np.int32) for size in capacity],
        "counts": [Scratch(1, np.int64) for _ in projections],
        "gradient": [np.zeros(projection.variables["weights"].size) for projection in projections],
    }


def _common(trials, window, readout):
    return {
        "step": (trials, "step"),
        "steps": (trials, "steps"),
        "interval": (trials.clock, "dt"),
        "window": np.int64(window),
        "learning": (trials, "learning"),
        "samples": np.int64(trials.samples),
        "error": (readout, "error"),
        "error_history": Scratch(trials.steps_per_trial * len(readout)),
    }


def gradient_of_neurons(neurons, projections, rule, readout, feedback, trials, window, name):
    """The kernel with the gradients (``gradient_0``, ...) of the projections onto neurons.

    ``feedback`` is an array, or (group, variable).
    """
    adapting = adapts(neurons)
    return Kernel(
        adjoint,
        _HEADER,
        _common(trials, window, readout)
        | {
            "recording": (trials, "recording"),
            "psi": (neurons, "psi"),
            "spiking": (neurons, "_spikespace"),
            "feedback": feedback,
            "learning_signal": (neurons, "learning_signal"),
            "tau_m": find_constant(neurons, "tau_m"),
            "spread": find_constant(neurons, "spread"),
            "beta": find_constant(neurons, "beta") if adapting else np.zeros(1),
            "tau_adapt": find_constant(neurons, "tau_adapt") if adapting else np.ones(1),
            "tau_out": find_constant(readout, "tau_m"),
            "c_reg": float(rule.regularizer.c_reg),
            "rate": float(rule.regularizer.rate),
            "psi_history": Scratch(trials.steps_per_trial * len(neurons)),
            "spike_counts": Scratch(len(neurons), np.int64),
        }
        | _lists(projections, trials),
        clock=trials.clock,
        when=schedule.GRADIENT.when,
        order=schedule.GRADIENT.order,
        name=name,
    )


def gradient_of_readouts(readout, projections, trials, window, name):
    """The kernel with the gradients (``gradient_0``, ...) of the projections onto readouts."""
    return Kernel(
        adjoint_readout,
        _HEADER,
        _common(trials, window, readout)
        | {"tau_m": find_constant(readout, "tau_m"), "spread": find_constant(readout, "spread")}
        | _lists(projections, trials),
        clock=trials.clock,
        when=schedule.GRADIENT.when,
        order=schedule.GRADIENT.order,
        name=name,
    )
