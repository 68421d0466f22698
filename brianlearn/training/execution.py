"""One network that goes on from run to run, at runtime or as the process of a built binary."""

import contextlib
import weakref

import numpy as np
from brian2.core.base import BrianObjectException
from brian2.core.clocks import Clock
from brian2.core.network import Network
from brian2.devices.cpp_standalone.device import CPPStandaloneDevice
from brian2.devices.device import get_device
from brian2.groups.group import Group
from brian2.units.allunits import second

from brianlearn.kernel.shortcut import shortcut
from brianlearn.running.device import LivingDevice, begin_life, end_life
from brianlearn.running.state import network_state, set_network_state
from brianlearn.training.simulation import interruptible

__all__ = ["Execution", "execution_of"]


class Execution:
    """A network at runtime.

    Parameters
    ----------
    network : Network
    trials : Trials
    namespace : dict
        For names in equations of groups without a namespace of their own.
    """

    def __init__(self, network: Network, trials, namespace: dict):
        self.network, self.trials, self.namespace = network, trials, namespace
        self._kept = None

    def prepare(self) -> None:
        """Generate and compile code."""
        with _clear_errors():
            self.network.run(0 * second, namespace=self.namespace)

    def keep(self) -> None:
        """Remember the whole network as it is."""
        self._kept = network_state(self.network)

    def back(self) -> None:
        """Let the network be as it was when it was kept."""
        set_network_state(self.network, self._kept)

    def run(self, count: int) -> None:
        """Go through the trials that were presented, ``count`` of them."""
        self.trials.variables["trial"].set_value(0)
        with _clear_errors():
            self._advance(count * self.trials.duration)

    def _advance(self, duration):
        with shortcut(self.network):
            self.network.run(duration, namespace=self.namespace)


class StandaloneExecution(Execution):
    """A network in C++ standalone mode, whose process lives as long as this does."""

    def __init__(self, network, trials, namespace):
        super().__init__(network, trials, namespace)
        self._process = self._built = None

    def prepare(self):
        """Generate the project, compile it unless the cache has its binary, and start it."""
        device = get_device()
        if isinstance(device, LivingDevice):
            if device.network is not self.network:
                raise RuntimeError(
                    f"The network '{device.network.name}' lives in the process of this program. "
                    "Call set_target before another one is made: the first stays readable."
                )
            self._process = device.process
            return
        with _clear_errors():
            self.network.run(0 * second, namespace=self.namespace)
            self._process = begin_life(self.network)
        weakref.finalize(self, _end_process, self._process).atexit = False
        self._built = self._fixed()

    def keep(self):
        """Remember the whole network as it is, within its process."""
        self._process.tell("KEEP")
        self._kept = self.network.t_

    def back(self):
        """Let the network be as it was when it was kept."""
        if self._process.is_alive:
            self._process.tell("BACK")
            self.network.t_ = self._kept

    def _advance(self, duration):
        if not self._process.is_alive:
            raise RuntimeError(
                "The network was ended, by set_target or a crash. Make it anew, and resume its "
                "training from a checkpoint, if there is one."
            )
        fixed = self._fixed()
        if changed := [k for k in self._built | fixed if self._built.get(k) != fixed.get(k)]:
            raise RuntimeError(
                f"{', '.join(changed)} changed after the network was built for C++ standalone "
                "mode, which would have no effect. Do it before the first run."
            )
        clocks = {item.clock for item in self.network.sorted_objects}
        dt = min(clock.dt_ for clock in clocks if isinstance(clock, Clock))
        start, end = self.network.t_, self.network.t_ + float(duration)
        _, self.network.t_ = self._process.run(*(_whole(t, dt) for t in (start, end)))
        for item in self.network.sorted_objects:
            if isinstance(item, Group):
                item._check_for_invalid_states()

    def _fixed(self):
        """What a built project cannot change: objects, which are active, time steps, constants."""
        fixed = {}
        for item in self.network.sorted_objects:
            fixed[f"'{item.name}.active'"] = item.active
            fixed[f"The time step of '{item.name}'"] = getattr(item.clock, "dt_", None)
            namespace = getattr(item, "namespace", None) or {}
            fixed |= {f"'{key}' of '{item.name}'": _plain(one) for key, one in namespace.items()}
        return fixed


def _whole(time, dt) -> float:
    """A time, as the whole number of time steps that it is but for rounding."""
    steps = round(float(time) / dt)
    return steps * dt if abs(steps - float(time) / dt) < Clock.epsilon_dt else float(time)


def _plain(constant):
    """A constant in a form that can be compared."""
    return np.asarray(constant).tobytes() if np.isscalar(constant) else id(constant)


def _end_process(process):
    """With the Training that began it, the process ends; what it held stays readable."""
    device = get_device()
    if isinstance(device, LivingDevice) and device.process is process:
        end_life()


@contextlib.contextmanager
def _clear_errors():
    """Ctrl-C as an exception, and the error that says what is wrong instead of where."""
    with interruptible():
        try:
            yield
        except BrianObjectException as error:
            raise (error.__cause__ or error) from error


def execution_of(network: Network, trials, namespace: dict) -> Execution:
    """The execution for the target that is set."""
    standalone = isinstance(get_device(), CPPStandaloneDevice)
    return (StandaloneExecution if standalone else Execution)(network, trials, namespace)
