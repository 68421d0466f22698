"""E-prop for weights and delays of a recurrent network, once more in plain NumPy.

`eprop_oracle` with synapses that have delays; conventions of delays are those of `delay_oracle`.
The eligibility of a delay obeys the recursions of that of the weight, with the weight times the
derivative of the filtered arrivals in place of these.

References
----------
Bellec, G. et al. (2020). A solution to the learning dilemma for recurrent networks of spiking
neurons. Nature Communications 11, 3625. doi:10.1038/s41467-020-17236-y
"""

from __future__ import annotations

import numpy as np

import eprop_oracle
from delay_oracle import arrivals, learned, readout

__all__ = ["eligibility", "forward", "gradients"]


def forward(
    case, w_in, w_rec, w_out, d_in, d_rec, raster, target, interpolate=True
):  # fmt: skip
    """Run a batch of trials of a recurrent network from rest, as `eprop_oracle.forward` does.

    Parameters
    ----------
    d_in, d_rec : ndarray, shape (sources, targets)
        Delays in steps: of input spikes, which otherwise act in the step of their row; and of
        recurrent ones, which otherwise act one step later.
    case, w_in, w_rec, w_out, raster, target
        As there.
    """
    k = eprop_oracle.constants(case)
    batch, steps, _ = raster.shape
    v, a, z = np.zeros((3, batch, case.n_rec))
    before = np.zeros((batch, steps, case.n_rec))  # recurrent spikes, one step later
    refractory = np.zeros((batch, case.n_rec), int)
    rows = []
    for s in range(steps):
        refractory = np.maximum(refractory - 1, 0)
        before[:, s] = z
        x = np.sum(w_in * arrivals(raster, s, d_in, interpolate)[0], axis=1)
        x += np.sum(w_rec * arrivals(before, s, d_rec, interpolate)[0], axis=1)
        v = (1 - k.alpha) * case.current + k.zeta * x + k.alpha * v
        v = np.maximum(v - case.v_th * z, case.v_min)
        a = k.rho * a + z
        distance = v - (case.v_th + k.beta * a)
        psi = np.where(refractory > 0, 0, eprop_oracle.surrogate(case, distance))
        z = ((distance >= 0) & (refractory == 0)).astype(float)
        refractory = np.where(z > 0, case.refractory_steps, refractory)
        rows.append((v, psi, z, a))
    columns = (np.stack(column, axis=1) for column in zip(*rows, strict=True))
    traces = dict(zip(("v", "psi", "spikes", "adaptation"), columns, strict=True))
    traces["readout"] = readout(traces["spikes"], w_out, k.kappa, k.zeta_out)
    traces |= eprop_oracle.judge(case, traces["readout"], target)
    return traces | {"raster": raster, "target": target}


def eligibility(case, psi, trains, weights, delays, interpolate=True):
    """Yield the eligibility traces of each step, a dict of ``weights`` and ``delays``.

    Parameters
    ----------
    psi : ndarray, shape (batch, steps, targets)
    trains : ndarray, shape (batch, steps, sources)
        What acts on the recurrent neurons where there is no delay.
    weights, delays : ndarray, shape (sources, targets)
    """
    k = eprop_oracle.constants(case)
    shape = len(trains), *weights.shape
    zbar = {"weights": np.zeros(shape), "delays": np.zeros(shape)}
    eps = {"weights": np.zeros(shape), "delays": np.zeros(shape)}
    for s in range(psi.shape[1]):
        arrived, slope = arrivals(trains, s, delays, interpolate)
        zbar["weights"] = k.alpha * zbar["weights"] + k.zeta * arrived
        zbar["delays"] = k.alpha * zbar["delays"] + k.zeta * weights * slope
        e = {name: psi[:, s, None, :] * (zbar[name] - k.beta * eps[name]) for name in zbar}
        eps = {name: k.rho * eps[name] + e[name] for name in eps}
        yield e


def gradients(case, traces, w_in, w_rec, d_in, d_rec, interpolate=True):
    """Return the gradients of e-prop, averaged over the batch as in `eprop_oracle.gradients`.

    Returns
    -------
    dict of ndarray
        ``w_in``, ``w_rec``, ``d_in`` and ``d_rec``; autapses do not learn.
    """
    spikes = traces["spikes"]
    signal, kappa = traces["error"] @ case.feedback.T, eprop_oracle.constants(case).kappa
    rates = eprop_oracle.regularization(case, spikes)
    divisor = eprop_oracle.window(case) if case.average else 1
    sources = {
        "in": (traces["raster"], w_in, d_in),
        "rec": (eprop_oracle.delayed(spikes), w_rec, d_rec),
    }
    gradients = {}
    for place, (trains, weights, delays) in sources.items():
        steps = eligibility(case, traces["psi"], trains, weights, delays, interpolate)
        for name, sums in learned(steps, signal, kappa, rates).items():
            gradients[f"{name[0]}_{place}"] = sums.mean(axis=0) / divisor
    for name in ("w_rec", "d_rec"):
        np.fill_diagonal(gradients[name], 0)
    return gradients
