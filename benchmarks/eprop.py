"""E-prop by brianlearn beside NEST and BrainPy, measured in one run.

Two tasks of Bellec et al. (2020): the sine (100 inputs, 100 neurons, 1,000 steps) beside NEST, and
evidence accumulation (2,250 steps, batches of 128) beside NEST and BrainPy. All run in turn, each
in a process of its own; the losses of the sine must be NEST's, or this script fails. Then come
growth with neurons, steps and samples side by side, the memory of each, where a sample's time goes,
and what the machine's memory would allow.

    python benchmarks/eprop.py --brainpy brainpy/bin/python     # 8 minutes, if all is compiled
    python benchmarks/eprop.py --quick                          # compiles all; rough numbers

It prints a table and writes all numbers to --out, after comparing them with those found there.
BrainPy needs a Python of its own (see brainpy_peer.py); NEST must be in this one. Evidence
accumulation is timed with the initial weights and with trained ones, since spikes cost time; our
learning rate is then 1e-12, so that the rate of spikes stays what is stated.
"""

import argparse
import datetime
import importlib.util
import json
import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

import eprop_report
import numpy as np
from force import machine

from brianlearn import record
from brianlearn.experiment import versions

HERE = Path(__file__).parent
BATCH, SIDE_BY_SIDE = 128, 32  # of evidence accumulation, as its script has them
PATHS = ("brainpy", "trained")  # options whose values mean nothing elsewhere
FROZEN = ("--learning-rate", 1e-12)
SINE = {
    "standalone, adjoint": (),
    "standalone, online": ("--form", "online"),
    "cython, adjoint": ("--target", "cython"),
    "cython, online": ("--target", "cython", "--form", "online"),
}

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--brainpy", metavar="PYTHON", help="a Python that has BrainPy")
parser.add_argument("--repeats", type=int, default=3, help="in turn with the peers (%(default)s)")
parser.add_argument("--seconds", type=float, default=3, help="of each measurement (%(default)s)")
parser.add_argument(
    "--trained", type=Path, metavar="FILE",
    help="with trained weights, such as the record.npz of scripts/eprop_evidence.py; without it, "
    "--train iterations come first",
)  # fmt: skip
parser.add_argument("--train", type=int, default=120, help="(%(default)s)")
parser.add_argument("--neurons", type=int, nargs="*", default=[100, 300, 1000, 3000])
parser.add_argument("--steps", type=int, nargs="*", default=[250, 500, 1000, 2000, 4000, 8000])
parser.add_argument(
    "--samples", type=int, nargs="*", default=[1, 4, 8, 16, 32, 64, 128, 256],
    help="side by side (%(default)s)",
)  # fmt: skip
parser.add_argument("--quick", action="store_true", help="everything once, and briefly")
parser.add_argument("--out", type=Path, default=HERE / "eprop_results.json", help="(%(default)s)")


def main(options):
    """Measure everything, then print and save it."""
    if options.quick:
        options.repeats, options.seconds, options.train = 1, 0.5, 8
    earlier = json.loads(options.out.read_text()) if options.out.exists() else None
    parameters = {key: value for key, value in vars(options).items() if key != "out"}
    results = {
        "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": versions(),
        "parameters": parameters | {key: bool(getattr(options, key)) for key in PATHS},
    }
    with tempfile.TemporaryDirectory() as folder:
        weights = options.trained or train(options, Path(folder) / "trained.npz")
        results["sine"] = sine(options)
        results["evidence"] = evidence(options, weights)
        results["samples"] = {str(B): layout(options, weights, B) for B in options.samples}
        results["parts"] = {
            "sine": parts(options, "sine"),
            "evidence": parts(options, "evidence", "--weights", weights, *side_by_side()),
        }
    results["neurons"] = growth(options, "neurons")
    results["steps"] = growth(options, "steps")
    results["ratios"] = ratios(results)
    print(eprop_report.table(results))
    if earlier:
        print(eprop_report.changes(earlier, results))
    record.save_json(options.out, results)
    print(f"\nWritten to {options.out}")


def child(script, *arguments, python=sys.executable):
    """What a script in this folder prints as JSON, run in a process of its own."""
    words = [script, *map(str, arguments)]
    print("...", *words, file=sys.stderr, flush=True)
    command = [python, str(HERE / script), *words[1:]]
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(words)} failed:\n{done.stderr}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def ours(options, task, *more, seconds=None):
    """What brianlearn takes for a task."""
    return child("eprop_ours.py", task, "--seconds", seconds or options.seconds, *more)


def side_by_side(samples=SIDE_BY_SIDE):
    """Flags for samples side by side, as many in turn as make up a batch."""
    return ("--samples", samples, "--batch", max(BATCH, samples), *FROZEN)


def train(options, path):
    """Train a network for evidence accumulation a little, and keep its weights in a file."""
    flags = ("--samples", SIDE_BY_SIDE, "--batch", BATCH)
    ours(options, "evidence", *flags, "--train", options.train, "--save", path)
    return path


def sine(options):
    """Milliseconds of an iteration by NEST and by us, in turn; their losses must agree."""
    found = {"NEST": []} | {name: [] for name in SINE}
    for _ in range(options.repeats):
        if nest():
            iterations = max(3, round(5 * options.seconds))
            found["NEST"].append(child("nest_peer.py", "sine", "--iterations", iterations))
        for name, flags in SINE.items():
            found[name].append(ours(options, "sine", *flags))
    flat = [(name, run) for name, runs in found.items() for run in runs]
    for name, run in flat[1:]:
        check_equal(*flat[0], name, run)
    return {
        name: summary([run.get("start", run)["ms"] for run in runs]) | {"last": runs[-1]}
        for name, runs in found.items()
        if runs
    }


def evidence(options, weights):
    """Milliseconds of a sample by NEST, BrainPy and us, in turn."""
    found = {"NEST, 2 threads": [], "BrainPy": [], "start": [], "trained": []}
    last = {}
    for _ in range(options.repeats):
        if nest():
            iterations = max(3, round(2 * options.seconds))
            flags = ("evidence", "--iterations", iterations, "--threads", 2)
            last["NEST, 2 threads"] = run = child("nest_peer.py", *flags)
            found["NEST, 2 threads"].append(run["ms"])
        if options.brainpy:
            flags = ("--batch", BATCH, "--iterations", max(1, round(options.seconds)))
            last["BrainPy"] = run = child("brainpy_peer.py", *flags, python=options.brainpy)
            found["BrainPy"].append([each / BATCH for each in run["ms"]])
        run = ours(options, "evidence", "--weights", weights, *side_by_side())
        for state in ("start", "trained"):
            found[state].append([run[state]["wall_ms"]])
            last[state] = run | run[state]
    return {name: summary(runs) | {"last": last[name]} for name, runs in found.items() if runs}


def nest():
    """Whether this Python has NEST."""
    return importlib.util.find_spec("nest") is not None


def summary(runs):
    """The best and the median of all, and the best of each repeat."""
    everything = [ms for run in runs for ms in run]
    best = [min(run) for run in runs]
    return {"best_ms": min(everything), "median_ms": median(everything), "best_of_each_ms": best}


def check_equal(name, wanted, other_name, got):
    """Fail unless the first losses are the same."""
    pairs = [*zip(wanted["losses"], got["losses"], strict=False)][:4]
    if not all(math.isclose(a, b, rel_tol=1e-6) for a, b in pairs):
        sys.exit(
            f"The losses differ, so that times mean nothing:\n  {name}: {wanted['losses'][:4]}\n"
            f"  {other_name}: {got['losses'][:4]}"
        )


def layout(options, weights, samples):
    """Evidence accumulation with so many samples side by side."""
    flags = ("--weights", weights, *side_by_side(samples))
    return ours(options, "evidence", *flags, seconds=options.seconds / 2)


def growth(options, what):
    """The sine for several numbers of neurons or steps, at the rate it begins with."""
    half = options.seconds / 2
    return {
        str(size): ours(options, "sine", f"--{what}", size, *FROZEN, seconds=half)
        for size in getattr(options, what)
    }


def parts(options, task, *flags):
    """Where a sample's time goes, and what the machine's memory would allow."""
    found = ours(options, task, *flags, "--parts")
    return found | {"limit": limit(found, eprop_report.ARRAYS[task])}


def limit(run, arrays):
    """Milliseconds that a sample's data take to be moved, by the bandwidths of here and now.

    A history is written once and read once. In the caches, a step moves the arrays of the state
    of each neuron, and an event a row of weights or sensitivities to a row of sums.
    """
    neurons, steps, samples = run["neurons"], run["steps"], run["samples"]
    history = np.zeros(neurons * steps * samples)
    written, read = timed(lambda: history.fill(1)), timed(history.max)
    size = max(2**11, neurons * samples * arrays // 2)  # of the state, but calls shall not count
    block, copy = np.ones((2, size))
    copied = timed(lambda: [np.copyto(copy, block) for _ in range(1000)]) / 1000
    per_byte = 1e3 * copied / (2 * block.nbytes)
    spikes = run["rate_hz"] * 1e-3 * steps * neurons + run["input_spikes"]
    events = spikes * 2 * 3 * neurons  # once forward and once in the product
    return {
        "history_ms": 1e3 * (written + read) / samples,
        "state_ms": 8 * per_byte * arrays * neurons * steps,
        "events_ms": 8 * per_byte * events,
        "history_gb_per_s": [1e-9 * history.nbytes / each for each in (written, read)],
        "cache_gb_per_s": 1e-6 / per_byte,
    }


def timed(call, rounds=7):
    """The seconds of the fastest call."""
    times = []
    for _ in range(rounds):
        began = perf_counter()
        call()
        times.append(perf_counter() - began)
    return min(times)


def ratios(results):
    """How many times as long as ours the peers take: the best by the best, medians likewise."""
    found = {}
    pairs = [("sine", "NEST", name) for name in SINE]
    pairs += [
        ("evidence", peer, state)
        for peer in ("NEST, 2 threads", "BrainPy")
        for state in ("start", "trained")
    ]
    for task, peer, name in pairs:
        if peer in results[task]:
            theirs, own = results[task][peer], results[task][name]
            found[f"{task}: {peer} / {name}"] = {
                each: theirs[f"{each}_ms"] / own[f"{each}_ms"] for each in ("best", "median")
            }
    return found


if __name__ == "__main__":
    main(parser.parse_args())
