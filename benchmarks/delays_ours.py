"""Alignment of patterns by delays that brianlearn learns, timed; benchmarks/delays.py calls it.

    python benchmarks/delays_ours.py --steps 80

The network is that of scripts/delay_alignment.py, variant 1: 3 inputs, 20 classes, a batch of 500
samples an epoch, learning included. Trials of 80 steps lose the spikes that are delayed beyond
them, as those of the peer (delays_torch_peer.py) do; 200 leave time for all.

Prints one JSON object: ``seconds`` holds those of an epoch of each chunk of training (a process of
about two seconds), ``wall_seconds`` the same by the clock on the wall around all of it, drawing of
input included. A warm-up does not count.
"""

import argparse
import json
import runpy
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
from brian2 import defaultclock, ms

from brianlearn import Phase, Training, set_target
from brianlearn.targets import TARGETS
from brianlearn.tasks import alignment

SCRIPT = Path(__file__).parents[1] / "scripts" / "delay_alignment.py"
WARM_UP = 4  # epochs

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--target", choices=TARGETS, default="cpp_standalone")
parser.add_argument("--batch", type=int, default=500, help="samples an epoch (%(default)s)")
parser.add_argument("--steps", type=int, default=80, help="of a trial (%(default)s)")
parser.add_argument("--epochs", type=int, default=40, help="that are timed (%(default)s)")


@dataclass(frozen=True, eq=False)
class Cut(alignment.Alignment):
    """The task with trials of another length."""

    cut: int = 0

    @property
    def steps(self):
        return self.cut


def main(options):
    """Build, measure and print."""
    task = alignment.same_pattern(seed=1)
    task = Cut(**vars(task), cut=options.steps)
    set_target(options.target)
    defaultclock.dt = 1 * ms
    net, learner = runpy.run_path(SCRIPT)["network"](task, options.batch, learning_rate=1.0)
    training = Training(learner, net, progress=False)

    def batch(k):
        random = np.random.default_rng([1, k])
        return task.batch(random.integers(task.classes, size=options.batch))

    training.run(Phase("warm-up", batch, WARM_UP))
    began = perf_counter()
    training.run(Phase("train", batch, options.epochs))
    wall = perf_counter() - began
    seconds = training.histories["train"]["seconds"]
    result = {
        "target": options.target,
        "batch": options.batch,
        "steps": options.steps,
        "epochs": options.epochs,
        "seconds": np.unique(seconds).tolist(),
        "wall_seconds": wall / options.epochs,
        "losses": training.histories["train"]["loss"].tolist(),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main(parser.parse_args())
