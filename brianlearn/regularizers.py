"""Regularizers: what a learner keeps in bounds besides the loss."""

from dataclasses import dataclass, field
from importlib.resources import files

import numpy as np
from brian2.units import ms
from brian2.units.allunits import hertz
from brian2.units.fundamentalunits import Quantity

from brianlearn import schedule
from brianlearn.checks import check_flag, is_number, real_numbers
from brianlearn.decay import check_decay, decay_in
from brianlearn.kernel import Kernel

__all__ = ["FiringRate"]


def filter_rates(spikes, kappa, milliseconds, c_reg, rate, filtered, deviation):
    """The Python form: each neuron's spikes, filtered, and how much its rate deviates."""
    filtered *= kappa[0]
    filtered[spikes[: spikes[-1]]] += (1 - kappa[0]) / milliseconds[0]
    deviation[:] = c_reg[0] * (filtered - rate[0])


@dataclass(frozen=True)
class FiringRate:
    """Firing-rate regularization: each neuron is pulled towards a rate.

    The gradient of a neuron's weights gains ``c_reg*(spikes/T - rate*dt)/T`` times the sum of the
    eligibility traces, with its ``spikes`` in a trial of T steps. With ``kappa``, it is regularized
    in every time step instead: the gradient gains ``c_reg*(f - rate)`` times the eligibility trace,
    ``f`` being the neuron's spikes filtered with ``kappa``; rates then count in 1/ms, and the
    traces are filtered as the spikes are.

    Parameters
    ----------
    c_reg : float
        Its strength; 0 leaves it out.
    rate : Quantity
        The rate that neurons are pulled towards.
    kappa : float or Quantity, optional
        How fast the filters forget: a factor per time step, or a time constant.
    rate_per_step : bool
        With ``kappa``, compare ``f`` with the rate per time step instead of per millisecond, as
        NEST 3.10 does; the same where a time step is 1 ms.

    Raises
    ------
    brian2.DimensionMismatchError
        If ``rate`` is no frequency, or ``kappa`` has a unit other than a time's.
    TypeError
        If ``c_reg`` is no number.
    ValueError
        If a number lies outside its bounds.

    Examples
    --------
    >>> from brian2 import Hz
    >>> regularizer = FiringRate(300, 10*Hz)
    """

    c_reg: float = 0.0
    rate: Quantity = field(default_factory=lambda: 10 * hertz)
    kappa: float | Quantity | None = None
    rate_per_step: bool = False

    def __post_init__(self):
        rate = real_numbers(self.rate, "The rate of FiringRate", hertz.dim, shape=())
        if not is_number(self.c_reg):
            raise TypeError(f"c_reg is {self.c_reg!r}, but must be a number without unit.")
        if not (0 <= self.c_reg < np.inf and rate >= 0):
            raise ValueError(f"{self}: strength and rate must be finite, and not negative.")
        check_flag("rate_per_step", self.rate_per_step)
        if self.kappa is not None:
            check_decay(self.kappa, "The kappa of FiringRate")

    def attach(self, neurons, name: str) -> Kernel | None:
        """The kernel that filters the neurons' spikes, where every step is regularized.

        Its variable ``deviation`` is ``c_reg*(f - rate)``.
        """
        if self.kappa is None or not self.c_reg:
            return None
        dt = neurons.clock.dt
        return Kernel(
            filter_rates,
            files("brianlearn") / "regularizers.h",
            {
                "spikes": (neurons, "_spikespace"),
                "kappa": decay_in(self.kappa, dt),
                "milliseconds": float(dt / ms),
                "c_reg": float(self.c_reg),
                "rate": float(self.rate * (dt if self.rate_per_step else ms)),
                "filtered": np.zeros(len(neurons)),
                "deviation": np.zeros(len(neurons)),
            },
            clock=neurons.clock,
            when=schedule.RATES.when,
            order=schedule.RATES.order,
            name=name,
        )
