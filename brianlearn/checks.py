"""What is checked at the door, each in one sentence: numbers, units, names, time steps."""

import math
import numbers

import numpy as np
from brian2.core.variables import ArrayVariable, VariableView
from brian2.units.fundamentalunits import (
    DIMENSIONLESS,
    Dimension,
    DimensionMismatchError,
    get_dimensions,
    get_unit,
)

__all__ = [
    "check_clocks",
    "check_flag",
    "check_unit",
    "check_whole",
    "find_array",
    "find_variable",
    "is_number",
    "is_whole",
    "plain_array",
    "real_numbers",
    "unit_name",
    "whole_numbers",
]


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


def is_number(value) -> bool:
    """Whether it is one real number without unit, and neither an array nor True or False."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def is_whole(value, least: int) -> bool:
    """Whether it is one whole number, from the least on, and neither True nor False."""
    return is_number(value) and isinstance(value, numbers.Integral) and value >= least


def check_flag(name: str, value) -> None:
    """Refuse what is neither True nor False, with a TypeError that names it."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} is {value!r}, but must be True or False.")


def check_whole(name: str, value, least: int) -> None:
    """Refuse what is not one whole number, from the least on, with a ValueError that names it."""
    if not is_whole(value, least):
        raise ValueError(f"{name} is {value!r}, but must be a whole number, {least} or more.")


def real_numbers(
    values, what: str, dim: Dimension = DIMENSIONLESS, *, shape=None, finite=True, booleans=False
) -> np.ndarray:
    """What a user gave as numbers: an array of floats in base units, or an error.

    Parameters
    ----------
    values : array, sequence or number
    what : str
        What to call it in the message.
    dim : Dimension
        What its dimensions must be.
    shape : tuple of int, optional
        What its shape must be.
    finite : bool
        Whether infinite numbers are refused; those that are none always are.
    booleans : bool
        Whether True and False stand for 1 and 0.

    Raises
    ------
    brian2.DimensionMismatchError
        If the unit is another.
    TypeError
        If it holds something else than real numbers, or is a view of a group's variable.
    ValueError
        If the shape is another, or a number is none, infinite, or too long for a float.

    Examples
    --------
    >>> from brian2 import mV, volt
    >>> real_numbers([1, 2]*mV, "A weight", volt.dim)
    array([0.001, 0.002])
    """
    array = plain_array(values, what, dim, booleans=booleans)
    if shape is not None and array.shape != shape:
        raise ValueError(f"{what} is {array.shape}, but must be {shape}.")
    with np.errstate(over="ignore"):  # of long doubles, which become infinite
        floats = np.array(array, dtype=float)
    if not np.isfinite(floats).all() if finite else np.isnan(floats).any():
        raise ValueError(f"{what} holds something that is not a {'finite ' * finite}number.")
    if array.size and array.dtype.kind in "iu" and max(-floats.min(), floats.max()) > 2**53:
        raise ValueError(f"{what} holds a whole number that is too long for a float.")
    return floats


def whole_numbers(values, what: str, dtype=np.int64, *, booleans=False) -> np.ndarray:
    """The same for whole numbers: an array of ``dtype``, which must be able to hold them.

    Raises
    ------
    brian2.DimensionMismatchError, TypeError, ValueError
        As `real_numbers`; a number such as 2.0 is none of them.

    Examples
    --------
    >>> whole_numbers([3, 1], "i", np.int32)
    array([3, 1], dtype=int32)
    """
    array = plain_array(values, what, booleans=booleans, whole=True)
    if array.size and not np.can_cast(array.dtype, dtype):
        least, most = np.iinfo(dtype).min, np.iinfo(dtype).max
        for extreme in (int(array.min()), int(array.max())):
            if not least <= extreme <= most:
                raise ValueError(f"{what} holds {extreme}, but must lie within {least} and {most}.")
    return array.astype(dtype, copy=False)


def plain_array(
    values, what: str, dim: Dimension = DIMENSIONLESS, *, booleans=False, whole=False
) -> np.ndarray:
    """The same for an array that stays of its type, without its unit, and may hold any number.

    Raises
    ------
    brian2.DimensionMismatchError, TypeError, ValueError
        As `real_numbers`, but for numbers that are none or infinite.
    """
    listed = values if isinstance(values, list | tuple) else [values]
    for view in listed:
        if isinstance(view, VariableView):
            raise TypeError(
                f"{what} is a view of '{view.name}' of '{view.group_name}', whose values change: "
                f"give those of now, {view.group_name}.{view.name}[:], which are a copy."
            )
    if np.ma.is_masked(values):
        raise TypeError(f"{what} is a masked array, some of whose values are none: fill them.")
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise ValueError(f"{what} is no array: {error}") from None
    if array.dtype.kind in "iufb":
        try:
            check_unit(values, dim, what)
        except TypeError:  # of a list
            raise TypeError(f"{what} mixes numbers with and without units.") from None
    kinds = "iu" + "f" * (not whole) + "b" * booleans
    if array.size and array.dtype.kind not in kinds:
        wanted = "whole numbers" if whole else "real numbers"
        raise TypeError(f"{what} holds {array.dtype}, but must be {wanted}.")
    return array


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
