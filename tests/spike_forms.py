"""Learning at spikes as functions of arrays, in both languages: random neurons, step by step."""

import re
from importlib.resources import files
from types import SimpleNamespace

import numpy as np

from brianlearn.learners import spike_signals, spike_update
from native import empty, native

__all__ = ["PYTHON", "SIGNALS", "UPDATE", "Drawn", "compiled", "differ", "weights_differ"]

SIGNALS, UPDATE = (
    (files("brianlearn.learners") / name).read_text()
    for name in ("spike_signals.h", "spike_update.h")
)
_CODES = {"double": "f", "int64_t": "i8", "int32_t": "i4", "char": "b"}


def _parameters(text, function):
    """What a C++ form takes, in its order: names, and their kinds as `native` wants them."""
    declared = re.search(rf"int {function}\((.*?)\)\n", text, re.DOTALL).group(1)
    return {name: _CODES[kind] for kind, name in re.findall(r"Array<(\w+)> (\w+)", declared)}


_NEURONS = _parameters(SIGNALS, "tell_neurons")
_READOUTS = _parameters(SIGNALS, "tell_readouts")
_LEARN = _parameters(UPDATE, "learn_at_spikes")

PYTHON = SimpleNamespace(
    tell_neurons=spike_signals.tell_neurons,
    tell_readouts=spike_signals.tell_readouts,
    learn=spike_update.learn_at_spikes,
)


def compiled(signals=SIGNALS, update=UPDATE, **options):
    """The C++ forms; for a text that is None, the Python form."""
    forms = SimpleNamespace(**vars(PYTHON))
    if signals is not None:
        forms.tell_neurons = native(signals, "tell_neurons", **options, **_NEURONS)
        forms.tell_readouts = native(signals, "tell_readouts", **options, **_READOUTS)
    if update is not None:
        forms.learn = native(update, "learn_at_spikes", **options, **_LEARN)
    return forms


class Drawn:
    """Random neurons (or readouts), what they tell their synapses, and one connection onto them.

    Parameters
    ----------
    seed : int
    kind : {"readouts", "plain", "adapting"}
    kappa_reg : {None, "shared", "own"}
    sums : bool
        Whether running sums may be used, where they can be.
    rate : float
        Of the spikes of each source, per step.
    tau_m : float, optional
        Of the neurons, in steps; by default, between 5 and 50.
    kappa : float, optional
        Of the eligibility traces; by default, 0.97 or what is drawn.
    rule : dict
        Arguments of `learn_at_spikes` that say how weights follow a gradient.
    """

    steps = 150

    def __init__(self, seed, kind="plain", kappa_reg="own", dense=False, sums=True,
                 rate=0.15, tau_m=None, kappa=None, **rule):  # fmt: skip
        random = np.random.default_rng(seed)
        self.kind = kind
        self.sources, self.n, self.n_out = random.integers([2, 1, 1], [7, 12, 4])
        adam, each_step = rule.get("adam", False), rule.get("each_step", False)
        kappa = kappa or random.choice([random.uniform(0.6, 1), 0.97])
        alpha = np.exp(-1 / (tau_m or random.uniform(5, 50)))
        other = {None: None, "shared": kappa, "own": random.uniform(0.6, 1)}[kappa_reg]
        if kind == "readouts":
            kappa, other = alpha, None
        by_sums = sums and not each_step and kind != "adapting"
        self.filters = spike_signals.Filters.of(alpha, kappa, other, by_sums)
        self.mask = random.random((self.sources, self.n)) < (2 if dense else 0.5)
        self.mask[0, 0] = True
        self.dense = dense or random.random() < 0.3  # rows without gaps, whatever the mask
        self.weights = random.normal(size=self.mask.shape) * self.mask
        shape = self.steps + 1, self.n
        self.psi = random.normal(size=shape) * (random.random(shape) < 0.7)
        self.error = random.normal(size=(len(self.psi), self.n_out))
        self.error[random.random(len(self.psi)) < 0.3] = 0
        if kind == "readouts":
            self.error = self.psi
        self.deviation = random.normal(size=shape)
        self.first = int(random.integers(3))  # a connection from the neurons of a subgroup
        spikes = random.poisson(rate, (len(self.psi), self.first + self.sources + 2))
        spikes[random.random(len(spikes)) < 0.3] = 0
        spikes[-1] = 1
        self.spikes = spikes.clip(max=3)
        self.feedback = random.normal(size=(self.n, self.n_out))
        self.learning = random.random(len(self.psi)) < 0.9
        self.rates = np.repeat(random.uniform(1e-3, 2e-3, 3), 50)
        self.beta = random.uniform(0, 1, self.n)
        self.rule = {
            "cutoff": 2**62, "adam": adam, "each_step": each_step, "beta_1": 0.9, "beta_2": 0.99,
            "epsilon": 1e-4, "lower": -2.0, "upper": 1.5,
        } | rule  # fmt: skip

    def state(self):
        """All arguments of the three forms, by name."""
        n, m, filters, direct = self.n, self.sources, self.filters, self.kind == "readouts"
        quantities = 1 if direct else 1 + len(filters.kappas)
        kept = 1 if direct else 3
        size = m * n if self.dense else int(self.mask.sum())
        rows = np.concatenate([[0], np.cumsum(self.mask.sum(axis=1))])
        values = {
            "now": -1, "psi": np.zeros(n), "error": np.zeros(self.n_out),
            "feedback": self.feedback.ravel(), "learning_signal": np.zeros(n),
            "deviation": np.zeros(n), "regularized": filters.regularized, "gain": filters.gain,
            "block": filters.block, "powers": filters.powers.ravel(),
            "complete": np.zeros(quantities * n), "coming": np.zeros(quantities * n),
            "sums": np.zeros(len(filters.kappas) * kept * n),
            "first": self.first, "sources": m, "targets": n,
            "rows": -1 if self.dense else rows,
            "columns": -1 if self.dense else np.nonzero(self.mask)[1],
            "connected": self.mask.ravel() if self.dense and not self.mask.all() else True,
            "weights": self.weights.ravel() if self.dense else self.weights[self.mask],
            "alpha": filters.alpha, "kappas": np.array(filters.kappas),
            "adapts": self.kind == "adapting", "beta": self.beta, "rho": 0.95, "direct": direct,
            "arrived": np.full(m, spike_update.NEVER), "done": spike_update.NEVER,
            "traces": np.zeros(len(filters.kappas) * size),
            "counts": np.ones(m), "power_1": np.ones(m), "power_2": np.ones(m),
        } | self.rule  # fmt: skip
        values |= {key: np.zeros(m) for key in ("live", "due", "trace", "rates")}
        values |= {key: np.zeros(size) for key in ("adaptation", "pending", "m", "v")}
        codes = _NEURONS | _READOUTS | _LEARN
        return {
            name: np.array(values.get(name, 0), dtype=empty(1, code).dtype).reshape(-1)
            for name, code in codes.items()
        }

    def run(self, forms):
        """All states after the last step, in which every source spikes."""
        state, direct = self.state(), self.kind == "readouts"
        tell, parameters = forms.tell_neurons, _NEURONS
        if direct:
            tell, parameters = forms.tell_readouts, _READOUTS
        for s, spikes in enumerate(self.spikes):
            state["error"], state["psi"] = self.error[s].copy(), self.psi[s].copy()
            state["deviation"] = self.deviation[s].copy()
            listed = np.repeat(np.arange(len(spikes)), spikes)
            state["spikes"] = np.array([*listed, len(listed)], dtype=np.int32)
            state["learning"][:] = self.learning[s]
            state["learning_rate"][:] = self.rates[s % len(self.rates)]
            assert not tell(**{name: state[name] for name in parameters})
            assert not forms.learn(**{name: state[name] for name in _LEARN})
        return state


def weights_differ(case, ours, theirs):
    """The largest difference of weights, of what they moved."""
    moved = np.abs(theirs["weights"] - case.state()["weights"]).max()
    return np.abs(ours["weights"] - theirs["weights"]).max() / max(moved, 1e-5)


def differ(case, ours, theirs):
    """The same, or that of what learning goes on from."""
    parts, start = [weights_differ(case, ours, theirs)], case.state()["weights"]
    for name in ("arrived", "live", "due", "counts", "begin", "done"):
        assert np.array_equal(ours[name], theirs[name]), name
    exists = case.mask.ravel() if case.dense else np.ones(start.size, dtype=bool)
    for name in ("trace", "rates", "traces", "adaptation", "pending", "m", "v", "power_2"):
        pair = ours[name], theirs[name]
        if pair[0].size % exists.size == 0 and name not in ("trace", "rates", "power_2"):
            pair = [values.reshape(-1, exists.size)[:, exists] for values in pair]
        parts.append(np.abs(pair[0] - pair[1]).max() / max(np.abs(pair[1]).max(), 1e-300))
    return max(parts)
