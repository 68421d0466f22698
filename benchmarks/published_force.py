"""The FORCE experiment of Nicola & Clopath (2017) in plain Brian2, as its users write it today.

2,000 spiking neurons learn a 5 Hz sine: 5 s of spontaneous activity, 5 s of learning by
recursive least squares, 5 s on their own. The structure is that of the example published with
Brian2: dense `Synapses` between all pairs of neurons, zeros and autapses included, with readout
and learning in NumPy callbacks (`network_operation`). It is the peer that brianlearn's FORCE is
measured against, and hence uses nothing of brianlearn.

    OPENBLAS_NUM_THREADS=1 python benchmarks/published_force.py --duration 15

prints one JSON object. `setup_seconds` runs from the import of this file to the end of the
compilation, `run_seconds` is the simulation itself. The windows of the errors follow that of
learning; one that was not simulated has the error null. Compiled code is kept in the folder
`published_force` of the directory that the environment variable BRIANLEARN_CACHE names, by
default `brianlearn` in the user's cache directory: Brian2's own cache does not tell compiler
flags apart.

References
----------
Nicola, W. and Clopath, C. (2017). Supervised learning in spiking neural networks with FORCE
training. Nature Communications 8, 2208. doi:10.1038/s41467-017-01827-3
"""

# ruff: noqa: E402, I001 -- the clock starts before Brian2 is imported
from time import perf_counter

STARTED = perf_counter()

import argparse
import json
import os
import platform
import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import Cython
import brian2
import numpy as np
from brian2 import (
    Network,
    NeuronGroup,
    SpikeMonitor,
    StateMonitor,
    Synapses,
    defaultclock,
    ms,
    network_operation,
    prefs,
    second,
)

FLAGS = ["-w", "-O3", "-march=native", "-std=c++14"]  # no -ffast-math: results are compared

# Time constants are physical, voltages dimensionless with the numbers of the paper (mV).
PARAMETERS = {
    "tau_m": 10 * ms,
    "tau_rise": 2 * ms,
    "tau_decay": 20 * ms,
    "t_refractory": 2 * ms,
    "v_th": -40,
    "v_reset": -65,
    "bias": -40,
}

NEURON = """
dv/dt = (-v + bias + I_syn + encoder*z)/tau_m : 1 (unless refractory)
dI_syn/dt = -I_syn/tau_rise + h : 1
dh/dt = -h/tau_decay : 1/second
dr/dt = -r/tau_rise + h_r : 1/second
dh_r/dt = -h_r/tau_decay : 1/second**2
z : 1 (shared)
phi : second
encoder : 1
"""


@dataclass(frozen=True, eq=False)
class Result:
    """What was recorded: `z` and the first ten decoders in every step, all decoders at the end.

    Spikes are recorded of some neurons, and counted of all.
    """

    run_seconds: float
    t: np.ndarray
    z: np.ndarray
    decoders: np.ndarray
    phi: np.ndarray
    spike_times: np.ndarray
    spike_neurons: np.ndarray
    spike_count: int

    def errors(self, start, stop):
        """Return the error in each window, when learning lasted from `start` to `stop`.

        The windows are learning from its second fifth on, and the time after it, in two parts.
        """
        fifth = (stop - start) / 5
        edges = (start + fifth, stop, stop + 2 * fifth, stop + 5 * fifth)
        return {f"{a:g}-{b:g} s": self.rmse(a, b) for a, b in pairwise(edges)}

    def rmse(self, start, stop):
        """Return the error from `start` to `stop` (in seconds), None if not all was simulated."""
        if len(self.t) == 0 or self.t[-1] < stop - 1e-3:
            return None
        window = (self.t >= start) & (self.t < stop)
        error = self.z[window] - np.sin(2 * np.pi * 5 * self.t[window])
        return float(np.sqrt(np.mean(error**2)))


def force(N, duration, seed, *, start=5 * second, stop=10 * second, recorded=20):
    """Build and run the experiment; learning updates fall strictly between `start` and `stop`.

    Parameters
    ----------
    N, seed : int
        Number of neurons; seed of NumPy's legacy generator.
    duration, start, stop : Quantity
        Length of the simulation; window of learning.
    recorded : int
        The spikes of that many neurons are recorded.

    Returns
    -------
    Result

    Notes
    -----
    Sets `defaultclock.dt`, as scripts do.
    """
    defaultclock.dt = 0.05 * ms
    p, G, Q, alpha = 0.1, 0.04, 10, 5e-6  # alpha in seconds squared
    random = np.random.RandomState(seed)
    encoders = (2 * random.uniform(size=N) - 1) * Q
    v = -65 + 95 * random.uniform(size=N)
    omega = G * random.normal(size=(N, N)) * (random.uniform(size=(N, N)) < p)
    omega /= np.sqrt(N) * p

    neurons = NeuronGroup(
        N,
        NEURON,
        method="euler",
        threshold="v >= v_th",
        reset="v = v_reset; h_r += 1/(tau_rise*tau_decay)",
        refractory="t_refractory",
        namespace=PARAMETERS,
        name="neurons",
    )
    neurons.encoder = encoders
    neurons.v = v

    recurrent = Synapses(
        neurons,
        neurons,
        "omega : second",
        on_pre="h_post += omega/(tau_rise*tau_decay)",
        namespace=PARAMETERS,
        name="recurrent",
    )
    recurrent.connect()
    recurrent.omega = omega.ravel() * second  # indexed [pre, post]

    P = alpha * np.eye(N)
    half_step = defaultclock.dt / 2

    @network_operation(when="start", order=0, name="readout")
    def readout():
        neurons.z_ = neurons.phi_[:] @ neurons.r_[:]

    @network_operation(dt=2.5 * ms, when="start", order=1, name="train")
    def train(t):
        if not start + half_step < t < stop - half_step:
            return
        r = neurons.r_[:]
        error = neurons.z_ - np.sin(2 * np.pi * 5 * (t / second))
        k = P @ r
        neurons.phi_ -= error * k
        P[:] -= np.outer(k, k) / (1 + r @ k)

    readout_monitor = StateMonitor(neurons, "z", record=[0], order=2, name="readout_monitor")
    decoder_monitor = StateMonitor(
        neurons, "phi", record=range(min(N, 10)), order=2, name="decoder_monitor"
    )
    spikes = SpikeMonitor(neurons[:recorded], name="spikes")
    counter = SpikeMonitor(neurons, record=False, name="counter")
    network = Network(neurons, recurrent, readout, train, name="force")
    network.add(readout_monitor, decoder_monitor, spikes, counter)
    network.run(0 * second, namespace={})  # compiles
    run_started = perf_counter()
    network.run(duration, namespace={})
    return Result(
        run_seconds=perf_counter() - run_started,
        t=np.array(readout_monitor.t_),
        z=np.array(readout_monitor.z[0]),
        decoders=np.array(decoder_monitor.phi_),
        phi=np.array(neurons.phi_),
        spike_times=np.array(spikes.t_),
        spike_neurons=np.array(spikes.i),
        spike_count=int(counter.num_spikes),
    )


def cache_directory():
    """Return the directory for compiled code (see the top of this file)."""
    if "BRIANLEARN_CACHE" in os.environ:
        root = Path(os.environ["BRIANLEARN_CACHE"])
    elif sys.platform == "win32":
        root = Path(os.environ["LOCALAPPDATA"]) / "brianlearn"
    elif sys.platform == "darwin":
        root = Path.home() / "Library" / "Caches" / "brianlearn"
    else:
        root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "brianlearn"
    return root / "published_force"


def main():
    """Run from the command line and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--neurons", type=int, default=2000)
    parser.add_argument("--duration", type=float, default=15.0, help="in seconds")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--start", type=float, default=5.0, help="of learning, in seconds")
    parser.add_argument("--stop", type=float, default=10.0, help="of learning, in seconds")
    options = parser.parse_args()
    prefs.codegen.target = "cython"
    prefs.codegen.cpp.extra_compile_args_gcc = FLAGS
    prefs.codegen.runtime.cython.cache_dir = str(cache_directory())
    result = force(
        options.neurons,
        options.duration * second,
        options.seed,
        start=options.start * second,
        stop=options.stop * second,
    )
    report = {
        "run_seconds": result.run_seconds,
        "setup_seconds": perf_counter() - STARTED - result.run_seconds,
        "spikes": result.spike_count,
        "rmse": result.errors(options.start, options.stop),
        "parameters": vars(options),
        "openblas_num_threads": os.environ.get("OPENBLAS_NUM_THREADS"),
        "versions": {
            "python": platform.python_version(),
            "brian2": brian2.__version__,
            "numpy": np.__version__,
            "cython": Cython.__version__,
        },
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
