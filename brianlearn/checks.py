"""What is checked at the door, each in one sentence: units, and names of variables."""

from brian2.core.variables import ArrayVariable
from brian2.units.fundamentalunits import (
    DIMENSIONLESS,
    Dimension,
    DimensionMismatchError,
    get_dimensions,
    get_unit,
)

__all__ = ["check_unit", "find_array", "find_variable", "unit_name"]


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
