"""`Readout`: what a network says, ``z = phi . r``, and what it hears of it."""

import weakref
from importlib.resources import files

import numpy as np
from brian2.core.variables import Constant, Variables
from brian2.groups.group import Group
from brian2.units.allunits import second
from brian2.units.fundamentalunits import (
    DIMENSIONLESS,
    Quantity,
    get_dimensions,
    get_or_create_dimension,
)

from brianlearn import attachment, record, schedule
from brianlearn.checks import check_unit, check_whole, find_array, real_numbers
from brianlearn.kernel import Kernel, Steps

__all__ = ["Readout"]

_HEADER = files("brianlearn") / "readout.h"
_fed_by = weakref.WeakValueDictionary()  # variable -> the readout that it hears


def read_out(z, phi, r):
    """The Python form: every output is a weighted sum of the rates."""
    z[:] = phi.reshape(len(z), -1) @ r


def read_out_and_feed_back(z, phi, r, fed, encoders):
    """The Python form: what hears the outputs is a weighted sum of them in turn."""
    read_out(z, phi, r)
    fed[:] = encoders.reshape(len(fed), -1) @ z


def read_out_and_feed_back_later(z, phi, r, fed, encoders, now, said):
    """The same for outputs that are under way for as many time steps as the ring has rows."""
    read_out(z, phi, r)
    ring = said.reshape(-1, len(z))
    fed[:] = encoders.reshape(len(fed), -1) @ ring[now[0]]
    ring[now[0]] = z
    now[0] = (now[0] + 1) % len(ring)


class Readout(Group):
    """Linear outputs of a group, computed at the start of every time step: ``z = phi . r``.

    Parameters
    ----------
    source : Group
        The group, or contiguous subgroup, that is read (n neurons).
    variable : str
        Its variable ``r``, in units of your choice.
    outputs : int
        The number m of outputs.
    feedback : str, optional
        The variable of ``source`` that hears the outputs in the same time step: a shared variable
        for a single output, or, with ``encoders``, one per neuron.
    encoders : array, optional
        m weights for each neuron (shape n x m, or n): ``feedback = encoders @ z``.
    feedback_delay : Quantity, optional
        How much later the outputs are heard, a multiple of the time step; before that, 0 is.
    unit : Quantity
        The unit of ``z``; by default no unit, or that of ``feedback``.
    name : str

    Attributes
    ----------
    z : m values
        The outputs; with a learner attached, there are ``target`` and ``error`` (m values) too.
    decoders : Group
        Its variable ``phi`` (n*m values, in units of ``z`` per unit of ``r``) holds the decoders,
        one output after the other; ``neuron`` and ``output`` tell which is which.
    learner : Kernel or None
        What changes the decoders, if anything.

    Raises
    ------
    KeyError
        If ``source`` lacks ``variable`` or ``feedback``.
    TypeError
        If these are not real numbers that may change, or ``variable`` is shared.
    brian2.DimensionMismatchError
        If ``feedback`` and ``z`` differ in units, or ``feedback_delay`` is no time.
    ValueError
        If ``encoders`` has another shape, ``encoders`` or ``feedback_delay`` has no effect, the
        delay is negative or no multiple of the time step, or if several outputs or readouts would
        share one variable.

    Examples
    --------
    >>> from brian2 import NeuronGroup, StateMonitor, ms
    >>> neurons = NeuronGroup(10, "dr/dt = (1 - r)/(10*ms) : 1")
    >>> out = Readout(neurons, "r")
    >>> out.decoders.phi = 0.1
    >>> trace = StateMonitor(out, "z", record=True)
    """

    add_to_magic_network = True
    invalidates_magic_network = False

    def __init__(
        self,
        source: Group,
        variable: str,
        outputs: int = 1,
        *,
        feedback: str | None = None,
        encoders=None,
        feedback_delay: Quantity | None = None,
        unit: Quantity | None = None,
        name: str = "readout*",
    ):
        Group.__init__(self, clock=source.clock, name=name)
        self.source = source
        self.learner = None
        self.namespace = {}
        self.codeobj_class = None
        self.variable = variable
        self.rates = rates = _numbers(source, variable)
        fed = None if feedback is None else _numbers(source, feedback)
        _check(rates, fed, outputs, encoders, feedback_delay, self.source, variable, feedback)
        self.feedback_delay = feedback_delay
        self._slots = self._count_slots()
        dim = _dimensions(unit, fed, feedback)
        self._n_source = len(source)
        self.variables = Variables(self)
        self.variables.add_constant("N", outputs)
        self.variables.add_arange("i", outputs)
        self.variables.create_clock_variables(self._clock)
        self.variables.add_array("z", size=outputs, dimensions=dim)
        self.decoders = Decoders(source, outputs, dim / rates.dim, name=f"{self.name}_decoders")
        self.contained_objects.append(self.decoders)
        form = read_out
        arguments = {"z": (self, "z"), "phi": (self.decoders, "phi"), "r": (source, variable)}
        if fed is not None:
            form = read_out_and_feed_back
            size = 1 if fed.scalar else len(source)
            arguments["fed"] = (source, feedback)
            arguments["encoders"] = _encoders(encoders, size, outputs, feedback)
            _fed_by[fed] = self
        if self._slots:
            form = read_out_and_feed_back_later
            said = Quantity(np.zeros(self._slots * outputs), dim=dim)
            arguments |= {"now": np.int64(0), "said": said}
        operation = Kernel(
            form,
            _HEADER,
            arguments,
            clock=self.clock,
            when=schedule.READOUT.when,
            order=schedule.READOUT.order,
            name=f"{self.name}_operation",
        )
        self.contained_objects.append(operation)
        self._enable_group_attributes()

    def before_run(self, run_namespace):
        """Brian2's hook: a learner that was declared, but forgotten, is named."""
        attachment.check_nothing_forgotten(self)
        if not isinstance(self.source.variables["N"], Constant) and (
            len(self.source) != self._n_source
        ):
            raise ValueError(
                f"'{self.source.name}' has {len(self.source)} elements now, but had "
                f"{self._n_source} when '{self.name}' was made: make it after connect()."
            )
        if self._count_slots() != self._slots:
            raise ValueError(
                f"The time step has changed to {self.clock.dt} since '{self.name}' was made, which "
                "counts its feedback_delay in time steps: make it anew."
            )
        super().before_run(run_namespace)

    def _count_slots(self):
        """For how many time steps the outputs are under way."""
        delay = 0 * second if self.feedback_delay is None else self.feedback_delay
        slots = Steps(delay, "feedback_delay").count(self.clock.dt)
        if not 0 <= slots < 2**31:
            raise ValueError(f"feedback_delay is {delay}, but must be a finite time from 0 s on.")
        return slots

    def run(self):
        """Brian2's hook, once a time step: the work is done by the objects contained."""

    def save(self, path) -> None:
        """Write the decoders to a ``.npz`` file, whole or not at all."""
        phi = self.decoders.phi
        phi_by_output = np.asarray(phi).reshape(len(self), -1)
        record.save(path, phi=phi_by_output, phi_dimensions=np.array(phi.dim._dims))

    def load(self, path) -> None:
        """Read decoders that `save` wrote.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If they are those of another number of neurons or outputs, or the file is damaged.
        brian2.DimensionMismatchError
            If they have other units.
        """
        saved = record.load(path, "phi", "phi_dimensions")
        dim = self.decoders.variables["phi"].dim
        check_unit(
            get_or_create_dimension(saved["phi_dimensions"]), dim, f"A decoder of '{self.name}'"
        )
        shape = (len(self), self._n_source)
        if saved["phi"].shape != shape:
            raise ValueError(
                f"'{path}' holds decoders for {saved['phi'].shape} outputs and neurons, but "
                f"'{self.name}' has {shape}."
            )
        self.decoders.phi = Quantity(saved["phi"].ravel(), dim=dim)


class Decoders(Group):
    """The weights of a `Readout`: ``phi``, with ``neuron`` and ``output`` of each."""

    add_to_magic_network = True
    invalidates_magic_network = False

    def __init__(self, source, outputs, dim, name):
        Group.__init__(self, clock=source.clock, name=name)
        self.namespace = {}
        self.codeobj_class = None
        neurons = len(source)
        self.variables = Variables(self)
        self.variables.add_constant("N", neurons * outputs)
        self.variables.add_arange("i", neurons * outputs)
        for variable, values in {
            "neuron": np.tile(np.arange(neurons), outputs),
            "output": np.repeat(np.arange(outputs), neurons),
        }.items():
            self.variables.add_array(
                variable, values=values, size=len(values), dtype=np.int32, read_only=True,
                constant=True,
            )  # fmt: skip
        self.variables.add_array("phi", size=neurons * outputs, dimensions=dim)
        self._enable_group_attributes()

    def run(self):
        """Brian2's hook, once a time step: there is nothing to do."""


def _numbers(source, name):
    """A variable of floating-point numbers that may change."""
    variable = find_array(source, name)
    if not np.issubdtype(variable.dtype, np.floating) or variable.read_only:
        raise TypeError(f"'{name}' of '{source.name}' must be a variable of real numbers.")
    return variable


def _check(rates, fed, outputs, encoders, feedback_delay, source, variable, feedback):
    if rates.scalar:
        raise TypeError(f"'{variable}' of '{source.name}' is shared: there is one for all neurons.")
    check_whole("outputs", outputs, 1)
    if fed is None:
        if encoders is not None:
            raise ValueError("encoders have no effect without feedback.")
        if feedback_delay is not None:
            raise ValueError("feedback_delay has no effect without feedback: leave it out.")
        return
    hears = _fed_by.get(fed)
    if hears is not None:
        raise ValueError(
            f"'{feedback}' of '{source.name}' hears '{hears.name}' already: give each readout a "
            "variable of its own, and add them in the equations."
        )


def _dimensions(unit, fed, feedback):
    """The dimensions of z: those asked for, those of the fed variable, or none."""
    if unit is None:
        return DIMENSIONLESS if fed is None else fed.dim
    if fed is not None:
        check_unit(unit, fed.dim, f"A readout that is fed back into '{feedback}'")
    return get_dimensions(unit)


def _encoders(encoders, size, outputs, feedback):
    """The weights of the feedback, one row for each element that is fed."""
    if encoders is None:
        if size != 1 or outputs != 1:
            raise ValueError(
                f"feedback='{feedback}' without encoders needs one output and a shared variable "
                f"(here {outputs} output(s), {size} value(s)): give encoders, {size} x {outputs}."
            )
        encoders = [1.0]
    weights = real_numbers(encoders, "An encoder")
    if weights.shape not in {(size, outputs), (size,) if outputs == 1 else (size, outputs)}:
        raise ValueError(f"encoders has shape {weights.shape}, but must be {size} x {outputs}.")
    return weights.ravel()
