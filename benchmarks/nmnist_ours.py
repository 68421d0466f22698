"""N-MNIST by brianlearn, for nmnist.py: prints one JSON object, as nest_nmnist_peer.py does.

``ms`` are milliseconds of each recording, averaged over the runs of the binary, which take about
two seconds each; ``peak_mb`` the most memory that this process or the binary took.
"""

import argparse
import json
import resource
from statistics import median

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
    SpikeInput,
    Training,
    Trial,
    Trials,
    models,
    set_target,
)

STEPS, WINDOW, KAPPA = 300, 10, 0.99
SCALE = 1 - KAPPA

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("network", help="file of weights and events")
parser.add_argument("--update", choices=("spike", "trial", "none"), default="spike")
parser.add_argument("--adaptive", action="store_true", help="neurons")
parser.add_argument("--batch", type=int, default=1, help="(%(default)s)")


def main(options):
    """Train and test, and print what it took."""
    with np.load(options.network) as file:
        data = {name: file[name] for name in file.files}
    set_target("cpp_standalone")
    defaultclock.dt = 1 * ms
    learner, net = network(options, data)
    training = Training(learner, net, progress=False)
    batches, tests = len(data["label"]) // options.batch, int(data["tests"]) // options.batch
    learned = batches - tests
    presented = Presented(data, options.batch)
    learning = options.update != "none"
    training.run(
        Phase("train", presented, learned, learning=learning),
        Phase("test", lambda k: presented(learned + k), tests, learning=False),
    )
    took = 1e3 * training.histories["train"]["seconds"] / options.batch
    history = [one["accuracy"] for one in training.histories.values()]
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    result = {
        "best_ms": took.min(),
        "median_ms": median(took),
        "peak_mb": max(resource.getrusage(one).ru_maxrss for one in who) / 1024,
        "right": np.concatenate(history).tolist(),
    }
    print(json.dumps(result))


def network(options, data):
    """The tutorial's network and its learner."""
    batch, (n_in, n_rec), n_out = options.batch, data["w_in"].shape, data["w_out"].shape[1]
    inputs = SpikeInput(n_in, batch, name="inputs")
    model = models.eprop_iaf_adapt if options.adaptive else models.eprop_iaf
    neurons = model.neurons(n_rec * batch, name="neurons")
    if options.adaptive:
        neurons.beta = 0.174
    readout = models.eprop_iaf_readout.neurons(n_out * batch, name="readout")
    ends = {"w_in": (inputs, neurons), "w_rec": (neurons, neurons), "w_out": (neurons, readout)}
    connections = [
        Projection(*groups, data[name], variable="x", autapses=name != "w_rec", name=name)
        for name, groups in ends.items()
    ]
    by_trial = options.update == "trial"
    reset = [neurons, readout] if by_trial else None
    trials = Trials(STEPS * ms, inputs, reset, readout=readout, name="trials")
    when = {"update": "trial"} if by_trial else {"update": "spike", "cutoff": 100 * ms}
    rule = EProp(
        optimizer=Adam(1e-3) if by_trial else GradientDescent(5e-3 * SCALE**2),
        feedback=Given(data["feedback"]),
        regularizer=FiringRate(2 / 300 / SCALE**2, 10 * Hz, kappa=KAPPA),
        window=WINDOW * ms,
        kappa=KAPPA,
        **when,
    )
    learner = rule.attach(trials, readout, connections)
    return learner, Network(inputs, neurons, readout, *connections, trials)


class Presented:
    """Trials by number, of some samples side by side."""

    def __init__(self, data, batch):
        self.data, self.batch, self.n_in = data, batch, len(data["w_in"])
        self.first = np.searchsorted(data["sample"], np.arange(len(data["label"]) + 1))

    def __call__(self, k):
        """Trial number k."""
        samples = np.arange(k * self.batch, (k + 1) * self.batch)
        events = slice(self.first[samples[0]], self.first[samples[-1] + 1])
        side = self.data["sample"][events] - samples[0]
        step, index = self.data["step"][events], side * self.n_in + self.data["input"][events]
        order = np.lexsort((index, step))
        return Trial(step[order], index[order], labels=self.data["label"][samples])


if __name__ == "__main__":
    main(parser.parse_args())
