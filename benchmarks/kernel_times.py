"""Each kernel's C++ form by itself, beside the memory's own limit and BLAS; for processors.py.

The forms are called on arrays of sizes that users have, without Brian2 in between. The limit is the
time that plain loops take, compiled for this very machine, to read as many bytes, and to read,
change and write as many, as the kernel must. Prints one JSON object: for each kernel microseconds,
the best of --rounds.
"""

import argparse
import json
from dataclasses import dataclass, field
from time import perf_counter

import compiled
import numpy as np
from brian2 import BrianLogger, Hz, NeuronGroup, defaultclock, ms
from eprop_networks import evidence, network
from scipy.linalg.blas import daxpy, ddot

from brianlearn import Adam, Projection, Readout, set_target
from brianlearn.trials import Trials

parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
parser.add_argument("--rounds", type=int, default=20, help="(%(default)s)")


@dataclass(frozen=True)
class Case:
    """A kernel, the bytes that it must read, and read and write, and who else does the same.

    ``values`` are arrays in place of the kernel's own.
    """

    kernel: object
    read: float
    changed: float
    blas: object = None
    values: dict = field(default_factory=dict)


def main(options):
    """Measure every case."""
    BrianLogger.suppress_name("unused_brian_object")  # nothing here runs in a network
    set_target("numpy")
    defaultclock.dt = 1 * ms
    memory, found = compiled.Memory(), {}
    for name, case in cases().items():
        kernel = compiled.form(case.kernel, case.values)
        found[name] = {
            "us": 1e6 * best(kernel, options.rounds),
            "limit_us": 1e6 * limit(memory, case, options.rounds),
            "blas_us": 1e6 * best(timed(case.blas), options.rounds) if case.blas else None,
        }
    print(json.dumps(found))


def cases():
    """Return all that is measured, by name."""
    return {
        "outputs of 2,000 rates": outputs(2000),
        "spikes of 12,800 neurons": spikes(12800, 0.015),
        "projection, dense, 128 x 100 to 100": projection(100, 128, 1.0, 0.015),
        "projection, 10 % of 2,000 to 2,000": projection(2000, 1, 0.1, 0.01),
        "projection, delays of each, 10 %": projection(2000, 1, 0.1, 0.01, delays=True),
        "Adam, a million weights": adam(1000),
        **learning(128),
    }


def outputs(n):
    """A readout with one output."""
    neurons = NeuronGroup(n, "r : Hz", name="measured")
    neurons.r = np.random.default_rng(1).uniform(0, 60, n) * Hz
    readout = Readout(neurons, "r", name="readout")
    r, phi = np.array(neurons.r), np.zeros(n)
    kernel = one_of(readout.contained_objects, "readout_operation")
    return Case(kernel, 16 * n, 0, lambda: ddot(phi, r))


def spikes(n, share):
    """Looking for those that spike."""
    task = evidence(argparse.Namespace(neurons=100, samples=n // 100, batch=n // 100))
    kernel = one_of(task.neurons.contained_objects, "neurons_spikes")
    spiking = (np.random.default_rng(1).random(n) < share).astype(float)
    return Case(kernel, 8 * n, 0, values={"spiking": spiking})


def projection(n, samples, density, share, delays=False):
    """Events of a connection from neurons to as many."""
    random = np.random.default_rng(1)
    source, target = (
        NeuronGroup(samples * n, "x : 1", threshold="x > 1", name=f"{name}*") for name in "ab"
    )
    weights = random.normal(size=(n, n)) * (random.random((n, n)) < density)
    more = {"delay": random.uniform(0, 10, (n, n)) * ms} if delays else {}
    made = Projection(source, target, weights, variable="x", **more)
    who = np.flatnonzero(random.random(samples * n) < share)
    listed = np.zeros(samples * n + 1, np.int32)
    listed[: len(who)], listed[-1] = who, len(who)
    row, fed = np.ones(n), np.ones(n)

    def blas():
        for _ in who:
            daxpy(row, fed)

    each = n * density * (8 + (0 if density == 1 else 4) + (8 if delays else 0))
    dense = density == 1 and not delays
    return Case(
        made,
        read=len(who) * each,
        changed=8 * n * min(len(who), samples),
        blas=blas if dense else None,
        values={"spikes": listed},
    )


def adam(n):
    """One update of n x n weights."""
    random = np.random.default_rng(1)
    source = NeuronGroup(n, "x : 1", threshold="x > 1", name="from*")
    target = NeuronGroup(n, "x : 1", name="to*")
    weights = Projection(source, target, random.normal(size=(n, n)), variable="x")
    trials = Trials(10 * ms, None, [target], samples=1, name="trials_of_adam")
    gradient = NeuronGroup(n * n, "g : 1", name="gradient*")
    kernel = Adam(1e-6).attach(
        trials, 1, 1.0, np.ones(n * n), (gradient, "g"), (weights, "weights"), "adam"
    )
    last = {"step": [9], "steps": [10], "learning": [True]}
    return Case(kernel, n * n, 4 * 8 * n * n, values=last)


def learning(samples):
    """Return what a step, and the end, of a trial of evidence accumulation take."""
    task = evidence(argparse.Namespace(neurons=100, samples=samples, batch=samples))
    net, *_ = network(task, "adjoint")
    random = np.random.default_rng(1)
    kernels = {kernel.name: kernel for kernel in net.sorted_objects}
    loss, back = kernels["eprop_loss"], kernels["eprop_neurons"]
    steps, n = task.steps, samples * 100
    now = {"step": [steps - 2], "learning": [True], "recording": [False], "steps": [steps]}
    kept = {
        "psi_history": random.random(steps * n),
        "error_history": random.random(steps * 2 * samples),
        "threads": [1],
    }
    return {
        "cross-entropy, 128 x 2": Case(loss, 8 * 4 * samples, 0, values=now),
        "e-prop, a step of 128 x 100": Case(back, 8 * n, 8 * n, values=now | kept),
        "e-prop, back through a trial": Case(
            back, 8 * n * steps, 0, values=now | kept | heard(back, samples, steps, random)
        ),
    }


def heard(back, samples, steps, random):
    """Return the spikes that neurons have heard in a trial, in each part of the samples."""
    values = {"step": [steps - 1]}
    for k, share in enumerate((0.25 / 40, 0.015)):
        counts, sources = back.arrays()["counts"][k], int(back.arrays()["sources"][k][0])
        parts = len(counts)
        arrivals, origins = (np.zeros(samples * steps * sources, np.int32) for _ in range(2))
        counts = np.zeros(parts, np.int64)
        for part in range(parts):
            begin, end = (p * samples // parts for p in (part, part + 1))
            when, who = np.nonzero(random.random((steps, (end - begin) * sources)) < share)
            room = slice(begin * steps * sources, begin * steps * sources + len(when))
            arrivals[room], origins[room], counts[part] = when, begin * sources + who, len(when)
        values |= {f"arrivals_{k}": arrivals, f"origins_{k}": origins, f"counts_{k}": counts}
    return values


def one_of(objects, name):
    """Return the object of that name."""
    return next(item for item in objects if item.name == name)


def limit(memory, case, rounds):
    """Return the seconds that it takes to move what the case must move."""
    arrays = [np.ones(int(size // 8)) for size in (case.read, case.changed)]
    loops = memory.read, memory.change
    return sum(
        best(loop(array), rounds) for loop, array in zip(loops, arrays, strict=True) if array.size
    )


def timed(function):
    """Return a function that calls this one so often, and returns the seconds of a call."""

    def call(times):
        began = perf_counter()
        for _ in range(times):
            function()
        return (perf_counter() - began) / times

    return call


def best(call, rounds):
    """Return the seconds of a call, the best of so many rounds of a millisecond or more."""
    times = max(1, int(1e-3 / call(1)))
    return min(call(times) for _ in range(rounds))


if __name__ == "__main__":
    main(parser.parse_args())
