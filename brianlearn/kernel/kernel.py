"""The one mechanism by which a rule of ours runs in a Brian2 network, on every codegen target."""

import inspect
import re
from collections.abc import Mapping

import numpy as np
from brian2.codegen.runtime.cython_rt.cython_rt import CythonCodeObject
from brian2.codegen.runtime.numpy_rt.numpy_rt import NumpyCodeObject
from brian2.core.magic import stop
from brian2.core.variables import Variables
from brian2.devices.device import RuntimeDevice, get_device
from brian2.groups.group import CodeRunner, Group
from brian2.units.allunits import second
from brian2.units.fundamentalunits import Quantity

from brianlearn.kernel.arguments import Arguments
from brianlearn.kernel.compiler import check_syntax
from brianlearn.kernel.queues import Queues
from brianlearn.kernel.source import TEMPLATE, call_to, check_parameters, self_contained
from brianlearn.kernel.threads import Threads, threads_at_hand

__all__ = ["Kernel", "at_runtime"]


def at_runtime() -> bool:
    """Whether arrays are at hand: in standalone mode, their values come with the run."""
    return get_device().__class__ is RuntimeDevice


class Kernel(Arguments, Group, CodeRunner):
    """An operation of a time step in two forms: readable Python, and C++ for the compiled targets.

    It joins a network like any other Brian2 object. On the codegen target ``numpy`` the Python form
    runs; on ``cython`` and in C++ standalone mode, the C++ form is compiled.

    Parameters
    ----------
    python : callable
        The Python form. Its name is the C++ function's name; its parameters name the arguments.
        It gets NumPy arrays, changes them in place, and returns None or a fault's code (a
        negative one ends the run at the end of the time step, without a fault).
    cpp : path or str
        A header file, or C++ text, that defines ``int name(Array<T> argument, ...)`` with the same
        parameters in the same order (``T`` is ``double``, ``int32_t``, ``int64_t`` or, for
        booleans, ``char``); it returns 0 or a fault's code. ``kernel.h`` is included already.
    arguments : dict
        For each parameter, what it is:

        * ``(group, "variable")``: a variable of any group, contiguous subgroup or clock;
        * a `Signal`: a function of time, one value per element;
        * `Steps`: a time, received as an integer number of time steps;
        * a number, array or quantity: state of this kernel's own. A single number becomes a shared
          variable that can be set between runs (``kernel.name = ...``), an array of ``size``
          values a variable that can be monitored; any other array is read as ``kernel.name``;
        * `Scratch`: memory that is kept between time steps, for what ends with a trial;
        * `FileName`: the name of a file, as an array of its bytes;
        * `Queues`: the spike queues of a synaptic pathway;
        * `Threads`: how many threads it may use;
        * a list of these, all of one type: the Python form gets a list of arrays, the C++ form
          ``Arrays<T>``.
    size : int
        Number of elements, for signals and monitors.
    faults : dict
        For each nonzero code, ``(exception class, message)``. The run stops at the end of the time
        step, and the exception is raised, on every target; ``{time}`` in the message is filled in.
    dt, clock, when, order, name
        As for every `BrianObject`.

    Raises
    ------
    TypeError
        If the arguments are not those that the Python form names.
    KeyError
        If a group has no such variable.
    brianlearn.errors.CompilationError
        At run, if the C++ form does not compile; with the compiler's message.

    Examples
    --------
    >>> from brian2 import Network, NeuronGroup, ms
    >>> from brianlearn import set_target
    >>> set_target("numpy")
    >>> def decay(x, factor):
    ...     x *= factor[0]
    >>> text = '''int decay(Array<double> x, Array<double> factor)
    ... { for (size_t i = 0; i < x.size; i++) x[i] *= factor[0]; return 0; }'''
    >>> group = NeuronGroup(3, "x : 1")
    >>> group.x = 8
    >>> halve = Kernel(decay, text, {"x": (group, "x"), "factor": 0.5})
    >>> Network(group, halve).run(0.3*ms)
    >>> float(group.x[0])
    1.0
    """

    add_to_magic_network = True
    invalidates_magic_network = False

    def __init__(
        self,
        python,
        cpp,
        arguments: Mapping,
        *,
        size: int = 1,
        faults: Mapping | None = None,
        dt=None,
        clock=None,
        when: str = "start",
        order: int = 0,
        name: str = "kernel*",
    ):
        self.codeobj_class = None
        self.variables = Variables(self)
        self.variables.add_constant("N", size)
        timing = {"dt": dt, "clock": clock, "when": when, "order": order}
        CodeRunner.__init__(
            self, group=self, template=TEMPLATE, check_units=False, name=name, **timing
        )
        self.variables.create_clock_variables(self._clock)
        self.variables.add_arange("i", size)
        parameters = list(inspect.signature(python).parameters)
        if set(parameters) != set(arguments):
            raise TypeError(
                f"'{self.name}': {python.__name__} takes {', '.join(parameters)}, "
                f"but the arguments given are {', '.join(arguments)}."
            )
        if reserved := [p for p in parameters if p in self.variables or hasattr(Group, p)]:
            raise TypeError(f"A kernel's argument cannot be called {', '.join(reserved)}.")
        needed = {"queues.h": Queues, "parallel.h": Threads}
        further = [
            header
            for header, kind in needed.items()
            if any(isinstance(spec, kind) for spec in arguments.values())
        ]
        self.python, self.cpp_text = python, self_contained(cpp, *further)
        check_parameters(self.cpp_text, python.__name__, parameters)
        self.faults = dict(faults or {})
        self.namespace = {}
        self.needed_variables = []
        self.variables.add_array("_fault", size=1, dtype=np.int32, scalar=True)
        self.variables.add_array("_fault_time", size=1, scalar=True, dimensions=second.dim)
        self._declare_all({parameter: arguments[parameter] for parameter in parameters})
        self.variables.add_array("_pointers", size=2 * len(self._views), dtype=np.int64)
        self._compiled = None
        self._enable_group_attributes()

    # -- what Brian2 calls ------------------------------------------------------------------------

    def before_run(self, run_namespace):
        """Brian2's hook: fix what depends on the time step, then generate code."""
        for name, steps in self._steps.items():
            self.variables[name].set_value(steps.count(self.clock.dt))
        for name in self._threads:
            self.variables[name].set_value(threads_at_hand())
        if at_runtime():  # a standalone project keeps its first fault
            self.variables["_fault"].set_value(0)
        super().before_run(run_namespace)

    def update_abstract_code(self, run_namespace):
        """Brian2's hook: the signals' expressions, which Brian2 compiles itself."""
        lines = []
        for name, signal in self._signals.items():
            expression = signal.expression
            for key, value in signal.namespace_at(self.clock.dt).items():
                self.namespace[f"{name}_{key}"] = value
                expression = re.sub(rf"\b{key}\b", f"{name}_{key}", expression)
            lines.append(f"{name} = {expression}")
        self.abstract_code = "\n".join(lines)

    def create_code_objects(self, run_namespace):
        """Brian2's hook: fill the template in, and see to it that the C++ compiles."""
        function, text, described = self.python.__name__, self.cpp_text, self._described()
        target = get_device().code_object_class()
        cython = issubclass(target, CythonCodeObject)
        if cython or not issubclass(target, NumpyCodeObject):
            call = call_to(function, described)
            check_syntax(text + call, self.name, standalone=not cython)
        if cython:
            text = text.replace("\\", "\\\\").replace("'", "\\'")  # part of a Cython literal
            self.needed_variables = [*self._signals, "_pointers"]
            self._point(self._views)
        else:
            variables = [name for name in self._views if name in self.variables]
            self.needed_variables = [*variables, "_fault", "_fault_time", "t"]
        self.template_kwds = {
            "has_signals": bool(self._signals),
            "cpp_text": text,
            "function": function,
            "wrapper": f"brianlearn_{function}",
            "arguments": described,
        }
        super().create_code_objects(run_namespace)
        self._compiled = None
        if cython:
            module = self.codeobj.compiled_code["run"]
            if module is None:  # Brian2 drops code that Cython rejects, and runs on without it
                raise RuntimeError(f"Cython could not compile '{self.name}'.")
            self._compiled, self._namespace = module.main, self.codeobj.namespace

    def run(self):
        """Brian2's hook, once a time step at runtime."""
        if self._compiled is None:
            super().run()
            return
        if self._moving:
            self._point(self._moving)
        self._compiled(self._namespace)  # without the layers of calls between Brian2 and its module

    def _point(self, names):
        """Note where these arguments lie, for the Cython target."""
        pointers, places = self.variables["_pointers"].get_value(), [*self._views]
        for name in names:
            k, array = places.index(name), self._array(name)
            pointers[2 * k] = array.__array_interface__["data"][0]
            pointers[2 * k + 1] = array.size

    def _full_state(self):
        """Brian2's hook, for `Network.store`: scratch memory too, but no places."""
        state = super()._full_state()
        state = {name: held for name, held in state.items() if name not in self.passing}
        return state | {"_scratch": {name: self._array(name).copy() for name in self._scratch}}

    def _restore_from_full_state(self, state):
        """Brian2's hook, for `Network.restore`."""
        arrays = dict(state)
        for name, values in arrays.pop("_scratch").items():
            self._array(name)[:] = values
        super()._restore_from_full_state(arrays)

    def _call_python_form(self):
        with np.errstate(all="ignore"):  # as in C++: what is no number is a fault's business
            code = self.python(**self.arrays())
        if code:
            self._stop_with_fault(code)

    def _stop_with_fault(self, code):
        if code > 0 and self.variables["_fault"].get_value().item() == 0:
            self.variables["_fault"].set_value(code)
            self.variables["_fault_time"].set_value(self.clock.t_)
        stop()

    def _check_for_invalid_states(self):
        """Brian2's hook, called after every run on every target: raise the fault, if any."""
        code = int(self.variables["_fault"].get_value().item())
        if code:
            self.variables["_fault"].set_value(0)  # it is told once
            time = float(self.variables["_fault_time"].get_value().item()) * second
            exception, message = self.faults.get(code, (RuntimeError, f"fault {code} at {time}"))
            message = message.replace("{time}", str(time))
            message = re.sub(r"{(\w+)}", self._value_in_message, message)
            raise exception(f"'{self.name}': {message}")

    def _value_in_message(self, braced):
        name = braced[1]
        if name not in self.variables or not getattr(self.variables[name], "scalar", False):
            return braced[0]
        return str(Quantity(self._array(name)[0], dim=self.variables[name].dim))
