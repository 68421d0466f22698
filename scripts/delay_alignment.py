"""Delays learn to make patterns of spikes meet (toy tasks of Ghosh et al. 2025, in eNeuro).

20 classes of spike patterns reach several inputs, each shifted by up to 60 ms at random. A neuron
for each class multiplies the dendrite of the first input, whose delay is fixed, with those of the
others, whose delays learn. In variant 1, the same pattern reaches all of 3 inputs; in variant 2,
each of 2 inputs has a pattern of its own. All delays begin as long as the first input's.

An epoch is a batch of samples of random classes and one update. A class's neuron is to respond more
than any has so far; Adam makes steps of some 10 ms at first, half as long every 4 epochs, so that
the smallest gradients count as much as large ones. The loss is the squared distance from the best
response so far: 0 does not mean that patterns meet. What counts is `epochs`: the first after which
all classes respond as strongly as delays allow, whole ones as they are simulated (to 0.999 in
variant 1, which only exact alignment reaches, 0.99 in variant 2), and go on to do so.
"""

import time

import numpy as np
from brian2 import Network, defaultclock, ms

from brianlearn import (
    Adam,
    BestSoFar,
    DelayLearning,
    Phase,
    Projection,
    SpikeInput,
    Training,
    Trials,
    experiment,
    plots,
    set_target,
)
from brianlearn.models import delay_dendrite
from brianlearn.tasks import alignment

TASKS = {"1": alignment.same_pattern, "2": alignment.different_patterns}
STAGE = 4  # epochs until the learning rate is halved

parser = experiment.arguments(__doc__, "delay_alignment")
parser.add_argument(
    "--variant", choices=(*TASKS, "both"), default="both", help="of the task (%(default)s)"
)
parser.add_argument("--epochs", type=int, default=32, help="updates (%(default)s)")
parser.add_argument("--batch", type=int, default=500, help="samples an epoch (%(default)s)")
parser.add_argument(
    "--learning-rate", type=float, default=10, help="of Adam at first, in ms (%(default)s)"
)
experiment.add_checkpoint(parser)


def network(task, batch, learning_rate):
    """The network and its learner: a connection onto each dendrite, of which the first is fixed."""
    shape = task.inputs, task.classes
    inputs = SpikeInput(task.inputs, batch, name="inputs")
    neurons = delay_dendrite(task.inputs).neurons(
        task.classes * batch, tau_m=task.tau * ms, name="neurons"
    )
    connections = []
    for k in range(task.inputs):
        weights = (np.arange(task.inputs)[:, None] == k) * np.ones(shape)
        options = {"delay": task.reference * ms}
        if k > 0:
            options = {
                "delay": np.full(shape, task.reference) * ms, "max_delay": task.max_delay * ms
            }  # fmt: skip
        connection = Projection(
            inputs, neurons, weights, variable=f"x_{k + 1}", name=f"onto_{k + 1}", **options
        )
        connections.append(connection)
    trials = Trials(
        task.steps * ms, inputs, [neurons, *connections], readout=neurons, name="trials"
    )
    adam = Adam(learning_rate, beta_1=0.5, beta_2=0.9, epsilon=1e-12)
    rule = DelayLearning(loss=BestSoFar(aspiration=1), delay_optimizer=adam)
    learner = rule.attach(trials, neurons, connections[1:])
    return Network(inputs, neurons, *connections, trials), learner


def train(options, task, variant):
    """Train for the epochs that are asked for, or those of them that a checkpoint lacks."""
    set_target(options.target)
    defaultclock.dt = 1 * ms
    net, learner = network(task, options.batch, options.learning_rate)
    training = Training(
        learner, net, courses={name: np.arange(task.classes) for name in learner.plastic},
        total=options.epochs, description={"seed": options.seed, "variant": variant},
        **experiment.checkpoint(options, "" if variant == "1" else f"variant-{variant}"),
    )  # fmt: skip

    def batch(k):
        random = np.random.default_rng([options.seed, int(variant), k])
        return task.batch(random.integers(task.classes, size=options.batch))

    while (done := training.iterations("train")) < options.epochs:
        stage = done // STAGE
        training.set_learning_rate(options.learning_rate / 2**stage, delays=True)
        until = min(STAGE * (stage + 1), options.epochs)
        training.run(Phase("train", batch, until - done))
    return training


def courses(task, training):
    """The delays before each epoch and after the last one: array (epochs + 1, inputs, classes)."""
    train = training.histories["train"]
    delays = np.full((len(train["loss"]) + 1, task.inputs, task.classes), float(task.reference))
    for k, name in enumerate(training.learner.plastic, start=1):
        delays[1:, k] = train[name]
    return delays


def lasting(aligned):
    """The first epoch after which all classes are aligned and remain so, or None."""
    wrong = np.flatnonzero(~aligned.all(axis=1))
    first = wrong[-1] + 1 if len(wrong) else 0
    return None if first == len(aligned) else int(first)


def main(options):
    if min(options.epochs, options.batch) < 1:
        raise ValueError("it takes at least one epoch, and one sample an epoch.")
    variants = TASKS if options.variant == "both" else [options.variant]
    results, arrays, figures, said = {}, {}, {}, []
    setup_seconds = None
    for variant in variants:
        task = TASKS[variant](options.seed)
        training = train(options, task, variant)
        setup_seconds = setup_seconds or experiment.process_age() - (time.time() - training.began)
        h = training.histories["train"]
        delays = courses(task, training)[: options.epochs + 1]
        aligned = np.array([task.aligned(each, interpolate=False) for each in delays])
        name, epochs = f"variant_{variant}", lasting(aligned)
        results[name] = {
            "losses": h["loss"][: options.epochs],
            "epochs": epochs,
            "aligned": aligned.mean(axis=1),
            "aligned_fraction": aligned[-1].mean(),
            "seconds_per_epoch": h["seconds"].mean(),
            "run_seconds": training.run_seconds,
        }
        arrays |= {f"{name}.{key}": values for key, values in h.items()}
        arrays |= {f"{name}.delays": delays, f"{name}.patterns": task.patterns}
        if not options.no_plot:
            figures[f"alignment_{variant}.png"] = plots.alignment(
                task.patterns, delays[0], delays[-1], aligned=aligned[-1]
            )
        said.append(
            f"variant {variant}: {aligned[-1].sum()} of {task.classes} classes aligned"
            + ("" if epochs is None else f", all from epoch {epochs} on")
            + f"; {1e3 * h['seconds'].mean():.0f} ms an epoch"
        )
    result = next(iter(results.values())) | results | {"setup_seconds": setup_seconds}
    parameters = {"rule": str(training.learner.rule)}
    experiment.write(options, parameters, result, arrays, figures)
    print("; ".join([*said, f"in {options.out}"]))


if __name__ == "__main__":
    experiment.run(main, parser)
