"""Whether a group's time step is the one that e-prop's kernels were written for.

The kernels go back through a membrane that keeps ``exp(-dt/tau_m)`` of itself in a step, hears an
input once, and spikes at a threshold that may adapt. What reset, bounds and refractoriness do to it
counts as given (Bellec et al. 2020), so that a neuron is looked at while it is free and silent. It
is read and differentiated, and refused if it does anything else: its gradient would be that of
another neuron.
"""

import re

import numpy as np
import sympy as sp

from brianlearn.derivation import Step, evaluate, given_calls, parse
from brianlearn.errors import DerivationError

__all__ = ["check_step"]

_DRAWS = 5  # of values for all states and variables
_DECAY, _RHO = "exp(-dt/tau_m)", "exp(-dt/tau_adapt)"


def check_step(group, variable: str, *, adapts=False, empties=False, sums=False) -> None:
    """Refuse a group whose step is not that of a leaky membrane that hears ``variable``.

    Parameters
    ----------
    group : NeuronGroup
    variable : str
        What inputs add to.
    adapts : bool
        Whether the kernel knows of an adaptive threshold, by ``beta`` and ``tau_adapt``.
    empties : bool
        Whether it knows that a spike empties the membrane, and others that the spike depends on.
    sums : bool
        Whether the group adds up in ``v`` what its dendrites give, instead of spiking.

    Raises
    ------
    brianlearn.errors.DerivationError
        With what the step does, what the kernel takes it for, and the remedy.
    """
    neuron = _Neuron(group)
    membrane = _check_membrane(neuron, variable, {"v"} if sums else set())
    if neuron.step.spikes is not None:
        if empties and not neuron.forgets(membrane):
            neuron.refuse(f"a spike does not empty '{membrane}', but e-prop's kernel believes it")
        _check_threshold(neuron, membrane, adapts, empties)


def _check_membrane(neuron, variable, outputs):
    """The one state that an input reaches, if it is as it should be."""
    if variable not in neuron.step.first:
        neuron.refuse(f"what arrives in '{variable}' is never read")
    heard = neuron.slopes(neuron.step.first[variable])
    reached = neuron.states(heard) - outputs
    if variable in reached:
        neuron.refuse(
            f"what arrives in '{variable}' is still there a step later, but e-prop's kernel takes "
            "it for an input that is heard once"
        )
    if len(reached) != 1:
        neuron.refuse(
            f"what arrives in '{variable}' reaches {_listed(reached)}, but e-prop's kernel takes "
            "it for an input to one membrane"
        )
    (membrane,) = reached
    kept = neuron.slopes(neuron.step.first[membrane])
    if further := neuron.states(kept) - {membrane} - outputs:
        neuron.refuse(
            f"'{membrane}' moves {_listed(further)}, of which e-prop's kernel knows nothing"
        )
    end = neuron.step.last[membrane]
    neuron.compare(kept[end], _DECAY, f"'{membrane}' keeps of itself")
    entered = f"1 - spread*{_DECAY}" if neuron.has("spread") else "1"
    neuron.compare(heard[end], entered, f"'{membrane}' takes up of an input")
    return membrane


def _check_threshold(neuron, membrane, adapts, empties):
    """Whether spikes move the threshold as the kernel believes: by an adaptation, or not at all."""
    step = neuron.step
    distance = _distance(neuron, membrane)
    moving = {
        name
        for name in neuron.moved_by_spikes() - {membrane}
        if np.any(neuron.slope(distance, step.first[name]))
        and not (empties and neuron.forgets(name))
    }
    if len(moving) != adapts:
        known = "adapts by one state" if adapts else "does not"
        neuron.refuse(
            f"a spike moves the threshold by way of {_listed(moving)}, but e-prop's kernel takes "
            f"it for one that {known}"
        )
    if not adapts:
        return
    (adaptation,) = moving
    kept = neuron.slopes(step.first[adaptation])
    if further := neuron.states(kept) - {adaptation}:
        neuron.refuse(f"'{adaptation}' moves {_listed(further)}, and not the threshold alone")
    end = step.last[adaptation]
    neuron.compare(kept[end], _RHO, f"'{adaptation}' keeps of itself")
    jump = neuron.slopes(neuron.before).get(end, np.zeros(_DRAWS)) if neuron.before else 0
    neuron.compare(jump, "1", f"a spike adds to '{adaptation}' a step later")
    of_a, of_v = (
        neuron.slope(distance, step.first[name]) / neuron.slopes(step.first[name])[step.last[name]]
        for name in (adaptation, membrane)
    )
    neuron.compare(
        of_a / of_v, "-beta", f"the distance from threshold changes with '{adaptation}' by"
    )


def _distance(neuron, membrane):
    """The difference of the two sides of the comparison that decides about a spike."""
    (spike,) = (s.expression for s in neuron.step.statements if s.symbol == neuron.step.spikes)
    moved = neuron.slopes(neuron.step.first[membrane]).keys()
    sides = [r.lhs - r.rhs for r in spike.atoms(sp.core.relational.Relational)]
    sides = [side for side in sides if side.free_symbols & moved]
    if len(sides) != 1:
        neuron.refuse(
            f"{len(sides)} comparisons of '{membrane}' decide about a spike, but e-prop's kernel "
            "takes it for one"
        )
    return sides[0]


def _listed(names):
    return ", ".join(f"'{name}'" for name in sorted(names)) or "nothing"


class _Neuron:
    """A group's step at some states, drawn at random, in which it is free and does not spike."""

    def __init__(self, group):
        self.group = group
        found = re.fullmatch(r"(\w+) > 0", group.events.get("spike", ""))
        own = found and found[1] not in group.equations.diff_eq_names  # set by the model itself
        spikes = found[1] if own else None
        self.step = Step(group, spikes)
        self.before = self.step.first.get(spikes)
        self._silent = {s: 0.0 for s in (self.step.spikes, self.before) if s is not None}
        self._random = np.random.default_rng(0)
        self._values = dict(self._silent)
        for name in sorted(self.step.names | {"dt"}):
            self._values.setdefault(self.step.first.get(name, _symbol(name)), self._draw(name))
        for statement in self.step.statements:
            if statement.symbol not in self._silent:
                self._values[statement.symbol] = self._number(statement.expression)

    def _draw(self, name):
        """A constant's value; for what varies, or is not known yet, anything small."""
        group, anything = self.group, self._random.uniform(0.01, 0.1, _DRAWS)
        if name == "t_ref":  # so that it is free (a neuron of NEST with one never adapts)
            return 0.0
        if name not in group.variables:
            try:
                return float(group.resolve_all({name}, {})[name].get_value())
            except KeyError:  # of a scope that only a run knows
                return anything
        if name == "dt":
            return float(group.clock.dt)
        if name == "not_refractory":
            return 1.0
        if group.variables[name].dtype == bool:
            return self._random.integers(2, size=_DRAWS).astype(float)
        return anything

    def has(self, name):
        """Whether the group has such a constant."""
        return name in self.group.variables or name in (self.group.namespace or {})

    def slopes(self, symbol):
        """What each later symbol changes by, if this one changes and the spikes stay."""
        found = self._derivatives(symbol, self._silent.keys() - {symbol})
        numbers = {s: self._number(e) for s, e in found.items()}
        return {s: value for s, value in numbers.items() if np.any(value)}

    def _derivatives(self, symbol, given):
        try:
            return self.step.derivatives(symbol, given=given, past_bounds=True)
        except DerivationError as error:
            raise DerivationError(f"'{self.group.name}': {error}") from None

    def slope(self, expression, symbol):
        """What an expression of the step's symbols changes by."""
        parts = self.slopes(symbol).items()
        return sum(self._number(sp.diff(expression, s)) * value for s, value in parts)

    def moved_by_spikes(self):
        """The states that carry over to the next step what a spike has changed, but itself."""
        spikes = [s for s in (self.step.spikes, self.before) if s is not None]
        moved = set().union(*(self.states(self.slopes(s)) for s in spikes))
        return {name for name in moved if self.step.first[name] != self.before}

    def forgets(self, name):
        """Whether nothing is left of a state when the neuron has spiked."""
        first, last = self.step.first[name], self.step.last[name]
        left = self._derivatives(first, self._silent.keys()).get(last, sp.S.Zero)
        return not np.any(evaluate(left, self._values | {self.step.spikes: 1.0}))

    def states(self, slopes):
        """The states that carry these changes over to the next step."""
        return {name for name in self.step.first if self.step.last.get(name) in slopes}

    def _number(self, expression):
        for call in given_calls(expression) - self._values.keys():
            self._values[call] = self._random.uniform(0.01, 0.1, _DRAWS)
        return np.broadcast_to(evaluate(expression, self._values), _DRAWS)

    def compare(self, found, expected, what):
        """Refuse unless a number is what the kernel takes it for."""
        expression = parse(expected)
        for symbol in expression.free_symbols - self._values.keys():
            self._values[symbol] = self._draw(symbol.name)
        wanted = self._number(expression)
        if not np.allclose(found, wanted, rtol=1e-9, atol=1e-12):
            k = np.argmax(np.abs(found - wanted))
            self.refuse(
                f"{what} {found[k]:.6g} (in some state), but e-prop's kernel takes that for "
                f"{expected} = {wanted[k]:.6g}"
            )

    def refuse(self, what):
        """Say what is wrong, and what to do."""
        raise DerivationError(
            f"'{self.group.name}': {what}: its gradient would be that of another neuron. Use one "
            "of brianlearn.models, with method='exact' and inputs that add to its 'x'."
        )


def _symbol(name):
    return sp.Symbol(name, real=True)
