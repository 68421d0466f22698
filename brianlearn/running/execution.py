"""One network that goes on from run to run, at runtime or as the process of a built binary."""

import contextlib
import gc
import time
import weakref
from numbers import Number

import numpy as np
from brian2.core.base import BrianObjectException
from brian2.core.clocks import Clock
from brian2.core.network import Network
from brian2.core.preferences import prefs
from brian2.core.variables import Constant
from brian2.devices.cpp_standalone.device import CPPStandaloneDevice
from brian2.devices.device import get_device
from brian2.groups.group import Group
from brian2.units.allunits import second
from brian2.units.fundamentalunits import get_dimensions

from brianlearn.kernel.shortcut import shortcut
from brianlearn.running.device import LivingDevice, Remains, begin_life, end_life
from brianlearn.running.state import network_state, set_network_state

__all__ = ["Execution", "execution_of"]

_ENDED = (
    "This network was ended by set_target: it can be read, but not go on. Make it anew, and let "
    "its training be resumed from a checkpoint, if there is one."
)
_FIRST_STEPS, _REPORT_SECONDS = 100, 0.1  # of a run whose progress is told


class Execution:
    """A network at runtime.

    Parameters
    ----------
    network : Network
    namespace : dict
        For names in equations of groups without a namespace of their own.
    """

    def __init__(self, network: Network, namespace: dict):
        self.network, self.namespace = network, namespace
        self._kept, self._written = None, {}

    def prepare(self) -> None:
        """Generate and compile code, unless that has been done."""
        _check_not_ended(self.network)
        with _clear_errors():
            self.network.run(0 * second, namespace=self.namespace)

    def keep(self) -> None:
        """Remember the whole network as it is, and how long its records are."""
        self._written = {item: item.record_bytes for item in self._recorders()}
        self._keep()

    def back(self) -> None:
        """Let the network be as it was when it was kept."""
        for item, written in self._written.items():
            item.cut_record(written)
        self._back()

    def _recorders(self):
        return [item for item in self.network.sorted_objects if hasattr(item, "record_bytes")]

    def _keep(self):
        self._kept = network_state(self.network, records=False)

    def _back(self):
        set_network_state(self.network, self._kept, records=False)

    def run(self, duration, report=None) -> None:
        """Go on for a time.

        Parameters
        ----------
        duration : Quantity
        report : callable, optional
            Told now and then which fraction is done.
        """
        with _clear_errors():
            self._run(duration, report)

    def _run(self, duration, report):
        options = {}
        if report is not None:
            options["report"] = lambda elapsed, done, start, duration: report(float(done))
            options["report_period"] = _REPORT_SECONDS * second
        with shortcut(self.network):
            self.network.run(duration, namespace=self.namespace, **options)


class StandaloneExecution(Execution):
    """A network in C++ standalone mode, which lives in a process until `set_target` or its end."""

    def prepare(self):
        """Generate the project, compile it unless the cache has its binary, and start it."""
        device = get_device()
        _check_not_ended(self.network)
        if isinstance(device, LivingDevice):
            if device.network is not self.network:
                raise RuntimeError(
                    "In standalone mode there is one network at a time, and another one lives. "
                    "Call set_target, and make this one after it; what the other holds can still "
                    "be read."
                )
            return
        if device.has_been_run:
            raise RuntimeError(
                "Brian2 has run this standalone project already. Call set_target, and make the "
                "network anew."
            )
        device.build_on_run = False  # Brian2's default would build before the process is added
        gc.collect()  # as in set_target: what was made before may have been let go since
        with _clear_errors():
            self.network.run(0 * second, namespace=self.namespace)
            begin_life(self.network, (_fixed(self.network), _from_scope(self.namespace)))
        weakref.finalize(self.network, _end_process, device.process).atexit = False

    def _keep(self):  # within the process
        self._process.tell("KEEP")
        self._kept = self.network.t_

    def _back(self):
        if self._process.is_alive:
            self._process.tell("BACK")
            self.network.t_ = self._kept

    @property
    def _process(self):
        device = get_device()
        if not isinstance(device, LivingDevice) or device.network is not self.network:
            raise RuntimeError(_ENDED)
        return device.process

    def _run(self, duration, report):
        process = self._process
        _check_unchanged(self.network, self.namespace)
        dt = min(clock.dt_ for clock in _clocks(self.network))
        start, began = _whole(self.network.t_, dt), time.time()
        end = _whole(self.network.t_ + float(duration), dt)
        self.network.t_ = start
        self._advance(process, end, dt, report)
        device = get_device()
        device._last_run_time = time.time() - began
        done = (self.network.t_ - start) / (end - start) if end > start else 1.0
        device._last_run_completed_fraction = done
        for item in self.network.sorted_objects:
            if isinstance(item, Group):
                item._check_for_invalid_states()

    def _advance(self, process, end, dt, report):
        """Until a time; in slices, where progress is told."""
        start = self.network.t_
        slice_end = end if report is None else min(end, start + _FIRST_STEPS * dt)
        while True:
            began, before = time.time(), self.network.t_
            try:
                stopped = process.run(before, slice_end)
            finally:
                self.network.t_ = process.time
            if stopped or slice_end == end:
                return
            report((self.network.t_ - start) / (end - start))
            speed = (self.network.t_ - before) / max(time.time() - began, 1e-6)
            steps = max(1, round(_REPORT_SECONDS * speed / dt))
            slice_end = min(end, _whole(self.network.t_ + steps * dt, dt))


def _clocks(network):
    return [one for one in {item.clock for item in network.sorted_objects} if hasattr(one, "dt_")]


def _check_not_ended(network):
    for clock in _clocks(network):
        if isinstance(clock.variables["t"].device, Remains):
            raise RuntimeError(_ENDED)


def _check_unchanged(network, namespace):
    """Refuse what at runtime would count from the next run on, but was built already."""
    built, scope = get_device().built
    now = _fixed(network)
    changed = [what for what in built.keys() & now.keys() if built[what] != now[what]]
    changed += [f"{name} (removed)" for name in _objects(built) - _objects(now)]
    changed += [f"{name} (added)" for name in _objects(now) - _objects(built)]
    names = scope.keys() & namespace.keys()
    changed += [f"'{name}'" for name in sorted(names) if scope[name] != _plain(namespace[name])]
    if changed:
        raise RuntimeError(
            f"{', '.join(sorted(changed))} changed after the network was built for C++ standalone "
            "mode, where that would have no effect. Do it before the first run, or call set_target "
            "and make the network anew."
        )


def _fixed(network) -> dict:
    """What a built project cannot change: objects, which are active, time steps, constants."""
    fixed = {}
    for clock in _clocks(network):
        fixed[f"the time step of '{clock.name}'"] = clock.dt_
    for item in network.sorted_objects:
        fixed[f"'{item.name}'"] = weakref.ref(item)
        fixed[f"'{item.name}.active'"] = item.active
        namespace = getattr(item, "namespace", None) or {}
        fixed |= {f"'{key}' of '{item.name}'": _plain(one) for key, one in namespace.items()}
    return fixed


def _objects(fixed) -> set:
    """Which of the keys of `_fixed` stand for objects."""
    return {what for what, value in fixed.items() if isinstance(value, weakref.ref)}


def _from_scope(namespace) -> dict:
    """The names of the scope of a run that its code uses, and what they stood for."""
    used = {}
    for code in get_device().code_objects.values():
        for name, variable in code.variables.items():
            given = namespace.get(name)
            external = isinstance(variable, Constant) and variable.owner is None
            number = isinstance(given, Number | np.ndarray) and np.size(given) == 1
            if given is variable or (external and number and variable.value == float(given)):
                used[name] = _plain(given)
    return used


def _whole(time, dt) -> float:
    """A time, as the whole number of time steps that it is but for rounding."""
    steps = round(float(time) / dt)
    return steps * dt if abs(steps - float(time) / dt) < Clock.epsilon_dt else float(time)


def _plain(constant):
    """A constant in a form that can be compared."""
    if isinstance(constant, Number | np.ndarray):
        return np.asarray(constant).tobytes(), get_dimensions(constant)
    return id(constant)


def _end_process(process):
    """With its network, the process ends; what it held stays readable."""
    device = get_device()
    if isinstance(device, LivingDevice) and device.process is process and not process.is_busy:
        end_life()


@contextlib.contextmanager
def _clear_errors():
    """Ctrl-C as an exception, and the error that says what is wrong instead of where.

    Brian2 would end an interrupted run, and go on as if it were complete.
    """
    before = prefs.core.stop_on_keyboard_interrupt
    prefs.core.stop_on_keyboard_interrupt = False
    try:
        yield
    except BrianObjectException as error:
        raise (error.__cause__ or error) from error
    finally:
        prefs.core.stop_on_keyboard_interrupt = before


def execution_of(network: Network, namespace: dict) -> Execution:
    """The execution for the target that is set."""
    standalone = isinstance(get_device(), CPPStandaloneDevice)
    return (StandaloneExecution if standalone else Execution)(network, namespace)
