"""E-prop that learns at every spike, in plain NumPy: event by event and step by step.

The literal form of the rule. A source's synapses know nothing of the time since its last spike
until the next one arrives; then they go through the steps in between one after the other. Arrays
are over the targets of one source. Nothing here imports Brian2 or brianlearn.

References
----------
Korcsak-Gorzo, A. et al. (2025). Event-driven eligibility propagation in large sparse networks:
efficiency shaped by biological realism. arXiv:2511.21674
"""

from __future__ import annotations

import numpy as np

from eprop_oracle import surrogate
from spike_eprop_cases import SpikeOutcome

__all__ = ["MUTANTS", "run"]

# Faults that may be put in, each of which a test must notice.
MUTANTS = ("gain", "window", "cutoff", "reset", "catch-up")


def run(case, *, mutant=None):
    """Run a case from start to end.

    Parameters
    ----------
    case : SpikeCase
        Its ``nest_quirks`` are two: ``psc_delta_adapt`` does not adapt at all if it is refractory
        for a step or more, and the target rate, per ms, is multiplied by the time step.
    mutant : str, optional
        A fault: "gain" (the filtered trace takes ``1 - kappa`` of the eligibility), "window" (the
        error ignores it), "cutoff" (a step too late), "reset" (a step too late) or "catch-up"
        (Adam skips the steps without learning).

    Returns
    -------
    SpikeOutcome
    """
    if mutant not in (None, *MUTANTS):
        raise ValueError(f"mutant is one of {MUTANTS}, not {mutant!r}")
    history = _History(case)
    neurons, readouts = _Neurons(case, mutant), _Readouts(case, mutant)
    hidden = _rows(_Hidden, case, history, mutant, ("w_in", "w_rec"))
    out = _rows(_Out, case, history, mutant, ("w_out",))
    feedback = case.feedback * case.exists["feedback"]
    for s in range(case.steps):
        spikes = history.z[s - 1]
        x_hidden = _transmit(hidden, np.concatenate([case.counts[s], spikes]), s)
        x_out = _transmit(out, spikes, s)
        history.z[s], history.v[s], history.psi[s], history.rate[s] = neurons.step(x_hidden)
        history.readout[s], history.error[s] = readouts.step(x_out, s)
        history.learning_signal[s - 1] = feedback @ history.error[s]
    for row in [*hidden, *out]:
        row.arrive(case.steps)
    return history.outcome([row.w for row in hidden], [row.w for row in out])


class _History:
    """What neurons leave for their synapses, by step.

    Row -1, the step before the first, is the last row: only the learning signal is written there,
    and no synapse has a trace by which it could count.
    """

    def __init__(self, case):
        self.case = case
        rows = case.steps + 1
        self.z = np.zeros((rows, case.n_rec), int)
        self.v, self.psi, self.rate, self.learning_signal = np.zeros((4, rows, case.n_rec))
        self.readout, self.error = np.zeros((2, rows, case.n_out))
        self.etas = np.append(case.etas, case.etas[-1])  # for what arrives after the last step too

    def outcome(self, hidden, out):
        steps = self.case.steps
        names = ("v", "psi", "learning_signal", "readout", "error")
        return SpikeOutcome(
            w_in=np.array(hidden[: self.case.n_in]),
            w_rec=np.array(hidden[self.case.n_in :]),
            w_out=np.array(out),
            z=self.z[:steps].astype(bool),
            **{name: getattr(self, name)[:steps] for name in names},
        )


def _rows(kind, case, history, mutant, names):
    """The synapses of every source of these weights."""
    return [
        kind(case, history, mutant, w, exists)
        for name in names
        for w, exists in zip(getattr(case, name), case.exists[name], strict=True)
    ]


def _transmit(rows, counts, step):
    """Let spikes arrive; return the sum of the weights, each as often as it is told."""
    x = np.zeros(rows[0].w.shape)
    for source in np.flatnonzero(counts):
        for _ in range(counts[source]):
            rows[source].arrive(step)
            x += rows[source].w
    return x


class _Neurons:
    """The recurrent neurons: their state, and one step of it."""

    def __init__(self, case, mutant):
        self.case, self.mutant = case, mutant
        self.alpha, self.rho = np.exp(-case.h / np.array([case.tau_m, case.adapt_tau]))
        self.adapt_beta = _adapt_beta(case)
        self.v, self.a, self.z, self.held, self.f = np.zeros((5, case.n_rec))
        self.refractory = np.zeros(case.n_rec, int)

    def step(self, x):
        """Return spikes, potential, surrogate gradient and the factor of the regularisation."""
        case = self.case
        before = self.z
        delta = case.model.startswith("psc_delta")
        distance = self.integrate_psc_delta(x) if delta else self.integrate_iaf(x)
        psi = np.where(self.refractory > 0, 0.0, surrogate(case, distance))
        self.z = ((distance >= 0) & (self.refractory == 0)).astype(float)
        self.refractory = np.where(self.z > 0, case.t_ref, self.refractory)
        self.reset(before if self.mutant == "reset" else self.z)
        self.f = case.kappa_reg * self.f + (1 - case.kappa_reg) * self.z / case.h
        f_target = case.f_target / 1000 * (case.h if case.nest_quirks else 1)
        return self.z, self.v, psi, case.c_reg * (self.f - f_target)

    def integrate_iaf(self, x):
        self.refractory = np.maximum(self.refractory - 1, 0)
        self.v = x + self.alpha * self.v
        self.a = self.rho * self.a + self.z
        return self.v - (self.case.v_th + self.adapt_beta * self.a)

    def integrate_psc_delta(self, x):
        """Keep the potential while refractory; input is then lost, or held until afterwards."""
        case = self.case
        free = self.refractory == 0
        held = self.held + x * np.exp(-self.refractory * case.h / case.tau_m)
        v = self.alpha * self.v + x
        if case.refractory_input:
            v += self.held
            self.held = np.where(free, 0.0, held)
        self.v = np.where(free, v, self.v)
        adapts = free if case.nest_quirks else True
        self.a = np.where(adapts, self.rho * self.a + self.z, self.a)
        self.refractory = np.maximum(self.refractory - 1, 0)
        return self.v - (case.v_th + self.adapt_beta * self.a)

    def reset(self, spikes):
        if self.case.model.startswith("psc_delta"):
            self.v = np.where(spikes > 0, self.case.v_reset, self.v)
        else:
            self.v = self.v - self.case.v_th * spikes


class _Readouts:
    """The readouts: leaky sums, and their errors within the learning window."""

    def __init__(self, case, mutant):
        self.case = case
        self.window = np.ones(case.steps) if mutant == "window" else case.windows
        self.kappa = np.exp(-case.h / case.tau_out)
        self.v = np.zeros(case.n_out)

    def step(self, x, s):
        self.v = x + self.kappa * self.v
        return self.v, self.window[s] * (self.v - self.case.target[s])


class _Row:
    """The synapses of one source onto all neurons of a kind, which learn when it spikes."""

    def __init__(self, case, history, mutant, w, exists):
        self.case, self.history, self.mutant = case, history, mutant
        self.exists = exists
        self.w = np.where(exists, w, 0.0)
        self.last = None  # the step at which a spike arrived
        self.pulse = 0  # what the trace takes up in the next step
        self.zbar = 0.0
        # Of the optimizer: its steps, the gradient that waits, and the rate of its next step.
        self.n, self.waiting, self.eta = 1, 0.0, history.etas[0]
        self.m, self.v = np.zeros((2, *w.shape))
        self.power_1 = self.power_2 = 1.0

    def arrive(self, step):
        """Let a spike arrive: learn from the time since the last one, which is over now.

        The last learning signal that is known is that of two steps ago. Steps are counted from
        the one before the last spike, where the previous call left off.
        """
        if self.last is not None:
            self.learn(step)
        self.last = step

    def learn(self, step):
        case = self.case
        since = step - self.last
        counted = int(min(case.cutoff + (self.mutant == "cutoff"), since))
        gradient, coming = 0.0, 1
        for entry in range(self.last - 1, self.last - 1 + counted):
            # The spike of step `last` is taken up at the second entry.
            arrived, self.pulse, coming = self.pulse, coming, 0
            part = self.gradient(entry, arrived)
            if case.optimize_each_step:
                self.optimize(entry + 3, part, step)
            else:
                gradient = gradient + part
        if since > counted:
            self.decay(since - counted)
        if not case.optimize_each_step:
            self.optimize(step + 1, gradient, step)
        self.w = np.where(self.exists, self.w, 0.0)

    def optimize(self, index, gradient, step):
        """Take the optimizer's step ``index + 1``, where it has not been taken.

        Adam is TensorFlow's, and it makes up for the steps between without a gradient: the one
        that waited is that of the first of them. The learning rate is the one that held when the
        weights learnt last.
        """
        self.waiting = self.waiting + gradient
        if self.n >= index + 1:
            return
        if self.case.optimizer == "gd":
            self.w = self.w - self.eta * self.waiting
            self.waiting = 0.0
        else:
            missing = 1 if self.mutant == "catch-up" else index + 1 - self.n
            for _ in range(missing):
                self.adam()
        self.n = index + 1
        self.w = np.minimum(np.maximum(self.w, self.case.w_min), self.case.w_max)
        self.eta = self.history.etas[step]

    def adam(self):
        case = self.case
        self.power_1 *= case.beta_1
        self.power_2 *= case.beta_2
        rate = self.eta * np.sqrt(1 - self.power_2) / (1 - self.power_1)
        self.m = case.beta_1 * self.m + (1 - case.beta_1) * self.waiting
        self.v = case.beta_2 * self.v + (1 - case.beta_2) * self.waiting**2
        self.w = self.w - rate * self.m / (np.sqrt(self.v) + case.epsilon)
        self.waiting = 0.0


class _Hidden(_Row):
    """The synapses of an input or of a recurrent neuron onto the recurrent neurons."""

    def __init__(self, *args):
        super().__init__(*args)
        case = self.case
        self.alpha, self.rho = np.exp(-case.h / np.array([case.tau_m, case.adapt_tau]))
        self.adapt_beta = _adapt_beta(case)
        self.ebar, self.e_reg, self.eps = np.zeros((3, *self.w.shape))
        self.gain = 1 - case.kappa if self.mutant == "gain" else 1.0

    def gradient(self, entry, arrived):
        case, history = self.case, self.history
        self.zbar = self.alpha * self.zbar + arrived
        e = history.psi[entry] * (self.zbar - self.adapt_beta * self.eps)
        self.eps = self.rho * self.eps + e
        self.ebar = case.kappa * self.ebar + self.gain * e
        self.e_reg = case.kappa_reg * self.e_reg + (1 - case.kappa_reg) * e
        return history.learning_signal[entry] * self.ebar + history.rate[entry] * self.e_reg

    def decay(self, steps):
        self.zbar *= self.alpha**steps
        self.eps *= self.rho**steps
        self.ebar *= self.case.kappa**steps
        self.e_reg *= self.case.kappa_reg**steps


class _Out(_Row):
    """The synapses of a recurrent neuron onto the readouts."""

    def __init__(self, *args):
        super().__init__(*args)
        self.kappa = np.exp(-self.case.h / self.case.tau_out)

    def gradient(self, entry, arrived):
        self.zbar = self.kappa * self.zbar + arrived
        return self.history.error[entry] * self.zbar

    def decay(self, steps):
        self.zbar *= self.kappa**steps


def _adapt_beta(case):
    """The strength of adaptation, 0 for the models without it."""
    return case.adapt_beta if case.model.endswith("adapt") else 0.0
