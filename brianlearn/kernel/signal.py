"""Functions of time that a kernel reads: expressions, `TimedArray`s and arrays, one idea."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from brian2.core.functions import DEFAULT_CONSTANTS, DEFAULT_FUNCTIONS, Function
from brian2.core.namespace import DEFAULT_UNITS, get_local_namespace
from brian2.core.variables import Constant, Variable, VariableView
from brian2.input.timedarray import TimedArray
from brian2.parsing.expressions import parse_expression_dimensions
from brian2.units.allunits import second
from brian2.units.fundamentalunits import DIMENSIONLESS, Dimension, Quantity, get_dimensions
from brian2.utils.stringtools import get_identifiers

from brianlearn.checks import check_unit, plain_array

__all__ = ["Signal"]

_BRIAN_NAMES = {*DEFAULT_CONSTANTS, *DEFAULT_FUNCTIONS, *DEFAULT_UNITS}
_ELEMENT_NAMES = {"t", "dt", "t_in_timesteps", "i", "N"}


@dataclass(frozen=True, eq=False)
class Signal:
    """A value for each element of a kernel at each time step, on every codegen target.

    Made by `Signal.of`; Brian2 itself compiles the expression in front of the kernel's call.

    Attributes
    ----------
    expression : str
        In terms of ``t``, the element's index ``i`` and the names in ``namespace``.
    namespace : dict
        What the expression's other names stand for.
    samples : array, optional
        One row per time step, for a signal given as an array; its name is ``samples``.
    dim : Dimension
    """

    expression: str
    namespace: Mapping
    dim: Dimension
    samples: np.ndarray | None = None

    @classmethod
    def of(cls, values, size: int, *, name: str, dim: Dimension, level: int = 0) -> "Signal":
        """Read what a user gave as a function of time.

        Parameters
        ----------
        values : str or sequence of str or TimedArray or array
            An expression such as ``"sin(2*pi*5*Hz*t)"`` (with ``i``, the element), or one for each
            element; a `TimedArray` (its second dimension, if any, is the element); or an array
            with one row per time step (``size`` columns; after its end, the last row holds).
        size : int
            How many elements the signal has.
        name : str
            What to call it in error messages.
        dim : Dimension
            What its dimensions must be.
        level : int
            How many frames up the names in the expression are looked up.

        Raises
        ------
        brian2.DimensionMismatchError
            If the signal has other dimensions.
        SyntaxError
            If an expression is none.
        TypeError
            If it is nothing of these, or a view of a group's variable.
        NameError
            If a name in the expression stands for nothing.
        ValueError
            If the number of columns or expressions is not ``size``.
        """
        if isinstance(values, VariableView):
            here, variable = values.group_name, values.name.removesuffix("_")
            raise TypeError(
                f"{name} is the variable '{variable}' of '{here}', which changes: give "
                f"({here}, '{variable}') for its value at each step, or "
                f"np.array({here}.{variable}) for what it is now."
            )
        if np.ndim(values) == 0 and not isinstance(values, str | TimedArray):
            raise TypeError(
                f"{name} is {values!r}, but must be a function of time: an expression such as "
                "'sin(2*pi*5*Hz*t)' or '0.5', a TimedArray, or an array with a row per time step."
            )
        if isinstance(values, str):
            return cls._from_expressions([values], name, dim, level + 1)
        if isinstance(values, TimedArray):
            return cls._from_timed_array(values, size, name, dim)
        if isinstance(values, Sequence) and all(isinstance(value, str) for value in values):
            _check_columns(len(values), size, name)
            return cls._from_expressions(values, name, dim, level + 1)
        return cls._from_samples(values, size, name, dim)

    @classmethod
    def _from_expressions(cls, expressions, name, dim, level):
        known = get_local_namespace(level=level + 1)
        namespace = {}
        for expression in expressions:
            names = get_identifiers(expression) - _BRIAN_NAMES - _ELEMENT_NAMES
            missing = sorted(names - known.keys())
            if missing:
                raise NameError(
                    f"{name} '{expression}' uses {', '.join(missing)}, which is not defined there."
                )
            namespace.update({key: known[key] for key in names})
            try:
                got = _expression_dimensions(expression, namespace)
            except SyntaxError as error:
                raise SyntaxError(f"{name} '{expression}' is no expression: {error.msg}") from error
            check_unit(got, dim, name)
        if len(expressions) == 1:
            return cls(expressions[0], namespace, dim)
        terms = [f"int(i == {k})*({expression})" for k, expression in enumerate(expressions)]
        return cls(" + ".join(terms), namespace, dim)

    @classmethod
    def _from_timed_array(cls, values, size, name, dim):
        check_unit(values.dim, dim, name)
        if values.values.ndim == 1:
            _check_columns(1, size, name)
            return cls("timed_array(t)", {"timed_array": values}, dim)
        _check_columns(values.values.shape[1], size, name)
        return cls("timed_array(t, i)", {"timed_array": values}, dim)

    @classmethod
    def _from_samples(cls, values, size, name, dim):
        samples = plain_array(values, name, dim).astype(float)
        if samples.ndim == 1:
            samples = samples[:, np.newaxis]
        if samples.ndim != 2 or not len(samples):
            raise ValueError(
                f"{name} is an array of shape {np.shape(values)}: it needs one row per time step."
            )
        _check_columns(samples.shape[1], size, name)
        return cls("samples(t, i)", {}, dim, samples=samples)

    def namespace_at(self, dt: Quantity) -> dict:
        """What the expression's names stand for when a time step takes ``dt``."""
        if self.samples is None:
            return dict(self.namespace)
        values = Quantity(self.samples, dim=self.dim)
        return {"samples": TimedArray(values, dt=dt, name="brianlearn_samples*")}


def _check_columns(columns, size, name):
    if columns != size:
        raise ValueError(f"{name} has {columns} column(s), but {size} output(s) need one each.")


def _expression_dimensions(expression, namespace):
    counts = dict.fromkeys(("i", "N", "t_in_timesteps"), DIMENSIONLESS)
    variables = {
        key: Variable(key, dimensions=dim)
        for key, dim in (counts | dict.fromkeys(("t", "dt"), second.dim)).items()
    }
    known = {**DEFAULT_CONSTANTS, **DEFAULT_FUNCTIONS, **DEFAULT_UNITS, **namespace}
    for key in get_identifiers(expression) - variables.keys():
        value = known[key]
        if isinstance(value, Function | Variable):
            variables[key] = value
        else:
            variables[key] = Constant(key, value=float(value), dimensions=get_dimensions(value))
    return parse_expression_dimensions(expression, variables)
