"""What learning at a spike asks of the neurons that the spike reaches, kept once a neuron.

A learning signal comes a step late: in step ``now``, the step before is complete. Its surrogate
gradients and signals are what the traces of synapses need.

Between two spikes a presynaptic trace only decays, so that what a synapse of a neuron without
adaptation collects in the meantime comes out of running sums of its target::

    Phi[t] = sum (alpha/kappa)^s psi[s]    P[t] = sum kappa^s L[s]    Q[t] = sum kappa^s L[s] Phi[s]

with all powers relative to the beginning of a block of steps, lest they grow or vanish.
"""

import math
from dataclasses import dataclass
from importlib.resources import files

import numpy as np

from brianlearn import schedule
from brianlearn.kernel import Kernel

__all__ = ["Filters", "signals_of_neurons", "signals_of_readouts"]

_SPAN = 4  # time constants in a block: powers stay within e^4 of 1
_WORTH_IT = 8  # steps: shorter blocks are no gain
_LONGEST = 1024  # steps in a block
NONE, SHARED, OWN = 0, 1, 2  # the filter of the firing rate's regularization


@dataclass(frozen=True)
class Filters:
    """How eligibility traces are filtered, and whether sums say what they collect.

    Attributes
    ----------
    alpha : float
        Decay per step of the presynaptic trace.
    kappas : tuple of float
        Decay per step of the eligibility traces: one for the learning signal, and one for the
        regularization where that differs.
    regularized : int
        Whether there is a regularization, and whether it has a filter of its own.
    gain : float
        Of the regularization: 1 - its kappa.
    block : int
        Steps between two beginnings of the sums; 0 if there are none.
    """

    alpha: float
    kappas: tuple
    regularized: int
    gain: float
    block: int

    @classmethod
    def of(cls, alpha: float, kappa: float, kappa_reg: float | None, by_sums: bool) -> "Filters":
        """The filters of neurons, ``kappa_reg`` being None where no rate is regularized."""
        if kappa_reg is None:
            regularized, kappas = NONE, (kappa,)
        else:
            regularized = SHARED if kappa_reg == kappa else OWN
            kappas = (kappa,) if regularized == SHARED else (kappa, kappa_reg)
        fastest = min(alpha, *kappas)
        block = min(_LONGEST, int(_SPAN / -math.log(fastest))) if 0 < fastest < 1 else 0
        block = block if by_sums and block >= _WORTH_IT else 0
        return cls(alpha, kappas, regularized, 1 - (kappa_reg or 0.0), block)

    @property
    def powers(self) -> np.ndarray:
        """Of alpha and of the kappas, from 0 to one more than a block has steps: one row each."""
        factors = np.array([self.alpha, *self.kappas])[:, None]
        return factors ** np.arange(self.block + 2)


def tell_neurons(now, psi, error, feedback, learning_signal, deviation, learning, regularized, gain,
                 block, powers, complete, coming, sums):  # fmt: skip
    """The Python form: complete the last step by its learning signal, then note this one."""
    n = len(psi)
    now[0] += 1
    last, this = complete.reshape(-1, n), coming.reshape(-1, n)
    learning_signal[:] = feedback.reshape(n, -1) @ error
    last[:] = this
    if learning[0]:  # no error of a test is ever learned from
        last[1] += learning_signal
    if block[0] and now[0] > 0:
        tau = (now[0] - 1) % block[0] + 1
        alpha, kappas = np.split(powers.reshape(len(last), -1)[:, tau, None], [1])
        P, Q, phi = sums.reshape(-1, 3, n).swapaxes(0, 1)
        if tau == 1:
            sums[:] = 0
        phi += alpha / kappas * last[0]
        P += kappas * last[1:]
        Q += kappas * last[1:] * phi
    this[0], this[1:] = psi, 0
    if regularized[0] != NONE and learning[0]:
        this[-1] = gain[0] * deviation


def tell_readouts(now, error, learning, block, powers, complete, coming, sums):
    """The Python form for readouts, whose eligibility trace is the presynaptic one."""
    now[0] += 1
    complete[:] = coming
    if block[0] and now[0] > 0:
        tau = (now[0] - 1) % block[0] + 1
        sums[:] = (0 if tau == 1 else sums) + powers[tau] * complete
    coming[:] = error if learning[0] else 0


def _kernel(form, arguments, filters, quantities, sums, trials, group, name):
    moment, n = schedule.NOTE, len(group)
    return Kernel(
        form,
        files("brianlearn.learners") / "spike_signals.h",
        {"now": np.int64(-1)}
        | arguments
        | {
            "learning": (trials, "learning"),
            "block": np.int64(filters.block),
            "powers": filters.powers.ravel(),
            "complete": np.zeros(quantities * n),
            "coming": np.zeros(quantities * n),
            "sums": np.zeros(sums * n),
        },
        clock=group.clock,
        when=moment.when,
        order=moment.order,
        name=name,
    )


def signals_of_neurons(neurons, readout, feedback, filters, rates, trials, name: str) -> Kernel:
    """The kernel that keeps what synapses onto neurons need: ``now``, ``complete``, ``sums``.

    ``feedback`` is an array, or (group, variable); ``rates`` the kernel of `FiringRate.attach`.
    """
    arguments = {
        "psi": (neurons, "psi"),
        "error": (readout, "error"),
        "feedback": feedback,
        "learning_signal": (neurons, "learning_signal"),
        "deviation": (rates, "deviation") if rates else np.zeros(1),
        "regularized": np.int64(filters.regularized),
        "gain": filters.gain,
    }
    count = len(filters.kappas)
    return _kernel(tell_neurons, arguments, filters, 1 + count, 3 * count, trials, neurons, name)


def signals_of_readouts(readout, filters: Filters, trials, name: str) -> Kernel:
    """The same for readouts, which ``filters.alpha`` alone concerns."""
    arguments = {"error": (readout, "error")}
    return _kernel(tell_readouts, arguments, filters, 1, 1, trials, readout, name)
