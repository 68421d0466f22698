"""Alignment of patterns by delays that PyTorch learns: the peer with automatic differentiation.

    python benchmarks/delays_torch_peer.py --epochs 20

20 classes have the same pattern of spikes in 3 inputs, each shifted at random; a batch of 500
samples is shown to 20 output neurons. Each input reaches each neuron after a delay of its own,
interpolated between steps, and drives an exponential dendrite; the neuron integrates the products
of the first dendrite with the others. The loss is the squared distance of the target neuron's
output from what it would be if all patterns met; gradients by autograd, then a step of SGD, which
is an epoch. The first input's delays are fixed.

Spikes are delayed and then drive dendrites step by step, as PyTorch's users write it (``--form
loop``); or dendrites come first, in one product with a matrix of decays, and are then delayed,
which gives the same with far fewer numbers, as long as nothing resets them (``--form early``).

Prints one JSON object: ``seconds`` holds those of each epoch after a warm-up, with data drawn
outside of them; ``losses`` are of every epoch, the warm-up's included; ``aligned`` is the fraction
of classes whose patterns meet to half a step at the end. Trials have 80 steps, as published, so
that spikes delayed beyond them are lost and few patterns can meet; ``--steps 200`` leaves time for
all. Uses nothing of brianlearn, and an environment of its own:

    python3.11 -m venv torch
    torch/bin/pip install torch==2.13.0+cpu numpy
"""

import argparse
import json
import os
from statistics import median
from time import perf_counter

import numpy as np

INPUTS, CLASSES, PATTERN, PADDING = 3, 20, 20, 60
TAU, PROBABILITY = 10.0, 0.3
WARM_UP = 2  # epochs

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--batch", type=int, default=500, help="samples an epoch (%(default)s)")
parser.add_argument("--epochs", type=int, default=10, help="that are timed (%(default)s)")
parser.add_argument("--steps", type=int, default=80, help="of a trial (%(default)s)")
parser.add_argument("--form", choices=("loop", "early"), default="loop", help="(%(default)s)")
parser.add_argument("--threads", type=int, default=2, help="cores to use (%(default)s)")
parser.add_argument("--learning-rate", type=float, default=0.2, help="of SGD (%(default)s)")
parser.add_argument("--seed", type=int, default=1)


def main(options):
    """Time the epochs and print them."""
    if min(options.batch, options.epochs, options.threads) < 1:
        parser.error("it takes at least one sample, one epoch and one thread.")
    if options.steps < PATTERN + PADDING:
        parser.error(f"--steps must be {PATTERN + PADDING} or more.")
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.threads])
    import torch

    torch.set_num_threads(options.threads)
    rng = np.random.default_rng(options.seed)
    trains, shifts, largest = task(rng, options.steps)
    epoch, delays = learner(trains, largest, options)
    losses, seconds = [], []
    for _ in range(WARM_UP + options.epochs):
        labels = rng.integers(CLASSES, size=options.batch)
        began = perf_counter()
        losses.append(epoch(labels))
        seconds.append(perf_counter() - began)
    seconds = seconds[WARM_UP:]
    arrival = shifts + delays().detach().numpy()
    result = {
        "task": "alignment",
        "torch": torch.__version__,
        "form": options.form,
        "threads": options.threads,
        "batch": options.batch,
        "steps": options.steps,
        "best_seconds": min(seconds),
        "median_seconds": median(seconds),
        "seconds": seconds,
        "losses": losses,
        "aligned": (np.ptp(arrival, axis=1) <= 0.5).mean(),
    }
    print(json.dumps(result))


def task(rng, steps):
    """Spike trains (classes, inputs, steps), their shifts, and the output of those that meet."""
    pattern = (rng.random(PATTERN) < PROBABILITY).astype(np.float32)
    pattern[rng.integers(PATTERN)] = 1
    shifts = rng.integers(PADDING + 1, size=(CLASSES, INPUTS))
    trains = np.zeros((CLASSES, INPUTS, steps), np.float32)
    at = shifts[:, :, np.newaxis] + np.arange(PATTERN)
    np.put_along_axis(trains, at, np.broadcast_to(pattern, at.shape), axis=2)
    u = np.convolve(pattern, np.exp(-np.arange(20 * TAU) / TAU))
    return trains, shifts, (INPUTS - 1) * float(np.sum(u**2))


def learner(trains, largest, options):
    """Return a function of the labels of a batch that learns, and one that tells the delays."""
    import torch

    trains = torch.from_numpy(trains)
    # In the middle of what shifts can ask for, where a trial leaves time for it.
    start = min(PADDING, (trains.shape[2] - PATTERN) / 2)
    fixed = torch.full((CLASSES, 1), start)
    plastic = torch.full((CLASSES, INPUTS - 1), start + 0.5, requires_grad=True)
    optimizer = torch.optim.SGD([plastic], lr=options.learning_rate)
    outputs = {"loop": delays_first, "early": dendrites_first}[options.form]

    def delays():
        return torch.cat([fixed, plastic], dim=1)

    def epoch(labels):
        labels = torch.from_numpy(labels)
        optimizer.zero_grad()
        target = outputs(trains[labels], delays()).gather(1, labels[:, None])[:, 0]
        loss = ((target - largest) ** 2).mean()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            plastic.clamp_(0, 2 * PADDING)
        return loss.item()

    return epoch, delays


def delayed(trains, delays):
    """Return what arrives: trains (batch, inputs, steps) to (batch, classes, inputs, steps)."""
    import torch

    steps = trains.shape[2]
    whole = delays.detach().floor()
    part = (delays - whole)[..., None]
    at = torch.arange(steps) - whole.long()[..., None] + 1  # 0 is silence
    padded = torch.nn.functional.pad(trains, (1, 0))
    source = torch.arange(INPUTS)[None, :, None]
    here, earlier = (padded[:, source, each.clamp(min=0)] for each in (at, at - 1))
    return (1 - part) * here + part * earlier


def delays_first(trains, delays):
    """Return the outputs (batch, classes), with dendrites step by step."""
    decay, u, outputs = float(np.exp(-1 / TAU)), 0.0, 0.0
    for arrivals in delayed(trains, delays).unbind(dim=3):
        u = decay * u + arrivals
        outputs = outputs + u[:, :, 0] * u[:, :, 1:].sum(dim=2)
    return outputs


def dendrites_first(trains, delays):
    """Return the same, with dendrites at once."""
    import torch

    steps = torch.arange(trains.shape[2])
    passed = steps[None, :] - steps[:, None]
    decays = torch.where(passed >= 0, torch.exp(-passed / TAU), 0.0)
    u = delayed(trains @ decays, delays)
    return (u[:, :, 0] * u[:, :, 1:].sum(dim=2)).sum(dim=2)


if __name__ == "__main__":
    main(parser.parse_args())
