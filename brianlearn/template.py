"""`Template`: a published neuron model as a frozen value that makes real Brian2 groups."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np
from brian2.equations.equations import FLOAT, PARAMETER, Equations, SingleEquation
from brian2.groups.neurongroup import NeuronGroup
from brian2.stateupdaters.base import StateUpdateMethod
from brian2.units.fundamentalunits import get_dimensions

from brianlearn.checks import check_whole
from brianlearn.parameter import Parameter, check_variable
from brianlearn.schedule import Moment
from brianlearn.spikes import look_for_spikes

__all__ = ["Parameter", "Template"]


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

        A parameter with a value for each neuron becomes a variable, as by the line ``tau_m : second
        (constant)``; one that is a variable already is set to the keyword's value, or to its own.

        Parameters
        ----------
        N : int
        name : str, optional
            The group's name; by default the template's.
        **overrides
            New values of parameters, with units: one, or ``N`` of them.

        Raises
        ------
        TypeError
            If a keyword is no parameter; the message lists those that are. If it is one that the
            equations compute.
        ValueError
            If ``N`` is no whole number, a value no number, or there are several, but not ``N``.
        brian2.DimensionMismatchError
            If a value has other units than the parameter.

        Examples
        --------
        >>> from brian2 import ms
        >>> from brianlearn.models import eprop_lif
        >>> varied = eprop_lif.neurons(3, tau_m=[10, 20, 30]*ms)
        >>> print(varied.tau_m[:])
        [10. 20. 30.] ms
        """
        check_whole("N", N, 1)
        values = self.values(**overrides)
        equations = self._with_variables(N, values)
        group = NeuronGroup(
            N,
            equations,
            threshold=self.threshold,
            reset=self.reset,
            refractory=self.refractory,
            method=IntegrateThenUpdate(self.method, self.update) if self.update else self.method,
            namespace={key: value for key, value in values.items() if key not in equations},
            name=name or f"{self.name}*",
        )
        for key, value in values.items():
            if key in equations and equations[key].type == PARAMETER:
                variable = group.variables[key]
                variable.set_value(np.resize(value, variable.size).astype(variable.dtype))
        if re.fullmatch(r"\w+ > 0", self.threshold or "") and self.update:
            look_for_spikes(group, self.threshold.split()[0])
        if self.moment:
            group.state_updater.when, group.state_updater.order = self.moment
        return group

    def _with_variables(self, N, values):
        """The equations, with a variable for each parameter that has a value for each neuron."""
        new = []
        for name, value in values.items():
            if name in self.equations:
                check_variable(self.name, self.parameters[name], self.equations[name], value)
            if not np.ndim(value):
                continue
            if len(value) != N:
                raise ValueError(f"{self.name}: {name} has {len(value)} values for {N} neurons.")
            if name not in self.equations:
                dim = get_dimensions(value)
                new.append(SingleEquation(PARAMETER, name, dim, FLOAT, flags=["constant"]))
        return self.equations + Equations(new)

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
