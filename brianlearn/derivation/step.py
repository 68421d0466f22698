"""A group's time step as statements, in Brian2's own order: integration, threshold, reset."""

from dataclasses import dataclass

import sympy as sp
from brian2.groups.neurongroup import NeuronGroup
from brian2.parsing.statements import parse_statement
from brian2.stateupdaters.base import StateUpdateMethod
from brian2.utils.stringtools import get_identifiers, word_substitute

from brianlearn.derivation.rules import derivative, parse
from brianlearn.errors import DerivationError

__all__ = ["Statement", "Step", "assignments"]


@dataclass(frozen=True)
class Statement:
    """``symbol = expression``: each symbol is set once, so that ``v__2`` is the second v."""

    symbol: sp.Symbol
    expression: sp.Expr

    def __str__(self):
        return f"{self.symbol} = {self.expression}"


class Step:
    """One time step of a `NeuronGroup`, read from its equations.

    Whether a neuron is refractory, ``not_refractory``, is what it is at the step's start.

    Parameters
    ----------
    group : NeuronGroup
    spikes : str, optional
        The variable that the model itself sets to 1 where a neuron spikes. Without it, the
        threshold sets ``spike``. The reset happens by the factor of whichever it is.

    Attributes
    ----------
    statements : list of Statement
        In static single assignment: a straight-line program. Print the step to read it.
    first, last : dict of str to Symbol
        What each variable is called at the step's start, if it is read before it is set; and at
        its end, if it is set.
    spikes : Symbol or None
        1 where a neuron spikes in this step.

    Raises
    ------
    SyntaxError, ValueError
        If a statement is not of Brian2's language.
    brianlearn.errors.DerivationError
        If the group is integrated by the GNU Scientific Library.

    Examples
    --------
    >>> from brian2 import NeuronGroup, ms
    >>> leaky = NeuronGroup(1, "dv/dt = -v/(10*ms) : 1", threshold="v > 1", reset="v = 0",
    ...                     method="exact")
    >>> print(Step(leaky))
    _v__1 = v__0*exp(-dt/(10*ms))
    v__1 = _v__1
    spike__1 = indicator(v__1 > 1)
    v__2 = -spike__1*v__1 + v__1
    """

    def __init__(self, group: NeuronGroup, spikes: str | None = None):
        self._within = {
            name: str(equation.expr)
            for name, equation in group.equations.items()
            if equation.type == "subexpression"
        }
        lines = [*_written_out(_integration(group))]
        self._written = {name for name, _ in lines}
        if spikes is None and "spike" in group.events:
            spikes = "spike"
            free = " and not_refractory" if "not_refractory" in group.variables else ""
            lines.append((spikes, f"int(({group.events['spike']}){free})"))
        for name, right in _written_out(group.event_codes.get("spike", "")):
            kept = name in group.variables  # else it is known to the reset alone
            lines.append((name, f"{name} + {spikes}*(({right}) - ({name}))" if kept else right))
        self._written |= {name for name, _ in lines}
        self.statements, self.first, self.last = [], {}, {}
        for name, right in lines:
            self._add(name, right)
        self.spikes = self.last.get(spikes)

    def _add(self, name, right):
        while used := get_identifiers(right) & self._within.keys():  # where they are used
            right = word_substitute(right, {n: f"({self._within[n]})" for n in used})
        expression = parse(right)
        now = {s: self._now(s.name) for s in expression.free_symbols if s.name in self._written}
        count = sum(s.symbol.name.rpartition("__")[0] == name for s in self.statements)
        symbol = sp.Symbol(f"{name}__{count + 1}", real=True)
        self.statements.append(Statement(symbol, expression.xreplace(now)))
        self.last[name] = symbol

    def _now(self, name):
        if name in self.last:
            return self.last[name]
        return self.first.setdefault(name, sp.Symbol(f"{name}__0", real=True))

    @property
    def names(self) -> set[str]:
        """What the statements read of what was there before: states, constants, units."""
        read = set().union(*(s.expression.free_symbols for s in self.statements))
        begin = {symbol: name for name, symbol in self.first.items()}
        return {begin.get(s, s.name) for s in read - {s.symbol for s in self.statements}}

    def __str__(self):
        return "\n".join(map(str, self.statements))

    def derivatives(self, symbol, *, given=(), past_bounds=False) -> dict[sp.Symbol, sp.Expr]:
        """What each later symbol changes by, if this one changes: forwards through the step.

        Parameters
        ----------
        symbol : Symbol
            Of ``first``, or set by a statement.
        given : collection of Symbol
            What the change does not pass.
        past_bounds : bool
            Whether it passes a bound as if there were none: that of a statement such as
            ``v = clip(v + x, v_min, inf)``.

        Raises
        ------
        brianlearn.errors.DerivationError
            If it passes a function without a derivative.
        """
        found = {symbol: sp.S.One}
        for statement in self.statements:
            if statement.symbol in given or statement.symbol == symbol:
                continue
            expression = statement.expression
            if past_bounds and expression.func.__name__ == "clip":
                expression = expression.args[0]
            terms = [
                derivative(expression, s) * found[s]
                for s in sorted(expression.free_symbols & found.keys(), key=str)
            ]
            if total := sp.Add(*terms):
                found[statement.symbol] = total
        return found


def _integration(group):
    """Abstract code of the integration, and of what a `Template` lets follow."""
    updater = group.state_updater
    code = StateUpdateMethod.apply_stateupdater(
        group.equations, group.variables, updater.method_choice, updater.method_options
    )
    if not isinstance(code, str):  # but a template of Brian2's
        raise DerivationError(
            f"'{group.name}' is integrated by {updater.method_choice}, whose steps are no "
            "statements that could be read: use 'exact', 'exponential_euler', 'rk4' or 'euler'."
        )
    return code


def assignments(code: str):
    """Of each statement the name that it sets, the operator (``+`` of ``+=``), the right side."""
    for line in code.replace(";", "\n").splitlines():
        if line := line.split("#")[0].strip():
            name, operator, right, _ = parse_statement(line)
            yield name, operator.removesuffix("="), right


def _written_out(code):
    """(name, right side) of each statement, without operators."""
    for name, operator, right in assignments(code):
        yield name, f"{name} {operator} ({right})" if operator else right
