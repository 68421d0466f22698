"""Expressions as numbers."""

import numpy as np
import sympy as sp

__all__ = ["evaluate"]


def _exprel(x):
    safe = np.where(x == 0, 1.0, x)
    return np.where(x == 0, 1.0, np.expm1(safe) / safe)


def _exprel_slope(x):
    near = np.abs(x) < 1e-2  # where the difference below would lose digits
    safe = np.where(near, 1.0, x)
    series = 1 / 2 + x * (1 / 3 + x * (1 / 8 + x * (1 / 30 + x / 144)))
    return np.where(near, series, (np.exp(safe) * (safe - 1) + 1) / safe**2)


_FUNCTIONS = {
    "indicator": lambda condition: np.asarray(condition, dtype=float),
    "int_": np.trunc,
    "exprel": _exprel,
    "exprel_slope": _exprel_slope,
    "clip": np.clip,
    "timestep": lambda t, dt: np.trunc((t + 1e-3 * dt) / dt),  # as Brian2 rounds
}


def evaluate(expression: sp.Expr, values: dict):
    """The value of an expression: a number, or an array where values are arrays.

    Parameters
    ----------
    expression : Expr
    values : dict of Expr to number or array
        For each symbol in it, and for each call of a function that is given (see `given_calls`).
    """
    symbols = {key: key if key.is_Symbol else sp.Dummy() for key in values}
    expression = expression.xreplace({key: s for key, s in symbols.items() if key is not s})
    function = sp.lambdify([*symbols.values()], expression, [_FUNCTIONS, "numpy"])
    return function(*values.values())
