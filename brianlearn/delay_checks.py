"""Delays that are written where they cannot move: found before they are believed."""

import re

from brian2.core.network import Network
from brian2.synapses.synapses import Synapses

from brianlearn import plastic_delay
from brianlearn.errors import DelayError
from brianlearn.kernel import pathways

__all__ = ["check_delays"]

_ASSIGNMENT = re.compile(r"\s*delay\s*(\+|-|\*|/|//|%|\*\*)?=(?!=)")


def check_delays(network: Network) -> None:
    """Refuse a network in which code changes delays without effect, as Brian2 lets it.

    Parameters
    ----------
    network : Network

    Raises
    ------
    DelayError
        If ``on_pre``, ``on_post`` or ``run_regularly`` of some `Synapses` assigns to ``delay``,
        which Brian2 reads at the beginning of a run alone; or if two `PlasticDelay` move the
        delays of one pathway.

    Examples
    --------
    >>> from brian2 import NeuronGroup
    >>> group = NeuronGroup(1, "x : 1", threshold="x > 1", reset="x = 0")
    >>> synapses = Synapses(group, group, on_pre="delay += 1*ms", name="synapses")
    >>> check_delays(Network(group, synapses))
    Traceback (most recent call last):
        ...
    brianlearn.errors.DelayError: 'delay += 1*ms' in 'synapses_pre' has no effect...
    """
    objects = set(network.sorted_objects)
    for synapses in [item for item in objects if isinstance(item, Synapses)]:
        _check_assignments(synapses)
    moved = {}
    for plastic in plastic_delay.existing():
        if plastic.synapses not in objects:
            continue
        name = plastic.pathway.name
        if name in moved:
            raise DelayError(
                f"'{moved[name]}' and '{plastic.name}' both move the delays of '{name}': the one "
                "undoes what the other did. Leave one of them out."
            )
        moved[name] = plastic.name


def _check_assignments(synapses):
    """Look through the code of pathways, and of whatever else runs as a part of the synapses."""
    codes = {pathway.name: pathway.code for pathway in pathways(synapses).values()}
    for part in synapses.contained_objects:
        codes.setdefault(part.name, getattr(part, "abstract_code", None) or "")
    for name, code in codes.items():
        for statement in re.split(r"[;\n]", code):
            if _ASSIGNMENT.match(statement):
                raise DelayError(
                    f"'{statement.strip()}' in '{name}' has no effect: Brian2 reads the delays of "
                    f"'{synapses.name}' when a run begins, and never again. Declare a variable "
                    "'d : second' in their model, write to that, and add a PlasticDelay to the "
                    "network."
                )
