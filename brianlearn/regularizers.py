"""Regularizers: what a learner keeps in bounds besides the loss."""

from dataclasses import dataclass, field

from brian2.units.allunits import hertz
from brian2.units.fundamentalunits import Quantity

from brianlearn.checks import check_unit

__all__ = ["FiringRate"]


@dataclass(frozen=True)
class FiringRate:
    """Firing-rate regularization: each neuron is pulled towards a rate.

    The gradient of a neuron's weights gains ``c_reg*(spikes/T - rate*dt)/T`` times the sum of the
    eligibility traces, with its ``spikes`` in a trial of T steps.

    Parameters
    ----------
    c_reg : float
        Its strength; 0 leaves it out.
    rate : Quantity
        The rate that neurons are pulled towards.

    Raises
    ------
    brian2.DimensionMismatchError
        If ``rate`` is no frequency.

    Examples
    --------
    >>> from brian2 import Hz
    >>> regularizer = FiringRate(300, 10*Hz)
    """

    c_reg: float = 0.0
    rate: Quantity = field(default_factory=lambda: 10 * hertz)

    def __post_init__(self):
        check_unit(self.rate, hertz.dim, "The rate of FiringRate")
        if not (self.c_reg >= 0 and self.rate >= 0 * hertz):
            raise ValueError(f"{self}: strength and rate must not be negative.")
