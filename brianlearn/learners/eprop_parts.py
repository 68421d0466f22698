"""What e-prop asks of the groups that it trains, and where it finds it."""

import numpy as np
from brian2.units.allunits import second
from brian2.units.fundamentalunits import DIMENSIONLESS
from brian2.utils.stringtools import get_identifiers

from brianlearn.checks import check_unit, find_array
from brianlearn.learners.eprop_step import check_step

__all__ = [
    "DELAYS",
    "WEIGHTS",
    "adapts",
    "check_history",
    "check_is_reset",
    "check_neurons",
    "check_readout",
    "find_constant",
    "is_emptied",
    "spikes_of",
    "surrogate_of",
]

WEIGHTS, DELAYS = 1, 2  # what a connection learns, for kernels

_CONSTANTS = {
    "tau_m": second.dim,
    "tau_adapt": second.dim,
    "spread": DIMENSIONLESS,
    "beta": DIMENSIONLESS,
}
_DEFAULTS = {"spread": 0.0}
_REMEDY = "Make it with one of the templates in brianlearn.models, or add it to the equations"


def find_constant(group, name: str):
    """A constant of a group for a kernel: its value, or the variable that holds one per neuron.

    Raises
    ------
    KeyError
        If it is neither in the group's namespace nor one of its variables.
    brian2.DimensionMismatchError
        If it has other dimensions.
    """
    what = f"'{name}' of '{group.name}'"
    if name in group.variables:
        find_array(group, name)
        check_unit(group.variables[name].dim, _CONSTANTS[name], what)
        return (group, name)
    if name not in (group.namespace or {}):
        if name in _DEFAULTS:
            return np.full(1, _DEFAULTS[name])
        raise KeyError(
            f"'{group.name}' has no constant '{name}', which e-prop needs. {_REMEDY} or the "
            "namespace of the group."
        )
    value = group.namespace[name]
    check_unit(value, _CONSTANTS[name], what)
    return np.full(1, float(value))


def surrogate_of(group, variable: str) -> str:
    """Where a group notes what its output owes to an input: ``psi``, or of ``x_2``, ``psi_2``.

    Of spikes, it is the surrogate gradient; of a sum, the derivative.
    """
    own = f"psi_{variable.rpartition('_')[2]}"
    return own if "_" in variable and own in group.variables else "psi"


def spikes_of(group):
    """Where a kernel finds who spikes; nobody, in a group without a threshold."""
    spiking = "_spikespace" in group.variables
    return (group, "_spikespace") if spiking else np.zeros(1, dtype=np.int32)


def is_emptied(group) -> bool:
    """Whether a spike of a neuron empties what it has heard: its constant ``empties``.

    Raises
    ------
    TypeError
        If the neurons of a group differ in it.
    """
    if "empties" in group.variables:
        raise TypeError(
            f"'{group.name}' has an 'empties' for each neuron, but e-prop needs one for all: make "
            "two groups."
        )
    return bool((group.namespace or {}).get("empties", False))


def check_neurons(group, variable: str) -> None:
    """Refuse neurons that do not say what e-prop needs to know of them, or do something else.

    Raises
    ------
    KeyError, TypeError
        Naming the group, what is missing, and the remedy.
    brianlearn.errors.DerivationError
        If their time step is not that of the neuron which e-prop's kernels know.
    """
    surrogate = surrogate_of(group, variable)
    _check_variables(group, (surrogate, "learning_signal"))
    empties, spikes = is_emptied(group), "_spikespace" in group.variables
    if surrogate == "psi" or empties:
        _check_variables(group, ("_spikespace",))
    check_step(group, variable, adapts=adapts(group), empties=empties, sums=not spikes)


def check_is_reset(group, trials) -> None:
    """Refuse a group that would go on from one trial to the next in all of its states.

    Raises
    ------
    ValueError
        Naming the group.
    """
    if not any(name == group.name for name, _ in trials.reset):
        raise ValueError(
            f"'{trials.name}' does not reset '{group.name}': the gradient of a trial knows nothing "
            "of the trial before. Add it to the reset."
        )


def adapts(group) -> bool:
    """Whether the neurons' threshold adapts: whether what they do uses ``beta`` and ``tau_adapt``.

    Names that are merely known, such as those of a namespace that many groups share, do not count.

    Raises
    ------
    KeyError
        If one of the two is used alone, so that it could mean anything.
    """
    used = _identifiers(group) & {"beta", "tau_adapt"}
    if len(used) == 1:
        name, other = *used, *({"beta", "tau_adapt"} - used)
        raise KeyError(
            f"'{group.name}' uses '{name}' but no '{other}': e-prop takes both for the strength "
            "and the time constant of an adaptive threshold, and cannot tell whether there is one. "
            f"Call them so; if there is none, give '{name}' another name."
        )
    return bool(used)


def _identifiers(group) -> set:
    """The names that a group's equations, update, events and regular operations use."""
    equations = getattr(group, "equations", {})
    codes = [str(eq.expr.code) for eq in equations.values() if eq.expr is not None]
    codes += [*getattr(group, "events", {}).values(), *getattr(group, "event_codes", {}).values()]
    codes += [getattr(part, "abstract_code", None) for part in group.contained_objects]
    codes.append(getattr(getattr(group, "state_updater", None), "method_choice", None))
    codes.append(getattr(group, "_refractory", None))
    texts = (getattr(code, "update", code) for code in codes)  # of a Template
    return set().union(*(get_identifiers(text) for text in texts if isinstance(text, str)))


def check_readout(group) -> None:
    """The same for readouts, which share one time constant: it is that of the eligibility trace."""
    _check_variables(group, ("v", "target", "output", "error"))
    if "tau_m" in group.variables:
        raise TypeError(
            f"'{group.name}' has a tau_m for each readout, but the eligibility traces are filtered "
            "with the one that all readouts share."
        )


def check_history(trials, groups) -> None:
    """Refuse trials whose surrogate gradients do not fit into memory.

    Raises
    ------
    MemoryError
        With the need, and the remedy.
    """
    import psutil  # which takes a while

    need = 8 * trials.steps_per_trial * sum(len(group) for group in groups)
    have = psutil.virtual_memory().total
    if need > have:
        raise MemoryError(
            f"A trial's history takes {need / 2**30:.1f} GiB, but the machine has "
            f"{have / 2**30:.1f} GiB: use a smaller batch, and trials_per_update to make up for it."
        )


def _check_variables(group, names):
    for name in names:
        if name not in group.variables:
            shown = "threshold" if name == "_spikespace" else f"variable '{name}'"
            raise KeyError(f"'{group.name}' has no {shown}, which e-prop needs. {_REMEDY}.")
        if name != "_spikespace" and find_array(group, name).scalar:
            raise TypeError(f"'{name}' of '{group.name}' is shared, but e-prop needs one each.")
