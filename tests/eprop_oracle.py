"""E-prop once more in plain NumPy: forward in time, synapse by synapse, one trial after another.

Weights change only between trials, and every trial starts from rest: spikes and traces do not
cross its borders. Nothing here imports Brian2 or brianlearn, and the gradients are deliberately
the sums of the paper over eligibility traces, not the backward recursion that the learner runs.
A batch is one more axis: arrays of a step are ``[batch, neuron]`` or ``[batch, source, target]``.

References
----------
Bellec, G. et al. (2020). A solution to the learning dilemma for recurrent networks of spiking
neurons. Nature Communications 11, 3625. doi:10.1038/s41467-020-17236-y
"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from eprop_cases import Outcome

__all__ = ["bptt_gradients", "forward", "gradients", "loss", "nest_truncation", "optimize", "train"]

WEIGHTS = ("w_in", "w_rec", "w_out")


def constants(case):
    """Decay factors and the factors of arriving spikes, for a time step of 1 ms."""
    alpha, kappa, rho = np.exp(-1 / np.array([case.tau_m, case.tau_out, case.tau_adapt]))
    return SimpleNamespace(
        alpha=alpha,
        zeta=1.0 if case.regular else 1 - alpha,
        kappa=kappa,
        zeta_out=1.0 if case.regular_out else 1 - kappa,
        rho=rho,
        beta=np.zeros(case.n_rec) if case.beta is None else np.asarray(case.beta),
    )


def surrogate(case, distance):
    """Return what stands for the derivative of a spike, `distance` above the threshold."""
    u = np.abs(distance) / case.width
    shapes = {
        "piecewise_linear": lambda: np.maximum(0, 1 - u),
        "exponential": lambda: np.exp(-u),
        "fast_sigmoid_derivative": lambda: (1 + u) ** -2,
        "arctan_derivative": lambda: 1 / (1 + u**2),
    }
    return case.height * shapes[case.surrogate]()


def forward(case, w_in, w_rec, w_out, raster, target):
    """Run a batch of trials from rest.

    Parameters
    ----------
    case : Case
        For everything but weights and data.
    w_in, w_rec, w_out : ndarray
        The weights, indexed ``[source, target]``.
    raster, target : ndarray, shape (batch, steps, inputs) and (batch, steps, readouts)

    Returns
    -------
    dict of ndarray, shape (batch, steps, neurons)
        ``v``, ``psi``, ``spikes`` and ``adaptation`` of recurrent neurons; ``readout``, the
        readouts' membrane with the spikes of the same step; ``output``, which is it or its
        softmax; ``error``, 0 outside the learning window; and the ``raster`` and ``target`` given.
    """
    k = constants(case)
    batch, steps, _ = raster.shape
    v, a, z = np.zeros((3, batch, case.n_rec))
    refractory = np.zeros((batch, case.n_rec), int)
    v_out = np.zeros((batch, case.n_out))
    rows = []
    for s in range(steps):
        refractory = np.maximum(refractory - 1, 0)
        x = raster[:, s] @ w_in + z @ w_rec
        v = (1 - k.alpha) * case.current + k.zeta * x + k.alpha * v
        v = np.maximum(v - case.v_th * z, case.v_min)
        a = k.rho * a + z
        distance = v - (case.v_th + k.beta * a)
        psi = np.where(refractory > 0, 0, surrogate(case, distance))
        z = ((distance >= 0) & (refractory == 0)).astype(float)
        refractory = np.where(z > 0, case.refractory_steps, refractory)
        v_out = k.zeta_out * (z @ w_out) + k.kappa * v_out
        rows.append((v, psi, z, a, v_out))
    columns = (np.stack(column, axis=1) for column in zip(*rows, strict=True))
    traces = dict(zip(("v", "psi", "spikes", "adaptation", "readout"), columns, strict=True))
    return traces | judge(case, traces["readout"], target) | {"raster": raster, "target": target}


def judge(case, readout, target):
    """Output and error of a batch; the error counts inside the learning window only."""
    output = readout
    if case.loss == "cross_entropy":
        output = np.exp(readout - readout.max(axis=-1, keepdims=True))
        output /= output.sum(axis=-1, keepdims=True)
    error = output - target
    error[:, : -window(case)] = 0
    return {"output": output, "error": error}


def window(case):
    """The learning window in steps."""
    return case.window or case.raster.shape[2]


def loss(case, traces):
    """Loss of each trial of a batch, as `Outcome` defines it."""
    if case.loss == "mean_squared_error":
        return 0.5 * np.sum(traces["error"] ** 2, axis=(1, 2))
    probability = np.sum(traces["target"] * traces["output"], axis=2)
    return -np.log(probability[:, -window(case) :]).mean(axis=1)


def correct(case, traces):
    """Whether the mean output of each trial names its label."""
    mean = {name: traces[name][:, -window(case) :].mean(axis=1) for name in ("output", "target")}
    return mean["output"].argmax(axis=1) == mean["target"].argmax(axis=1)


def eligibility(case, psi, arrivals):
    """Yield the eligibility traces ``e`` and ``ebar`` of each step, ``[batch, source, target]``.

    Parameters
    ----------
    psi : ndarray, shape (batch, steps, targets)
    arrivals : ndarray, shape (batch, steps, sources)
        1 where a source's spike acts on the recurrent neurons.
    """
    k = constants(case)
    batch, steps, sources = arrivals.shape
    zbar = np.zeros((batch, sources, 1))
    eps, ebar = np.zeros((2, batch, sources, case.n_rec))
    for s in range(steps):
        zbar = k.alpha * zbar + k.zeta * arrivals[:, s, :, None]
        e = psi[:, s, None, :] * (zbar - k.beta * eps)
        eps *= k.rho
        eps += e
        ebar *= k.kappa
        ebar += (1 - k.kappa) * e
        yield e, ebar


def delayed(spikes):
    """The steps at which recurrent spikes act: one later, and never in the next trial."""
    return np.concatenate([np.zeros_like(spikes[:, :1]), spikes[:, :-1]], axis=1)


def regularization(case, spikes):
    """The factor with which the firing rates enter the gradients, ``[batch, neuron]``."""
    steps = spikes.shape[1]
    f_target = case.f_target / 1000  # per step
    return case.c_reg * (spikes.mean(axis=1) - f_target) / steps


def gradients(case, traces):
    """Return the gradients of e-prop, averaged over the batch.

    Returns
    -------
    dict of ndarray
        ``w_in``, ``w_rec`` (diagonal 0) and ``w_out``; of the losses summed over the steps, or
        divided by the window where the case says so.
    """
    k = constants(case)
    spikes = traces["spikes"]
    signal = traces["error"] @ case.feedback.T
    arrivals = np.concatenate([traces["raster"], delayed(spikes)], axis=2)
    hidden, total = np.zeros((2, *arrivals[:, 0].shape, case.n_rec))
    w_out = np.zeros((len(spikes), case.n_rec, case.n_out))
    zbar_out = np.zeros_like(spikes[:, 0])
    for s, (e, ebar) in enumerate(eligibility(case, traces["psi"], arrivals)):
        hidden += signal[:, s, None, :] * ebar
        total += e  # regularisation takes the trace without the readout's filter
        zbar_out = k.kappa * zbar_out + k.zeta_out * spikes[:, s]
        w_out += zbar_out[:, :, None] * traces["error"][:, s, None, :]
    hidden += regularization(case, spikes)[:, None, :] * total
    return _averaged(case, hidden[:, : case.n_in], hidden[:, case.n_in :], w_out)


def _averaged(case, w_in, w_rec, w_out):
    """Mean over the batch and, where asked for, the window; autapses do not learn."""
    steps = window(case) if case.average else 1
    w_in, w_rec, w_out = (sums.mean(axis=0) / steps for sums in (w_in, w_rec, w_out))
    np.fill_diagonal(w_rec, 0)
    return {"w_in": w_in, "w_rec": w_rec, "w_out": w_out}


def nest_truncation(case, traces, following):
    """Return what NEST's gradient of the input weights lacks of the complete sum.

    There a synapse learns when its source spikes next. If that is at step 1 of the next trial,
    the learning signal of the last step is still under way and is lost. (Recurrent sources, which
    had to spike in step 0, can do so under a current only and are not looked at.)

    `following` (batch, inputs) is row 1 of the raster of the trial that follows each trial. What is
    returned is to be subtracted from ``gradients(...)["w_in"]``.
    """
    signal = traces["error"][:, -1] @ case.feedback.T
    some = following.any(axis=0)
    for _, ebar in eligibility(case, traces["psi"], traces["raster"][:, :, some]):
        last = ebar
    lacking = np.zeros((len(signal), case.n_in, case.n_rec))
    lacking[:, some] = following[:, some, None] * signal[:, None, :] * last
    return lacking.mean(axis=0) / (window(case) if case.average else 1)


def bptt_gradients(case, w_rec, w_out, traces):
    """Return the gradients by backpropagation through time, like those of `gradients`.

    Of the loss plus ``c_reg/2`` times the squared deviation of the rates, with `psi` for the
    derivative of a spike. Subtractive reset, refractoriness and `v_min` are taken as constant; a
    neuron's own spikes count in its adaptation.
    """
    k = constants(case)
    psi, spikes, raster = traces["psi"], traces["spikes"], traces["raster"]
    before = delayed(spikes)
    d_rate = regularization(case, spikes)
    d_v, d_a = np.zeros((2, *spikes[:, 0].shape))
    d_out = np.zeros_like(traces["error"][:, 0])
    sums = [0.0, 0.0, 0.0]
    for s in reversed(range(spikes.shape[1])):
        d_out = traces["error"][:, s] + k.kappa * d_out
        d_z = k.zeta_out * d_out @ w_out.T + k.zeta * d_v @ w_rec.T + d_a + d_rate
        d_v = psi[:, s] * d_z + k.alpha * d_v
        d_a = k.rho * d_a - k.beta * psi[:, s] * d_z
        steps = (
            k.zeta * raster[:, s, :, None] * d_v[:, None, :],
            k.zeta * before[:, s, :, None] * d_v[:, None, :],
            k.zeta_out * spikes[:, s, :, None] * d_out[:, None, :],
        )
        sums = [total + step for total, step in zip(sums, steps, strict=True)]
    return _averaged(case, *sums)


def optimize(case, w, gradient, state):
    """Return the weights after one step of the optimizer; `state` is Adam's memory, at first {}.

    Adam is TensorFlow's: the correction of the bias goes into the step size, and epsilon is added
    to the uncorrected root.
    """
    if case.optimizer == "gradient_descent":
        step = case.learning_rate * gradient
    else:
        n = state["n"] = state.get("n", 0) + 1
        m = state["m"] = case.beta_1 * state.get("m", 0) + (1 - case.beta_1) * gradient
        v = state["v"] = case.beta_2 * state.get("v", 0) + (1 - case.beta_2) * gradient**2
        rate = case.learning_rate * np.sqrt(1 - case.beta_2**n) / (1 - case.beta_1**n)
        step = rate * m / (np.sqrt(v) + case.epsilon)
    return np.clip(w - step, *case.bounds)


def train(case, batch_per_update=None, *, nest=False):
    """Run a case from start to end.

    Parameters
    ----------
    case : Case
    batch_per_update : int, optional
        Trials between two updates; by default the batch.
    nest : bool
        Whether to lose the learning signals that NEST loses (see `nest_truncation`).

    Returns
    -------
    Outcome
    """
    shape = case.raster.shape[:2]
    raster, target = (
        data.reshape(-1, batch_per_update or shape[1], *data.shape[2:])
        for data in (case.raster, case.target)
    )
    following = np.zeros(raster[:, :, 1].shape, bool)
    following.reshape(-1, case.n_in)[:-1] = case.raster[:, :, 1].reshape(-1, case.n_in)[1:]
    weights = {name: getattr(case, name).astype(float) for name in WEIGHTS}
    states = {name: {} for name in WEIGHTS}
    batches = []
    for n in range(len(raster)):
        traces = forward(case, **weights, raster=raster[n], target=target[n])
        gradient = gradients(case, traces)
        if nest:
            gradient["w_in"] -= nest_truncation(case, traces, following[n])
        for name, w in weights.items():
            weights[name] = optimize(case, w, gradient[name], states[name])
        batches.append(traces)
    losses, hits = (
        np.concatenate([judged(case, traces) for traces in batches]).reshape(shape).mean(axis=1)
        for judged in (loss, correct)
    )
    return Outcome(
        losses,
        hits if case.loss == "cross_entropy" else None,
        **weights,
        traces={
            name: np.concatenate([np.concatenate(traces[name]) for traces in batches])
            for name in batches[0]
        },
    )
