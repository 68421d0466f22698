"""The derivative of each kind of node of Brian2's expressions; unknown ones are refused by name."""

import sympy as sp
from brian2.parsing.sympytools import str_to_sympy
from sympy.core.function import AppliedUndef

from brianlearn.errors import DerivationError

__all__ = ["RULES", "derivative", "given_calls", "indicator", "parse"]


class indicator(sp.Function):  # noqa: N801 (as SymPy names its functions)
    """1 where a condition holds, else 0; flat wherever it has a derivative."""

    nargs = 1

    def _eval_derivative(self, symbol):
        return sp.S.Zero


class exprel_slope(sp.Function):  # noqa: N801
    """The derivative of ``(exp(x) - 1)/x``, which is 1/2 at 0."""

    nargs = 1


def _between(x, low, high):
    return indicator(sp.And(low <= x, x <= high))


_SMOOTH = (
    sp.exp, sp.log, sp.sin, sp.cos, sp.tan, sp.sinh, sp.cosh, sp.tanh, sp.asin, sp.acos, sp.atan,
)  # fmt: skip

# For each function by its name in SymPy: its derivatives by its arguments.
RULES = {
    **{f.__name__: lambda *x, f=f: [f(*x).fdiff(k + 1) for k in range(len(x))] for f in _SMOOTH},
    "sqrt": lambda x: [1 / (2 * sp.sqrt(x))],
    "log10": lambda x: [1 / (x * sp.log(10))],
    "log1p": lambda x: [1 / (1 + x)],
    "expm1": lambda x: [sp.exp(x)],
    "exprel": lambda x: [exprel_slope(x)],
    "Abs": lambda x: [sp.sign(x)],
    "Mod": lambda x, y: [sp.S.One, -sp.floor(x / y)],
    "clip": lambda x, low, high: [
        _between(x, low, high), indicator(x < low), indicator(x > high)
    ],
    **{
        name: lambda *x: [sp.S.Zero] * len(x)  # steps
        for name in ("indicator", "int_", "floor", "ceiling", "sign", "timestep")
    },
}  # fmt: skip


def parse(text: str) -> sp.Expr:
    """Brian2's text as a SymPy expression, in which all symbols are plain real ones.

    Conditions become `indicator`, so that no derivative asks for the slope of a step.

    Raises
    ------
    SyntaxError
        If it is no expression of Brian2's language.
    """
    expression = str_to_sympy(text)
    plain = {s: sp.Symbol(s.name, real=True) for s in expression.free_symbols}  # dt is positive
    expression = expression.subs(plain)
    nothing = (sp.Symbol("_placeholder_arg", real=True),)  # Brian2's, in calls such as rand()
    expression = expression.replace(lambda e: e.args == nothing, lambda e: e.func())
    return expression.replace(
        lambda e: e.func.__name__ == "int_" and not isinstance(e.args[0], sp.Expr),
        lambda e: indicator(e.args[0]),
    )


def derivative(expression: sp.Expr, symbol: sp.Symbol) -> sp.Expr:
    """The derivative by one symbol; that of a step, such as ``int(x > 0)``, is 0.

    Raises
    ------
    DerivationError
        If it passes a function without a rule: its name, and those that have one.
    """
    if symbol not in expression.free_symbols:
        return sp.S.Zero
    calls = [e for e in _outermost_calls(expression) if symbol in e.free_symbols]
    stand_ins = {call: sp.Dummy(real=True) for call in calls}
    outside = expression.xreplace(stand_ins)
    total = sp.diff(outside, symbol)
    for call, stand_in in stand_ins.items():
        through = sp.diff(outside, stand_in)
        for argument, slope in zip(call.args, _slopes(call), strict=True):
            if slope != 0:
                total += through * slope * derivative(argument, symbol)
    return total.xreplace({stand_in: call for call, stand_in in stand_ins.items()})


def given_calls(expression: sp.Expr) -> set[sp.Expr]:
    """Calls of functions without a rule, whose values are given: a `TimedArray`, ``randn()``."""
    return {call for call in expression.atoms(AppliedUndef) if call.func.__name__ not in RULES}


def _outermost_calls(expression):
    if isinstance(expression, sp.Function | sp.Mod):
        return {expression}
    return set().union(*map(_outermost_calls, expression.args))


def _slopes(call):
    name = call.func.__name__
    if name not in RULES:
        raise DerivationError(
            f"'{name}' has no derivative that is known here, but the gradient passes it in "
            f"'{call}'. Those that have one: {', '.join(sorted(RULES))}."
        )
    return RULES[name](*call.args)
