"""One RLS update by itself: our C++ kernel, the memory's own limit, NumPy and SciPy.

For many neurons P exceeds the caches, and memory decides. The limit is measured here and now, by
plain loops compiled for this machine: the time to read the packed triangle once, plus the time
to read, change and write it once, as an update of two passes must (it needs P r before it can
change P). The kernel puts the change off to the next update's pass, so that the second of these
times alone is its own limit; it is called without Brian2 in between. Rounds of all three
alternate, so that noise hits them alike.

Prints one JSON object: for each N milliseconds, the best and the median of 20.
"""

import argparse
import inspect
import json
from time import perf_counter

import compiled
import numpy as np
from brian2 import BrianLogger, Hz, NeuronGroup, defaultclock, ms, second
from scipy.linalg.blas import dspmv, dspr

from brianlearn import RLS, Readout, set_target

WARM_UP = 3  # rounds that do not count
ALPHA = 5e-6


def main():
    """Measure every size that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("neurons", type=int, nargs="+")
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    BrianLogger.suppress_name("unused_brian_object")  # nothing here runs in a network
    set_target("numpy")
    defaultclock.dt = 0.05 * ms
    print(json.dumps({N: update(N, options.rounds) for N in options.neurons}))


def update(N, rounds):
    """Return milliseconds of one update among `N` neurons, by each way to do it."""
    rates = np.random.default_rng(1).uniform(0, 60, N)
    learner, arrays = attached(N, rates)
    P, packed = ALPHA * np.eye(N), np.array(arrays["P_packed"])
    seconds = {
        **in_turn(learner, arrays, rounds),
        "python_form": timed(lambda: learner.python(**arrays), rounds),
        "scipy": timed(lambda: scipy_update(packed, rates), rounds),
        "numpy": timed(lambda: numpy_update(P, rates), rounds),
    }
    return {"best": summary(np.min, seconds), "median": summary(np.median, seconds)}


def summary(statistic, seconds):
    """Return one number (in ms) for each way, and how the kernel compares to the limits."""
    times = {name: 1e3 * float(statistic(values)) for name, values in seconds.items()}
    limit = times["read"] + times["change"]
    return times | {
        "limit": limit,
        "kernel_to_limit": times["kernel"] / limit,
        "kernel_to_one_pass": times["kernel"] / times["change"],
    }


def attached(N, rates):
    """Return a learner that learns in step 0, and its arguments, which both its forms take."""
    neurons = NeuronGroup(N, "r : Hz", name=f"neurons_{N}")
    neurons.r = rates * Hz
    readout = Readout(neurons, "r", name=f"readout_{N}")
    rule = RLS(alpha=ALPHA * second**2, every=2.5 * ms, step="published")
    learner = rule.attach(readout, target="0.5")
    for name, steps in {"every": 1, "start": -1, "stop": 1}.items():  # set by Brian2 at a run
        learner.variables[name].set_value(steps)
    names = inspect.signature(learner.python).parameters
    return learner, {name: learner.variables[name].get_value() for name in names}


def in_turn(learner, arrays, rounds):
    """Return seconds of the compiled kernel, and of the two passes over memory."""
    memory, P = compiled.Memory(), arrays["P_packed"]
    ways = {
        "read": memory.read(P),
        "change": memory.change(P),
        "kernel": compiled.form(learner, arrays),
    }
    times = {name: [] for name in ways}
    for _ in range(WARM_UP + rounds):
        for name, call in ways.items():
            times[name].append(call(1))
    if arrays["updates"][0] != WARM_UP + rounds:
        raise RuntimeError(f"The kernel did {arrays['updates'][0]} updates only.")
    return {name: seconds[WARM_UP:] for name, seconds in times.items()}


def numpy_update(P, r):
    """Update a dense `P`, as published_force.py does."""
    k = P @ r
    P[:] -= np.outer(k, k) / (1 + r @ k)


def scipy_update(P, r):
    """Update a packed `P` by BLAS."""
    k = dspmv(len(r), 1, P, r)
    dspr(len(r), -1 / (1 + r @ k), k, P, overwrite_ap=True)


def timed(call, rounds):
    """Return the seconds that each of so many calls took."""
    times = []
    for _ in range(WARM_UP + rounds):
        began = perf_counter()
        call()
        times.append(perf_counter() - began)
    return times[WARM_UP:]


if __name__ == "__main__":
    main()
