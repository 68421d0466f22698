"""Running a network, the same on every target: progress, cached binaries, clear failures."""

import contextlib
import time
from dataclasses import dataclass

import numpy as np
from brian2.core.namespace import get_local_namespace
from brian2.core.network import Network
from brian2.units.fundamentalunits import Quantity

from brianlearn.delay_checks import check_delays
from brianlearn.kernel import Steps
from brianlearn.progress import progress_bar
from brianlearn.running.execution import execution_of
from brianlearn.running.visible import visible_network

__all__ = ["Timing", "simulate"]


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
    """Run a network, on whatever target is set; it may be run again, and goes on.

    In standalone mode the project is built in a temporary folder; a binary whose sources, compiler,
    flags and CPU are unchanged comes from the cache instead of the compiler. Its process stays
    alive until the next `set_target`: as at runtime, values that are set between two runs count,
    and what cannot be changed any more (equations, constants, which objects there are) is refused.

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
        If another network lives on the standalone device, or this one was changed in a way that
        would need another build.
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
        network = visible_network(level=1)
    if not network.objects:
        raise ValueError("There is nothing to simulate: no Brian2 object in the network.")
    if namespace is None:
        namespace = get_local_namespace(level=1)
    check_delays(network)
    started = time.time()
    with progress_bar(duration) if progress else contextlib.nullcontext() as report:
        execution = execution_of(network, namespace)
        execution.prepare()
        began = time.time()
        execution.run(duration, report)
    return Timing(began - started, time.time() - began, began)
