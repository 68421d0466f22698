"""Cases of e-prop that learns at every spike, in plain arrays, for the oracle, NEST and brianlearn.

One frame of time holds for all of them. Step s of a case is the same step for recurrent neurons
and readouts: ``counts[s]`` acts on recurrent neurons at step s, the spikes of recurrent neurons at
step s act at step s + 1 on recurrent neurons and readouts alike, and the error of step s is the
learning signal of step s - 1. (On NEST's clock step s is update s + 2.)
"""

from dataclasses import dataclass

import numpy as np

__all__ = ["MODELS", "SpikeCase", "SpikeOutcome", "random_case"]

MODELS = ("iaf", "iaf_adapt", "psc_delta", "psc_delta_adapt")


@dataclass(frozen=True, eq=False)
class SpikeCase:
    """A network, its task and its learning, without Brian2 and without units (times in ms).

    Weights and masks are indexed ``[source, target]``, ``feedback`` ``[recurrent, readout]``. A
    mask tells which synapses exist; without one all do, and there are no autapses in any case.
    Potentials are relative to rest.
    """

    w_in: np.ndarray
    w_rec: np.ndarray
    w_out: np.ndarray
    feedback: np.ndarray
    counts: np.ndarray  # [step, input]: how many spikes arrive, 0 or more
    target: np.ndarray  # [step, readout]
    window: np.ndarray | None = None  # [step]: the factor of the error; None: 1 at every step
    mask_in: np.ndarray | None = None
    mask_rec: np.ndarray | None = None
    mask_out: np.ndarray | None = None
    mask_feedback: np.ndarray | None = None
    model: str = "iaf"  # iaf_adapt, psc_delta, psc_delta_adapt
    h: float = 1.0
    tau_m: float = 30.0
    tau_out: float = 30.0
    v_th: float = 0.03
    v_reset: float = 0.0  # psc_delta; iaf neurons subtract v_th
    t_ref: int = 0  # steps
    refractory_input: bool = False  # psc_delta: what arrives meanwhile acts, decayed, afterwards
    adapt_beta: float = 1.0
    adapt_tau: float = 10.0
    surrogate: str = "piecewise_linear"  # exponential, fast_sigmoid_derivative, arctan_derivative
    height: float = 10.0
    width: float = 0.03
    c_reg: float = 3.0
    f_target: float = 10.0  # Hz
    kappa: float = 0.97  # decay per step of the filtered eligibility trace
    kappa_reg: float = 0.97  # the same for the rate and the trace of its regularisation
    cutoff: float = np.inf  # steps after a spike in which its synapses learn
    optimizer: str = "gd"  # or adam
    eta: float | np.ndarray = 1e-4 * 0.03**2  # [step] where it changes
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7
    optimize_each_step: bool = True  # else once for each arriving spike
    w_min: float = -100.0
    w_max: float = 100.0
    nest_quirks: bool = False  # what NEST does otherwise than the equations, see the oracle

    def __post_init__(self):
        if self.model not in MODELS:
            raise ValueError(f"model is one of {MODELS}, not {self.model!r}")
        if self.optimizer not in ("gd", "adam"):
            raise ValueError(f"optimizer is 'gd' or 'adam', not {self.optimizer!r}")

    @property
    def n_in(self):
        return self.w_in.shape[0]

    @property
    def n_rec(self):
        return self.w_rec.shape[0]

    @property
    def n_out(self):
        return self.w_out.shape[1]

    @property
    def steps(self):
        return len(self.counts)

    @property
    def windows(self):
        """The factor of the error at each step."""
        return np.ones(self.steps) if self.window is None else np.asarray(self.window, float)

    @property
    def etas(self):
        """The learning rate at each step."""
        return np.broadcast_to(np.asarray(self.eta, float), self.steps)

    @property
    def exists(self):
        """Which synapses there are, by the name of their weights."""
        masks = {
            "w_in": (self.mask_in, self.w_in),
            "w_rec": (self.mask_rec, self.w_rec),
            "w_out": (self.mask_out, self.w_out),
            "feedback": (self.mask_feedback, self.feedback),
        }
        exists = {
            name: np.ones(w.shape, bool) if mask is None else np.array(mask, bool)
            for name, (mask, w) in masks.items()
        }
        np.fill_diagonal(exists["w_rec"], False)
        return exists


@dataclass
class SpikeOutcome:
    """What came of a case; traces are ``[step, neuron]``, or None where they were not recorded.

    Weights (0 where there is no synapse) are those that a spike of every source would leave that
    arrives one step after the last: they have learnt from the steps up to the last but one.
    """

    w_in: np.ndarray
    w_rec: np.ndarray
    w_out: np.ndarray
    z: np.ndarray | None = None  # spikes of the recurrent neurons
    v: np.ndarray | None = None  # their potential, after the reset
    psi: np.ndarray | None = None  # their surrogate gradient
    learning_signal: np.ndarray | None = None  # that of the last step never comes: 0
    readout: np.ndarray | None = None  # the readouts' potential, whatever the window
    error: np.ndarray | None = None  # 0 where the window is closed


def random_case(seed, n_in=6, n_rec=8, n_out=2, steps=120, density=0.7, **changes):
    """Draw a small network in which neurons of every model spike, rest and learn.

    Synapses are sparse, up to three spikes of an input arrive at once, and the learning window is
    closed in the midst of the case and open otherwise.
    """
    random = np.random.default_rng(seed)
    shapes = {"w_in": (n_in, n_rec), "w_rec": (n_rec, n_rec), "w_out": (n_rec, n_out)}
    weights = {name: random.normal(0.1, 0.3, shape) for name, shape in shapes.items()}
    masks = {
        name.replace("w_", "mask_"): random.random(shape) < density
        for name, shape in shapes.items()
    }
    window = np.ones(steps)
    window[steps // 4 : steps // 2] = 0
    drawn = {
        "feedback": random.normal(0, 1, (n_rec, n_out)),
        "mask_feedback": random.random((n_rec, n_out)) < density,
        "counts": random.poisson(0.15, (steps, n_in)).clip(max=3),
        "target": random.normal(0.5, 0.5, (steps, n_out)),
        "window": window,
        "tau_m": 20.0,
        "tau_out": 15.0,
        "v_th": 0.6,
        "adapt_beta": 0.3,
        "adapt_tau": 50.0,
        "height": 0.5,
        "width": 0.6,
        "c_reg": 2.0,
        "kappa": 0.9,
        "kappa_reg": 0.8,
        "eta": 3e-4,
    }
    return SpikeCase(**weights | masks | drawn | changes)
