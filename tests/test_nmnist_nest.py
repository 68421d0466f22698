"""Twenty real recordings, the tutorial's network: every spike, signal and weight is NEST's."""

from pathlib import Path

import numpy as np
import pytest

import nest_spike_eprop as nest
import spike_eprop_build as ours
from brianlearn.tasks.nmnist import NMNIST, read_blocklist
from brianlearn.tasks.recordings import Recordings
from brianlearn.tasks.stream import Stream
from spike_eprop_cases import SpikeCase

DATA = Path(__file__).parents[2] / "shared" / "data" / "nmnist"
RECORDINGS, STEPS, WINDOW = 20, 300, 10
N_REC, N_OUT, SCALE = 150, 10, 0.01

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not DATA.exists(), reason="the recordings are not here"),
]


def tutorial(seed):
    """The published network with its first recordings, shuffled, as one run of steps."""
    task = NMNIST(blocklist=read_blocklist(DATA / "pixels_blocklist.txt"))
    stream = Stream(task, Recordings.scan(DATA, progress=False), seed=seed)
    random = np.random.default_rng(seed)
    counts = np.zeros((RECORDINGS * STEPS, task.inputs), int)
    target = np.zeros((RECORDINGS * STEPS, N_OUT))
    for k in range(RECORDINGS):
        trial = stream(k)
        np.add.at(counts, (k * STEPS + trial.steps, trial.indices), 1)
        target[k * STEPS : (k + 1) * STEPS, trial.labels[0]] = 1
    n_in, bound = task.inputs, np.sqrt(6 / (N_REC + N_OUT))
    return SpikeCase(
        w_in=random.standard_normal((n_in, N_REC)) / np.sqrt(n_in),
        w_rec=random.standard_normal((N_REC, N_REC)) / np.sqrt(N_REC),
        w_out=random.uniform(-bound, bound, (N_REC, N_OUT)) * SCALE,
        feedback=random.standard_normal((N_REC, N_OUT)) / SCALE,
        mask_in=random.random((n_in, N_REC)) < 0.25,
        mask_rec=random.random((N_REC, N_REC)) < 0.01,
        counts=counts, target=target,
        window=np.tile(np.arange(STEPS) >= STEPS - WINDOW, RECORDINGS).astype(float),
        tau_m=30.0, tau_out=100.0, v_th=0.6, height=0.5, width=1 / 1.7, c_reg=2 / 300 / SCALE**2,
        kappa=0.99, kappa_reg=0.99, cutoff=100, eta=5e-3 * SCALE**2, optimize_each_step=False,
    )  # fmt: skip


def relative(a, b):
    return np.abs(a - b).max() / np.abs(b).max()


def test_equals_nest(numpy_target):
    pytest.importorskip("nest")
    case = tutorial(1)
    theirs, mine = nest.run(case), ours.run(case)
    flips = np.argwhere(mine.z[:-1].astype(bool) != theirs.z[:-1].astype(bool))
    assert not len(flips), (
        f"{len(flips)} spikes differ, the first at step and neuron {flips[0]}, at a distance of "
        f"{case.v_th - mine.v[tuple(flips[0])]} from threshold"
    )
    assert mine.z.sum() > 5000
    assert relative(mine.readout[:-1], theirs.readout[:-1]) < 1e-8
    for name in ("w_in", "w_rec", "w_out"):
        before, after = getattr(case, name), getattr(mine, name)
        moved = np.abs(after - np.where(case.exists[name], before, 0)).max()
        difference = np.abs(after - getattr(theirs, name)).max()
        assert difference < 1e-8 * moved, (name, difference, moved)
