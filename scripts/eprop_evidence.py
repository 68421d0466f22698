"""E-prop: a network of spiking neurons weighs seven cues, and remembers (Bellec et al. 2020).

Seven cues appear on the left or on the right. A second later, the network says on which side there
were more. 50 LIF and 50 adaptive neurons learn by e-prop with random feedback. Every 10 iterations
they are validated; when the error is below --stop, and its mean over 8 further validations too,
learning ends. They are then tested on 2,048 new trials, and ten of these are drawn.

The first 5 iterations are drawn in the published order, so that with any seed they can be compared
with NEST's tutorial; what follows is drawn with the same statistics, but faster. From the tenth
iteration on, the learning rate falls as 1/(1 + iteration/--decay).
"""

import time

import numpy as np
from brian2 import Hz, Network, defaultclock, ms, second

from brianlearn import (
    Adam,
    CrossEntropy,
    EProp,
    FiringRate,
    Given,
    Phase,
    Projection,
    Recorder,
    SpikeInput,
    Symmetric,
    Training,
    Trial,
    Trials,
    experiment,
    plots,
    set_target,
)
from brianlearn.models import eprop_alif, eprop_readout
from brianlearn.tasks.evidence import Evidence

TASK = Evidence()
PUBLISHED_ITERATIONS = 5
VALIDATE_EVERY, VALIDATIONS_TO_STOP = 10, 8
SHOWN = 10  # trials in the figure
AT_ONCE = 32  # samples simulated side by side; a batch of more is several of them in turn

parser = experiment.arguments(__doc__, "eprop_evidence")
parser.add_argument("--iterations", type=int, default=2000, help="at most (%(default)s)")
parser.add_argument("--batch", type=int, default=64, help="samples an iteration (%(default)s)")
parser.add_argument(
    "--feedback", choices=("random", "symmetric"), default="random", help="of errors (%(default)s)"
)
parser.add_argument("--learning-rate", type=float, default=5e-3, help="of Adam (%(default)s)")
parser.add_argument(
    "--stop", type=float, default=0.03, help="at this error of validation (%(default)s)"
)
parser.add_argument(
    "--decay", type=float, default=500, help="of the learning rate, in iterations (%(default)s)"
)
parser.add_argument("--test", type=int, default=2048, help="new samples at the end (%(default)s)")
experiment.add_checkpoint(parser)


def network(options, weights):
    """The network and its learner: neurons 0 to 49 do not adapt, 50 to 99 do."""
    samples = max(k for k in range(1, AT_ONCE + 1) if options.batch % k == 0)
    n_rec, n_out = weights.w_out.shape
    inputs = SpikeInput(TASK.inputs, samples, name="inputs")
    membrane = {"tau_m": 20 * ms, "v_th": 0.6, "t_ref": 5 * ms, "spread": False}
    surrogate = {"psi_height": 0.3 / 0.6, "psi_width": 0.6}
    neurons = eprop_alif.neurons(
        n_rec * samples, name="neurons", tau_adapt=2 * second, **membrane, **surrogate
    )
    beta = 1.7 * (1 - np.exp(-1 / 2000)) / (1 - np.exp(-1 / 20))
    neurons.beta = np.tile(np.repeat([0, beta], n_rec // 2), samples)
    readout = eprop_readout.neurons(n_out * samples, name="readout", tau_m=20 * ms)
    w_in = Projection(inputs, neurons, weights.w_in, variable="x", name="w_in")
    w_rec = Projection(neurons, neurons, weights.w_rec, variable="x", autapses=False, name="w_rec")
    w_out = Projection(neurons, readout, weights.w_out, variable="x", name="w_out")
    trials = Trials(TASK.steps * ms, inputs, [neurons, readout], readout=readout, name="trials")
    rule = EProp(
        loss=CrossEntropy(),
        optimizer=Adam(options.learning_rate),
        feedback=Symmetric() if options.feedback == "symmetric" else Given(weights.feedback),
        regularizer=FiringRate(300, 10 * Hz),
        window=TASK.window * ms,
        average=True,
        trials_per_update=options.batch // samples,
    )
    learner = rule.attach(trials, readout, [w_in, w_rec, w_out])
    recorded = {name: (neurons, name) for name in ("z", "a")} | {"output": (readout, "output")}
    shown = min(samples, SHOWN)
    widths = {"z": shown * n_rec, "a": shown * n_rec, "output": shown * n_out}
    chosen = {name: np.arange(width) for name, width in widths.items()}
    recorder = Recorder(trials, recorded, indices=chosen, name="recorder")
    objects = (inputs, neurons, readout, w_in, w_rec, w_out, trials, recorder)
    return Network(*objects), learner, recorder


class Batches:
    """Trials by number: an iteration's batch is cut into parts that are simulated in turn."""

    def __init__(self, samples, parts, stream, published=()):
        self.samples, self.parts, self.stream = samples, parts, stream
        self.published, self.drawn = published, None

    def batch(self, iteration):
        """What the samples of an iteration are shown."""
        if iteration < len(self.published):
            return self.published[iteration]
        if self.drawn is None or self.drawn[0] != iteration:
            drawn = next(TASK.batches(self.stream, self.samples * self.parts, iteration))
            self.drawn = iteration, drawn
        return self.drawn[1]

    def __call__(self, k):
        """The trial number k."""
        iteration, part = divmod(k, self.parts)
        batch, first = self.batch(iteration), part * self.samples
        chosen = (batch.sample >= first) & (batch.sample < first + self.samples)
        indices = (batch.sample[chosen] - first) * TASK.inputs + batch.neuron[chosen]
        labels = batch.label[first : first + self.samples]
        return Trial(batch.step[chosen], indices, labels=labels)


def errors(training, name):
    """The fraction of wrong answers in each iteration of a phase."""
    return 1 - training.histories.get(name, {"accuracy": np.empty(0)})["accuracy"]


def train(options, training, sources):
    """Ten iterations at a time, each time validated, until few answers are wrong."""
    while True:
        done = training.iterations("train")
        run(training, sources, "validate", done // VALIDATE_EVERY + 1)
        good = errors(training, "validate") < options.stop
        run(training, sources, "confirm", VALIDATIONS_TO_STOP * np.count_nonzero(good))
        confirmed = errors(training, "confirm")[-VALIDATIONS_TO_STOP:]
        if (good[-1] and confirmed.mean() < options.stop) or done >= options.iterations:
            return
        block = done // VALIDATE_EVERY
        rate = options.learning_rate / (1 + block * VALIDATE_EVERY / options.decay)
        training.set_learning_rate(rate)
        run(training, sources, "train", min((block + 1) * VALIDATE_EVERY, options.iterations))


def run(training, sources, name, until):
    """Go on with a phase until it has had so many iterations."""
    missing = int(until) - training.iterations(name)
    if missing > 0:
        training.run(Phase(name, sources[name], missing, learning=name == "train"))


def show_trials(training, recorder, sources, samples):
    """Ten new trials in every detail, as `plots.evidence` wants them."""
    recorder.clear()
    training.run(Phase("show", sources["show"], 1, learning=False, recording=True))
    batch = sources["show"].batch(training.iterations("show") - 1)
    shown = min(samples, SHOWN)
    recorded = {
        name: values[0].reshape(TASK.steps, shown, -1).swapaxes(0, 1)
        for name, values in recorder.read().items()
    }
    starts = np.arange(TASK.cues) * (TASK.cue + TASK.spacing) + TASK.spacing
    return {
        "input": [
            (batch.step[batch.sample == k], batch.neuron[batch.sample == k]) for k in range(shown)
        ],
        "n_in": TASK.inputs,
        "cues": batch.cues[:shown],
        "cue_steps": np.column_stack([starts, starts + TASK.cue]),
        "spikes": recorded["z"] > 0,
        "n_lif": 50,
        "adaptation": recorded["a"][..., 50::10],
        "output": recorded["output"],
        "label": batch.label[:shown],
        "window": TASK.window,
        "populations": ("left", "right", "recall", "noise"),
    }


def figures_of(training, shown):
    """What a user looks at: the learning curve, and ten trials."""
    train, validate = training.histories["train"], errors(training, "validate")
    count = len(train["loss"])
    validations = (VALIDATE_EVERY * np.arange(len(validate)), validate)
    smooth = 11 if count > 100 else 1
    return {
        "learning_curve.png": plots.losses(
            np.arange(1, count + 1), train["loss"], accuracies=train["accuracy"],
            validation=validations, smooth=smooth,
        ),
        "trials.png": plots.evidence(shown),
    }  # fmt: skip


def main(options):
    if min(options.iterations, options.batch, options.test) < 1:
        raise ValueError("it takes at least one iteration, one sample a batch, and one to test.")
    if not options.decay > 0:
        raise ValueError(f"--decay is {options.decay}, but must be above 0.")
    random = np.random.RandomState(options.seed)
    weights = TASK.weights(random)
    early = min(PUBLISHED_ITERATIONS, options.iterations)
    published = [TASK.published(random, options.batch) for _ in range(early)]
    set_target(options.target)
    defaultclock.dt = 1 * ms
    net, learner, recorder = network(options, weights)
    samples, parts = learner.trials.samples, learner.rule.trials_per_update
    names = ("train", "validate", "confirm", "test", "show")
    sources = {name: Batches(samples, parts, [options.seed, k]) for k, name in enumerate(names)}
    sources["train"].published = published
    described = {"seed": options.seed, "task": str(TASK), "decay": options.decay}
    training = Training(
        learner, net, total=options.iterations, description=described,
        **experiment.checkpoint(options),
    )  # fmt: skip
    train(options, training, sources)
    run(training, sources, "test", -(-options.test // options.batch))
    waited = experiment.process_age() - (time.time() - training.began)
    history, tested = training.histories["train"], training.histories["test"]["accuracy"]
    result = {
        "losses": history["loss"],
        "accuracies": history["accuracy"],
        "validation_errors": errors(training, "validate"),
        "test_accuracy": tested.mean(),
        "test_loss": training.histories["test"]["loss"].mean(),
        "iterations": len(history["loss"]),
        "seconds_per_sample": history["seconds"].mean() / options.batch,
        "run_seconds": training.run_seconds,
        "setup_seconds": waited,
    }
    arrays = {
        f"{phase}.{key}": values
        for phase, columns in training.histories.items()
        for key, values in columns.items()
    }
    arrays |= training.weights()
    figures = {}
    if not options.no_plot:
        figures = figures_of(training, show_trials(training, recorder, sources, samples))
    parameters = {"neurons": eprop_alif.values(), "rule": str(learner.rule)}
    experiment.write(options, parameters, result, arrays, figures)
    print(
        f"{100 * tested.mean():.1f} % of {len(tested) * options.batch} new trials right after "
        f"{result['iterations']} iterations of {options.batch}; "
        f"{1e3 * result['seconds_per_sample']:.2f} ms a sample; in {options.out}"
    )


if __name__ == "__main__":
    experiment.run(main, parser)
