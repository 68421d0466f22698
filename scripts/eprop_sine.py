"""E-prop: a network of spiking neurons learns to draw a sum of four sines (Bellec et al. 2020).

100 leaky integrate-and-fire neurons hear the same 100 input spike trains in every trial of a
second, and a leaky readout says what it has heard of them. After each trial the weights change by
gradient descent, as published; with seed 1, the first losses are 101.964, 103.467, 103.341 (those
of NEST and of the authors' TensorFlow code), and 2,000 trials bring it to 2 % of the first.

The same network is then trained with Adam, from the same start (--optimizer chooses one).
"""

import time

import numpy as np
from brian2 import Hz, Network, defaultclock, ms

from brianlearn import (
    Adam,
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
    plots,
    set_target,
)
from brianlearn.models import eprop_lif, eprop_readout
from brianlearn.tasks import waves

STEPS = 1000
OPTIMIZERS = {"gradient_descent": GradientDescent(1e-4), "adam": Adam(5e-3)}
SHOWN = 10  # weights of each matrix whose course is kept

parser = experiment.arguments(__doc__, "eprop_sine")
parser.add_argument("--iterations", type=int, default=2000, help="trials (%(default)s)")
parser.add_argument(
    "--optimizer", choices=(*OPTIMIZERS, "both"), default="both", help="of weights (%(default)s)"
)
experiment.add_checkpoint(parser)


def network(draw, optimizer):
    """The network, its learner, and what records a trial in every detail."""
    n_in, n_rec = draw.w_in.shape
    inputs = SpikeInput(n_in, name="inputs")
    neurons = eprop_lif.neurons(n_rec, name="neurons")
    readout = eprop_readout.neurons(draw.w_out.shape[1], name="readout")
    w_in = Projection(inputs, neurons, draw.w_in, variable="x", name="w_in")
    w_rec = Projection(neurons, neurons, draw.w_rec, variable="x", autapses=False, name="w_rec")
    w_out = Projection(neurons, readout, draw.w_out, variable="x", name="w_out")
    trials = Trials(STEPS * ms, inputs, [neurons, readout], readout=readout, name="trials")
    rule = EProp(
        optimizer=optimizer, feedback=Given(draw.feedback), regularizer=FiringRate(300, 10 * Hz)
    )
    learner = rule.attach(trials, readout, [w_in, w_rec, w_out])
    recorded = {name: (neurons, name) for name in ("v", "psi", "learning_signal")}
    recorded |= {name: (readout, name) for name in ("target", "output", "error")}
    recorded |= {"spikes": (neurons, "z"), "readout": (readout, "v")}
    recorder = Recorder(trials, recorded, name="recorder")
    objects = (inputs, neurons, readout, w_in, w_rec, w_out, trials, recorder)
    return Network(*objects), learner, recorder


def train(options, draw, name):
    """Train with one optimizer, and record a trial before and after it."""
    set_target(options.target)
    defaultclock.dt = 1 * ms
    net, learner, recorder = network(draw, OPTIMIZERS[name])
    courses = {key: some(getattr(draw, key)) for key in ("w_in", "w_rec", "w_out")}
    training = Training(
        learner, net, courses=courses, description={"seed": options.seed},
        **experiment.checkpoint(options, "" if name == "gradient_descent" else name),
    )  # fmt: skip
    trial = Trial.from_raster(draw.raster, draw.target)

    def snapshot(when):
        recorder.clear()
        training.run(Phase(when, trial, 1, learning=False, recording=True))
        kept = {key: values[0, :, 0] for key, values in recorder.read().items()}
        training.histories[when] |= kept | training.weights()

    if not training.iterations("train"):
        snapshot("before")
    training.run(Phase("train", trial, options.iterations - training.iterations("train")))
    snapshot("after")
    return training


def some(weights):
    """Indices of a few weights that are not zero."""
    connected = np.flatnonzero(weights)
    return connected[np.linspace(0, len(connected) - 1, SHOWN, dtype=int)]


def figures_of(training, draw, name):
    """What a user looks at: losses, a trial in nine panels, weights."""
    before, after = (training.histories[when] for when in ("before", "after"))
    step, neuron = np.nonzero(draw.raster)
    events = {"input_step": step, "input_neuron": neuron}
    train = training.histories["train"]
    iterations = np.arange(1, len(train["loss"]) + 1)
    names = ("w_in", "w_rec", "w_out")
    busy = np.argsort(after["spikes"].sum(axis=0))[-3:]
    trials = [when | events | {"spikes": when["spikes"] > 0} for when in (before, after)]
    return {
        f"{name}_loss.png": plots.losses(iterations, train["loss"]),
        f"{name}_trial.png": plots.snapshot(*trials, neurons=busy),
        f"{name}_courses.png": plots.weight_courses(iterations, {k: train[k] for k in names}),
        f"{name}_weights.png": plots.weight_matrices(
            {k: before[k] for k in names}, {k: after[k] for k in names}
        ),
    }


def main(options):
    if options.iterations < 1:
        raise ValueError("it takes at least one iteration.")
    draw = waves.draw(options.seed)
    names = OPTIMIZERS if options.optimizer == "both" else [options.optimizer]
    results, arrays, figures = {}, {}, {}
    setup_seconds = None
    for name in names:
        training = train(options, draw, name)
        setup_seconds = setup_seconds or experiment.process_age() - (time.time() - training.began)
        h = training.histories["train"]
        results[name] = {
            "losses": h["loss"][: options.iterations],
            "final_loss": h["loss"][-1],
            "final_fraction": h["loss"][-1] / h["loss"][0],
            "seconds_per_iteration": h["seconds"].mean(),
            "run_seconds": training.run_seconds,
        }
        arrays |= {
            f"{name}.{phase}.{key}": values
            for phase, columns in training.histories.items()
            for key, values in columns.items()
        }
        if not options.no_plot:
            figures |= figures_of(training, draw, name)
    first = next(iter(names))
    result = results[first] | results | {"setup_seconds": setup_seconds}
    parameters = {"neurons": eprop_lif.values(), "readout": eprop_readout.values()}
    experiment.write(options, parameters, result, arrays, figures)
    for name, found in results.items():
        print(
            f"{name}: loss {found['losses'][0]:.3f} at first, {found['final_loss']:.3f} after "
            f"{options.iterations} trials ({100 * found['final_fraction']:.1f} %); "
            f"{1e3 * found['seconds_per_iteration']:.1f} ms a trial; in {options.out}"
        )


if __name__ == "__main__":
    experiment.run(main, parser)
