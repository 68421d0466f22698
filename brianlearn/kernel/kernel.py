"""The one mechanism by which a rule of ours runs in a Brian2 network, on every codegen target."""

import inspect
import re
from collections.abc import Mapping

import numpy as np
from brian2.codegen.generators.cpp_generator import c_data_type
from brian2.codegen.runtime.cython_rt.cython_rt import CythonCodeObject
from brian2.codegen.runtime.numpy_rt.numpy_rt import NumpyCodeObject
from brian2.core.magic import stop
from brian2.core.variables import DynamicArrayVariable, Variables
from brian2.devices.device import RuntimeDevice, get_device
from brian2.groups.group import CodeRunner, Group
from brian2.groups.subgroup import Subgroup
from brian2.units.allunits import second
from brian2.units.fundamentalunits import Quantity, get_dimensions

from brianlearn.checks import check_unit, find_array
from brianlearn.kernel.compiler import check_syntax
from brianlearn.kernel.signal import Signal
from brianlearn.kernel.source import TEMPLATE, call_to, check_parameters, self_contained
from brianlearn.kernel.steps import Steps

__all__ = ["Kernel"]


class Kernel(Group, CodeRunner):
    """An operation of a time step in two forms: readable Python, and C++ for the compiled targets.

    It joins a network like any other Brian2 object. On the codegen target ``numpy`` the Python form
    runs; on ``cython`` and in C++ standalone mode, the C++ form is compiled.

    Parameters
    ----------
    python : callable
        The Python form. Its name is the C++ function's name; its parameters name the arguments.
        It gets NumPy arrays, changes them in place, and returns None or a fault's code.
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
          values a variable that can be monitored; any other array is read as ``kernel.name``.
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
        self.python, self.cpp_text = python, self_contained(cpp)
        check_parameters(self.cpp_text, python.__name__, parameters)
        self.faults = dict(faults or {})
        self.namespace = {}
        self.needed_variables = []
        self._signals, self._steps = {}, {}
        self._views = {}  # parameter -> (first element, number of elements or None if it varies)
        self._unindexed = set()
        self.variables.add_array("_fault", size=1, dtype=np.int32, scalar=True)
        self.variables.add_array("_fault_time", size=1, scalar=True, dimensions=second.dim)
        for parameter in parameters:
            self._declare(parameter, arguments[parameter])
        self.variables.add_array("_pointers", size=2 * len(parameters), dtype=np.int64)
        self._compiled = None
        self._moving = any(size is None for _, size in self._views.values())
        self._enable_group_attributes()

    def _declare(self, name, spec):
        if isinstance(spec, tuple):
            return self._declare_reference(name, *spec)
        if isinstance(spec, Signal):
            self._signals[name] = spec
            self.variables.add_array(name, size=len(self), dimensions=spec.dim)
        elif isinstance(spec, Steps):
            self._steps[name] = spec
            self.variables.add_array(name, size=1, dtype=np.int64, scalar=True, read_only=True)
        else:
            self._declare_state(name, spec)
        self._views[name] = (0, self.variables[name].size)

    def _declare_state(self, name, value):
        values = np.asarray(value)
        dtype = bool if values.dtype == bool else np.result_type(values.dtype, np.int32)
        if np.issubdtype(values.dtype, np.integer) and values.ndim == 0:
            dtype = np.int64
        if not values.size:
            raise ValueError(f"'{self.name}': the array '{name}' is empty.")
        self.variables.add_array(
            name,
            size=values.size,
            dtype=dtype,
            dimensions=get_dimensions(value),
            scalar=values.ndim == 0,
        )
        if values.any():
            self.variables[name].set_value(values.ravel().astype(dtype))
        if values.ndim and values.size != len(self):
            self._unindexed.add(name)

    def _declare_reference(self, name, group, variable):
        target = find_array(group, variable)
        self.variables.add_reference(name, group, variable, index="0" if target.scalar else "_idx")
        if isinstance(group, Group):
            self.add_dependency(group)
        self._views[name] = (0, target.size)
        if isinstance(target, DynamicArrayVariable):
            self._views[name] = (0, None)
        elif isinstance(group, Subgroup) and not target.scalar:
            self._views[name] = (group.start, len(group))
        self._unindexed.add(name)

    def state(self, name, use_units=True, level=0):
        """A variable: a view as in every group, or the values of an array of another size."""
        if name not in getattr(self, "_unindexed", ()):
            return super().state(name, use_units=use_units, level=level + 1)
        values = np.array(self._array(name))
        return Quantity(values, dim=self.variables[name].dim) if use_units else values

    def set_array(self, name: str, values) -> None:
        """Set an array of this kernel's own, of any size.

        Raises
        ------
        brian2.DimensionMismatchError, ValueError
            If ``values`` has other dimensions or another size.
        """
        variable = self.variables[name]
        check_unit(values, variable.dim, f"'{self.name}.{name}'")
        if np.size(values) != variable.size:
            raise ValueError(
                f"'{self.name}.{name}' holds {variable.size} values, but was given an array of "
                f"shape {np.shape(values)}."
            )
        variable.set_value(np.asarray(values, dtype=variable.dtype).ravel())

    def _array(self, name):
        start, size = self._views[name]
        return self.variables[name].get_value()[start : None if size is None else start + size]

    # -- what Brian2 calls ------------------------------------------------------------------------

    def before_run(self, run_namespace):
        """Brian2's hook: fix what depends on the time step, then generate code."""
        for name, steps in self._steps.items():
            self.variables[name].set_value(steps.count(self.clock.dt))
        if get_device().__class__ is RuntimeDevice:  # a standalone project keeps its first fault
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
        types = [c_data_type(self.variables[name].dtype) for name in self._views]
        function, text = self.python.__name__, self.cpp_text
        target = get_device().code_object_class()
        cython = issubclass(target, CythonCodeObject)
        if cython or not issubclass(target, NumpyCodeObject):
            check_syntax(text + call_to(function, types), self.name)
        if cython:
            text = text.replace("\\", "\\\\").replace("'", "\\'")  # part of a Cython literal
            self.needed_variables = [*self._signals, "_pointers"]
            self._point()
        else:
            self.needed_variables = [*self._views, "_fault", "_fault_time", "t"]
        self.template_kwds = {
            "has_signals": bool(self._signals),
            "cpp_text": text,
            "function": function,
            "wrapper": f"brianlearn_{function}",
            "arguments": [
                {"name": name, "ctype": ctype, "start": start, "size": size}
                for ctype, (name, (start, size)) in zip(types, self._views.items(), strict=True)
            ],
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
            self._point()
        self._compiled(self._namespace)  # without the layers of calls between Brian2 and its module

    def _point(self):
        """Note where the arguments lie, for the Cython target."""
        pointers = self.variables["_pointers"].get_value()
        for k, array in enumerate(map(self._array, self._views)):
            pointers[2 * k] = array.__array_interface__["data"][0]
            pointers[2 * k + 1] = array.size

    def _call_python_form(self):
        code = self.python(**{name: self._array(name) for name in self._views})
        if code:
            self._stop_with_fault(code)

    def _stop_with_fault(self, code):
        if self.variables["_fault"].get_value().item() == 0:
            self.variables["_fault"].set_value(code)
            self.variables["_fault_time"].set_value(self.clock.t_)
        stop()

    def _check_for_invalid_states(self):
        """Brian2's hook, called after every run on every target: raise the fault, if any."""
        code = int(self.variables["_fault"].get_value().item())
        if code:
            time = float(self.variables["_fault_time"].get_value().item()) * second
            exception, message = self.faults.get(code, (RuntimeError, f"fault {code} at {time}"))
            raise exception(f"'{self.name}': " + message.replace("{time}", str(time)))
