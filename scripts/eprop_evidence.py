"""E-prop: a network of spiking neurons weighs seven cues, and remembers (Bellec et al. 2020).

Seven cues appear on the left or on the right. A second later, the network says on which side there
were more. Its 50 LIF and 50 adaptive neurons learn by e-prop with random feedback; every 10
iterations it is validated, and it stops when the error of 8 validations is below --stop. It is
then tested on 2,048 new trials.

The first 5 iterations are drawn in the published order, so that with any seed they can be compared
with NEST's tutorial; what follows is drawn with the same statistics, but faster. The learning rate
falls by half where learning has come to rest: see --decay.
"""

from pathlib import Path

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
    set_target,
)
from brianlearn.models import eprop_alif, eprop_readout
from brianlearn.tasks.evidence import Evidence

TASK = Evidence()
PUBLISHED_ITERATIONS = 5
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
parser.add_argument("--checkpoint", type=Path, metavar="FILE", help="write what was learned here")
parser.add_argument("--resume", action="store_true", help="go on from the checkpoint")


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
    shown = min(samples, 10)
    recorder = Recorder(
        trials,
        {"spikes": (neurons, "z"), "adaptation": (neurons, "a"), "output": (readout, "output")},
        indices={
            "spikes": np.arange(shown * n_rec),
            "adaptation": np.arange(shown * n_rec),
            "output": np.arange(shown * n_out),
        },
        name="recorder",
    )
    objects = (inputs, neurons, readout, w_in, w_rec, w_out, trials, recorder)
    return Network(*objects), learner, recorder


class Batches:
    """Trials by number: an iteration's batch is cut into parts that are simulated in turn."""

    def __init__(self, samples, parts, stream, published=()):
        self.samples, self.parts, self.stream = samples, parts, stream
        self.published = published
        self.drawn = None

    def __call__(self, k):
        iteration, part = divmod(k, self.parts)
        if self.drawn is None or self.drawn[0] != iteration:
            self.drawn = iteration, self._draw(iteration)
        batch, first = self.drawn[1], part * self.samples
        chosen = (batch.sample >= first) & (batch.sample < first + self.samples)
        indices = (batch.sample[chosen] - first) * TASK.inputs + batch.neuron[chosen]
        labels = batch.label[first : first + self.samples]
        return Trial(batch.step[chosen], indices, labels=labels)

    def _draw(self, iteration):
        if iteration < len(self.published):
            return self.published[iteration]
        return next(TASK.batches(self.stream, self.samples * self.parts, iteration))


def main(options):
    if options.iterations < 1 or options.batch < 1:
        raise ValueError("it takes at least one iteration, and one sample a batch.")
    if options.resume and not options.checkpoint:
        raise ValueError("--resume needs the --checkpoint to go on from.")
    random = np.random.RandomState(options.seed)
    weights = TASK.weights(random)
    published = [
        TASK.published(random, options.batch)
        for _ in range(min(PUBLISHED_ITERATIONS, options.iterations))
    ]
    set_target(options.target)
    defaultclock.dt = 1 * ms
    net, learner, recorder = network(options, weights)
    parts = learner.rule.trials_per_update
    sources = {
        name: Batches(options.batch // parts, parts, [options.seed, k], early)
        for k, (name, early) in enumerate({"train": published, "validate": (), "test": ()}.items())
    }
    training = Training(
        learner, net, checkpoint=options.checkpoint, resume=options.resume,
        description={"seed": options.seed, "task": str(TASK)},
    )  # fmt: skip
    training.run(Phase("train", sources["train"], options.iterations))
    training.run(Phase("test", sources["test"], 2048 // options.batch, learning=False))
    h = training.histories
    print(
        h["train"]["accuracy"].reshape(-1, 50).mean(1)
        if options.iterations % 50 == 0
        else h["train"]["accuracy"]
    )
    print("test", h["test"]["accuracy"].mean(), h["test"]["loss"].mean(), training.run_seconds)


if __name__ == "__main__":
    experiment.run(main, parser)
