"""Losses: what a readout's error is, and how a trial is judged. Each is a kernel of every step."""

from dataclasses import dataclass
from importlib.resources import files

import numpy as np

from brianlearn import schedule
from brianlearn.checks import is_number
from brianlearn.errors import DivergenceError
from brianlearn.kernel import Kernel, Scratch

__all__ = ["BestSoFar", "CrossEntropy", "Loss", "MeanSquaredError", "hears_later"]

NOT_A_NUMBER = 1
_WORST = -1e300  # before anything was said; a checkpoint holds finite numbers only
_FAULTS = {
    NOT_A_NUMBER: (
        DivergenceError,
        "the loss is not a finite number at t = {time}. The likely cause is a learning rate that "
        "is too large: lower it, or bound the weights.",
    )
}


def mean_squared_error(step, steps, window, open_steps, recording, samples, v, target, output,
                       error, output_sum, target_sum, total, loss, accuracy):  # fmt: skip
    """The Python form: half the squared distance, times its window, summed over the readouts."""
    _begin(step, total, output_sum, target_sum)
    output[:] = v
    distance = v - target
    error[:] = window[step[0]] * distance
    if window[step[0]]:
        total += 0.5 * (error @ distance)
        output_sum += output
        target_sum += target
    return _judge(step, steps, samples, total, loss, accuracy, output_sum, target_sum)


def cross_entropy(step, steps, window, open_steps, recording, samples, v, target, output, error,
                  output_sum, target_sum, total, loss, accuracy):  # fmt: skip
    """The Python form: minus the log of the softmax at the target, averaged over the window."""
    _begin(step, total, output_sum, target_sum)
    gain = window[step[0]]
    error[:] = 0
    if not (gain or recording[0]):
        return 0
    exponent = v.reshape(samples[0], -1)
    exponent = exponent - exponent.max(axis=1, keepdims=True)
    log_sum = np.log(np.exp(exponent).sum(axis=1, keepdims=True))
    logs = (exponent - log_sum).ravel()
    output[:] = np.exp(logs)
    if gain:
        error[:] = gain * (output - target)
        total -= gain * (target @ logs) / open_steps[0]
        output_sum += output
        target_sum += target
    return _judge(step, steps, samples, total, loss, accuracy, output_sum, target_sum)


def best_so_far(step, steps, window, open_steps, recording, samples, v, target, output, error,
                output_sum, target_sum, learning, best, aspiration, total, loss,
                accuracy):  # fmt: skip
    """The Python form: the squared distance from the best that was ever said to such a sample."""
    _begin(step, total, output_sum, target_sum)
    output[:] = v
    error[:] = 0
    if step[0] == steps[0] - 1:
        outputs, errors = v.reshape(samples[0], -1), error.reshape(samples[0], -1)
        labels = target.reshape(samples[0], -1).argmax(axis=1)
        for said, label, wrong in zip(outputs, labels, errors, strict=True):
            most = max(best[label], said.max())
            if learning[0]:  # a test leaves no trace
                best[label] = most
            total += (said[label] - most) ** 2
            wrong[label] = 2 * (said[label] - most - aspiration[0] * abs(most))
        output_sum += output
        target_sum += target
    return _judge(step, steps, samples, total, loss, accuracy, output_sum, target_sum)


def _begin(step, total, output_sum, target_sum):
    """At a trial's first step, forget what a trial that was broken off has left."""
    if step[0] == 0:
        total[0] = 0
        output_sum[:] = target_sum[:] = 0


def _judge(step, steps, samples, total, loss, accuracy, output_sum, target_sum):
    """At the trial's end, mean loss and the fraction of samples whose largest output is right."""
    if step[0] < steps[0] - 1:
        return 0
    loss[0] = total[0] / samples[0]
    said = output_sum.reshape(samples[0], -1).argmax(axis=1)
    wanted = target_sum.reshape(samples[0], -1).argmax(axis=1)
    accuracy[0] = np.mean(said == wanted)
    return 0 if np.isfinite(loss[0]) else NOT_A_NUMBER


def hears_later(readout) -> bool:
    """Whether a readout hears spikes only in the step after theirs, as neurons do.

    Not one that does nothing itself: what a `Graded` connection sets is of the same step.
    """
    updater = readout.state_updater
    early = schedule.before((updater.when, updater.order), schedule.PROPAGATE)
    return early and "tau_m" in (readout.namespace or {})


@dataclass(frozen=True)
class Loss:
    """A loss; `attach` makes its kernel."""

    form = None
    state = ()  # variables of the kernel that learning goes on from

    def own(self, trials, readouts: int) -> dict:
        """Arguments of the kernel that only this loss has, for so many readouts of a sample."""
        return {}

    def attach(
        self, readout, trials, window: np.ndarray, name: str, moment=schedule.LOSS
    ) -> Kernel:
        """The kernel that sets a readout's ``output`` and ``error`` in each step.

        ``window`` is what errors are multiplied by in each step of a trial. The kernel
        has the variables ``loss`` and ``accuracy``, of the last trial that was completed.
        """
        sums = Scratch(len(readout))
        return Kernel(
            type(self).form,
            files("brianlearn") / "losses.h",
            {
                "step": (trials, "step"),
                "steps": (trials, "steps"),
                "window": np.asarray(window, dtype=float),
                "open_steps": np.int64(np.count_nonzero(window)),
                "recording": (trials, "recording"),
                "samples": np.int64(trials.samples),
                **{name: (readout, name) for name in ("v", "target", "output", "error")},
                "output_sum": sums,
                "target_sum": sums,
                **self.own(trials, len(readout) // trials.samples),
                "total": 0.0,
                "loss": 0.0,
                "accuracy": 0.0,
            },
            faults=_FAULTS,
            clock=readout.clock,
            when=moment.when,
            order=moment.order,
            name=name,
        )


@dataclass(frozen=True)
class MeanSquaredError(Loss):
    """Half the squared difference of membrane and target, summed over readouts and window.

    Where the window holds factors, each step counts as often as its factor says: the loss is the
    sum of ``window*(v - target)**2/2``, of which ``error = window*(v - target)`` is the derivative.

    Examples
    --------
    >>> loss = MeanSquaredError()
    """

    form = staticmethod(mean_squared_error)


@dataclass(frozen=True)
class CrossEntropy(Loss):
    """Cross-entropy of the softmax over a sample's readouts, averaged over the learning window.

    Where the window holds factors, each step counts as often as its factor says, and the sum is
    divided by the number of steps whose factor is not 0. The gradient is that of the sum; with
    ``EProp(average=True)``, that of the average.

    The largest membrane is subtracted before the exponential is taken, so that it cannot overflow.

    Examples
    --------
    >>> loss = CrossEntropy()
    """

    form = staticmethod(cross_entropy)


@dataclass(frozen=True)
class BestSoFar(Loss):
    """Distance of a sample's own readout, at the trial's end, from the best so far: its square.

    The best is the largest that any readout has said to a sample of the same label, in this trial
    or, while it learned, before. The readout of the label is to reach it, and no other readout
    learns. A loss of 0 does not tell that something was learned: the first answer is the best so
    far. It is the trial's last time step that counts, whatever the learning window.

    The loss of the learning-delays notebooks of Ghosh et al. (2025), eNeuro 12(7),
    doi:10.1523/ENEURO.0383-24.2025.

    Parameters
    ----------
    aspiration : float
        By what fraction of itself the best is to be surpassed. With 0, as published, a readout that
        is the best stays as it is.

    Examples
    --------
    >>> loss = BestSoFar(aspiration=0.1)
    """

    aspiration: float = 0.0

    form = staticmethod(best_so_far)
    state = ("best",)

    def __post_init__(self):
        if not (is_number(self.aspiration) and 0 <= self.aspiration < np.inf):
            raise ValueError(f"aspiration is {self.aspiration!r}, but must be a number from 0 on.")

    def own(self, trials, readouts):
        """See `Loss.own`."""
        return {
            "learning": (trials, "learning"),
            "best": np.full(readouts, _WORST),
            "aspiration": float(self.aspiration),
        }
