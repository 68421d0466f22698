"""Training: phases, what is kept of them, checkpoints, and a kill at any moment."""

import os
import signal
import time

import numpy as np
import pytest

from brianlearn import Phase, Training, set_target
from brianlearn.training import training as module
from eprop_build import build, presented
from eprop_cases import Case

ITERATIONS = 6


def case(seed=1, **changes):
    """Ten neurons, one frozen trial."""
    random = np.random.default_rng(seed)
    sizes = {"w_in": (6, 10), "w_rec": (10, 10), "w_out": (10, 1), "feedback": (10, 1)}
    weights = {name: random.normal(size=size) / 3 for name, size in sizes.items()}
    raster = random.uniform(size=(1, 1, 200, 6)) < 0.2
    target = random.normal(size=(1, 1, 200, 1))
    return Case(**weights, raster=raster, target=target, **{"optimizer": "adam"} | changes)


def training_of(one, path=None, resume=False, **options):
    """A training of the network of a case, and its only trial."""
    made = build(one, "adjoint")
    training = Training(
        made.learner, made.network, checkpoint=path, resume=resume, progress=False, **options
    )
    return training, next(presented(one, 1)), made


def train(path, resume, iterations=ITERATIONS):
    """Train to the end; what a killed run resumes to."""
    training, trial, _ = training_of(case(), path, resume)
    training.run(Phase("train", trial, iterations - training.iterations("train")))
    return training


def weights(path):
    with np.load(path) as saved:
        return {name: saved[name] for name in saved if name.startswith("state/")}


@pytest.fixture
def small_chunks(monkeypatch):
    """Checkpoints every few milliseconds instead of seconds."""
    monkeypatch.setattr(module, "_CHUNK_SECONDS", 0.004)


def killed_after(seconds, path, target):
    """Train in another process, and kill it and all it started; whether it was still running."""
    process = os.fork()
    if process == 0:
        os.setsid()
        try:
            set_target(target)
            train(path, resume=True)
        finally:
            os._exit(0)
    time.sleep(seconds)
    done, _ = os.waitpid(process, os.WNOHANG)
    if not done:
        os.killpg(process, signal.SIGKILL)
        os.waitpid(process, 0)
    return not done


@pytest.mark.parametrize(
    ("name", "moments"),
    [
        ("cpp_standalone", 2),
        pytest.param("cpp_standalone", 10, marks=pytest.mark.slow),
        pytest.param("cython", 10, marks=pytest.mark.slow),
    ],
)
def test_killed_and_resumed_is_uninterrupted(
    name, moments, tmp_path, small_chunks, target_restored
):
    """Killed at random moments, each time a run of its own, then resumed: the same bits."""
    set_target(name)
    train(tmp_path / "compiled.npz", resume=False)
    began = time.time()
    set_target(name)
    train(tmp_path / "whole.npz", resume=False)
    longest = time.time() - began
    whole = weights(tmp_path / "whole.npz")
    random = np.random.default_rng(1)
    interrupted = 0
    for moment in range(moments):
        path = tmp_path / f"killed_{moment}.npz"
        interrupted += killed_after(random.uniform(0.2, 1) * longest, path, name)
        set_target(name)
        train(path, resume=True)
        resumed = weights(path)
        assert whole.keys() == resumed.keys()
        for key in whole:
            assert np.array_equal(whole[key], resumed[key]), (moment, key)
    assert interrupted, "no moment fell into the training"
