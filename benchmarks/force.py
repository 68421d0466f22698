"""FORCE by brianlearn beside the published Brian2 script, measured in one run.

Both learn a sine with the same network, the same random numbers and the same monitors, in turn
and each in a process of its own, and must agree: the same number of spikes, and the same error
in every window to 1e-8, or this script fails. Then come the parts: one RLS update by itself
beside the machine's memory, where the microseconds of a time step go, and growth with N.

    python benchmarks/force.py                                                 # half an hour
    python benchmarks/force.py --neurons 200 --duration 1.5 --growth 100 200   # to try it out

It prints a table and writes all numbers to --out, after comparing them with those found there.
NumPy works on one thread in every process (OPENBLAS_NUM_THREADS=1), as the published script says.
"""

import argparse
import datetime
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

import force_report

from brianlearn import record
from brianlearn.experiment import versions
from brianlearn.kernel import compiler

HERE = Path(__file__).parent
DT = 0.05e-3  # seconds, as in both experiments
THREE_UPDATES = 7.5e-3  # seconds: a multiple of it has three parts of whole updates

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--neurons", type=int, default=2000)
parser.add_argument("--duration", type=float, default=15, help="seconds; a third is learning")
parser.add_argument("--repeats", type=int, default=1, help="in turn, of which the best count")
parser.add_argument("--skip-peer", action="store_true", help="without the published script")
parser.add_argument("--skip-numpy", action="store_true", help="without the target numpy")
parser.add_argument(
    "--growth", type=int, nargs="*", default=[500, 1000, 2000, 4000], metavar="N",
    help="numbers of neurons (%(default)s)",
)  # fmt: skip
parser.add_argument("--out", type=Path, default=HERE / "results.json", help="(%(default)s)")


def main(options):
    """Measure everything, then print and save it."""
    if min([options.neurons, *options.growth]) < 20 or options.duration < 0.15:
        parser.error("it takes at least 20 neurons (whose spikes are recorded) and 0.15 s.")
    earlier = json.loads(options.out.read_text()) if options.out.exists() else None
    results = {
        "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": versions(),
        "parameters": {key: value for key, value in vars(options).items() if key != "out"},
        "setup": setup(options),
        "runs": runs(options),
        "floor": ours(20, min(options.duration, 3), "cython"),
        "profile": profile(options),
        "growth": growth(options),
        "rls_update": child("rls_update.py", *sorted({options.neurons, *options.growth})),
    }
    results["ratios"] = ratios(results)
    print(force_report.table(results))
    if earlier:
        print(force_report.changes(earlier, results))
    record.save_json(options.out, results)
    print(f"\nWritten to {options.out}")


def child(script, *arguments, cache=None):
    """Return what a script in this folder prints as JSON, run in a process of its own."""
    words = [script, *map(str, arguments)]
    print("...", *words, file=sys.stderr, flush=True)
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    if cache:
        environment["BRIANLEARN_CACHE"] = cache
    command = [sys.executable, str(HERE / script), *words[1:]]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(words)} failed:\n{done.stderr}")
    return json.loads(done.stdout)


def experiment(script, neurons, duration, *more, cache=None):
    """Return the result of one experiment, learning in the middle third."""
    duration = round(duration / THREE_UPDATES) * THREE_UPDATES
    times = ("--duration", duration, "--start", duration / 3, "--stop", 2 * duration / 3)
    result = child(script, "--neurons", neurons, *times, *more, cache=cache)
    steps = round(duration / DT)
    step_us = 1e6 * result["run_seconds"] / steps
    return result | {"neurons": neurons, "duration": duration, "steps": steps, "step_us": step_us}


def ours(neurons, duration, target, *more, cache=None):
    """Return the result of the experiment by brianlearn."""
    words = ("--target", target, *more)
    return experiment("force_ours.py", neurons, duration, *words, cache=cache)


def setup(options):
    """Return seconds from the start of a process to the first step in standalone mode."""
    with tempfile.TemporaryDirectory() as cache:
        cold, warm = (ours(options.neurons, 0.15, "cpp_standalone", cache=cache) for _ in range(2))
    return {"cold_seconds": cold["setup_seconds"], "warm_seconds": warm["setup_seconds"]}


def runs(options):
    """Return the best run of the peer and of each of our targets; they must agree."""
    size = (options.neurons, options.duration)
    everything = {"published": [], "cpp_standalone": [], "cython": []}
    for _ in range(options.repeats):
        if not options.skip_peer:
            everything["published"].append(experiment("published_force.py", *size))
        for target in ("cpp_standalone", "cython"):
            everything[target].append(ours(*size, target))
    everything = {name: results for name, results in everything.items() if results}
    flat = [(name, result) for name, results in everything.items() for result in results]
    for name, result in flat[1:]:
        check_equal(*flat[0], name, result)
    best = {name: best_of(results) for name, results in everything.items()}
    if not options.skip_numpy:
        best["numpy"] = short_numpy(options)
    return best


def best_of(results):
    """Return the result with the shortest run, and the times of all."""
    best = min(results, key=lambda result: result["run_seconds"])
    return best | {"all_run_seconds": [result["run_seconds"] for result in results]}


def short_numpy(options):
    """Return a short run on the target numpy, which takes minutes for what others do in seconds.

    It is the whole experiment in short, so that learning has its share, compared with Cython.
    """
    size = (options.neurons, min(1, options.duration))
    result = ours(*size, "numpy")
    check_equal("cython", ours(*size, "cython"), "numpy", result)
    steps = round(options.duration / DT)
    return result | {"extrapolated_run_seconds": 1e-6 * result["step_us"] * steps}


def check_equal(name, wanted, other_name, got):
    """Fail unless two runs gave the same number of spikes and the same errors."""

    def same(a, b):
        return a == b if None in (a, b) else math.isclose(a, b, rel_tol=1e-8)

    errors, others = wanted["rmse"], got["rmse"]
    equal = wanted["spikes"] == got["spikes"] and errors.keys() == others.keys()
    if not equal or not all(same(errors[key], others[key]) for key in errors):
        sys.exit(
            "The results differ, so that their times mean nothing:\n"
            f"  {name}: {wanted['spikes']} spikes, RMSE {errors}\n"
            f"  {other_name}: {got['spikes']} spikes, RMSE {others}"
        )


def profile(options):
    """Return a run with every object timed, and one without just after it."""
    size = (options.neurons, options.duration, "cpp_standalone")
    timed, plain = ours(*size, "--profile"), ours(*size)
    check_equal("profiled", timed, "plain", plain)
    return {"timed": timed, "plain": plain, **force_report.split(timed, plain)}


def growth(options):
    """Return the seconds of a short run in standalone mode for several numbers of neurons."""
    duration = min(3, options.duration)
    return {str(N): ours(N, duration, "cpp_standalone") for N in options.growth}


def ratios(results):
    """Return how many times the peer's run takes as long as ours, and the update to its limit."""
    found = {}
    runs = results["runs"]
    if "published" in runs:
        peer = runs["published"]["run_seconds"]
        for target in ("cpp_standalone", "cython", "numpy"):
            if target in runs:
                found[f"published / {target}"] = peer / force_report.run_seconds(runs[target])
    for N, update in results["rls_update"].items():
        best = update["best"]
        found[f"RLS update / limit, N = {N}"] = best["kernel_to_limit"]
        found[f"RLS update / one pass, N = {N}"] = best["kernel_to_one_pass"]
    return found


def machine():
    """Return what the times depend on."""
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "cpu": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "compiler": compiler.version().partition("\n")[0],
        "load_before": os.getloadavg()[0],
    }


if __name__ == "__main__":
    main(parser.parse_args())
