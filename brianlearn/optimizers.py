"""Optimizers: how a gradient changes weights. Each is a kernel that acts when a batch is full."""

from dataclasses import asdict, dataclass, fields
from importlib.resources import files

import numpy as np

from brianlearn import schedule
from brianlearn.checks import is_number
from brianlearn.errors import DivergenceError
from brianlearn.kernel import Kernel

__all__ = ["Adam", "GradientDescent", "Optimizer"]

NOT_A_NUMBER = 1
_FAULTS = {
    NOT_A_NUMBER: (
        DivergenceError,
        "a gradient is not a finite number at t = {time}. The likely cause is a learning rate that "
        "is too large: lower it, or bound what learns.",
    )
}


def gradient_descent(step, steps, learning, seen, trials_per_update, scale, lower, upper, connected,
                     gradient, weights, learning_rate):  # fmt: skip
    """The Python form: a step down the mean gradient."""
    if not _due(step, steps, learning, seen, trials_per_update):
        return 0
    if not np.isfinite(gradient).all():
        return NOT_A_NUMBER
    g = gradient * scale[0]
    _take(weights, learning_rate[0] * g, lower, upper, connected)
    gradient[:] = 0
    return 0


def adam(step, steps, learning, seen, trials_per_update, scale, lower, upper, connected,
         gradient, weights, learning_rate, beta_1, beta_2, epsilon, power_1, power_2,
         m, v):  # fmt: skip
    """The Python form, as TensorFlow has it: epsilon is added after the correction of the bias."""
    if not _due(step, steps, learning, seen, trials_per_update):
        return 0
    if not np.isfinite(gradient).all():
        return NOT_A_NUMBER
    g = gradient * scale[0]
    power_1 *= beta_1[0]
    power_2 *= beta_2[0]
    length = learning_rate[0] * np.sqrt(1 - power_2[0]) / (1 - power_1[0])
    m[:] = beta_1[0] * m + (1 - beta_1[0]) * g
    v[:] = beta_2[0] * v + (1 - beta_2[0]) * g * g
    _take(weights, length * m / (np.sqrt(v) + epsilon[0]), lower, upper, connected)
    gradient[:] = 0
    return 0


def _due(step, steps, learning, seen, trials_per_update):
    """Whether the trial that ends with this step completes the batch."""
    if step[0] < steps[0] - 1 or not learning[0]:
        return False
    seen[0] = (seen[0] + 1) % trials_per_update[0]
    return seen[0] == 0


def _take(weights, change, lower, upper, connected):
    """Change the first copy of the weights within their bounds; then the others are the same."""
    first = weights[: len(change)]
    changed = np.clip(first - change, lower[0], upper[0])
    weights.reshape(-1, len(change))[:] = np.where(connected, changed, first)


@dataclass(frozen=True)
class Optimizer:
    """What all optimizers have: a learning rate (a variable, 0 to stop learning), and bounds."""

    learning_rate: float = 1e-4
    lower: float = -100.0
    upper: float = 100.0

    form = None
    moments = ()  # states of the size of the gradient
    powers = ()  # states that start as 1

    def __post_init__(self):
        for field in fields(self):
            value = getattr(self, field.name)
            if not is_number(value):
                raise TypeError(f"{field.name} is {value!r}, but must be a number without unit.")
            if np.isnan(value):
                raise ValueError(f"{field.name} is not a number.")
        self.check_rate(self.learning_rate)
        if self.lower > self.upper:
            raise ValueError(f"No weight lies between {self.lower} and {self.upper}.")

    @staticmethod
    def check_rate(value) -> None:
        """Refuse a learning rate that is negative, infinite or no number."""
        if not (is_number(value) and 0 <= value < np.inf):
            raise ValueError(f"learning_rate is {value!r}, but must be a number from 0 on.")

    def check(self, weights, name: str) -> None:
        """Refuse weights that lie outside the bounds before anything was learned.

        Raises
        ------
        ValueError
            Naming the projection, the weight and the bounds.
        """
        for extreme in (np.min(weights), np.max(weights)):
            if not self.lower <= extreme <= self.upper:
                raise ValueError(
                    f"'{name}' starts with a weight of {extreme:g}, outside the optimizer's bounds "
                    f"{self.lower:g} and {self.upper:g}: set lower and upper."
                )

    def attach(
        self, trials, trials_per_update, scale, connected, gradient, weights, name
    ) -> Kernel:
        """The kernel that changes ``weights`` (and copies of them) by ``gradient`` times ``scale``.

        Parameters
        ----------
        trials : Trials
        trials_per_update : int
            After how many trials the batch is complete.
        scale : float
            What makes the sum of the gradients a mean.
        connected : array of bool
            Which of the weights exist.
        gradient, weights : (group, variable)
        name : str
        """
        numbers = asdict(self)
        size = np.size(connected)
        return Kernel(
            type(self).form,
            files("brianlearn") / "optimizers.h",
            {
                "step": (trials, "step"),
                "steps": (trials, "steps"),
                "learning": (trials, "learning"),
                "seen": 0,
                "trials_per_update": np.int64(trials_per_update),
                "scale": float(scale),
                "connected": np.asarray(connected, dtype=bool).ravel(),
                "gradient": gradient,
                "weights": weights,
                **{name: float(value) for name, value in numbers.items()},
                **dict.fromkeys(self.powers, 1.0),
                **{moment: np.zeros(size) for moment in self.moments},
            },
            faults=_FAULTS,
            clock=trials.clock,
            when=schedule.OPTIMIZE.when,
            order=schedule.OPTIMIZE.order,
            name=name,
        )

    @property
    def state(self) -> tuple[str, ...]:
        """The variables of the kernel that learning goes on from."""
        return ("seen", *self.powers, *self.moments)


@dataclass(frozen=True)
class GradientDescent(Optimizer):
    """Steps of ``learning_rate`` down the mean gradient.

    Parameters
    ----------
    learning_rate : float
    lower, upper : float
        Bounds of the weights.

    Examples
    --------
    >>> optimizer = GradientDescent(1e-4)
    """

    form = staticmethod(gradient_descent)


@dataclass(frozen=True)
class Adam(Optimizer):
    """Adam as TensorFlow and NEST have it: epsilon is not scaled by the correction of the bias.

    Parameters
    ----------
    learning_rate : float
    lower, upper : float
        Bounds of the weights.
    beta_1, beta_2 : float
        Decay of the first and second moment, from 0 to below 1.
    epsilon : float
        What keeps the division finite.

    References
    ----------
    .. [1] Kingma and Ba (2015). Adam: a method for stochastic optimization. International
       Conference on Learning Representations. arXiv:1412.6980

    Examples
    --------
    >>> optimizer = Adam(5e-3)
    """

    learning_rate: float = 1e-3
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8

    form = staticmethod(adam)
    moments = ("m", "v")
    powers = ("power_1", "power_2")

    def __post_init__(self):
        super().__post_init__()
        if not (0 <= self.beta_1 < 1 and 0 <= self.beta_2 < 1 and self.epsilon > 0):
            raise ValueError(f"{self}: beta_1 and beta_2 lie in [0, 1), epsilon above 0.")
