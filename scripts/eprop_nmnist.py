"""E-prop at every spike: a network tells which digit an event camera looks at (N-MNIST).

A recording, the events of 34 x 34 pixels during three saccades, becomes a trial of 300 ms for 150
recurrent neurons and ten leaky readouts; the readout that says most in the last 10 ms is the
answer. As in NEST's tutorial (Korcsak-Gorzo et al. 2025), weights change whenever their synapse
transmits a spike, by gradient descent with random feedback, and the network goes on from one
recording to the next. (The tutorial's losses are means over readouts, ours are sums.) With
--update trial, weights change after each trial instead, by Adam, from --batch recordings side by
side, and a trial begins at rest.

--data names what holds the folders Train and Test, or where --download is to make them. In the end,
each test recording is presented once. With --validate N, one training recording of N is held out;
a group of these is tested before the first and after every tenth group. When its error is below
--stop (0.07 in the tutorial), and the mean of 8 further groups is too, learning ends.

With --fold K/N, for cross-validation, both folders are put together and dealt out into N parts by
--seed; part K is tested, the others are learned.
"""

import time
import zlib
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

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
    Symmetric,
    Training,
    Trials,
    experiment,
    models,
    plots,
    set_target,
)
from brianlearn.tasks.events import Events
from brianlearn.tasks.nmnist import NMNIST, inactive_pixels, read_blocklist
from brianlearn.tasks.recordings import Recordings, download
from brianlearn.tasks.stream import Stream, grouped

DIGITS, STEPS, WINDOW, SACCADES = 10, 300, 10, 3
KAPPA = 0.99
SCALE = 1 - KAPPA  # spikes are filtered without this gain
INACTIVE = 0.29  # pixels with fewer events a recording are left out
VALIDATE_EVERY, VALIDATIONS_TO_STOP = 10, 8  # groups
AT_ONCE = 200  # recordings of a test whose answers are in memory
SHOWN, NEURONS_SHOWN = 10, 3  # weights of each matrix whose course is kept; neurons
TRAIN, VALIDATE, SHOW = range(3)  # streams of random numbers
HARD = {"v_th": 0.5, "v_reset": -0.5}
MODELS = {
    "iaf": (models.eprop_iaf, {}),
    "iaf_adapt": (models.eprop_iaf_adapt, {}),
    "psc_delta": (models.eprop_iaf_psc_delta, HARD),
    "psc_delta_adapt": (models.eprop_iaf_psc_delta_adapt, HARD),
}
OPTIMIZERS = {"gd": GradientDescent, "adam": Adam}
USUAL = {"spike": ("gd", 1), "trial": ("adam", 16)}
LEARNING_RATES = {
    ("spike", "gd"): 5e-3 * SCALE**2,
    ("spike", "adam"): 1e-5,
    ("trial", "gd"): 5e-2 * SCALE**2,
    ("trial", "adam"): 1e-3,
}
# what a checkpoint must agree with besides the learner
DESCRIBED = ("seed", "fold", "group", "validate", "stop", "shift", "in_order")


def fold(text):
    """Which part of how many, from 1."""
    k, n = map(int, text.split("/"))
    if not 1 <= k <= n:
        raise ValueError
    return k, n


parser = experiment.arguments(__doc__, "eprop_nmnist")
parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="see above")
parser.add_argument("--download", action="store_true", help="70,000 recordings, unless they exist")
parser.add_argument(
    "--blocklist", type=Path, metavar="FILE",
    help="pixels to leave out (DIR/pixels_blocklist.txt, or those that are rarely active)",
)  # fmt: skip
parser.add_argument(
    "--malformed", choices=("refuse", "skip"), default="refuse", help="files (%(default)s)"
)
parser.add_argument("--model", choices=MODELS, default="iaf", help="of neurons (%(default)s)")
parser.add_argument("--neurons", type=int, default=150, help="recurrent (%(default)s)")
parser.add_argument(
    "--beta", type=float, default=0.0174, help="of adaptive thresholds (%(default)s; tutorial: 0)"
)
parser.add_argument(
    "--update", choices=("spike", "trial"), default="spike", help="of weights (%(default)s)"
)
parser.add_argument("--batch", type=int, help="recordings side by side (spike: 1, trial: 16)")
parser.add_argument("--samples", type=int, default=4800, help="to train with (%(default)s)")
parser.add_argument("--group", type=int, default=100, help="of samples, in reports (%(default)s)")
parser.add_argument("--fold", type=fold, metavar="K/N", help="cross-validate, see above")
parser.add_argument("--validate", type=int, metavar="N", help="hold out one recording of N")
parser.add_argument("--stop", type=float, metavar="ERROR", help="end at this error of validation")
parser.add_argument("--optimizer", choices=OPTIMIZERS, help="of weights (spike: gd, trial: adam)")
parser.add_argument("--learning-rate", type=float, help="of the optimizer")
parser.add_argument(
    "--feedback", choices=("random", "symmetric"), default="random", help="of errors (%(default)s)"
)
parser.add_argument(
    "--shift", type=int, default=0, metavar="PIXELS", help="move each at random, at most so far"
)
parser.add_argument("--in-order", action="store_true", help="train by digit and name, not shuffled")
experiment.add_checkpoint(parser)


@dataclass
class Data:
    """What there is to learn from."""

    task: NMNIST
    train: Recordings
    held_out: Recordings | None
    test: Recordings
    blocklist: str  # where it is from
    skipped: dict

    @classmethod
    def find(cls, options):
        """What the arguments name."""
        if options.download:
            try:
                download(options.data)
            except ImportError as error:
                raise ValueError(f"--download: {error}") from error
        train, test = (
            Recordings.scan(options.data, split, malformed=options.malformed)
            for split in ("Train", "Test")
        )
        skipped = {"train": len(train.skipped), "test": len(test.skipped)}
        if options.fold:
            k, n = options.fold
            train, test = next(islice((train + test).folds(n, seed=options.seed), k - 1, None))
        file, held_out = options.blocklist or options.data / "pixels_blocklist.txt", None
        if options.blocklist or file.exists():
            blocklist, origin = read_blocklist(file), file.name
        else:
            blocklist = inactive_pixels(train, int(np.ceil(INACTIVE * len(train))))
            origin = f"pixels with less than {INACTIVE} events a recording left out"
        if options.validate:
            train, held_out = next(train.folds(options.validate, seed=options.seed))
        return cls(NMNIST(STEPS, blocklist=blocklist), train, held_out, test, origin, skipped)

    def streams(self, options):
        """What each phase presents, by its name."""

        def stream(recordings, purpose=None, **more):
            seed = None if purpose is None else [options.seed, purpose]
            return Stream(self.task, recordings, seed, batch=options.batch, **more)

        order = None if options.in_order else TRAIN
        found = {"train": stream(self.train, order, shift=options.shift)}
        found |= {"test": stream(self.test), "show": stream(self.test, SHOW)}
        return found | ({"validate": stream(self.held_out, VALIDATE)} if self.held_out else {})

    def description(self):
        """What a checkpoint must agree with: which recordings, which pixels."""
        names = "\n".join("/".join(Path(path).parts[-2:]) for path in self.train.paths)
        return {
            "recordings": f"{len(self.train)}, crc {zlib.crc32(names.encode()):x}",
            "inputs": f"{self.task.inputs}, crc {zlib.crc32(self.task.pixels.tobytes()):x}",
        }


def network(options, weights):
    """The network, its learner, and what records trials in every detail."""
    (n_in, n_rec), samples = weights.w_in.shape, options.batch
    at_spikes = options.update == "spike"
    model, parameters = MODELS[options.model]
    inputs = SpikeInput(n_in, samples, name="inputs")
    neurons = model.neurons(n_rec * samples, name="neurons", **parameters)
    if "beta" in neurons.variables:
        neurons.beta = options.beta
    readout = models.eprop_iaf_readout.neurons(DIGITS * samples, name="readout")
    ends = {"w_in": (inputs, neurons), "w_rec": (neurons, neurons), "w_out": (neurons, readout)}
    connections = [
        Projection(*pair, getattr(weights, name), variable="x", name=name)
        for name, pair in ends.items()
        if getattr(weights, name).any()  # there may be none among few neurons
    ]
    reset = None if at_spikes else [neurons, readout]
    trials = Trials(STEPS * ms, inputs, reset, readout=readout, name="trials")
    symmetric = options.feedback == "symmetric"
    size = SCALE**2 if symmetric else 1.0  # of feedback: readout weights are so much smaller
    rate = options.learning_rate / (size if options.optimizer == "gd" else 1.0)
    rule = EProp(
        optimizer=OPTIMIZERS[options.optimizer](rate),
        feedback=Symmetric() if symmetric else Given(weights.feedback),
        regularizer=FiringRate(2 / STEPS / SCALE**2 * size, 10 * Hz, kappa=KAPPA),
        window=WINDOW * ms,
        update=options.update,
        kappa=KAPPA,
        cutoff=100 * ms if at_spikes else None,
    )
    learner = rule.attach(trials, readout, connections)
    of_readouts = learner.plastic["w_out"].optimizer.variables["learning_rate"]
    of_readouts.set_value(options.learning_rate)
    recorded = {name: (neurons, name) for name in ("v", "psi", "learning_signal")}
    chosen = dict.fromkeys(recorded, np.arange(min(NEURONS_SHOWN, n_rec)))
    chosen["spikes"] = np.arange(n_rec)
    recorded |= {name: (readout, name) for name in ("target", "output", "error")}
    recorded |= {"spikes": (neurons, "z"), "readout": (readout, "v")}
    recorder = Recorder(trials, recorded, indices=chosen, name="recorder")
    objects = (inputs, neurons, readout, *connections, trials, recorder)
    return Network(*objects), learner, recorder


def some(connection):
    """The places of a few weights, where they are stored."""
    mask = connection.mask
    stored = np.flatnonzero(mask) if connection.is_dense else np.arange(mask.sum())
    return stored[np.linspace(0, len(stored) - 1, min(SHOWN, len(stored)), dtype=int)]


def iterations(options, samples):
    """How many it takes for so many samples."""
    return -(-samples // options.batch)


def rewind(training):
    """Of a training that is resumed, forget what came after its end."""
    if "trained" in training.histories:
        training.state = training.histories.pop("trained")
        for name in ("after", "test"):
            training.histories.pop(name, None)


def train(options, training, streams):
    """All groups, validated in between, or until few answers are wrong."""
    total, group = iterations(options, options.samples), iterations(options, options.group)
    block, stop = VALIDATE_EVERY * group, options.stop or 0
    while options.validate:
        done = training.iterations("train")
        run(training, "validate", streams["validate"], (done // block + 1) * group)
        good = errors(training, "validate", group) < stop
        good[0] = False  # before anything was learned
        further = VALIDATIONS_TO_STOP * np.count_nonzero(good) * group
        run(training, "confirm", streams["validate"], further)
        confirmed = errors(training, "confirm", group)[-VALIDATIONS_TO_STOP:]
        if done >= total or (good[-1] and confirmed.mean() < stop):
            break
        run(training, "train", streams["train"], min((done // block + 1) * block, total))
    else:
        run(training, "train", streams["train"], total)
    training.histories["trained"] = training.state


def run(training, name, stream, until):
    """Go on with a phase until it has had so many iterations."""
    missing = int(until) - training.iterations(name)
    if missing > 0:
        training.run(Phase(name, stream, missing, learning=name == "train"))


def errors(training, name, group):
    """The fraction of wrong answers in each group of a phase."""
    history = training.histories.get(name, {"accuracy": np.empty(0)})
    return 1 - grouped({"accuracy": history["accuracy"]}, group)["accuracy"]


def show(training, recorder, stream, when):
    """A recording in every detail, of a batch its first; nothing is learned."""
    trial = stream(0)
    if when not in training.histories:  # else it was killed before it was told
        recorder.clear()
        training.run(Phase(when, trial, 1, learning=False, recording=True))
    first = trial.indices < stream.task.inputs
    kept = {"input_step": trial.steps[first], "input_neuron": trial.indices[first]}
    for name, values in recorder.read().items():
        kept[name] = values[0, :, 0] if values.ndim == 4 else values[0]
    training.histories[when] |= kept


def test(training, recorder, stream):
    """What the readouts say of each recording in the window (means), the answers, and losses."""
    labels, batch = stream.recordings.labels, stream.batch
    trials, said = -(-len(labels) // batch), []
    while missing := trials - training.iterations("test"):
        recorder.clear()
        count = min(missing, max(1, AT_ONCE // batch))
        training.run(Phase("test", stream, count, learning=False, recording=True))
        said.append(recorder.read()["output"][:, -WINDOW:].swapaxes(1, 2))
    said = np.concatenate(said).reshape(-1, WINDOW, DIGITS)[: len(labels)]
    wrong = said - np.eye(DIGITS)[labels][:, np.newaxis]
    means = said.mean(axis=1)
    losses = 0.5 * (wrong**2).sum(axis=(1, 2))
    return {"output": means, "answer": means.argmax(axis=1), "label": labels, "loss": losses}


def confusion(tested):
    """How many recordings of each digit (rows) were taken for each (columns)."""
    counts = np.zeros((DIGITS, DIGITS), int)
    np.add.at(counts, (tested["label"], tested["answer"]), 1)
    return counts


def pictures(stream, tested):
    """The first test recording of each digit: its saccades, by what it is and was taken for."""
    frames = {}
    for number in np.unique(tested["label"], return_index=True)[1]:
        label, answer = tested["label"][number], tested["answer"][number]
        name = f"{label}: says {answer} {'✓' if label == answer else '✗'}"
        frames[name] = Events.read(stream.recordings.paths[number]).frames(SACCADES)
    return frames


def figures_of(options, training, weights, tested, frames):
    """What a user looks at."""
    group = iterations(options, options.group)
    history, learned = training.histories["train"], training.weights()
    means, count = grouped(history, group), len(history["loss"])
    ends = np.minimum(group * (1 + np.arange(len(means["loss"]))), count) * options.batch
    validated = errors(training, "validate", group)
    at = VALIDATE_EVERY * group * options.batch * np.arange(len(validated))
    before, after = (
        one | {"spikes": one["spikes"] > 0}
        for one in (training.histories["before"], training.histories["after"])
    )
    digit = int(before["target"][-1].argmax())
    loudest = np.argsort(after["output"][-WINDOW:].mean(axis=0))[::-1]
    right = np.mean(tested["answer"] == tested["label"])
    return {
        "learning_curve.png": plots.losses(
            ends, means["loss"], accuracies=means["accuracy"], unit="training sample",
            validation=(at, validated) if len(validated) else None,
            title=f"Learning, in groups of {group * options.batch} samples",
        ),
        "trial.png": plots.snapshot(
            before, after, neurons=range(before["v"].shape[1]),
            readouts=[digit, *loudest[loudest != digit][:2]],
            title=f"A test recording of a {digit} before and after training",
        ),
        "courses.png": plots.weight_courses(
            np.arange(1, count + 1), {name: history[name] for name in learned}
        ),
        "weights.png": plots.weight_matrices(
            {name: getattr(weights, name) for name in learned}, learned
        ),
        "recordings.png": plots.event_frames(
            frames, names=[f"saccade {k + 1}" for k in range(SACCADES)],
            title="A test recording of each digit",
        ),
        "confusion.png": plots.confusion(
            confusion(tested), title=f"{100 * right:.1f} % of {len(tested['label'])} right"
        ),
    }  # fmt: skip


def check(options):
    """Refuse arguments that do not fit together; fill in those that depend on others."""
    optimizer, batch = USUAL[options.update]
    options.optimizer = options.optimizer or optimizer
    options.batch = batch if options.batch is None else options.batch
    if options.learning_rate is None:
        options.learning_rate = LEARNING_RATES[options.update, options.optimizer]
    if min(options.neurons, options.batch, options.samples, options.group) < 1:
        raise ValueError("--neurons, --batch, --samples and --group must be 1 or more.")
    if options.batch > 1 and options.update == "spike":
        raise ValueError("--batch needs --update trial: at spikes, one recording is learned.")
    if options.stop is not None and not options.validate:
        raise ValueError("--stop needs --validate: it is an error of validation.")
    if options.in_order and options.shift:
        raise ValueError("--in-order leaves nothing to chance, --shift does.")


def main(options):
    check(options)
    data = Data.find(options)
    streams = data.streams(options)
    random = np.random.RandomState(options.seed)
    weights = data.task.weights(random, options.neurons, DIGITS, scale=SCALE)
    set_target(options.target)
    defaultclock.dt = 1 * ms
    net, learner, recorder = network(options, weights)
    training = Training(
        learner, net, total=iterations(options, options.samples),
        courses={name: some(plastic.connection) for name, plastic in learner.plastic.items()},
        description=data.description() | {name: getattr(options, name) for name in DESCRIBED},
        **experiment.checkpoint(options),
    )  # fmt: skip
    rewind(training)
    if "spikes" not in training.histories.get("before", {}):
        show(training, recorder, streams["show"], "before")
    train(options, training, streams)
    show(training, recorder, streams["show"], "after")
    tested = test(training, recorder, streams["test"])
    waited = experiment.process_age() - (time.time() - training.began)
    history, frames = training.histories["train"], pictures(streams["test"], tested)
    groups = grouped(history, iterations(options, options.group))
    accuracy = np.mean(tested["answer"] == tested["label"])
    result = {
        "losses": history["loss"],
        "accuracies": history["accuracy"],
        "grouped_losses": groups["loss"],
        "grouped_accuracies": groups["accuracy"],
        "validation_errors": errors(training, "validate", iterations(options, options.group)),
        "test_accuracy": accuracy,
        "test_loss": tested["loss"].mean(),
        "confusion": confusion(tested),
        "samples": len(history["loss"]) * options.batch,
        "train_recordings": len(data.train),
        "test_recordings": len(data.test),
        "skipped": data.skipped,
        "inputs": data.task.inputs,
        "blocklist": data.blocklist,
        "seconds_per_sample": history["seconds"].mean() / options.batch,
        "test_seconds_per_sample": training.histories["test"]["seconds"].mean() / options.batch,
        "run_seconds": training.run_seconds,
        "setup_seconds": waited,
    }
    del training.histories["trained"]
    arrays = {
        f"{phase}.{key}": values
        for phase, columns in training.histories.items()
        for key, values in columns.items()
    }
    arrays |= {f"before.{name}": getattr(weights, name) for name in learner.plastic}
    arrays |= {f"after.{name}": matrix for name, matrix in training.weights().items()}
    arrays |= {f"tested.{name}": values for name, values in tested.items()}
    arrays |= {"frames": [*frames.values()], "frame_names": [*frames]}
    figures = {}
    if not options.no_plot:
        figures = figures_of(options, training, weights, tested, frames)
    experiment.write(options, learner.description(), result, arrays, figures)
    print(
        f"{100 * accuracy:.1f} % of {len(data.test):,} test recordings right after "
        f"{result['samples']:,} samples; {1e3 * result['seconds_per_sample']:.2f} ms a sample; "
        f"{data.task.inputs} inputs ({data.blocklist}); in {options.out}"
    )


if __name__ == "__main__":
    experiment.run(main, parser)
