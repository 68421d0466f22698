"""What a kernel's arguments are, and where each lies in memory."""

from dataclasses import dataclass

import numpy as np
from brian2.codegen.generators.cpp_generator import c_data_type
from brian2.core.variables import DynamicArrayVariable
from brian2.groups.group import Group
from brian2.groups.subgroup import Subgroup
from brian2.synapses.synapses import Synapses
from brian2.units.fundamentalunits import Quantity, get_dimensions

from brianlearn.checks import (
    check_unit,
    check_whole,
    find_array,
    plain_array,
    whole_numbers,
)
from brianlearn.kernel.path import FileName
from brianlearn.kernel.queues import Queues
from brianlearn.kernel.signal import Signal
from brianlearn.kernel.steps import Steps
from brianlearn.kernel.threads import Threads

__all__ = ["Arguments", "Scratch"]


@dataclass(frozen=True)
class Scratch:
    """Memory of a kernel's own: zero at first, and kept between time steps.

    For what means nothing between two trials: `Network.store` keeps it, at whatever moment it is
    called, but a checkpoint, written between trials, does not. Pages that are never written take no
    memory.

    Parameters
    ----------
    size : int
        The number of elements.
    dtype : type
        Of the elements.
    """

    size: int
    dtype: type = float

    def __post_init__(self):
        check_whole("The size of Scratch", self.size, 0)


class Arguments:
    """The part of a `Kernel` that knows its arguments."""

    def _declare_all(self, arguments):
        self._parameters = {}  # name -> the names of its arrays
        self._lists = {name for name, spec in arguments.items() if isinstance(spec, list)}
        self._signals, self._steps, self._scratch, self._queues = {}, {}, {}, {}
        self._views = {}  # array -> (first element, number of elements or None if it varies)
        self._threads = []
        self._moving = []  # arrays that may move in memory during a run
        self._unindexed = set()
        self.passing = {"_pointers", "_fault", "_fault_time"}  # no states that could be restored
        for name, spec in arguments.items():
            specs = spec if name in self._lists else [spec]
            names = [f"{name}_{k}" for k in range(len(spec))] if name in self._lists else [name]
            self._parameters[name] = names
            for array, one in zip(names, specs, strict=True):
                self._declare(array, one)

    def _declare(self, name, spec):
        if isinstance(spec, tuple):
            return self._declare_reference(name, *spec)
        if isinstance(spec, Scratch):
            self._scratch[name] = spec
            self._views[name] = (0, spec.size)
            return
        if isinstance(spec, Queues):
            self._queues[name] = spec
            self._views[name] = (0, 1)
            self.add_dependency(spec.synapses)
            return
        if isinstance(spec, Signal):
            self._signals[name] = spec
            self.variables.add_array(name, size=len(self), dimensions=spec.dim)
        elif isinstance(spec, Steps):
            self._steps[name] = spec
            self.variables.add_array(name, size=1, dtype=np.int64, scalar=True, read_only=True)
        elif isinstance(spec, FileName):
            self.passing.add(name)
            self._declare_state(name, spec.codes)
        elif isinstance(spec, Threads):
            self.passing.add(name)
            self._threads.append(name)
            self.variables.add_array(name, size=1, dtype=np.int64, scalar=True, read_only=True)
        else:
            self._declare_state(name, spec)
        self._views[name] = (0, self.variables[name].size)

    def _declare_state(self, name, value):
        values = plain_array(
            value, f"'{name}' of '{self.name}'", get_dimensions(value), booleans=True
        )
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
            if not isinstance(group, Synapses):  # which are connected between runs
                self._moving.append(name)
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
        brian2.DimensionMismatchError, TypeError, ValueError
            If ``values`` has other dimensions or another size, or is of another kind.
        """
        variable = self.variables[name]
        what = f"'{self.name}.{name}'"
        check_unit(values, variable.dim, what)
        values = plain_array(values, what, variable.dim, booleans=variable.dtype == bool)
        if np.issubdtype(variable.dtype, np.integer):
            values = whole_numbers(values, what, variable.dtype)
        if np.size(values) != variable.size:
            raise ValueError(
                f"'{self.name}.{name}' holds {variable.size} values, but was given an array of "
                f"shape {np.shape(values)}."
            )
        variable.set_value(np.asarray(values, dtype=variable.dtype).ravel())

    def _array(self, name):
        start, size = self._views[name]
        if name in self._scratch:
            held = self.__dict__.setdefault("_scratch_memory", {})
            if name not in held:
                held[name] = np.zeros(size, dtype=self._scratch[name].dtype)
            return held[name]
        if name in self._queues:
            return self._queues[name].addresses()
        return self.variables[name].get_value()[start : None if size is None else start + size]

    def arrays(self) -> dict:
        """The arguments of the Python form, as they lie in memory: arrays, and lists of them."""
        arrays = {
            name: [self._queues.get(one) or self._array(one) for one in names]
            for name, names in self._parameters.items()
        }
        return {name: a if name in self._lists else a[0] for name, a in arrays.items()}

    def _described(self) -> list[dict]:
        """The arguments of the C++ form: for each, whether it is a list, and its arrays."""
        position = {name: k for k, name in enumerate(self._views)}

        def describe(name):
            start, size = self._views[name]
            described = {"name": name, "start": start, "size": size, "position": position[name]}
            if name in self._queues:
                return described | {"pathway": self._queues[name].pathway.name, "scratch": False}
            scratch = name in self._scratch
            dtype = self._scratch[name].dtype if scratch else self.variables[name].dtype
            ctype = c_data_type(np.dtype(dtype))
            return described | {"pathway": None, "scratch": scratch, "ctype": ctype}

        return [
            {"is_list": name in self._lists, "items": [*map(describe, names)]}
            for name, names in self._parameters.items()
        ]
