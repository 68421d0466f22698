"""The adjoint form of e-prop: one backward recursion per neuron, one product with the spikes.

The eligibility recursions of all synapses are linear in the presynaptic trace, so they can be
transposed: at a trial's end, the sensitivity ``H`` of the loss to one spike that arrives at a
neuron at step t is computed for all t, from the last to the first, and each spike adds a row of it
to the gradient. The numbers are those of the online form; the work is a hundredth of it.

A spike that is delayed adds the sensitivities at its arrivals. To move a delay is to move the spike
from one time step to the next: the gradient of the delay is the weight times the difference of the
sensitivities in the two steps between which the delay lies.
"""

import math
from importlib.resources import files

import numpy as np

from brianlearn import schedule
from brianlearn.decay import decay_in
from brianlearn.kernel import Kernel, Scratch, Threads
from brianlearn.learners.eprop_parts import (
    DELAYS,
    WEIGHTS,
    adapts,
    find_constant,
    is_emptied,
    spikes_of,
    surrogate_of,
)
from brianlearn.losses import hears_later

__all__ = ["gradient_of_neurons", "gradient_of_readouts"]

_HEADER = files("brianlearn.learners") / "eprop_adjoint.h"

PARTS = 16  # of the samples, which as many threads can take; one stays in the first cache


def adjoint(
    step, steps, interval, window, learning, recording, samples, psi, spiking, empties, error,
    feedback, learning_signal, tau_m, spread, beta, tau_adapt, kappa, gain, told_later, c_reg, rate,
    kappa_reg, deviation, rate_history, psi_history, error_history, spike_counts, spike_times,
    spikes, first, sources, lag, rows, columns, weights, delay_steps, strides, interpolates, reach,
    learns, arrivals, origins, counts, gradient, delay_gradient, threads,
):  # fmt: skip
    """The Python form for neurons that spike."""
    T, s, B = steps[0], step[0], samples[0]
    errors = error.reshape(B, -1)
    back = feedback.reshape(-1, errors.shape[1])[: len(psi) // B]
    if recording[0]:
        learning_signal[:] = (errors @ back.T).ravel()
    if not learning[0]:
        return
    if s == 0:
        spike_counts[:] = 0
        spike_times[:] = 0
    spike_counts[spiking[: spiking[-1]]] += 1
    if kappa_reg[0] >= 0:
        rate_history.reshape(T, -1)[s] = deviation
    spiked = spike_times.reshape(T, B, -1) if empties[0] else np.zeros((T, B, 1))
    if empties[0]:
        spike_times.reshape(T, -1)[s, spiking[: spiking[-1]]] = 1
    psis = psi_history.reshape(T, B, -1)
    kept_errors = error_history.reshape(T, B, -1)
    psis[s], kept_errors[s] = psi.reshape(B, -1), errors
    for connection in zip(spikes, first, sources, lag, arrivals, origins, counts, strict=True):
        _note_spikes(s, T, B, *connection)
    if s < T - 1:
        return

    n = psis.shape[2]
    alpha, rho = np.exp(-interval[0] / tau_m), np.exp(-interval[0] / tau_adapt)
    zeta = 1 - spread * alpha
    alpha, zeta, rho, beta = (_per_neuron(x, B, n) for x in (alpha, zeta, rho, beta))
    reg = c_reg[0] * (spike_counts.reshape(B, n) / T - rate[0] * interval[0]) / T
    q, lam, H = np.zeros((3, B, n))
    sensitivity = np.empty((T, B, n))
    for t in reversed(range(T)):
        q = kappa[0] * q  # the learning signal, filtered backwards
        if T - window[0] <= t + told_later[0] < T:  # when readouts have heard of it
            q = q + kept_errors[t + told_later[0]] @ back.T
        if kappa_reg[0] >= 0:
            pull = (1 - kappa_reg[0]) * rate_history.reshape(T, B, n)[t]
            reg = kappa_reg[0] * (reg if t < T - 1 else 0) + pull
        g = psis[t] * (gain[0] * q + reg + lam)  # sensitivity to the presynaptic trace
        lam = rho * lam - beta * g  # sensitivity to the trace of the adaptation
        H = alpha * (H * (1 - spiked[t])) + zeta * g
        sensitivity[t] = H
    for connection in zip(
        sources, rows, columns, weights, delay_steps, strides, interpolates, reach, learns,
        arrivals, origins, counts, gradient, delay_gradient, strict=True,
    ):  # fmt: skip
        _add_products(sensitivity, *connection)


def adjoint_readout(
    step, steps, interval, window, learning, samples, error, tau_m, spread, error_history, spikes,
    first, sources, lag, rows, columns, weights, delay_steps, strides, interpolates, reach, learns,
    arrivals, origins, counts, gradient, delay_gradient, threads,
):  # fmt: skip
    """The Python form for readouts, whose membrane the error is the derivative of."""
    if not learning[0]:
        return
    T, s, B = steps[0], step[0], samples[0]
    errors = error_history.reshape(T, B, -1)
    errors[s] = error.reshape(B, -1)
    for connection in zip(spikes, first, sources, lag, arrivals, origins, counts, strict=True):
        _note_spikes(s, T, B, *connection)
    if s < T - 1:
        return

    kappa = np.exp(-interval[0] / tau_m[0])
    zeta = 1 - spread[0] * kappa
    sensitivity = np.empty(errors.shape)
    H = np.zeros(errors[0].shape)
    for t in reversed(range(T)):
        H = kappa * H + (zeta * errors[t] if t >= T - window[0] else 0)
        sensitivity[t] = H
    for connection in zip(
        sources, rows, columns, weights, delay_steps, strides, interpolates, reach, learns,
        arrivals, origins, counts, gradient, delay_gradient, strict=True,
    ):  # fmt: skip
        _add_products(sensitivity, *connection)


def _note_spikes(step, steps, samples, spikes, first, sources, lag, arrivals, origins, counts):
    """Note when this step's spikes arrive, and from whom; each part of the samples has its room."""
    if step == 0:
        counts[:] = 0
    if step + lag[0] >= steps:  # no spike crosses a trial's end
        return
    origin = spikes[: spikes[-1]] - first[0]
    origin = origin[(origin >= 0) & (origin < samples * sources[0])]
    origin = origin[np.diff(origin, prepend=-1) != 0]  # a trace sees several spikes as one
    begins = _begins(len(counts), samples)
    parts = np.searchsorted(begins, origin // sources[0], side="right") - 1
    for k in np.unique(parts):
        at = begins[k] * steps * sources[0] + counts[k]
        new = origin[parts == k]
        arrivals[at : at + len(new)], origins[at : at + len(new)] = step + lag[0], new
        counts[k] += len(new)


def _begins(parts, samples):
    """The first sample of each part."""
    return np.arange(parts) * samples // parts


def _noted(steps, samples, sources, arrivals, origins, counts):
    """All that was noted: when each spike arrives, its sample and its source."""
    rooms = _begins(len(counts), samples) * steps * sources[0]
    at = np.concatenate(
        [np.arange(room, room + count) for room, count in zip(rooms, counts, strict=True)]
    )
    return arrivals[at], *np.divmod(origins[at], sources[0])


def _per_neuron(values, samples, n):
    """Constants of all neurons, or of one sample's, or one for all, as samples x neurons."""
    return np.resize(values, samples * n).reshape(samples, n)


def _add_products(sensitivity, sources, rows, columns, weights, delay_steps, strides, interpolates,
                  reach, learns, arrivals, origins, counts, gradient, delay_gradient):  # fmt: skip
    """Every spike adds the sensitivities at its arrival to its source's row of the gradient."""
    steps, batch, n = sensitivity.shape
    dense = len(rows) == 1
    times, samples, spiking = _noted(steps, batch, sources, arrivals, origins, counts)
    if not reach[0]:
        if not learns[0] & WEIGHTS:
            return
        matrix = gradient.reshape(-1, n) if dense else np.zeros((sources[0], n))
        np.add.at(matrix, spiking, sensitivity[times, samples])
        if not dense:
            gradient += matrix[np.repeat(np.arange(len(matrix)), np.diff(rows)), columns]
        return
    after = np.zeros((reach[0] + 1, *sensitivity.shape[1:]))
    sensitivity = np.concatenate([sensitivity, after])
    for t, b, i in zip(times, samples, spiking, strict=True):
        k = np.arange(i * n, (i + 1) * n) if dense else np.arange(rows[i], rows[i + 1])
        j = k - i * n if dense else columns[k]
        at = i * strides[0] + j * strides[1] + k * strides[2]
        whole = np.floor(delay_steps[at]).astype(int)
        rest = delay_steps[at] - whole
        later = rest if interpolates[0] else rest >= 0.5
        early, late = sensitivity[t + whole, b, j], sensitivity[t + whole + 1, b, j]
        if learns[0] & WEIGHTS:
            gradient[k] += (1 - later) * early + later * late
        if learns[0] & DELAYS:
            np.add.at(delay_gradient, at, weights[k] * (late - early))


def _lists(projections, trials, rule):
    """The arguments that exist once for each projection onto the same group."""
    T, B = trials.steps_per_trial, trials.samples
    capacity = [B * T * projection.sources for projection in projections]
    layouts = [projection.layout for projection in projections]
    nowhere = np.full(1, -1, dtype=np.int32)
    return {
        "spikes": [(projection, "spikes") for projection in projections],
        "first": [(projection, "first") for projection in projections],
        "sources": [np.int64(projection.sources) for projection in projections],
        "lag": [np.int64(projection.lag) for projection in projections],
        "rows": [nowhere if p.is_dense else (p, "rows") for p in projections],
        "columns": [nowhere if p.is_dense else (p, "columns") for p in projections],
        "weights": [(projection, "weights") for projection in projections],
        "delay_steps": [(p, "delay_steps") if p.layout else -np.ones(1) for p in projections],
        "strides": [(p, "strides") if p.layout else nowhere.astype(np.int64) for p in projections],
        "interpolates": [
            np.int64(layout is not None and layout.interpolates) for layout in layouts
        ],
        "reach": [np.int64(layout.maximum + 1 if layout else 0) for layout in layouts],
        "learns": [np.int64(_learns(rule, projection)) for projection in projections],
        "arrivals": [Scratch(size, np.int32) for size in capacity],
        "origins": [Scratch(size, np.int32) for size in capacity],
        "counts": [Scratch(min(B, PARTS), np.int64) for _ in projections],
        "gradient": [np.zeros(projection.variables["weights"].size) for projection in projections],
        "delay_gradient": [np.zeros(layout.steps.size if layout else 1) for layout in layouts],
    }


def _learns(rule, projection):
    weights, delays = rule.learns(projection)
    return WEIGHTS * weights | DELAYS * delays


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
        "threads": Threads(),
    }


def _filter(rule, readout, integrates, dt):
    """How eligibility traces are filtered: the factor per step, and the gain.

    Without ``rule.kappa`` it is as readouts filter what the neurons give them.
    """
    if rule.kappa is not None:
        return decay_in(rule.kappa, dt), 1.0
    if integrates:
        return 1.0, 1.0
    kappa = math.exp(-float(dt) / find_constant(readout, "tau_m")[0])
    return kappa, 1 - kappa


def gradient_of_neurons(neurons, projections, rule, readout, feedback, integrates, rates, trials,
                        window, name):  # fmt: skip
    """The kernel with the gradients (``gradient_0``, ...) of the projections onto one variable.

    ``feedback`` is an array, or (group, variable); ``integrates`` says whether the readout sums up
    what the neurons give it, instead of filtering it; ``rates`` is the kernel of
    `FiringRate.attach`, or None.
    """
    adapting, empties = adapts(neurons), is_emptied(neurons)
    history, dt = trials.steps_per_trial * len(neurons), trials.clock.dt
    kappa, gain = _filter(rule, readout, integrates, dt)
    regularizer = rule.regularizer
    return Kernel(
        adjoint,
        _HEADER,
        _common(trials, window, readout)
        | {
            "recording": (trials, "recording"),
            "psi": (neurons, surrogate_of(neurons, projections[0].variable)),
            "spiking": spikes_of(neurons),
            "empties": np.int64(empties),
            "feedback": feedback,
            "learning_signal": (neurons, "learning_signal"),
            "tau_m": find_constant(neurons, "tau_m"),
            "spread": find_constant(neurons, "spread"),
            "beta": find_constant(neurons, "beta") if adapting else np.zeros(1),
            "tau_adapt": find_constant(neurons, "tau_adapt") if adapting else np.ones(1),
            "kappa": kappa,
            "gain": gain,
            "told_later": np.int64(not integrates and hears_later(readout)),
            "c_reg": float(regularizer.c_reg),
            "rate": float(regularizer.rate),
            "kappa_reg": decay_in(regularizer.kappa, dt) if rates else -1.0,
            "deviation": (rates, "deviation") if rates else np.zeros(1),
            "rate_history": Scratch(history if rates else 1),
            "psi_history": Scratch(history),
            "spike_counts": Scratch(len(neurons), np.int64),
            "spike_times": Scratch(history if empties else 1, bool),
        }
        | _lists(projections, trials, rule),
        clock=trials.clock,
        when=schedule.GRADIENT.when,
        order=schedule.GRADIENT.order,
        name=name,
    )


def gradient_of_readouts(readout, projections, rule, trials, window, name):
    """The kernel with the gradients (``gradient_0``, ...) of the projections onto readouts."""
    return Kernel(
        adjoint_readout,
        _HEADER,
        _common(trials, window, readout)
        | {"tau_m": find_constant(readout, "tau_m"), "spread": find_constant(readout, "spread")}
        | _lists(projections, trials, rule),
        clock=trials.clock,
        when=schedule.GRADIENT.when,
        order=schedule.GRADIENT.order,
        name=name,
    )
