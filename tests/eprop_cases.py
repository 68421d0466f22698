"""Cases of e-prop in plain arrays, which the oracle, NEST and brianlearn all read."""

from dataclasses import dataclass, field

import numpy as np

__all__ = ["Case", "Outcome"]


@dataclass(frozen=True, eq=False)
class Case:
    """A network, its task and its learning, without Brian2 and without units (times in ms).

    Weights are indexed ``[source, target]``; ``feedback`` is ``[recurrent, readout]``. Rasters are
    booleans of shape (iterations, batch, steps, inputs): row t holds what acts on the recurrent
    neurons at step t of the trial. Targets are (iterations, batch, steps, readouts); for
    cross-entropy one-hot at every step. The time step is 1 ms.
    """

    w_in: np.ndarray
    w_rec: np.ndarray
    w_out: np.ndarray
    feedback: np.ndarray
    raster: np.ndarray
    target: np.ndarray
    beta: np.ndarray | None = None  # strength of adaptation per neuron; None or 0: LIF
    tau_m: float = 30.0
    tau_out: float = 30.0
    tau_adapt: float = 2000.0
    v_th: float = 0.03
    v_min: float = -np.inf
    refractory_steps: int = 0
    regular: bool = False  # zeta = 1 (else 1 - alpha) for recurrent neurons
    regular_out: bool = False  # the same for readouts
    current: float = 0.0  # constant drive of recurrent neurons: v relaxes towards it
    surrogate: str = "piecewise_linear"  # exponential, fast_sigmoid_derivative, arctan_derivative
    height: float = 10.0
    width: float = 0.03
    loss: str = "mean_squared_error"  # or cross_entropy
    window: int | None = None  # learning window in steps, at the trial's end; None: the whole trial
    c_reg: float = 300.0
    f_target: float = 10.0  # Hz
    average: bool = False  # gradient (and loss) divided by the window's steps
    optimizer: str = "gradient_descent"  # or adam
    learning_rate: float = 1e-4
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    bounds: tuple[float, float] = (-100.0, 100.0)

    @property
    def n_in(self):
        return self.w_in.shape[0]

    @property
    def n_rec(self):
        return self.w_rec.shape[0]

    @property
    def n_out(self):
        return self.w_out.shape[1]


@dataclass
class Outcome:
    """What came of a case.

    Losses are per iteration, mean over the batch: for mean squared error half the sum over steps
    (and readouts) of the squared error within the window, for cross-entropy the mean over the
    window of minus the log of the label's probability. ``traces`` holds arrays of shape
    (iterations*batch*steps, neurons) in the order in which trials ran.
    """

    losses: np.ndarray
    accuracies: np.ndarray | None
    w_in: np.ndarray
    w_rec: np.ndarray
    w_out: np.ndarray
    traces: dict = field(default_factory=dict)
