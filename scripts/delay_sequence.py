"""Delays learn which of two inputs spikes first (the task of Mészáros, Knight and Nowotny 2025).

The inputs spike once each, 10 ms apart: in class 0 the first one leads, in class 1 the second one.
Two neurons multiply the dendrites of both inputs (10 ms; all weights are 1) and sum up the product;
the one with the larger sum is the answer. Four delays of 0 to 10 ms learn. They begin in the worst
case, in which the spikes of each class meet at the other class's neuron, so that all answers are
wrong.

A presentation shows both classes, a sample of each, and ends with an update. The gradients of the
cross-entropy come from traces that the synapses carry along as spikes arrive (--form online), or
from a way back through the trial (adjoint), with the same numbers; Adam takes steps of 3 ms. The
accuracy is that of a test with learning switched off, after the last presentation.
"""

import time

import numpy as np
from brian2 import Network, defaultclock, ms

from brianlearn import (
    Adam,
    CrossEntropy,
    DelayLearning,
    EligibilitySynapses,
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
from brianlearn.tasks import dendrites
from brianlearn.tasks.sequence import Sequence

TASK = Sequence()
TAU = 10  # ms, of the dendrites
ORDERS = 2  # side by side

parser = experiment.arguments(__doc__, "delay_sequence")
parser.add_argument("--presentations", type=int, default=6, help="of both classes (%(default)s)")
parser.add_argument("--learning-rate", type=float, default=3, help="of Adam, in ms (%(default)s)")
parser.add_argument("--form", choices=("online", "adjoint"), default="online", help="(%(default)s)")
experiment.add_checkpoint(parser)


def network(form, learning_rate):
    """The network and its learner: a connection onto each of two dendrites."""
    inputs = SpikeInput(2, ORDERS, name="inputs")
    neurons = delay_dendrite().neurons(2 * ORDERS, tau_m=TAU * ms, name="neurons")
    connections = []
    for k in range(2):
        weights = np.repeat([[k == 0], [k == 1]], 2, axis=1).astype(float)
        options = {
            "variable": f"x_{k + 1}", "name": f"onto_{k + 1}", "interpolate": True,
            "delay": TASK.worst_case() * ms, "max_delay": TASK.max_delay * ms,
        }  # fmt: skip
        if form == "online":
            options |= {"readout": neurons, "samples": ORDERS}
        connection = EligibilitySynapses if form == "online" else Projection
        connections.append(connection(inputs, neurons, weights, **options))
    trials = Trials(
        TASK.steps * ms, inputs, [neurons, *connections], readout=neurons, name="trials"
    )
    rule = DelayLearning(loss=CrossEntropy(), delay_optimizer=Adam(learning_rate))
    learner = rule.attach(trials, neurons, connections)
    return Network(inputs, neurons, *connections, trials), learner


def courses(training):
    """The delays before each presentation and after the last: (presentations + 1, inputs, 2)."""
    learned = [training.histories["train"][name] for name in training.learner.plastic]
    return np.concatenate([TASK.worst_case()[None], np.stack(learned, axis=1)])


def sums(delays):
    """What each neuron makes of each class (classes, neurons) with delays (inputs, neurons)."""
    trial = TASK.batch()
    raster = np.zeros(trial.raster)
    raster[trial.indices // 2, trial.steps, trial.indices % 2] = 1
    return np.array([dendrites.output(np.stack([one.T] * 2), delays, TAU) for one in raster])


def main(options):
    if options.presentations < 1:
        raise ValueError("it takes at least one presentation.")
    set_target(options.target)
    defaultclock.dt = 1 * ms
    net, learner = network(options.form, options.learning_rate)
    training = Training(
        learner, net, courses={name: np.arange(2) for name in learner.plastic},
        description={"seed": options.seed, "task": str(TASK)}, **experiment.checkpoint(options),
    )  # fmt: skip
    trial = TASK.batch()
    training.run(Phase("train", trial, options.presentations - training.iterations("train")))
    training.run(Phase("test", trial, 1, learning=False))
    train, accuracy = training.histories["train"], training.histories["test"]["accuracy"][-1]
    delays = courses(training)
    result = {
        "accuracy": accuracy,
        "presentations": options.presentations,
        "accuracies": train["accuracy"],
        "losses": train["loss"],
        "delays": delays[-1],
        "run_seconds": training.run_seconds,
        "setup_seconds": experiment.process_age() - (time.time() - training.began),
    }
    arrays = {
        f"{phase}.{key}": values
        for phase, columns in training.histories.items()
        for key, values in columns.items()
    }
    arrays |= {"delays": delays, "outputs": np.array([sums(each) for each in delays])}
    figures = {}
    if not options.no_plot:
        figures["sequence.png"] = plots.sequence(arrays["outputs"], delays)
    parameters = {"task": str(TASK), "rule": str(learner.rule)}
    experiment.write(options, parameters, result, arrays, figures)
    print(
        f"{100 * accuracy:.0f} % right after {options.presentations} presentations of both "
        f"classes; in {options.out}"
    )


if __name__ == "__main__":
    experiment.run(main, parser)
