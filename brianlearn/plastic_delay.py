"""`PlasticDelay`: delays of Brian2's own `Synapses` that move while the network runs."""

import weakref
from importlib.resources import files

import numpy as np
from brian2.synapses.synapses import Synapses
from brian2.units.allunits import second
from brian2.units.fundamentalunits import Quantity

from brianlearn import record
from brianlearn.checks import (
    check_clocks,
    check_unit,
    find_array,
    is_whole,
    plain_array,
    real_numbers,
)
from brianlearn.errors import DelayError
from brianlearn.kernel import Kernel, Queues, Steps, at_runtime
from brianlearn.move_delays import ROUNDING, faults, move_delays

__all__ = ["PlasticDelay", "existing"]

_LONGEST = 10**7  # time steps: each takes 24 bytes of a queue

_existing = weakref.WeakSet()


class PlasticDelay(Kernel):
    """Let a variable of some `Synapses` be the delay of one of their pathways, at every moment.

    Brian2 reads a pathway's ``delay`` when a run begins, and never again. With a `PlasticDelay` in
    the network, the delay is whatever the variable holds when a spike is emitted. Anything may
    write it: ``on_pre``, ``run_regularly``, a learner, a `network_operation`, Python between runs.
    Spikes under way arrive when they would have; the pathway's own ``delay`` plays no part.

    Parameters
    ----------
    synapses : Synapses
        Connected already.
    variable : str
        The variable that holds the delay, declared in the synapses' model: ``d : second``, or
        ``d : second (shared)`` for one delay of all synapses.
    pathway : str
        ``"pre"``, ``"post"``, or the name of one of several pathways.
    max_delay : Quantity, optional
        No delay may be longer. Without it, the queue grows as need be, up to ten million steps.
    every : Quantity, optional
        How often the variable is read for changes; by default in every time step. With
        ``every=np.inf*second``, a change takes effect in the next run, or when it is announced: by
        `set`, or by a kernel in `changed`.
    rounding : {"nearest", "down"}
        How a delay becomes a whole number of time steps. Brian2's own is "nearest".
    shift : int
        Time steps that are added. Two pathways, both rounded down and one shifted by a step, carry
        the two parts of an interpolated spike.
    name : str

    Attributes
    ----------
    changed : array of int32
        Synapses whose delay has changed, and last, how many they are (as in Brian2's
        ``_spikespace``). Another kernel gets it as ``(plastic, "changed")``, and appends as long as
        there is room; if the list is full, all synapses are read.

    Raises
    ------
    KeyError
        If there is no such pathway or variable.
    brian2.DimensionMismatchError
        If the variable, ``max_delay`` or ``every`` is not a time.
    ValueError
        If the synapses, their source and their target take different time steps.
    DelayError
        In a run, on every target: if a delay is negative, no number, or too long.

    Notes
    -----
    The delays are looked at just before the pathway takes the step's spikes, which is in slot
    ``synapses``. What ``on_pre`` of this pathway writes there counts from the next step on.

    Two spikes of one neuron can meet at a synapse whose delay has become shorter. On the target
    ``numpy``, Brian2 runs ``on_pre`` for both at once: a variable of the synapse changes once, one
    of a neuron (``v_post += w``) twice. The compiled targets run it twice.

    Examples
    --------
    >>> from brian2 import Network, NeuronGroup, ms
    >>> from brianlearn import set_target
    >>> set_target("numpy")
    >>> source = NeuronGroup(2, "x : 1", threshold="x > 0", reset="x = 0")
    >>> target = NeuronGroup(2, "heard : 1")
    >>> synapses = Synapses(source, target, "d : second", on_pre="heard_post += 1; d += 1*ms")
    >>> synapses.connect(i=[0, 1], j=[0, 1])
    >>> synapses.d = [0, 2]*ms
    >>> plastic = PlasticDelay(synapses, max_delay=5*ms)
    >>> source.x = [0, 1]
    >>> network = Network(source, target, synapses, plastic)
    >>> network.run(2*ms)
    >>> print(target.heard[:])
    [0. 0.]
    >>> network.run(1*ms)
    >>> print(target.heard[:])
    [0. 1.]
    """

    def __init__(
        self,
        synapses: Synapses,
        variable: str = "d",
        pathway: str = "pre",
        *,
        max_delay: Quantity | None = None,
        every: Quantity | None = None,
        rounding: str = "nearest",
        shift: int = 0,
        name: str = "plastic_delay*",
    ):
        queues = Queues(synapses, pathway)
        _check_clocks(synapses, name)
        held = _variable(synapses, variable)
        if rounding not in ROUNDING:
            raise ValueError(f"rounding is '{rounding}', but must be 'nearest' or 'down'.")
        if not is_whole(shift, 0):
            raise ValueError(f"shift is {shift!r}, but must be a whole number of steps from 0 on.")
        if max_delay is not None and not Steps(max_delay, "max_delay").time >= 0 * second:
            raise ValueError(f"max_delay is {max_delay}, but must not be negative.")
        if every is not None and not Steps(every, "every").time > 0 * second:
            raise ValueError(f"every is {every}, but must be positive.")
        self.synapses, self.variable, self.pathway = synapses, variable, queues.pathway
        self.max_delay = max_delay
        self._number = _number(synapses, held)
        self._dt = None
        self._moment = self.pathway.when, self.pathway.order
        super().__init__(
            move_delays,
            files("brianlearn") / "move_delays.h",
            {
                "queues": queues,
                "delays": (synapses, variable),
                "shared": held.scalar,
                "changed": np.zeros((self._number or 1) + 1, dtype=np.int32),
                "step": (self.pathway.clock, "timestep"),
                "every": 1 if every is None else Steps(every, "every"),
                "fresh": True,
                "rounding": ROUNDING[rounding],
                "shift": int(shift),
                "longest": 0 * second,
                "synapse": 0,
                "delay": 0 * second,
            },
            faults=faults(synapses.name, variable, held.scalar),
            clock=self.pathway.clock,
            when=self.pathway.when,
            order=self.pathway.order - 1,
            name=name,
        )
        synapses.contained_objects.append(self)  # wherever they run, it runs
        _existing.add(self)

    def before_run(self, run_namespace):
        """Brian2's hook: its queue is made anew, and needs all delays."""
        _check_clocks(self.synapses, self.name)
        if (self.pathway.when, self.pathway.order) != self._moment:
            raise DelayError(
                f"'{self.pathway.name}' was moved within the time step after '{self.name}' was "
                "made: set its when and order first."
            )
        if self._dt not in (None, self.clock.dt_):
            raise DelayError(
                f"The time step of '{self.synapses.name}' was {self._dt * second} and is now "
                f"{self.clock.dt}: spikes under way would arrive at other times. Keep dt, or make "
                "the objects anew."
            )
        self._dt = self.clock.dt_
        longest = np.inf if self.max_delay is None else float(self.max_delay)
        self.variables["longest"].set_value(min(longest, _LONGEST * self._dt))
        self.start_afresh()
        super().before_run(run_namespace)

    def start_afresh(self) -> None:
        """When the queue has been made anew, it needs all delays."""
        self.variables["fresh"].set_value(True)

    def set(self, indices, delays) -> None:
        """Change some delays, from the next spike on; the cost is that of the changed ones.

        Parameters
        ----------
        indices : int, slice, or array of int or bool
            Which synapses.
        delays : Quantity
            One for all, or one for each.

        Raises
        ------
        brian2.DimensionMismatchError
            If ``delays`` is no time.
        DelayError
            If one is negative, no number, or longer than ``max_delay``.
        IndexError
            If there is no such synapse.
        """
        what = f"A delay of '{self.synapses.name}'"
        values = plain_array(delays, what, second.dim).astype(float)
        if not isinstance(indices, slice):
            indices = plain_array(indices, "indices", booleans=True, whole=True)
        longest = np.inf if self.max_delay is None else float(self.max_delay)
        if not np.all((values >= 0) & (values <= longest * (1 + 1e-9)) & np.isfinite(values)):
            raise DelayError(
                f"A delay of '{self.synapses.name}' was set to {delays}, but must lie between 0 s "
                f"and {longest * second}."
            )
        if not at_runtime():  # and a run begins with all delays
            getattr(self.synapses, self.variable)[indices] = values * second
            return
        held = self._array("delays")
        held[indices] = values
        if isinstance(indices, slice) or indices.dtype == bool:
            indices = np.arange(len(held))[indices]
        self._announce(np.ravel(indices) % len(held))

    def _announce(self, synapses):
        changed = self._array("changed")
        count, room = changed[-1], len(changed) - 1 - changed[-1]
        if len(synapses) > room:
            changed[-1] = len(changed) - 1  # a full list stands for all
            return
        changed[count : count + len(synapses)] = synapses
        changed[-1] += len(synapses)

    def save(self, path) -> None:
        """Write the delays to a ``.npz`` file, as they are: rounded nowhere."""
        record.save(path, delays=np.array(self._array("delays"), dtype=float))

    def load(self, path) -> None:
        """Read what `save` wrote, also in another project or on another target.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If it is damaged, or of another number of synapses.
        """
        delays = real_numbers(record.load(path, "delays")["delays"], f"'{path}'").ravel()
        if self._number not in (None, len(delays)):
            raise ValueError(
                f"'{path}' holds {len(delays)} delays, but '{self.synapses.name}' has "
                f"{self._number}."
            )
        self.set(slice(None), delays * second)


def existing() -> list[PlasticDelay]:
    """All that there are, in the order of their names."""
    return sorted(_existing, key=lambda plastic: plastic.name)


def _check_clocks(synapses, name):
    """Brian2 counts delays in the source's time steps, whatever those of the others are."""
    check_clocks(f"'{name}'", synapses.source, synapses.target, synapses)


def _variable(synapses, name):
    """The variable of the delays, if it can be one."""
    if name not in synapses.variables:
        raise KeyError(
            f"'{synapses.name}' has no variable '{name}' to hold its delays: add the line "
            f"'{name} : second' to its model."
        )
    variable = find_array(synapses, name)
    check_unit(variable.dim, second.dim, f"'{name}' of '{synapses.name}', which holds its delays,")
    return variable


def _number(synapses, variable):
    """How many delays there are; None if only the run of a standalone project will tell."""
    try:
        return 1 if variable.scalar else len(synapses)
    except NotImplementedError:
        return None
