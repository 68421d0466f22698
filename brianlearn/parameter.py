"""`Parameter`: a constant of a model, and which values it can be given."""

from dataclasses import dataclass

import numpy as np
from brian2.equations.equations import FLOAT, PARAMETER
from brian2.units.fundamentalunits import DIMENSIONLESS, Quantity, get_dimensions

from brianlearn.checks import real_numbers

__all__ = ["Parameter", "check_variable"]


@dataclass(frozen=True)
class Parameter:
    """A constant of a model: its published value (with unit) and a word on what it is.

    Parameters
    ----------
    value : Quantity, float or bool
    description : str

    Raises
    ------
    TypeError, ValueError
        If the value is not one number.

    Examples
    --------
    >>> from brian2 import ms
    >>> tau_m = Parameter(10*ms, "membrane time constant")
    """

    value: Quantity | float
    description: str

    def __post_init__(self):
        what = f"The value of a Parameter ({self.description})"
        dim = get_dimensions(self.value) if isinstance(self.value, Quantity) else DIMENSIONLESS
        real_numbers(self.value, what, dim, shape=(), finite=False, booleans=True)

    def checked(self, name: str, value, template: str):
        """``value``, if it has this parameter's dimensions; an error that names it, if not."""
        what = f"{template}: {name} ({self.description})"
        dim = get_dimensions(self.value)
        is_flag = isinstance(self.value, bool)
        plain = real_numbers(value, what, dim, finite=False, booleans=is_flag)
        if plain.ndim > 1:
            raise ValueError(f"{what} is {plain.shape}, but must be one value, or one per neuron.")
        if is_flag and not np.isin(plain, (0, 1)).all():
            raise ValueError(f"{what} is {value}, but must be True or False.")
        return Quantity(plain, dim=dim) if plain.ndim else value


def check_variable(template: str, parameter: Parameter, equation, value) -> None:
    """Refuse a parameter's value where an equation has made a variable that cannot hold it.

    Raises
    ------
    TypeError
        If the equation computes the variable, and another value than its own was given.
    ValueError
        If it is one for all neurons, or a whole number, and the value is not.
    """
    what = f"{template}: {equation.varname}"
    if equation.type != PARAMETER and value is not parameter.value:
        raise TypeError(f"{what} is computed by '{equation}': change that equation.")
    if "shared" in equation.flags and np.ndim(value):
        raise ValueError(f"{what} has {len(value)} values, but is shared by all neurons.")
    if equation.var_type != FLOAT and np.any(np.asarray(value) % 1):
        raise ValueError(f"{what} is {value}, but is declared {equation.var_type}.")
