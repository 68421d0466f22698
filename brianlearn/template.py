"""`Template`: a published neuron model as a frozen value that makes real Brian2 groups."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from brian2.equations.equations import Equations
from brian2.groups.neurongroup import NeuronGroup
from brian2.stateupdaters.base import StateUpdateMethod
from brian2.units.fundamentalunits import Quantity, get_dimensions

from brianlearn.checks import check_unit
from brianlearn.schedule import Moment
from brianlearn.spikes import look_for_spikes

__all__ = ["Parameter", "Template"]


@dataclass(frozen=True)
class Parameter:
    """A constant of a model: its published value (with unit) and a word on what it is."""

    value: Quantity | float
    description: str

    def checked(self, name: str, value, template: str):
        """``value``, if it has this parameter's dimensions; an error that names it, if not."""
        dim = get_dimensions(self.value)
        check_unit(value, dim, f"{template}: {name} ({self.description})")
        return value


@dataclass(frozen=True)
class IntegrateThenUpdate:
    """Brian2's integration of the equations, then the model's own lines, as one state update."""

    method: str
    update: str

    def __call__(self, equations, variables, method_options=None):
        """What Brian2 asks of an integration method: abstract code."""
        code = StateUpdateMethod.apply_stateupdater(
            equations, variables, self.method, method_options
        )
        return f"{code}\n{self.update}"


@dataclass(frozen=True, eq=False)
class Template:
    """A neuron model: equations, threshold, reset, refractoriness, method, parameters, citation.

    Parameters
    ----------
    name : str
        What it is called in error messages, and the names of its groups.
    equations : Equations or str
        Brian2 equations, whose constants are all in ``parameters``.
    threshold, reset, refractory, method : str
        As for `NeuronGroup`; all but ``method`` can be left out. A threshold ``"z > 0"``, for a
        variable z that ``update`` sets to 1 where a neuron spikes, is the fastest.
    update : str, optional
        Statements that follow the integration in each time step, before the threshold is looked
        at: spikes that arrived take effect, a bound is kept, a surrogate gradient is noted.
    moment : Moment, optional
        When in the time step integration and ``update`` take place; by default where Brian2
        integrates, in the slot ``groups``.
    parameters : dict of str to Parameter
        Every constant that the model's strings use.
    citation : str
        Where it was published.

    Examples
    --------
    >>> from brian2 import mV, ms
    >>> leaky = Template(
    ...     name="leaky",
    ...     equations="dv/dt = -v/tau_m : volt",
    ...     threshold="v > v_th",
    ...     reset="v = 0*mV",
    ...     parameters={
    ...         "tau_m": Parameter(10*ms, "membrane time constant"),
    ...         "v_th": Parameter(15*mV, "threshold"),
    ...     },
    ... )
    >>> neurons = leaky.neurons(100, tau_m=20*ms)
    """

    name: str
    equations: Equations | str
    threshold: str | None = None
    reset: str | None = None
    refractory: str | bool = False
    method: str = "euler"
    update: str = ""
    moment: Moment | None = None
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    citation: str = ""

    def __post_init__(self):
        object.__setattr__(self, "equations", _equations(self.equations))
        object.__setattr__(self, "parameters", MappingProxyType(dict(self.parameters)))
        if self.update and not self.equations.diff_eq_names:
            raise ValueError(
                f"{self.name}: 'update' follows the integration, but no equation is integrated; "
                "add a differential equation, such as dv/dt = 0/second : 1."
            )
        for name, parameter in self.parameters.items():
            if not isinstance(parameter, Parameter):
                raise TypeError(
                    f"{self.name}: {name} is {parameter!r}, but must be a Parameter(value, "
                    '"what it is").'
                )

    def neurons(self, N: int, *, name: str | None = None, **overrides) -> NeuronGroup:
        """A group of ``N`` such neurons; keywords replace parameters.

        Parameters
        ----------
        N : int
        name : str, optional
            The group's name; by default the template's.
        **overrides
            New values of parameters, with units.

        Raises
        ------
        TypeError
            If a keyword is no parameter; the message lists those that are.
        brian2.DimensionMismatchError
            If a value has other units than the parameter.
        """
        group = NeuronGroup(
            N,
            self.equations,
            threshold=self.threshold,
            reset=self.reset,
            refractory=self.refractory,
            method=IntegrateThenUpdate(self.method, self.update) if self.update else self.method,
            namespace=self._namespace(overrides),
            name=name or f"{self.name}*",
        )
        if re.fullmatch(r"\w+ > 0", self.threshold or "") and self.update:
            look_for_spikes(group, self.threshold.split()[0])
        if self.moment:
            group.state_updater.when, group.state_updater.order = self.moment
        return group

    def _namespace(self, overrides):
        """The parameters that no equation has made a variable of the group."""
        values = self.values(**overrides)
        return {name: value for name, value in values.items() if name not in self.equations}

    def values(self, **overrides) -> dict:
        """The value of every parameter, with ``overrides`` in place; checked as in `neurons`."""
        unknown = sorted(set(overrides) - set(self.parameters))
        if unknown:
            raise TypeError(
                f"{self.name} has no parameter {', '.join(unknown)}; it has:\n{self.describe()}"
            )
        published = {name: parameter.value for name, parameter in self.parameters.items()}
        checked = {
            name: self.parameters[name].checked(name, value, self.name)
            for name, value in overrides.items()
        }
        return published | checked

    def describe(self) -> str:
        """One line per parameter: its name, value and what it is."""
        return "\n".join(
            f"  {name} = {parameter.value}: {parameter.description}"
            for name, parameter in self.parameters.items()
        )

    def with_equations(self, extra: Equations | str, **changes) -> "Template":
        """This model with more equations; those of the same variables replace the old ones.

        Parameters
        ----------
        extra : Equations or str
            For example ``"dI_noise/dt = -I_noise/tau_noise : 1"``.
        **changes
            Anything else of the template to replace (``name``, ``reset``, ...). ``parameters``
            are added to those that exist.

        Raises
        ------
        brian2.equations.equations.EquationError
            If the result is not a set of equations.
        """
        extra = _equations(extra)
        kept = Equations([eq for eq in self.equations.values() if eq.varname not in extra])
        changes["parameters"] = {**self.parameters, **changes.get("parameters", {})}
        return replace(self, equations=kept + extra, **changes)

    def renamed(self, **names: str) -> "Template":
        """This model with variables or parameters under other names: ``renamed(v="V_soma")``.

        Raises
        ------
        TypeError
            If a name does not exist in the model, or the new one does.
        """
        if not names:
            return self
        known = {*self.equations.names, *self.parameters}
        if wrong := sorted(set(names) - known):
            raise TypeError(f"{self.name} has no {', '.join(wrong)}; it has {', '.join(known)}.")
        if taken := sorted(set(names.values()) & known):
            raise TypeError(f"{self.name} uses the name {', '.join(taken)} already.")

        def in_text(text):
            if not isinstance(text, str):
                return text
            pattern = re.compile(r"\b(" + "|".join(map(re.escape, names)) + r")\b")
            return pattern.sub(lambda match: names[match.group()], text)

        return replace(
            self,
            equations=self.equations.substitute(**names),
            threshold=in_text(self.threshold),
            reset=in_text(self.reset),
            refractory=in_text(self.refractory),
            update=in_text(self.update),
            parameters={names.get(key, key): value for key, value in self.parameters.items()},
        )

    def __str__(self):
        return f"{self.name}\n{self.equations}\n{self.describe()}\n{self.citation}".rstrip()


def _equations(text: Equations | str) -> Equations:
    return Equations(text) if isinstance(text, str) else text
