"""One network run again and again from given states: in this process, or as a built binary."""

import contextlib

import numpy as np
from brian2.core.base import BrianObjectException
from brian2.core.network import Network
from brian2.devices.cpp_standalone.device import CPPStandaloneDevice
from brian2.devices.device import get_device
from brian2.units.allunits import second

from brianlearn.kernel.shortcut import shortcut
from brianlearn.training.build import build
from brianlearn.training.simulation import interruptible

__all__ = ["Execution", "execution_of"]

_FOREVER = 1e6 * second  # a standalone run ends when the trials do


class Execution:
    """A network at runtime.

    Parameters
    ----------
    network : Network
    trials : Trials
    namespace : dict
        For names in equations of groups without a namespace of their own.
    """

    forgets = False  # whether every run begins with the values of the first

    def __init__(self, network: Network, trials, namespace: dict):
        self.network, self.trials, self.namespace = network, trials, namespace

    def prepare(self) -> None:
        """Generate and compile code."""
        with _clear_errors():
            self.network.run(0 * second, namespace=self.namespace)

    def set(self, states: dict) -> None:
        """Set ``(group, variable)`` to arrays before the next run."""
        for (group, name), values in states.items():
            group.variables[name].set_value(np.asarray(values))

    def initial(self, states: dict) -> dict:
        """The values of ``(group, variable)``, by name, before the first run."""
        return {name: self.get(where) for name, where in states.items()}

    def get(self, where: tuple) -> np.ndarray:
        """The values of ``(group, variable)`` after the last run."""
        group, name = where
        return np.array(group.variables[name].get_value())

    def run(self, count: int) -> None:
        """Go through the trials that were presented, ``count`` of them."""
        self.set({(self.trials, "trial"): 0, (self.trials, "step"): -1})
        with _clear_errors(), shortcut(self.network):
            self.network.run(count * self.trials.duration, namespace=self.namespace)


class StandaloneExecution(Execution):
    """A network in C++ standalone mode: built once, then executed with other initial values."""

    forgets = True

    def __init__(self, network, trials, namespace):
        super().__init__(network, trials, namespace)
        self.device, self.states, self.folder = get_device(), {}, None

    def prepare(self):
        """Generate the project, and compile it unless the cache has its binary."""
        with _clear_errors():
            self.network.run(_FOREVER, namespace=self.namespace)
            self.folder = build(self.device)

    def initial(self, states):
        """Nothing: they are part of the binary."""
        return {}

    def set(self, states):
        """Set ``(group, variable)`` to arrays before the next run."""
        self.states.update({(id(group), name): (group, name, values)
                            for (group, name), values in states.items()})  # fmt: skip

    def run(self, count):
        """Execute the binary, which goes through ``count`` trials."""
        self.set({(self.trials, "limit"): count})
        arguments = [self._argument(*state) for state in self.states.values()]
        with _clear_errors():
            self.device.run(self.folder, run_args=arguments)

    def _argument(self, group, name, values):
        """What tells the binary the initial value of a variable: a number, or a file of them."""
        variable = group.variables[name]
        owner = f"{variable.owner.name}.{variable.name}"
        values = np.asarray(values, dtype=variable.dtype)
        if values.size == 1:
            return f"{owner}={values.item()!r}"
        path = f"{self.folder}/static_arrays/state_{owner}"
        values.tofile(path)
        return f"{owner}={path}"


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
