"""The network of the objects that are visible somewhere, as Brian2's own `run` finds it."""

from collections import Counter

from brian2.core.magic import collect
from brian2.core.network import Network

from brianlearn.delays import all_trials

__all__ = ["visible_network"]

_HELD = "_network_of_visible_objects"  # an attribute by which it lives as long as they do


def visible_network(level: int = 0) -> Network:
    """The network of all objects visible ``level`` frames up; the same as long as they are.

    Raises
    ------
    ValueError
        If several networks are visible: two objects of one name, two `Trials`, or objects that
        run in another network already. The message says how to name the one that is meant.
    """
    objects = set(collect(level=level + 1))
    parts = {id(item) for item in objects}
    for item in objects:
        network, made_of = item.__dict__.get(_HELD, (None, ()))
        if made_of == parts:
            return network
    trials = sorted(item.name for item in objects if item in all_trials)
    counts = Counter(item.name for item in objects)
    twice = sorted(name for name, count in counts.items() if count > 1)
    elsewhere = sorted(item.name for item in objects if item._network is not None)
    for names, what in (
        (twice, "are the names of two objects each"),
        (trials if len(trials) > 1 else [], "are trials of different networks"),
        (elsewhere, "run in another network already"),
    ):
        if names:
            raise ValueError(
                f"{', '.join(repr(name) for name in names)} {what}, and all are visible where this "
                "was called. Say which network is meant: network=Network(...), or "
                "network=training.network of an earlier Training."
            )
    network = Network(objects, name="network")  # part of a standalone binary's key
    for item in objects:
        item.__dict__[_HELD] = network, parts
    return network
