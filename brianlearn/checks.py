"""What is checked at the door, each in one sentence: units, names of variables, time steps."""

import math

from brian2.core.variables import ArrayVariable
from brian2.units.fundamentalunits import (
    DIMENSIONLESS,
    Dimension,
    DimensionMismatchError,
    get_dimensions,
    get_unit,
)

__all__ = ["check_clocks", "check_unit", "find_array", "find_variable", "unit_name"]


def unit_name(dim: Dimension) -> str:
    """What to call the base unit of some dimensions."""
    return "no unit" if dim is DIMENSIONLESS else repr(get_unit(dim))


def check_unit(value, dim: Dimension, what: str) -> None:
    """Refuse a value of other dimensions.

    Parameters
    ----------
    value : Quantity, array or Dimension
        What was given.
    dim : Dimension
        What it should have.
    what : str
        What to call it in the message.

    Raises
    ------
    brian2.DimensionMismatchError

    Examples
    --------
    >>> from brian2 import mV, volt
    >>> check_unit(3*mV, volt.dim, "The threshold")
    """
    got = value if isinstance(value, Dimension) else get_dimensions(value)
    if got is not dim:
        raise DimensionMismatchError(
            f"{what} should be in {unit_name(dim)}, but is in {unit_name(got)}"
        )


def find_variable(group, name: str):
    """A group's variable of that name.

    Raises
    ------
    KeyError
        If there is none; the message lists those that are.
    """
    if name not in group.variables:
        known = ", ".join(sorted(v for v in group.variables if not v.startswith("_")))
        raise KeyError(f"'{group.name}' has no variable '{name}'; it has: {known}.")
    return group.variables[name]


def find_array(group, name: str) -> ArrayVariable:
    """A group's variable of that name, if its values lie in an array of the group's own order.

    Raises
    ------
    KeyError
        If there is none of that name.
    TypeError
        If it is a subexpression, or linked to another group through an index.
    """
    variable = find_variable(group, name)
    if not isinstance(variable, ArrayVariable):
        raise TypeError(
            f"'{name}' of '{group.name}' is computed where it is used and has no array of its own; "
            "store it in a variable of the group."
        )
    if group.variables.indices[name] not in ("_idx", "_sub_idx", "0"):
        raise TypeError(
            f"'{name}' of '{group.name}' is linked through an index; give the group that it "
            "belongs to."
        )
    return variable


def check_clocks(what: str, *groups) -> None:
    """Refuse groups that take different time steps, where one object takes them step by step.

    Clocks of their own are fine, as long as they tick together.

    Parameters
    ----------
    what : str
        What takes them, such as "'trials'".
    groups : BrianObject
        Of which each has a clock.

    Raises
    ------
    ValueError
        Naming the first two that differ, and their time steps.

    Examples
    --------
    >>> from brian2 import NeuronGroup, ms
    >>> fast, slow = (NeuronGroup(1, "v : 1", dt=dt) for dt in (0.1*ms, 1*ms))
    >>> check_clocks("'w_in'", fast, fast)
    """
    first, *others = groups
    for other in others:
        if not math.isclose(float(first.clock.dt), float(other.clock.dt), rel_tol=1e-9):
            raise ValueError(
                f"{what} takes '{first.name}' and '{other.name}' step by step, but a time step is "
                f"{first.clock.dt} in the one and {other.clock.dt} in the other: give both the "
                "same dt or clock."
            )
