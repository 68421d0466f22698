"""Filters that users give as a factor per time step, as it is published, or as a time constant."""

import math

import numpy as np
from brian2.units.allunits import second
from brian2.units.fundamentalunits import Quantity, get_dimensions

from brianlearn.checks import check_unit, is_number

__all__ = ["check_decay", "decay_in"]


def check_decay(value, name: str) -> None:
    """Refuse what is neither a factor from 0 to 1 nor a time.

    Raises
    ------
    brian2.DimensionMismatchError
        If it has another unit.
    ValueError
        If it lies outside its bounds.
    """
    if isinstance(value, Quantity):
        check_unit(value, second.dim, name)
        if np.ndim(value) or not 0 < float(value) < np.inf:
            raise ValueError(f"{name} is {value}, but a time constant is one number above 0.")
        return
    if not is_number(value) or not 0 <= value <= 1:
        raise ValueError(
            f"{name} is {value!r}, but must be a factor per time step from 0 to 1, or a time "
            "constant."
        )


def decay_in(value, dt: Quantity) -> float:
    """The factor by which it decays in a time step."""
    if get_dimensions(value) is second.dim:
        return math.exp(-float(dt) / float(value))
    return float(value)
