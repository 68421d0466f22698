"""One RLS update by itself: our C++ kernel, the memory's own limit, NumPy and SciPy.

For many neurons P exceeds the caches, and memory decides. The limit is measured here and now,
by compiled code with explicit vectors: the time to read the packed triangle once, plus the time
to read, change and write it once, as an update of two passes must (it needs P r before it can
change P). The kernel puts the change off to the next update's pass, so that the second of these
times alone is its own limit; it is called without Brian2 in between. Rounds of all three
alternate, so that noise hits them alike.

Prints one JSON object: for each N milliseconds, the best and the median of 20.
"""

import argparse
import ctypes
import inspect
import json
import subprocess
import tempfile
from pathlib import Path
from time import perf_counter

import numpy as np
from brian2 import BrianLogger, Hz, NeuronGroup, defaultclock, ms, second
from brian2.codegen.generators.cpp_generator import c_data_type
from scipy.linalg.blas import dspmv, dspr

from brianlearn import RLS, Readout, set_target
from brianlearn.kernel import compiler

WARM_UP = 3  # rounds that do not count
ALPHA = 5e-6

LIMIT = """
#include <chrono>

using rule::brianlearn::lanes;
using rule::brianlearn::LANES;

static double now()
{
    return std::chrono::duration<double>(
        std::chrono::steady_clock::now().time_since_epoch()).count();
}

static double read_once(const double* P, size_t n)
{
    lanes s[8] = {};  // one sum would wait for each addition
    size_t i = 0;
    for (; i + 8 * LANES <= n; i += 8 * LANES)
        for (int q = 0; q < 8; q++) s[q] += rule::brianlearn::load(P + i + q * LANES);
    for (; i < n; i++) s[0][0] += P[i];
    return rule::brianlearn::sum(((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7])));
}

static void change_once(double* P, size_t n, double x)
{
    for (size_t i = 0; i < n; i++) P[i] += x;
}

extern "C" int measure(int64_t* data, int64_t* sizes, double* P, size_t n, double zero,
                       size_t rounds, double* read, double* change, double* kernel)
{
    for (size_t k = 0; k < rounds; k++) {
        const double a = now();
        volatile double total = read_once(P, n);
        const double b = now();
        change_once(P, n, zero);
        const double c = now();
        const int fault = KERNEL;
        const double d = now();
        if (fault) return fault;
        read[k] = b - a;
        change[k] = c - b;
        kernel[k] = d - c;
        (void)total;
    }
    return 0;
}
"""


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
        **native(learner, arrays, rounds),
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


def native(learner, arrays, rounds):
    """Return seconds of the compiled kernel, and of the two passes over memory."""
    types = [c_data_type(array.dtype) for array in arrays.values()]
    views = ", ".join(
        f"{{({ctype}*)data[{k}], (size_t)sizes[{k}]}}" for k, ctype in enumerate(types)
    )
    text = LIMIT.replace("KERNEL", f"rule::{learner.python.__name__}({views})")
    measure = compiled(learner.cpp_text + text).measure
    data = np.array([array.ctypes.data for array in arrays.values()])
    sizes = np.array([array.size for array in arrays.values()])
    P, times = arrays["P_packed"], np.zeros((3, WARM_UP + rounds))
    fault = measure(
        *map(pointer, (data, sizes, P)),
        ctypes.c_size_t(P.size),
        ctypes.c_double(0),  # unknown to the compiler, so that it cannot skip the addition
        ctypes.c_size_t(times.shape[1]),
        *map(pointer, times),
    )
    if fault or arrays["updates"][0] != times.shape[1]:
        raise RuntimeError(f"The kernel did {arrays['updates'][0]} updates; fault {fault}.")
    return dict(zip(("read", "change", "kernel"), times[:, WARM_UP:], strict=True))


def compiled(text):
    """Compile C++ with the flags of the compiled targets, and load it."""
    library = Path(tempfile.mkdtemp()) / "update.so"
    command = [*compiler.command(), *compiler.exact_flags(), "-shared", "-fPIC", "-x", "c++", "-"]
    subprocess.run([*command, "-o", str(library)], input=text, text=True, check=True)
    return ctypes.CDLL(str(library))


def pointer(array):
    """Return where an array lies, for C."""
    return array.ctypes.data_as(ctypes.c_void_p)


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
