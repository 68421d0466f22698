"""Sound localization by learned delays: two ears, 36 interaural phase differences, spikes alone.

Detectors multiply what their two dendrites hear, one from each ear; the delay of the second ear is
their own. A softmax of 36 readouts says where the sound was. Three networks (--variant):

readout   --neurons detectors sum up their products; a linear readout and the delays learn together
          (delays start within 1 ms of the first ear's).
delays    a detector for each class, which is its own readout: delays learn alone.
spiking   detectors spike when their product reaches a threshold, which empties their dendrites;
          leaky readouts hear the spikes; all of it learns by e-prop.

For every number of --fibres an ear, the same network is trained twice, with delays that learn and
with delays that stay as they are, and tested on new sounds, beside the ideal observer: Bayes' rule
for the same spikes.
"""

import time
from dataclasses import dataclass

import numpy as np
from brian2 import Network, defaultclock, ms

from brianlearn import (
    Adam,
    CrossEntropy,
    DelayLearning,
    EProp,
    Graded,
    Phase,
    Projection,
    Recorder,
    SpikeInput,
    Training,
    Trials,
    experiment,
    plots,
    set_target,
)
from brianlearn.models import delay_dendrite, eprop_readout, linear_readout
from brianlearn.tasks.localization import IPDS, Localization, accuracy, median, median_error

CLASSES = len(IPDS)
REFERENCE, MAX_DELAY = 10, 20  # ms
TAIL = 30  # ms: the last spike arrives, and its trace is gone
TRAIN, TEST, START, DELAYS = range(4)  # streams of random numbers
TAU = {"readout": 3, "delays": 2, "spiking": 2}  # ms, of the dendrites
NEURONS = {"readout": 8, "delays": CLASSES, "spiking": 64}
ITERATIONS = {"readout": 3000, "delays": 1000, "spiking": 2000}
# learning rates fall: until which part of the iterations they are multiplied by what
SCHEDULE = ((0.5, 1.0), (0.75, 0.5), (0.9, 0.2), (1.0, 0.05))
AT_ONCE = 20  # batches of a test whose answers are in memory

parser = experiment.arguments(__doc__, "delay_localization")
parser.add_argument(
    "--variant", choices=[*NEURONS], default="readout", help="see above (%(default)s)"
)
parser.add_argument(
    "--fibres", type=int, nargs="+", default=[20], metavar="N", help="of each ear (%(default)s)"
)
parser.add_argument("--neurons", type=int, help="detectors (readout 8, spiking 64)")
parser.add_argument(
    "--iterations", type=int, help="of learning (readout 3000, delays 1000, spiking 2000)"
)
parser.add_argument("--batch", type=int, default=256, help="sounds an iteration (%(default)s)")
parser.add_argument("--learning-rate", type=float, default=0.02, help="of weights (%(default)s)")
parser.add_argument(
    "--delay-learning-rate", type=float, default=0.1, help="of delays, in ms (%(default)s)"
)
parser.add_argument("--test", type=int, default=20_000, help="new sounds (%(default)s)")
experiment.add_checkpoint(parser)


@dataclass
class Built:
    """A network, its learner, and the record of what its readouts say."""

    network: Network
    learner: object
    recorder: Recorder


def ears(task, inputs, detectors, delays):
    """The connection from each ear; both ears' spikes weigh one together, whatever the fibres."""
    ear = np.repeat(np.eye(2), task.fibres, axis=0) / task.fibres
    count = delays.size
    first = Projection(
        inputs, detectors, np.tile(ear[:, :1], count), variable="x_1", name="ear_1",
        delay=REFERENCE * ms,
    )  # fmt: skip
    second = Projection(
        inputs, detectors, np.tile(ear[:, 1:], count), variable="x_2", name="ear_2",
        delay=delays[None] * ms, max_delay=MAX_DELAY * ms, interpolate=True,
    )  # fmt: skip
    return first, second


def start_delays(options):
    """Near the first ear's."""
    random = np.random.default_rng([options.seed, DELAYS])
    return REFERENCE + random.uniform(-1, 1, options.neurons)


def build(options, task):
    """The network of a variant."""
    random = np.random.default_rng([options.seed, START])
    count, samples, delays = options.neurons, options.batch, start_delays(options)
    inputs = SpikeInput(task.inputs, samples, name="inputs")
    spiking = options.variant == "spiking"
    model = delay_dendrite(2, spiking=spiking)
    parameters = {"v_th": 0.2, "psi_width": 0.2, "psi_height": 1.5} if spiking else {}
    detectors = model.neurons(
        count * samples, name="detectors", tau_m=TAU[options.variant] * ms, **parameters
    )
    first, second = ears(task, inputs, detectors, delays)
    rule = {"loss": CrossEntropy(), "delay_optimizer": Adam(options.delay_learning_rate)}
    rule["optimizer"] = Adam(options.learning_rate)
    learning, groups = [second], [detectors]
    if options.variant == "delays":
        readout = detectors
        rule = DelayLearning(**rule)
    else:
        weights = np.zeros((count, CLASSES))
        if spiking:
            readout = eprop_readout.neurons(
                CLASSES * samples, name="readout", tau_m=1000 * ms, spread=False
            )
            weights = random.normal(size=weights.shape) / np.sqrt(count)
            out = Projection(detectors, readout, weights, variable="x", name="w_out")
            rule = EProp(**rule, learn={"ear_2": ("delays",)}, window=1 * ms)
        else:
            readout = linear_readout.neurons(CLASSES * samples, name="readout")
            out = Graded(detectors, readout, weights, bias=np.zeros(CLASSES), name="w_out")
            rule = DelayLearning(**rule, learn={"ear_2": ("delays",)})
        learning.append(out)
        groups.append(readout)
    trials = Trials(
        task.steps * ms, inputs, [*groups, first, second], readout=readout, name="trials"
    )
    learner = rule.attach(trials, readout, learning)
    recorder = Recorder(trials, {"output": (readout, "output")}, each="trial", name="said")
    network = Network(inputs, *groups, first, *learning, trials, recorder)
    return Built(network, learner, recorder)


class Sounds:
    """New sounds for every trial, by its number."""

    def __init__(self, task, options, stream):
        self.task, self.size, self.seed = task, options.batch, [options.seed, stream]

    def __call__(self, k):
        """The trial number k."""
        return self.task.batch(k, seed=self.seed, size=self.size)


def train(options, task, learn_delays):
    """Train and test one network; its losses, delays, and what it says of new sounds."""
    set_target(options.target)
    defaultclock.dt = 1 * ms
    built = build(options, task)
    name = f"{task.fibres}-{'learnt' if learn_delays else 'frozen'}"
    described = {"seed": options.seed, "task": str(task), "delays": name}
    training = Training(
        built.learner, built.network, total=options.iterations, description=described,
        **experiment.checkpoint(options, name),
    )  # fmt: skip
    before = start_delays(options)
    sounds = Sounds(task, options, TRAIN)
    for until, factor in SCHEDULE:
        missing = round(until * options.iterations) - training.iterations("train")
        if missing <= 0:
            continue
        if options.variant != "delays":
            training.set_learning_rate(options.learning_rate * factor)
        rate = options.delay_learning_rate * factor if learn_delays else 0.0
        training.set_learning_rate(rate, delays=True)
        training.run(Phase("train", sounds, missing))
    probabilities, labels, counts = test(options, task, training, built)
    return {
        "losses": training.histories["train"]["loss"],
        "seconds": training.run_seconds,
        "began": training.began,
        "before": before - REFERENCE,
        "after": training.weights()["ear_2.delays"].ravel() - REFERENCE,
        "probabilities": probabilities,
        "labels": labels,
        "counts": counts,
        "weights": training.weights(),
        "rule": str(built.learner.rule),
    }


def test(options, task, training, built):
    """What the network says of sounds that it has never heard, and what an observer would see."""
    sounds = Sounds(task, options, TEST)
    begun = training.iterations("test")  # a resumed run is tested anew, with the same sounds
    batches = -(-options.test // options.batch)
    said, labels, counts = [], [], []
    for first in range(0, batches, AT_ONCE):
        numbers = range(first, min(first + AT_ONCE, batches))
        built.recorder.clear()
        flags = {"learning": False, "recording": True}
        training.run(Phase("test", lambda k: sounds(k - begun), len(numbers), **flags))
        said.append(built.recorder.read()["output"].reshape(-1, CLASSES))
        for trial in map(sounds, numbers):
            labels.append(trial.labels)
            counts.append(task.counts(trial).astype(np.int16))
    cut = slice(0, options.test)
    return tuple(np.concatenate(parts)[cut] for parts in (said, labels, counts))


def judge(options, fibres):
    """Both trainings with so many fibres, beside the ideal observer."""
    task = Localization(fibres=fibres, tail=TAIL)
    runs = {name: train(options, task, name == "learnt") for name in ("frozen", "learnt")}
    learnt, labels = runs["learnt"], runs["learnt"]["labels"]
    said = {name: run["probabilities"] for name, run in runs.items()}
    said["ideal"] = task.posterior(learnt["counts"])
    errors = {name: median(p) - IPDS[labels] for name, p in said.items()}
    guesses = np.random.default_rng([options.seed, START]).permutation(labels)
    errors["chance"] = IPDS[guesses] - IPDS[labels]
    result = {
        "mean_absolute_error": median_error(said["learnt"], labels),
        "frozen_mean_absolute_error": median_error(said["frozen"], labels),
        "ideal_mean_absolute_error": median_error(said["ideal"], labels),
        "accuracy": accuracy(said["learnt"], labels),
        "frozen_accuracy": accuracy(said["frozen"], labels),
        "ideal_accuracy": accuracy(said["ideal"], labels),
        "losses": learnt["losses"],
        "frozen_losses": runs["frozen"]["losses"],
        "run_seconds": sum(run["seconds"] for run in runs.values()),
    }
    figure = {
        "losses": {name: run["losses"] for name, run in runs.items()},
        "errors": errors,
        "confusion": {name: confusions(said[name], labels) for name in ("frozen", "learnt")},
        "delays": {name: learnt[name] for name in ("before", "after")},
    }
    return result, figure, runs


def confusions(probabilities, labels):
    """How many sounds of each class (rows) were taken for each class (columns)."""
    counts = np.zeros((CLASSES, CLASSES))
    np.add.at(counts, (labels, np.searchsorted(IPDS, median(probabilities))), 1)
    return counts


def main(options):
    if options.variant == "delays" and options.neurons not in (None, CLASSES):
        raise ValueError(f"--variant delays has {CLASSES} detectors, one for each class.")
    options.neurons = options.neurons or NEURONS[options.variant]
    options.iterations = options.iterations or ITERATIONS[options.variant]
    if min(*options.fibres, options.neurons, options.iterations, options.batch, options.test) < 1:
        raise ValueError("it takes at least one fibre, neuron, iteration, sound, and one to test.")
    results, arrays, figures, began = {}, {}, {}, None
    for fibres in options.fibres:
        result, figure, runs = judge(options, fibres)
        began = began or runs["frozen"]["began"]
        results[f"fibres_{fibres}"] = result
        for name, run in runs.items():
            kept = {key: run[key] for key in ("losses", "before", "after", "probabilities")}
            kept |= {"labels": run["labels"]} | run["weights"]
            arrays |= {f"fibres_{fibres}.{name}.{key}": value for key, value in kept.items()}
        if not options.no_plot:
            figures[f"fibres_{fibres}.png"] = plots.localization(**figure, ipds=IPDS)
    waited = experiment.process_age() - (time.time() - began)
    first = results[f"fibres_{options.fibres[-1]}"]
    nested = {f"{name}.{key}": v for name, one in results.items() for key, v in one.items()}
    seconds = sum(one["run_seconds"] for one in results.values())
    total = first | nested | {"run_seconds": seconds, "setup_seconds": waited}
    parameters = {"rule": runs["learnt"]["rule"], "model": str(delay_dendrite(2))}
    experiment.write(options, parameters, total, arrays, figures)
    for name, one in results.items():
        print(
            f"delay_localization, {options.variant}, {name.replace('_', ' ')}: "
            f"mean absolute error {one['mean_absolute_error']:.2f} degrees "
            f"(delays frozen {one['frozen_mean_absolute_error']:.2f}, ideal "
            f"{one['ideal_mean_absolute_error']:.2f}), accuracy {one['accuracy']:.3f}"
        )


if __name__ == "__main__":
    experiment.run(main, parser)
