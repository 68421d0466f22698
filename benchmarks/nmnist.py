"""N-MNIST by brianlearn beside NEST, measured in one run.

NEST's tutorial of e-prop: 1,196 inputs, 150 recurrent neurons, ten readouts, 300 steps a
recording, weights that change at every spike. NEST and ours get the same weights and recordings.
Rounding grows in a network that spikes and learns: after a hundred recordings or so it flips
spikes, and then answers. So this script fails if any of the first answers differs (of the first
twenty recordings, every spike is the same: tests/test_nmnist_nest.py), or if the two are not right
about equally many, by two standard errors. Then come the forms that only we have.

    python benchmarks/nmnist.py --data DIR                    # 4 minutes
    python benchmarks/nmnist.py --data DIR --samples 4800     # the tutorial's training: 15 minutes

It prints a table and writes all numbers to --out.
"""

import argparse
import datetime
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

import numpy as np
from force import machine

from brianlearn import record
from brianlearn.experiment import versions
from brianlearn.tasks.nmnist import NMNIST, read_blocklist
from brianlearn.tasks.recordings import Recordings
from brianlearn.tasks.stream import Stream

HERE = Path(__file__).parent
N_REC, N_OUT, SCALE = 150, 10, 0.01
THE_SAME = 20  # recordings
FORMS = {
    "at every spike": ("--update", "spike"),
    "without learning": ("--update", "none"),
    "adaptive neurons, at every spike": ("--update", "spike", "--adaptive"),
    "at a trial's end, batches of 8": ("--update", "trial", "--batch", "8"),
}

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="with Train and Test")
parser.add_argument("--samples", type=int, default=800, help="that are learned (%(default)s)")
parser.add_argument("--tests", type=int, default=0, help="that follow, not learned (%(default)s)")
parser.add_argument("--seed", type=int, default=1, help="(%(default)s)")
parser.add_argument("--threads", type=int, default=2, help="of NEST (%(default)s)")
parser.add_argument("--no-nest", action="store_true", help="ours alone")
parser.add_argument("--out", type=Path, default=HERE / "nmnist_results.json", help="(%(default)s)")


def main(options):
    """Measure everything, then print and save it."""
    with tempfile.TemporaryDirectory() as folder:
        network = Path(folder) / "network.npz"
        record.save(network, **drawn(options))
        ours = {name: measure("nmnist_ours.py", network, *form) for name, form in FORMS.items()}
        theirs = None
        if not options.no_nest:
            theirs = measure("nest_nmnist_peer.py", network, "--threads", options.threads)
    results = {
        "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": versions(),
        "samples": options.samples,
        "ours": {name: summary(one) for name, one in ours.items()},
    }
    print_table(ours, theirs)
    if theirs:
        results["nest"] = summary(theirs) | {"threads": options.threads}
        results |= compare(ours["at every spike"]["right"], theirs["right"])
    record.save_json(options.out, results)


def drawn(options):
    """The network and its recordings: what NEST and ours are given."""
    task = NMNIST(blocklist=read_blocklist(options.data / "pixels_blocklist.txt"))
    train = Stream(task, Recordings.scan(options.data, progress=False), seed=options.seed)
    test = Stream(task, Recordings.scan(options.data, "Test", progress=False))
    trials = [train(k) for k in range(options.samples)] + [test(k) for k in range(options.tests)]
    random = np.random.default_rng(options.seed)
    bound = np.sqrt(6 / (N_REC + N_OUT))
    shapes = {"w_in": (task.inputs, N_REC), "w_rec": (N_REC, N_REC)}
    weights = {name: random.standard_normal(s) / np.sqrt(s[0]) for name, s in shapes.items()}
    weights["w_in"] *= chosen(random, np.ones(shapes["w_in"], bool), 0.25)
    weights["w_rec"] *= chosen(random, ~np.eye(N_REC, dtype=bool), 0.01)
    return weights | {
        "w_out": random.uniform(-bound, bound, (N_REC, N_OUT)) * SCALE,
        "feedback": random.standard_normal((N_REC, N_OUT)) / SCALE,
        "sample": np.repeat(np.arange(len(trials)), [len(trial.steps) for trial in trials]),
        "step": np.concatenate([trial.steps for trial in trials]),
        "input": np.concatenate([trial.indices for trial in trials]),
        "label": np.array([trial.labels[0] for trial in trials]),
        "tests": options.tests,
    }


def chosen(random, pairs, density):
    """A fraction of the pairs, always as many."""
    mask, places = np.zeros(pairs.shape, bool), np.flatnonzero(pairs)
    mask.flat[random.choice(places, int(density * places.size), replace=False)] = True
    return mask


def measure(script, network, *arguments):
    """What a script of ours or NEST's prints, in a process of its own, and the memory it took."""
    command = [sys.executable, HERE / script, network, *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=os.environ)
    return json.loads(done.stdout.splitlines()[-1])


def summary(one):
    """What is kept of a measurement."""
    kept = {key: one[key] for key in ("best_ms", "median_ms", "peak_mb") if key in one}
    return kept | {"right_in_tests": float(np.mean(one["right"][-100:]))}


def print_table(ours, theirs):
    """Milliseconds a recording, and the ratio to NEST's."""
    base = median(theirs["ms"]) if theirs else float("nan")
    print(f"{'milliseconds a recording':36} {'best':>8} {'median':>8} {'x NEST':>8} {'MB':>6}")
    for name, one in ours.items():
        ratio = base / one["median_ms"]
        print(
            f"{name:36} {one['best_ms']:8.2f} {one['median_ms']:8.2f} {ratio:8.1f} "
            f"{one['peak_mb']:6.0f}"
        )
    if theirs:
        print(f"{'NEST ' + theirs['nest']:36} {theirs['best_ms']:8.2f} {theirs['median_ms']:8.2f}")


def compare(ours, theirs):
    """What is the same in both, and what rounding cannot explain."""
    ours, theirs = np.array(ours), np.array(theirs)
    other = np.flatnonzero(ours != theirs)
    difference = ours.mean() - theirs.mean()
    error = np.std(ours - theirs) / np.sqrt(len(ours))
    print(
        f"{100 * (1 - len(other) / len(ours)):.1f} % of the answers are right or wrong as NEST's "
        f"are, the first {other[0] if len(other) else len(ours)} all; right are "
        f"{100 * ours.mean():.1f} %, NEST's {100 * theirs.mean():.1f} %"
    )
    if np.any(other < THE_SAME) or abs(difference) > 2 * error:
        sys.exit("The answers differ from NEST's by more than rounding.")
    return {"same_answers": 1 - len(other) / len(ours), "right": [ours.mean(), theirs.mean()]}


if __name__ == "__main__":
    main(parser.parse_args())
