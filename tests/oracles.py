"""Plain NumPy references that the FORCE learners are tested against.

Nothing here imports Brian2 or brianlearn: each function says again, in the shortest readable
form, what a learner must compute. Units are seconds; voltages are the dimensionless,
millivolt-like numbers of the published model (leak reversal at 0, threshold at -40).

References
----------
Nicola, W. and Clopath, C. (2017). Supervised learning in spiking neural networks with FORCE
training. Nature Communications 8, 2208. doi:10.1038/s41467-017-01827-3
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

GAINS = ("exact", "published")


@dataclass(frozen=True, eq=False)
class ForceNetwork:
    """The random parts of a FORCE network.

    Attributes
    ----------
    encoders : ndarray, shape (N,)
        Weights of the feedback from the readout to the neurons.
    v : ndarray, shape (N,)
        Initial voltages.
    omega : ndarray, shape (N, N)
        Fixed recurrent weights in seconds, indexed ``[pre, post]``, autapses included.
    """

    encoders: np.ndarray
    v: np.ndarray
    omega: np.ndarray


@dataclass(frozen=True, eq=False)
class ForceRun:
    """What `published_force` records.

    Attributes
    ----------
    spike_steps, spike_neurons : ndarray of int
        One entry a spike, in order of time and, within a step, of neuron.
    z : ndarray, shape (steps,)
        The readout at the start of each step, before the update of that step.
    error : ndarray, shape (steps,)
        ``z - target``, at the same moment.
    phi : ndarray, shape (N,)
        The decoders after the last step, in seconds.
    phi_history : ndarray, shape (updates, N), or None
        The decoders just after each update, if they were asked for.
    """

    spike_steps: np.ndarray
    spike_neurons: np.ndarray
    z: np.ndarray
    error: np.ndarray
    phi: np.ndarray
    phi_history: np.ndarray | None


def draw_force_network(N, seed, *, p=0.1, G=0.04, Q=10):
    """Draw a network as Brian2's published script does, number for number.

    Parameters
    ----------
    N, seed : int
        Number of neurons; seed of NumPy's legacy generator.
    p, G, Q : float
        Connection probability; strength of the recurrent weights, in seconds; strength of the
        feedback weights.

    Returns
    -------
    ForceNetwork
    """
    random = np.random.RandomState(seed)
    encoders = (2 * random.uniform(size=N) - 1) * Q
    v = -65 + 95 * random.uniform(size=N)
    normal = random.normal(size=(N, N))
    mask = random.uniform(size=(N, N)) < p
    return ForceNetwork(encoders, v, G * normal * mask / (np.sqrt(N) * p))


def _rls_step(phi, P, r, error, gain):
    """Update decoders `phi` (m x N) and `P` (N x N) in place; return ``r.P.r`` of the old `P`."""
    if gain not in GAINS:
        raise ValueError(f"gain must be one of {GAINS}, not {gain!r}")
    k = P @ r
    q = r @ k
    step = np.outer(error, k)
    phi -= step / (1 + q) if gain == "exact" else step
    P -= np.outer(k, k) / (1 + q)
    return q


def rls(r, target, alpha, *, gain):
    """Recursive least squares along a given trajectory, one update a sample.

    Parameters
    ----------
    r : array_like, shape (T, N)
        Filtered rates.
    target : array_like, shape (T,) or (T, m)
        The signals that ``phi @ r`` is to reproduce.
    alpha : float
        `P` starts as `alpha` times the identity, `phi` starts at zero.
    gain : {"exact", "published"}
        "exact" moves the decoders along ``P_new r``, which is least squares; "published" along
        ``P_old r``, a step longer by the factor ``1 + q``, as in the published FORCE scripts.

    Returns
    -------
    phi : ndarray, shape (m, N)
    P : ndarray, shape (N, N)
    errors : ndarray, shape (T, m)
        ``z - target`` before each update.
    q : ndarray, shape (T,)
        ``r.P.r`` before each update.
    """
    r = np.asarray(r, dtype=float)
    target = np.asarray(target, dtype=float).reshape(len(r), -1)
    phi = np.zeros((target.shape[1], r.shape[1]))
    P = alpha * np.eye(r.shape[1])
    errors = np.empty_like(target)
    q = np.empty(len(r))
    for t in range(len(r)):
        errors[t] = phi @ r[t] - target[t]
        q[t] = _rls_step(phi, P, r[t], errors[t], gain)
    return phi, P, errors, q


def regularised_least_squares(r, target, alpha):
    """Return the decoders that minimise ``sum_t |phi.r_t - target_t|^2 + |phi|^2/alpha``.

    Parameters
    ----------
    r, target, alpha
        As for `rls`.

    Returns
    -------
    phi : ndarray, shape (m, N)
    P : ndarray, shape (N, N)
        ``inv(I/alpha + R^T R)``, with the samples as the rows of R.
    """
    r = np.asarray(r, dtype=float)
    target = np.asarray(target, dtype=float).reshape(len(r), -1)
    normal_matrix = np.eye(r.shape[1]) / alpha + r.T @ r
    return np.linalg.solve(normal_matrix, r.T @ target).T, np.linalg.inv(normal_matrix)


def published_force(
    network,
    steps,
    *,
    target,
    update_steps,
    dt=5e-5,
    alpha=5e-6,
    gain="published",
    history=False,
    tau_m=0.01,
    tau_rise=0.002,
    tau_decay=0.02,
    v_th=-40.0,
    v_reset=-65.0,
    bias=-40.0,
    refractory_steps=40,
):
    """Run the FORCE experiment by the rules of Brian2's published script.

    In each step: readout, RLS where it is due, forward Euler of all states from their old
    values, threshold, synapses, reset. A neuron may integrate and spike again
    `refractory_steps` steps after its spike, hence is frozen for one step less than that.

    Parameters
    ----------
    network : ForceNetwork
    steps : int
        Number of time steps.
    target : array_like, shape (steps,)
        The target at the start of each step, at time ``step * dt``.
    update_steps : iterable of int
        The steps with an RLS update. ``range(100_050, 200_000, 50)`` is the published choice.
    dt, alpha : float
        Time step, in seconds; initial diagonal of `P`, in seconds squared.
    gain : {"exact", "published"}
        See `rls`.
    history : bool
        Whether to keep the decoders after each update.
    tau_m, tau_rise, tau_decay : float
        Time constants of the membrane and of the double exponential synapse, in seconds.
    v_th, v_reset, bias : float
        Threshold, reset and constant input of the membrane.
    refractory_steps : int
        Least number of steps between two spikes of a neuron.

    Returns
    -------
    ForceRun
    """
    N = len(network.v)
    update_steps = frozenset(update_steps)
    jumps = network.omega / (tau_rise * tau_decay)  # one row a presynaptic neuron
    own_jump = 1 / (tau_rise * tau_decay)
    v = network.v.copy()
    I_syn, h, r, h_r = np.zeros((4, N))
    phi, P = np.zeros((1, N)), alpha * np.eye(N)
    last_spike = np.full(N, -(10**9))
    z, error = np.empty((2, steps))
    spikes, phi_history = [], []
    for step in range(steps):
        z[step] = phi[0] @ r
        error[step] = z[step] - target[step]
        if step in update_steps:
            _rls_step(phi, P, r, error[step], gain)
            if history:
                phi_history.append(phi[0].copy())

        # Each line reads only what the lines above it left untouched, so all values are old.
        free = step - last_spike >= refractory_steps
        v += np.where(free, dt * (-v + bias + I_syn + network.encoders * z[step]) / tau_m, 0.0)
        I_syn += dt * (-I_syn / tau_rise + h)
        h += dt * (-h / tau_decay)
        r += dt * (-r / tau_rise + h_r)
        h_r += dt * (-h_r / tau_decay)

        spiking = np.flatnonzero((v >= v_th) & free)
        for neuron in spiking:
            h += jumps[neuron]
        v[spiking] = v_reset
        h_r[spiking] += own_jump
        last_spike[spiking] = step
        spikes.append(spiking)
    return ForceRun(
        spike_steps=np.repeat(np.arange(steps), [len(s) for s in spikes]),
        spike_neurons=np.concatenate(spikes),
        z=z,
        error=error,
        phi=phi[0],
        phi_history=np.array(phi_history).reshape(-1, N) if history else None,
    )
