"""Running a network, the same on every target: progress, cached binaries, clear failures."""

import contextlib
import time
from dataclasses import dataclass

import numpy as np
from brian2.core.base import BrianObjectException
from brian2.core.magic import collect
from brian2.core.namespace import get_local_namespace
from brian2.core.network import Network
from brian2.core.preferences import prefs
from brian2.devices.cpp_standalone.device import CPPStandaloneDevice
from brian2.devices.device import get_device
from brian2.units.allunits import second
from brian2.units.fundamentalunits import Quantity

from brianlearn.delay_checks import check_delays
from brianlearn.kernel import Steps
from brianlearn.kernel.shortcut import shortcut
from brianlearn.progress import progress_bar
from brianlearn.running.build import build

__all__ = ["Timing", "interruptible", "simulate"]


@dataclass(frozen=True)
class Timing:
    """How long a simulation took, in seconds of the clock on the wall.

    Attributes
    ----------
    build_seconds : float
        Generating and compiling code; short if the binary was in the cache.
    run_seconds : float
        The simulation.
    began : float
        `time.time` at the first step.
    """

    build_seconds: float
    run_seconds: float
    began: float


def simulate(
    duration: Quantity,
    network: Network | None = None,
    *,
    progress: bool = True,
    namespace: dict | None = None,
) -> Timing:
    """Run a network once, on whatever target is set.

    In standalone mode the project is built in a temporary folder; a binary whose sources, compiler,
    flags and CPU are unchanged comes from the cache instead of the compiler.

    Parameters
    ----------
    duration : Quantity
        The simulated time.
    network : Network, optional
        By default, all objects visible where `simulate` is called, as with Brian2's `run`.
    progress : bool
        Whether to show a progress bar (a line now and then if the output is not a terminal).
    namespace : dict, optional
        What names in equations stand for, unless their group has a namespace of its own; by
        default the names visible where `simulate` is called, as with Brian2's `run`.

    Returns
    -------
    Timing

    Raises
    ------
    brian2.DimensionMismatchError
        If ``duration`` is not a time.
    ValueError
        If it is infinite, or there is nothing to simulate.
    RuntimeError
        If the standalone device has run already.
    brianlearn.errors.CompilationError
        If the standalone project does not compile; with the compiler's messages.
    brianlearn.errors.DelayError
        If code writes a delay where it cannot move; see `check_delays`.
    brianlearn.errors.DivergenceError
        If learning diverged.
    KeyboardInterrupt
        If the run was interrupted: never a result of half the time.

    Examples
    --------
    >>> from brian2 import NeuronGroup, ms
    >>> group = NeuronGroup(1, "dv/dt = (1 - v)/(10*ms) : 1")
    >>> timing = simulate(1*ms, Network(group), progress=False)
    """
    Steps(duration, "duration")
    if not 0 <= float(duration) < np.inf:
        raise ValueError(f"duration is {duration}, but must be a finite time.")
    if network is None:
        network = Network(collect(level=1))
    if not network.objects:
        raise ValueError("There is nothing to simulate: no Brian2 object in the network.")
    if namespace is None:
        namespace = get_local_namespace(level=1)
    device = get_device()
    standalone = isinstance(device, CPPStandaloneDevice)
    if standalone and device.has_been_run:
        raise RuntimeError(
            "In standalone mode a network is simulated once. Call set_target again, and make the "
            "objects anew; what was learned can be saved and loaded."
        )
    check_delays(network)
    started = time.time()
    shown = progress_bar(network, duration) if progress else contextlib.nullcontext()
    direct = contextlib.nullcontext() if standalone else shortcut(network)
    with shown, interruptible(), direct:
        try:
            if not standalone:
                network.run(0 * second, namespace=namespace)  # generates and compiles code
            began = time.time()
            network.run(duration, namespace=namespace)
            if standalone:
                folder = build(device)
                began = time.time()
                device.run(folder)
        except BrianObjectException as error:  # the class that says what is wrong, not where
            raise (error.__cause__ or error) from error
    return Timing(began - started, time.time() - began, began)


@contextlib.contextmanager
def interruptible():
    """Let Ctrl-C be an exception: Brian2 would end the run, and go on as if it were complete."""
    before = prefs.core.stop_on_keyboard_interrupt
    prefs.core.stop_on_keyboard_interrupt = False
    try:
        yield
    finally:
        prefs.core.stop_on_keyboard_interrupt = before
