"""E-prop by brianlearn on the two tasks of the peers, timed; benchmarks/eprop.py calls it.

    python benchmarks/eprop_ours.py sine --form online
    python benchmarks/eprop_ours.py evidence --samples 32 --batch 128 --learning-rate 1e-12

The networks are those of nest_peer.py. Prints one JSON object. ``start`` holds what was measured
with the initial weights, ``trained`` with those of --weights: ``ms``, milliseconds of a sample
for each chunk of training (about two seconds of one process), and ``wall_ms``, the same by the
clock on the wall around all of it, drawing of input included. A warm-up does not count.
``rate_hz`` is that of the recurrent neurons in one trial before and one after the measurement;
with a learning rate close to 0 they stay what they are, while the work is that of learning.

--parts also times training without learning, without spikes, and without both.
"""

import argparse
import contextlib
import json
import os
import threading
import time
from pathlib import Path

import numpy as np
from brian2 import defaultclock, ms
from eprop_networks import evidence, network, sine

from brianlearn import Phase, Training, Trial, experiment, set_target
from brianlearn.targets import TARGETS

WARM_UP = (4, 0.3)  # iterations, to know their speed; then seconds
FROZEN = 1e-12  # a learning rate that leaves the network as it is
WEIGHTS = ("w_in", "w_rec", "w_out")

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("task", choices=("sine", "evidence"))
parser.add_argument("--target", choices=TARGETS, default="cpp_standalone")
parser.add_argument("--form", choices=("adjoint", "online"), default="adjoint")
parser.add_argument("--neurons", type=int, default=100)
parser.add_argument("--steps", type=int, default=1000, help="of the sine")
parser.add_argument("--samples", type=int, default=1, help="side by side (evidence)")
parser.add_argument("--batch", type=int, default=1, help="samples an update (evidence)")
parser.add_argument("--seconds", type=float, default=3, help="that are measured (%(default)s)")
parser.add_argument("--learning-rate", type=float, help="in place of the task's")
parser.add_argument("--weights", type=Path, metavar="FILE", help="of a trained network")
parser.add_argument("--train", type=int, default=0, help="only iterations, then --save")
parser.add_argument("--save", type=Path, metavar="FILE", help="where the weights are kept")
parser.add_argument("--parts", action="store_true", help="find out where time goes")


def main(options):
    """Build, measure and print."""
    set_target(options.target)
    defaultclock.dt = 1 * ms
    task = {"sine": sine, "evidence": evidence}[options.task](options)
    net, learner, recorder = network(task, options.form)
    training = Training(learner, net, progress=False)
    if options.learning_rate is not None:
        training.set_learning_rate(options.learning_rate)
    with peak_memory() as peak:
        if options.train:
            training.run(Phase("train", task.source, options.train))
            np.savez(options.save, **{name: training.weights()[name] for name in WEIGHTS})
        else:
            warm_up(training, task.source)
        setup_seconds = experiment.process_age() - (time.time() - training.began)
        result = {
            "target": options.target,
            "form": options.form,
            "neurons": options.neurons,
            "steps": task.steps,
            "samples": task.inputs.samples,
            "batch": per_iteration(training),
            "input_spikes": input_spikes(task),
            "setup_seconds": setup_seconds,
            "losses": next(iter(training.histories.values()))["loss"][:4].tolist(),
        }
        if not options.train:
            result["start"] = measure("start", training, recorder, task, options.seconds)
        if options.weights:
            set_weights(training, options.weights)
            result["trained"] = measure("trained", training, recorder, task, options.seconds)
        if options.parts:
            result["parts"] = parts(training, task, options.seconds)
    result["rate_hz"] = rate(training, recorder, task)
    result["peak_mib"] = peak[0] / 1024
    result["history_mib"] = 8 * task.steps * len(task.neurons) / 2**20
    print(json.dumps(result))


def input_spikes(task):
    """How many a sample hears in a trial."""
    trial = task.source if isinstance(task.source, Trial) else task.source(0)
    return len(trial.steps) / task.inputs.samples


def per_iteration(training):
    """Samples that make one update."""
    return training.trials.samples * training.per_iteration


def warm_up(training, source):
    """Find out how long an iteration takes, first with the start of a process."""
    count, seconds = WARM_UP
    training.run(Phase("warm-up", source, count))
    training.run(Phase("warm-up", source, iterations_in(seconds, training, "warm-up")))


def iterations_in(seconds, training, phase):
    """How many iterations take so many seconds, by the last one of a phase."""
    return max(2, round(seconds / training.histories[phase]["seconds"][-1]))


def measure(name, training, recorder, task, seconds):
    """Milliseconds of a sample; the rate of the neurons before and after."""
    before = rate(training, recorder, task)
    count = iterations_in(seconds, training, "warm-up")
    began = time.perf_counter()
    training.run(Phase(name, task.source, count))
    wall = time.perf_counter() - began
    per_ms = 1e3 / per_iteration(training)
    return {
        "ms": [per_ms * each for each in chunks(training.histories[name]["seconds"])],
        "wall_ms": per_ms * wall / count,
        "iterations": count,
        "rate_hz": [before, rate(training, recorder, task)],
    }


def chunks(seconds):
    """The speed of each chunk of iterations, without short ones, where starting it weighs."""
    values, counts = np.unique(seconds, return_counts=True)
    return values[counts >= counts.max() / 2].tolist()


def rate(training, recorder, task):
    """Spikes per second of a recurrent neuron, in one trial without learning."""
    recorder.clear()
    training.run(Phase("probe", task.source, 1, learning=False, recording=True))
    return float(recorder.read()["z"].mean() / (1e-3))


def set_weights(training, path):
    """Go on with the weights of a file."""
    with np.load(path) as arrays:
        for name, item in training.learner.plastic.items():
            connection, weights = item.weights
            connection.variables[weights].set_value(arrays[name].ravel())


def parts(training, task, seconds):
    """Milliseconds of a sample with and without learning and spikes; of the program's start.

    A trial without input has no spikes at all, so that neither events nor products are left.
    """
    kinds = {
        "all": (task.source, True),
        "no learning": (task.source, False),
        "no spikes": (task.silent, True),
        "neither": (task.silent, False),
    }
    training.set_learning_rate(FROZEN)
    count = iterations_in(seconds / 4, training, "warm-up")
    totals = {name: [] for name in ("one", *kinds)}

    def run(name, source, learning, iterations):
        training.run(Phase(name, source, iterations, learning=learning))
        totals[name].append(iterations * training.histories[name]["seconds"][-1])

    for _ in range(3):
        run("one", task.source, True, 1)
        for name, kind in kinds.items():
            run(name, *kind, count)
    best = {name: 1e3 * min(values) for name, values in totals.items()}
    start = max(0, best["one"] - (best["all"] - best["one"]) / (count - 1))
    samples = count * per_iteration(training)
    found = {name: (best[name] - start) / samples for name in kinds}
    return found | {"program_start_ms": start, "iterations": count}


@contextlib.contextmanager
def peak_memory():
    """Look now and then at the largest memory that the standalone program has had, in KiB.

    (That of `resource` counts the Python which a child was forked from, and the compiler.)
    """
    peak, over = [0], threading.Event()
    children = Path(f"/proc/self/task/{os.getpid()}/children")

    def watch():
        while not over.wait(0.02):
            for child in children.read_text().split():
                with contextlib.suppress(OSError):
                    if Path(os.readlink(f"/proc/{child}/exe")).name != "main":
                        continue
                    for line in Path(f"/proc/{child}/status").read_text().splitlines():
                        if line.startswith("VmHWM"):
                            peak[0] = max(peak[0], int(line.split()[1]))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield peak
    finally:
        over.set()
        watcher.join()


if __name__ == "__main__":
    main(parser.parse_args())
