"""Brian2's standalone device while its network lives: what is read and set goes to the process.

After a build, Brian2 would put what a user sets into a project that was written already, where
nothing comes of it, and would read what the last run left in files.
"""

import contextlib
import weakref
from importlib.resources import files

import numpy as np
from brian2.codegen.generators.cpp_generator import c_data_type
from brian2.core.clocks import Clock
from brian2.core.preferences import prefs
from brian2.core.variables import DynamicArrayVariable, VariableView
from brian2.devices.cpp_standalone.device import CPPStandaloneDevice
from brian2.devices.device import all_devices, get_device
from brian2.monitors import EventMonitor, PopulationRateMonitor, StateMonitor
from jinja2 import Template

from brianlearn.running.build import build
from brianlearn.running.process import COMMANDS, Process

__all__ = ["LivingDevice", "Remains", "begin_life", "end_life"]

_SOURCE = files("brianlearn.running") / "process.cpp"
_OF_LIFE = ("dt", "network_reference", "process", "built", "places", "pathways", "delays", "edited")
_FIXED = (
    "The network has been built, and its process runs: {what} would have no effect. Do it before "
    "the first run, or call set_target and make the network anew."
)


def begin_life(network, built) -> None:
    """Build the network that was made on the present standalone device, and start its process.

    Parameters
    ----------
    network : Network
        Which has been run for no time, so that its code exists.
    built : object
        What cannot change any more, for who asks before each run.

    Raises
    ------
    brianlearn.errors.CompilationError
        If the project does not compile; with the compiler's messages.
    """
    device = all_devices["cpp_standalone"]
    device.insert_code("main", "void brianlearn_live(); brianlearn_live();")
    order = sorted(device.arrays, key=lambda variable: device.arrays[variable])
    pathways = [
        pathway
        for synapses in sorted(device.synapses, key=lambda one: one.name)
        for pathway in synapses._pathways
    ]
    text = Template(_SOURCE.read_text(), trim_blocks=True, lstrip_blocks=True).render(
        commands=COMMANDS,
        network=network.name,
        arrays=[_described(device, variable) for variable in order],
        pathways=[pathway.name for pathway in pathways],
        queues_prepared=[
            name
            for name, code in sorted(device.code_objects.items())
            if code.template_name == "synapses_push_spikes" and code.before_after_blocks
        ],
    )
    folder = build(device, {"process.cpp": text})
    command = prefs.devices.cpp_standalone.run_cmd_unix
    command = [command] if isinstance(command, str) else [*command]
    environment = dict(prefs["devices.cpp_standalone.run_environment_variables"])
    device.process = Process(command, folder, environment | device.run_environment_variables)
    device.built, device.has_been_run = built, True
    device.network_reference = weakref.ref(network)
    device.places = {variable: k for k, variable in enumerate(order)}
    device.pathways = [pathway.name for pathway in pathways]
    device.delays = {pathway.variables["delay"] for pathway in pathways}
    device.dt, device.edited = device.defaultclock.dt, {}
    device.main_queue.clear()  # all was written; what holds the network would keep it alive
    device.networks.clear()
    device.__class__ = LivingDevice


def end_life() -> None:
    """End the process of the network that lives, if one does; what it held stays readable."""
    device = all_devices["cpp_standalone"]
    if not isinstance(device, LivingDevice):
        return
    remains = Remains()
    if device.process.is_alive:
        for variable in device.places:
            with contextlib.suppress(ReferenceError):  # of an object that is no more
                remains.values[variable] = device.get_value(variable)
                remains.values[variable].flags.writeable = False
    for variable in device.places:
        variable.device = remains
    device.process.end()
    device.__class__ = CPPStandaloneDevice
    device.defaultclock = None  # the old one remains with the network
    if get_device() is device:
        device.defaultclock = Clock(dt=device.dt, name="defaultclock")
    for name in _OF_LIFE:
        delattr(device, name)


class LivingDevice(CPPStandaloneDevice):
    """The standalone device from the first run of a network to the end of its process.

    Attributes
    ----------
    process : Process
    built : object
        As given to `begin_life`.
    places : dict
        Where each variable stands in the process's list of arrays.
    pathways : list of str
        The names of the synaptic pathways in the order of the process.
    delays : set of Variable
        The delays of these pathways.
    edited : dict
        Arrays that are just being changed.
    """

    @property
    def network(self):
        """The network that lives, or None if it is no more."""
        return self.network_reference()

    def get_value(self, var, access_data=True):
        """What the process holds."""
        if var in self.edited:
            return self.edited[var]
        if var not in self.places:
            if self.array_cache.get(var) is not None:
                return self.array_cache[var]
            raise NotImplementedError(
                f"'{var.name}' is of an object that was made after the network was built, so that "
                "its process knows nothing of it."
            )
        values = self.process.read(self.places[var], var.dtype)
        if isinstance(var, DynamicArrayVariable):
            var.size = values.shape if values.ndim == 2 else len(values)
        return values

    def fill_with_array(self, var, arr):
        """Set all of an array, in its present shape."""
        if var not in self.places:
            return super().fill_with_array(var, arr)
        values = np.empty(self.get_value(var).shape, dtype=var.dtype)
        values[:] = arr
        self.write(var, values)

    def write(self, var, values):
        """Set an array, which takes the values' shape if it can grow."""
        values = np.ascontiguousarray(values, dtype=var.dtype)
        if not isinstance(var, DynamicArrayVariable) and values.size != var.size:
            raise ValueError(f"'{var.name}' holds {var.size} values, not {values.size}.")
        self.process.write(self.places[var], values)
        if isinstance(var, DynamicArrayVariable):
            var.size = values.shape if values.ndim == 2 else len(values)
        if var in self.delays:
            self.prepare_queues()

    def prepare_queues(self):
        """Let the queues of spikes under way know of the present delays."""
        self.process.tell("PREPARE")
        for item in self.network.sorted_objects:
            if hasattr(item, "start_afresh"):
                item.start_afresh()

    def variableview_set_with_index_array(self, variableview, item, value, check_units):
        """What Brian2 does at runtime, on a copy that then goes to the process."""
        var = variableview.variable
        if var not in self.places:
            return super().variableview_set_with_index_array(variableview, item, value, check_units)
        self.edited[var] = values = self.get_value(var).copy()
        try:
            VariableView.set_with_index_array.original_function(
                variableview, item, value, check_units
            )
        finally:
            del self.edited[var]
        self.write(var, values)

    def variableview_set_with_expression(self, variableview, item, code, *others, **options):
        """Refused: it would need code that was not built."""
        raise NotImplementedError(_FIXED.format(what=f"'{variableview.name} = {code}'"))

    def variableview_set_with_expression_conditional(self, variableview, cond, code, *o, **options):
        """Refused: it would need code that was not built."""
        raise NotImplementedError(_FIXED.format(what=f"'{variableview.name} = {code}'"))

    def resize(self, var, new_size):
        """Refused where a user asks for it; see `write`."""
        what = f"another number of '{var.name}' of '{var.owner.name}'"
        raise NotImplementedError(_FIXED.format(what=what))

    def code_object(self, owner, name, *arguments, **options):
        """Refused: new code needs a new build."""
        raise NotImplementedError(_FIXED.format(what=f"new code of '{owner.name}'"))

    def seed(self, seed=None):
        """Let random numbers begin anew, as Brian2's `seed` does at runtime."""
        self.process.tell("SEED", seed is not None, 0 if seed is None else int(seed))

    def insert_code(self, slot, code):
        """Refused: new code needs a new build."""
        raise NotImplementedError(_FIXED.format(what="inserted code"))

    def network_run(self, net, duration, *arguments, **options):
        """Refused."""
        raise NotImplementedError(
            "The network lives in a process of its own, of which Brian2's run knows nothing: go on "
            "with simulate, or with the run of its Training."
        )

    def reinit(self):
        """Brian2's way to a new network: the process ends."""
        end_life()
        super().reinit()


class Remains:
    """What is left of a network whose process has ended: values that can be read."""

    def __init__(self):
        self.values = {}

    def get_value(self, var, access_data=True):
        """What the process held at its end."""
        if var not in self.values:
            raise RuntimeError(
                f"'{var.name}' cannot be read: the process of its network has crashed."
            )
        return self.values[var]

    def fill_with_array(self, var, arr):
        """Refused: nothing would come of it."""
        raise RuntimeError(
            f"'{var.name}' cannot be set any more: its network was ended, by set_target or "
            "because nothing held it any more. Make the network anew."
        )

    resize = fill_with_array


def _described(device, variable) -> dict:
    """How the C++ source gets at an array."""
    ctype = c_data_type(variable.dtype)
    appended = "true" if _is_appended(variable) else "false"
    if isinstance(variable, DynamicArrayVariable):
        kind = "Growing" if variable.ndim == 1 else "Table"
        name = device.get_array_name(variable, access_data=False)
        return {"kind": kind, "ctype": ctype, "name": name, "size": "", "appended": appended}
    name = device.get_array_name(variable)
    size = f"(size_t)_num_{name}, "
    return {"kind": "Fixed", "ctype": ctype, "name": name, "size": size, "appended": appended}


def _is_appended(variable) -> bool:
    """Whether a run only ever adds to an array's end, as monitors do."""
    with contextlib.suppress(ReferenceError):  # of a group that is no more
        return isinstance(variable.owner, EventMonitor | PopulationRateMonitor | StateMonitor)
    return False
