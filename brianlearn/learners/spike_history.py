"""What learning at a spike looks back on: the recent steps of the neurons that the spike reaches.

A weight is only brought up to date when its synapse transmits a spike. What it needs is kept per
neuron, not per synapse: surrogate gradients and learning signals of the last steps, in a ring.

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

__all__ = ["Filters", "history_of_neurons", "history_of_readouts"]

LENGTH = 512  # steps in the ring; synapses that are silent for half of it are brought up to date
_SPAN = 8  # time constants in a block, whose powers span e^8: three digits of sixteen
_WORTH_IT = 8  # steps: shorter blocks are no gain
NONE, SHARED, OWN = 0, 1, 2  # the filter of the firing rate's regularization


@dataclass(frozen=True)
class Filters:
    """How eligibility traces are filtered, and by which sums they may be had.

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
        block = min(LENGTH // 2, int(_SPAN / -math.log(fastest))) if 0 < fastest < 1 else 0
        block = block if by_sums and block >= _WORTH_IT else 0
        return cls(alpha, kappas, regularized, 1 - (kappa_reg or 0.0), block)

    @property
    def powers(self) -> np.ndarray:
        """Of alpha and of the kappas, from 0 to the length of a block: one row each."""
        factors = np.array([self.alpha, *self.kappas])[:, None]
        return factors ** np.arange(self.block + 1)


def note_neurons(now, length, psi, error, feedback, learning_signal, deviation, regularized, gain,
                 block, powers, history, sums):  # fmt: skip
    """The Python form: note this step, and complete the one before with its learning signal."""
    n = len(psi)
    now[0] += 1
    steps, filters = history.reshape(length[0], -1, n), len(powers) // (block[0] + 1) - 1
    learning_signal[:] = feedback.reshape(n, -1) @ error
    before, here = steps[(now[0] - 1) % length[0]], steps[now[0] % length[0]]
    before[1] += learning_signal
    if block[0] and now[0] > 0:
        e, kept = now[0] - 1, sums.reshape(length[0], filters, 3, n)
        alpha, kappas = np.split(powers.reshape(filters + 1, -1)[:, e % block[0] + 1, None], [1])
        P, Q, phi = (
            kept[(e - 1) % length[0]].swapaxes(0, 1) if e % block[0] else np.zeros((3, 1, 1))
        )
        phi = phi + alpha / kappas * before[0]
        weighed = kappas * before[1:]
        kept[e % length[0]] = np.stack([P + weighed, Q + weighed * phi, phi], axis=1)
    here[0], here[1:] = psi, 0
    if regularized[0] != NONE:
        here[-1] = gain[0] * deviation


def note_readouts(now, length, error, block, powers, history, sums):
    """The Python form for readouts, whose eligibility trace is the presynaptic one."""
    n = len(error)
    now[0] += 1
    here = now[0] % length[0]
    history.reshape(length[0], n)[here] = error
    if block[0]:
        kept = sums.reshape(length[0], n)
        P = kept[(now[0] - 1) % length[0]] if now[0] % block[0] else 0
        kept[here] = P + powers[now[0] % block[0] + 1] * error


def _ring(filters, quantities, n):
    """The arguments that both kinds of history have."""
    return {
        "block": np.int64(filters.block),
        "powers": filters.powers.ravel(),
        "history": np.zeros(LENGTH * quantities * n),
        "sums": np.zeros(LENGTH * max(1, quantities - 1) * (3 if quantities > 1 else 1) * n),
    }


def _kernel(form, arguments, clock, name):
    moment = schedule.NOTE
    return Kernel(
        form,
        files("brianlearn.learners") / "spike_history.h",
        {"now": np.int64(-1), "length": np.int64(LENGTH)} | arguments,
        clock=clock,
        when=moment.when,
        order=moment.order,
        name=name,
    )


def history_of_neurons(neurons, readout, feedback, filters: Filters, rates, name: str) -> Kernel:
    """The kernel that keeps the recent past of neurons (``history``, ``sums``, ``now``)."""
    arguments = {
        "psi": (neurons, "psi"),
        "error": (readout, "error"),
        "feedback": feedback,
        "learning_signal": (neurons, "learning_signal"),
        "deviation": (rates, "deviation") if rates else np.zeros(1),
        "regularized": np.int64(filters.regularized),
        "gain": filters.gain,
    }
    ring = _ring(filters, 1 + len(filters.kappas), len(neurons))
    return _kernel(note_neurons, arguments | ring, neurons.clock, name)


def history_of_readouts(readout, filters: Filters, name: str) -> Kernel:
    """The same for readouts, which ``filters.alpha`` alone concerns."""
    arguments = {"error": (readout, "error")} | _ring(filters, 1, len(readout))
    return _kernel(note_readouts, arguments, readout.clock, name)
