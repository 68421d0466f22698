"""Which states of a network begin anew in each trial, and which go on."""

import numpy as np
from brian2.core.variables import ArrayVariable
from brian2.groups.group import Group

from brianlearn.checks import find_array

__all__ = ["dynamic_states", "is_named", "lasting_states", "reset_states", "units_of"]


def is_named(pair, reset) -> bool:
    """Whether a state was listed by itself, not with its whole group."""
    items = [] if isinstance(reset, Group | None) else reset
    listed = [item for item in items if isinstance(item, tuple)]
    return any(pair[0] is group and pair[1] == name for group, name in listed)


def units_of(group, samples: int) -> int:
    """How many neurons of a group one sample has."""
    if len(group) % samples:
        raise ValueError(
            f"'{group.name}' has {len(group)} neurons, which is no multiple of the batch of "
            f"{samples} samples."
        )
    return len(group) // samples


def dynamic_states(group) -> list[str]:
    """The variables of a group in which a network goes on: neither shared nor constant."""
    return [
        name
        for name, variable in group.variables.items()
        if isinstance(variable, ArrayVariable)
        and variable.owner is not None
        and variable.owner.name == group.name
        and variable.dtype == np.float64
        and not (variable.scalar or variable.constant or variable.read_only)
    ]


def lasting_states(trials, groups) -> dict:
    """The states of groups that go on from one trial to the next."""
    return {
        f"{group.name}.{name}": (group, name)
        for group in groups
        for name in dynamic_states(group)
        if (group.name, name) not in trials.reset
    }


def reset_states(reset, samples: int) -> list[tuple]:
    """The pairs (group, variable) that begin at 0 in each trial, as `Trials` is told."""
    if reset is None:
        return []
    pairs = []
    for item in [reset] if isinstance(reset, Group) else reset:
        if isinstance(item, tuple):
            find_array(*item)
            pairs.append(item)
            continue
        if not isinstance(item, Group):
            raise TypeError(
                f"reset holds {item!r}, but must hold groups, or pairs such as (neurons, 'v')."
            )
        if hasattr(item, "states"):
            pairs += item.states
            continue
        if hasattr(item, "connect"):
            raise TypeError(
                f"'{item.name}' are Synapses, whose weights are not to be reset: name their "
                f"states, such as ({item.name}, 'zbar')."
            )
        units_of(item, samples)
        if "lastspike" in item.variables:
            raise ValueError(
                f"'{item.name}' uses Brian2's refractory=, which knows no trials: write it with a "
                "variable, as eprop_lif does with t_free."
            )
        pairs += [(item, name) for name in dynamic_states(item)]
    if not pairs:
        raise ValueError("reset names no state: give the groups that begin anew in each trial.")
    return pairs
