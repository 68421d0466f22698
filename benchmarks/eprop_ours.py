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
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from brian2 import Hz, Network, defaultclock, ms, second

from brianlearn import (
    Adam,
    CrossEntropy,
    EligibilitySynapses,
    EProp,
    FiringRate,
    Given,
    GradientDescent,
    Phase,
    Projection,
    Recorder,
    SpikeInput,
    Training,
    Trial,
    Trials,
    experiment,
    set_target,
)
from brianlearn.models import eprop_alif, eprop_lif, eprop_readout
from brianlearn.targets import TARGETS
from brianlearn.tasks import waves
from brianlearn.tasks.evidence import Evidence, generator

WARM_UP = (4, 0.3)  # iterations, to know their speed; then seconds
PROBED = 8  # samples whose spikes are counted, at most
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


@dataclass(frozen=True, eq=False)
class Task:
    """Groups, weights, and what is presented; `silent` is a trial without input."""

    draw: waves.Weights
    inputs: SpikeInput
    neurons: object
    readout: object
    steps: int
    rule: EProp
    source: object
    silent: Trial


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
        setup_seconds = training.began - (time.time() - experiment.process_age())
        result = {
            "target": options.target,
            "form": options.form,
            "neurons": options.neurons,
            "steps": task.steps,
            "samples": task.inputs.samples,
            "batch": per_iteration(training),
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


def sine(options):
    """The regression of NEST's tests."""
    draw = waves.draw(1, n_rec=options.neurons, steps=options.steps)
    empty = np.empty(0, np.int32)
    return Task(
        draw=draw,
        inputs=SpikeInput(100, name="inputs"),
        neurons=eprop_lif.neurons(options.neurons, name="neurons"),
        readout=eprop_readout.neurons(1, name="readout"),
        steps=options.steps,
        rule=EProp(
            optimizer=GradientDescent(1e-4),
            feedback=Given(draw.feedback),
            regularizer=FiringRate(300, 10 * Hz),
        ),
        source=Trial.from_raster(draw.raster, draw.target),
        silent=Trial(empty, empty, targets=draw.target),
    )


def evidence(options):
    """Evidence accumulation, each part of a batch drawn when its turn comes."""
    task, samples = Evidence(), options.samples
    draw = task.weights(np.random.RandomState(1), options.neurons)
    neurons = eprop_alif.neurons(
        options.neurons * samples, name="neurons", tau_m=20 * ms, v_th=0.6, t_ref=5 * ms,
        spread=False, tau_adapt=2 * second, psi_height=0.3 / 0.6, psi_width=0.6,
    )  # fmt: skip
    beta = 1.7 * (1 - np.exp(-1 / 2000)) / (1 - np.exp(-1 / 20))
    neurons.beta = np.tile(np.repeat([0, beta], options.neurons // 2), samples)

    def source(k):
        batch = task.sample(generator(1, k), samples)
        return Trial(batch.step, batch.sample * task.inputs + batch.neuron, labels=batch.label)

    empty = np.empty(0, np.int32)
    return Task(
        draw=draw,
        inputs=SpikeInput(task.inputs, samples, name="inputs"),
        neurons=neurons,
        readout=eprop_readout.neurons(2 * samples, name="readout", tau_m=20 * ms),
        steps=task.steps,
        rule=EProp(
            loss=CrossEntropy(),
            optimizer=Adam(5e-3),
            feedback=Given(draw.feedback),
            regularizer=FiringRate(300, 10 * Hz),
            window=task.window * ms,
            average=True,
            trials_per_update=max(1, options.batch // samples),
        ),
        source=source,
        silent=Trial(empty, empty, labels=np.zeros(samples, np.int32)),
    )


def network(task, form):
    """The network, its learner, and what counts spikes."""
    ends = {
        "w_in": (task.inputs, task.neurons),
        "w_rec": (task.neurons, task.neurons),
        "w_out": (task.neurons, task.readout),
    }
    connections = {}
    for name, (source, target) in ends.items():
        weights = getattr(task.draw, name)
        if form == "adjoint":
            autapses = source is not target
            made = Projection(source, target, weights, variable="x", autapses=autapses, name=name)
        else:
            made = EligibilitySynapses(
                source, target, weights, task.readout, samples=task.inputs.samples, name=name
            )
        connections[name] = made
    reset = [task.neurons, task.readout]
    if form == "online":
        traces = ("zbar", "eps", "ebar", "eligibility_sum", "gradient")
        reset += [(c, t) for c in connections.values() for t in traces if t in c.variables]
    trials = Trials(task.steps * ms, task.inputs, reset, readout=task.readout, name="trials")
    learner = task.rule.attach(trials, task.readout, connections.values())
    some = np.arange(min(task.inputs.samples, PROBED) * task.draw.w_rec.shape[0])
    recorder = Recorder(trials, {"z": (task.neurons, "z")}, indices={"z": some}, name="recorder")
    objects = (task.inputs, task.neurons, task.readout, *connections.values(), trials, recorder)
    return Network(*objects), learner, recorder


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
            training.execution.set({item.weights: arrays[name].ravel()})


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
    count = iterations_in(seconds / 4, training, "warm-up")
    per_ms = 1e3 / per_iteration(training)
    found = {name: [] for name in kinds}
    starts = []
    for _ in range(3):
        for name, (source, learning) in kinds.items():
            training.run(Phase(name, source, count, learning=learning))
            found[name].append(per_ms * training.histories[name]["seconds"][-1])
        training.run(Phase("one", task.source, 1))
        starts.append(1e3 * training.histories["one"]["seconds"][-1])
    found = {name: min(values) for name, values in found.items()}
    start = max(0, min(starts) - found["all"] * per_iteration(training))
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
