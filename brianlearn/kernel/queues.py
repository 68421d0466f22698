"""Where spikes under way wait: the queues of Brian2's synaptic pathways, as a kernel's argument."""

import ctypes

import numpy as np
from brian2.synapses.synapses import Synapses, SynapticPathway

__all__ = ["Queues", "pathways"]

_CAPSULE = b"CSpikeQueue"  # what Brian2 calls it, from 2.10 on


def pathways(synapses: Synapses) -> dict[str, SynapticPathway]:
    """The pathways of some synapses by their names: ``pre``, ``post`` or the user's own."""
    return {pathway.objname: pathway for pathway in synapses._pathways}


class Queues:
    """The spike queues of a pathway: one, or in C++ standalone mode one for each thread.

    The C++ form of a kernel gets `Queues` as ``queues.h`` has it, with all that the queues hold;
    the Python form gets this object.

    Parameters
    ----------
    synapses : Synapses
    pathway : str
        Its name.

    Raises
    ------
    TypeError
        If ``synapses`` is something else.
    KeyError
        If it has no such pathway; the message lists those that it has.
    """

    def __init__(self, synapses: Synapses, pathway: str):
        if not isinstance(synapses, Synapses):
            raise TypeError(f"Only Synapses have pathways with delays, not {synapses!r}.")
        known = pathways(synapses)
        if pathway not in known:
            raise KeyError(
                f"'{synapses.name}' has no pathway '{pathway}'; it has: {', '.join(known)}."
            )
        self.synapses, self.pathway = synapses, known[pathway]
        self._addresses = np.zeros(1, dtype=np.int64)
        self.steps = None  # the delays that the Python form has given, since the run began

    @property
    def dt(self) -> float:
        """The time step of the delays, in seconds."""
        return self.pathway.source.clock.dt_

    def prepare(self, steps) -> None:
        """Send spikes with these delays from now on; those under way arrive when they would have.

        Parameters
        ----------
        steps : array of int
            In time steps: one for each synapse, or a single one for all.
        """
        sources = self.pathway.synapse_sources.get_value()
        self.pathway.queue.prepare(steps * self.dt, self.dt, sources)
        self.steps = steps

    def addresses(self) -> np.ndarray:
        """Where the C++ objects lie, at runtime; always the same array."""
        self._addresses[0] = _address(self.pathway.queue)
        return self._addresses


def _address(queue):
    if hasattr(queue, "get_capsule"):
        pointer = ctypes.pythonapi.PyCapsule_GetPointer
        pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
        return pointer(queue.get_capsule(), _CAPSULE)
    # Brian2 2.9 shows no pointer: it is the first of the two fields behind Python's own, and the
    # second, which can be seen from Python, tells whether that is still so.
    words = (ctypes.c_ssize_t * 2).from_address(id(queue) + object.__basicsize__)
    if words[1] != id(queue._state_tuple):
        raise RuntimeError("Brian2's SpikeQueue has another layout than that of Brian2 2.9.")
    return words[0]
