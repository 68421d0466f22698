"""What a synaptic event costs with and without delays; benchmarks/delays.py calls it.

A `Projection` among 1,000 neurons, dense or with 10 % of all connections, of which a few neurons
spike in each time step. Its C++ form is called step by step, without Brian2 in between, for each
kind of delays: none, one for each connection, each source (its axon) or each target (its branch),
whole or interpolated. Rounds of all alternate, so that noise hits them alike.

Prints one JSON object: for each, the best and the median nanoseconds of an event (a spike at one
target), delivery included, and the ratio to no delays.
"""

import argparse
import ctypes
import inspect
import json

import numpy as np
from brian2 import BrianLogger, NeuronGroup, defaultclock, ms
from brian2.codegen.generators.cpp_generator import c_data_type
from rls_update import compiled, pointer

from brianlearn import Projection, set_target

STEPS = 200  # of a round
DENSITIES = {"dense": 1.0, "10 %": 0.1}
SHAPES = {"connection": (1, 1), "axon": (1, 0), "branch": (0, 1)}
CALLER = """
#include <chrono>

extern "C" double measure(int64_t* data, int64_t* sizes, int32_t* who, int64_t spikes,
                          int64_t steps)
{
    int32_t* const spiking = (int32_t*)data[0];
    spiking[sizes[0] - 1] = (int32_t)spikes;
    const auto began = std::chrono::steady_clock::now();
    for (int64_t t = 0; t < steps; t++) {
        for (int64_t s = 0; s < spikes; s++) spiking[s] = who[t * spikes + s];
        if (KERNEL) return -1;
    }
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
}
"""

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--neurons", type=int, default=1000)
parser.add_argument("--spikes", type=int, default=20, help="in a time step (%(default)s)")
parser.add_argument("--longest", type=int, default=20, help="delay, in steps (%(default)s)")
parser.add_argument("--rounds", type=int, default=30, help="(%(default)s)")


def main(options):
    """Measure every kind of delays, dense and sparse."""
    BrianLogger.suppress_name("unused_brian_object")  # nothing here runs in a network
    set_target("numpy")
    defaultclock.dt = 1 * ms
    print(json.dumps({name: events(density, options) for name, density in DENSITIES.items()}))


def events(density, options):
    """Return nanoseconds of an event, by the kind of delays."""
    random = np.random.default_rng(1)
    n = options.neurons
    neurons = NeuronGroup(n, "x : 1", threshold="x > 1", reset="")
    mask = random.random((n, n)) < density
    weights = np.where(mask, random.normal(size=mask.shape), 0)
    kinds = {"none": {}}
    for name, own in SHAPES.items():
        steps = random.uniform(0, options.longest, [n if each else 1 for each in own])
        delays = {"delay": steps * ms, "max_delay": options.longest * ms}
        kinds[f"{name}, rounded"] = delays
        kinds[f"{name}, interpolated"] = delays | {"interpolate": True}
    steps = {
        name: step(Projection(neurons, neurons, weights, variable="x", mask=mask, **options))
        for name, options in kinds.items()
    }
    seconds = {name: [] for name in kinds}
    for _ in range(options.rounds):
        who = random.permuted(np.tile(np.arange(n, dtype=np.int32), (STEPS, 1)), axis=1)
        who = np.ascontiguousarray(who[:, : options.spikes])
        for name, call in steps.items():
            seconds[name].append(call(who))
    count = STEPS * options.spikes * mask.sum(axis=1).mean()
    best = {name: 1e9 * min(each) / count for name, each in seconds.items()}
    median = {name: 1e9 * float(np.median(each)) / count for name, each in seconds.items()}
    return {
        name: {
            "best_ns": best[name],
            "median_ns": median[name],
            "best_ratio": best[name] / best["none"],
            "median_ratio": median[name] / median["none"],
        }
        for name in kinds
    }


def step(projection):
    """Return a function of who spikes in each step: the seconds that the compiled form takes."""
    names = inspect.signature(projection.python).parameters
    arrays = [projection.variables[name].get_value() for name in names]
    views = ", ".join(
        f"{{({c_data_type(array.dtype)}*)data[{k}], (size_t)sizes[{k}]}}"
        for k, array in enumerate(arrays)
    )
    text = CALLER.replace("KERNEL", f"rule::{projection.python.__name__}({views})")
    measure = compiled(projection.cpp_text + text).measure
    measure.restype = ctypes.c_double
    data = np.array([array.ctypes.data for array in arrays])
    sizes = np.array([array.size for array in arrays])

    def call(who):
        seconds = measure(
            *map(pointer, (data, sizes, who)), *map(ctypes.c_int64, reversed(who.shape))
        )
        if seconds < 0:
            raise RuntimeError(f"'{projection.name}' found a fault.")
        return seconds

    return call


if __name__ == "__main__":
    main(parser.parse_args())
