"""Training: phases, what is kept of them, checkpoints, and a kill at any moment."""

import os
import re
import signal
import time

import numpy as np
import pytest
from brian2 import Network, StateMonitor, defaultclock, ms, network_operation, seed

from brianlearn import (
    DivergenceError,
    Kernel,
    Phase,
    Recorder,
    Training,
    Trial,
    set_target,
    simulate,
)
from brianlearn.training import display
from brianlearn.training import training as module
from conftest import COMPILED_LATER
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
    seed(1)  # of what nothing draws, but a checkpoint keeps
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


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cpp_standalone", "cython"])
def test_killed_and_resumed_is_uninterrupted(name, tmp_path, small_chunks, target_restored):
    """Killed at ten random moments, each time a run of its own, then resumed: the same bits."""
    set_target(name)
    train(tmp_path / "compiled.npz", resume=False)
    began = time.time()
    set_target(name)
    train(tmp_path / "whole.npz", resume=False)
    longest = time.time() - began
    whole = weights(tmp_path / "whole.npz")
    random = np.random.default_rng(1)
    interrupted = 0
    for moment in range(10):
        path = tmp_path / f"killed_{moment}.npz"
        interrupted += killed_after(random.uniform(0.2, 1) * longest, path, name)
        set_target(name)
        train(path, resume=True)
        resumed = weights(path)
        assert whole.keys() == resumed.keys()
        for key in whole:
            assert np.array_equal(whole[key], resumed[key]), (moment, key)
    assert interrupted, "no moment fell into the training"


def test_histories_follow_the_phases(numpy_target):
    """Iterations, losses, accuracies and courses, whatever the order of phases."""
    training, trial, made = training_of(case(), courses={"w_in": np.array([0, 3])})
    asked = []

    def source(k):
        asked.append(k)
        return trial

    training.run(Phase("validate", source, 1, learning=False), Phase("train", source, 3))
    training.run(Phase("train", source, 2))
    assert training.iterations("train") == 5
    assert asked == [0, 0, 1, 2, 3, 4], "each phase counts its own trials"
    train = training.histories["train"]
    assert train["w_in"].shape == (5, 2)
    assert np.all(np.diff(train["w_in"], axis=0) != 0)
    assert train["w_in"][-1, 1] == training.weights()["w_in"].ravel()[3]
    assert training.histories["validate"]["loss"][0] == train["loss"][0]
    assert made.learner.loss == train["loss"][-1]


def test_resumed_in_another_place_is_the_same(numpy_target, tmp_path):
    """Five iterations at once, or two and then three by another process's eyes."""
    train(tmp_path / "whole.npz", resume=False, iterations=5)
    train(tmp_path / "part.npz", resume=True, iterations=2)
    resumed = train(tmp_path / "part.npz", resume=True, iterations=5)
    whole, part = weights(tmp_path / "whole.npz"), weights(tmp_path / "part.npz")
    assert all(np.array_equal(whole[key], part[key]) for key in whole)
    assert len(resumed.histories["train"]["loss"]) == 5


def test_checkpoint_of_another_training_says_what_differs(numpy_target, tmp_path):
    path = tmp_path / "one.npz"
    train(path, resume=False, iterations=1)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"neurons\.tau_m was '30\. ms' and is '20\. ms'"):
        training_of(case(tau_m=20.0), path, resume=True)
    with pytest.raises(ValueError, match="optimizer was 'Adam"):
        training_of(case(optimizer="gradient_descent"), path, resume=True)
    with pytest.raises(ValueError, match="feedback was 'Given"):
        training_of(case(seed=2), path, resume=True)
    with pytest.raises(FileExistsError, match="resume from it"):
        training_of(case(), path, resume=False)
    assert path.read_bytes() == before


def test_truncated_checkpoint_is_refused(numpy_target, tmp_path):
    path = tmp_path / "cut.npz"
    train(path, resume=False, iterations=1)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ValueError, match=r"cut\.npz"):
        training_of(case(), path, resume=True)


def test_divergence_leaves_the_last_good_checkpoint(numpy_target, tmp_path, monkeypatch):
    """A loss that is no number stops training; what was kept before is as it was."""
    monkeypatch.setattr(module, "_CHUNK_SECONDS", 0.0)
    path = tmp_path / "good.npz"
    training, trial, made = training_of(case(bounds=(-np.inf, np.inf)), path)
    training.run(Phase("train", trial, 2))
    kept = path.read_bytes()
    made.w_out.set_matrix(np.full((10, 1), 1e200))
    with pytest.raises(DivergenceError, match="loss is not a finite number"):
        training.run(Phase("train", trial, 2))
    assert path.read_bytes() == kept


def test_wrong_trial_is_named(numpy_target):
    training, _, _ = training_of(case())
    wrong = Trial.from_raster(np.zeros((200, 6)), np.zeros((199, 1)))
    with pytest.raises(ValueError, match=r"Trial 3: targets has shape \(199, 1\)"):
        training.run(Phase("train", lambda k: wrong if k == 3 else RIGHT, 5))


RIGHT = Trial.from_raster(np.zeros((200, 6)), np.zeros((200, 1)))


@pytest.mark.parametrize("target", COMPILED_LATER, indirect=True)
def test_learning_rate_of_a_phase(target):
    """A learning rate of 0 leaves the weights; it can be set again, on every target."""
    training, trial, _ = training_of(case())
    training.set_learning_rate(0)
    training.run(Phase("train", trial, 2))
    assert np.array_equal(training.weights()["w_in"], case().w_in)
    training.set_learning_rate(1e-3)
    training.run(Phase("train", trial, 1))
    assert not np.array_equal(training.weights()["w_in"], case().w_in)


@pytest.mark.parametrize(
    "target",
    ["numpy", *(pytest.param(t, marks=pytest.mark.slow) for t in ("cpp_standalone", "cython"))],
    indirect=True,
)
def test_what_was_learned_is_kept_without_the_learner(target, tmp_path):
    """Weights saved, loaded and exported to plain Synapses: the same readout."""
    training, trial, made = training_of(case())
    training.run(Phase("train", trial, 2))
    made.learner.save(tmp_path / "learned.npz", training.weights())
    loss = training.run(Phase("test", trial, 1, learning=False)) or training.histories["test"]

    set_target(target)
    made = build(case(), "adjoint")
    made.learner.load(tmp_path / "learned.npz")
    again = Training(made.learner, made.network, progress=False)
    again.run(Phase("test", trial, 1, learning=False))
    assert again.histories["test"]["loss"] == loss["loss"]

    set_target(target)
    made = build(case(), "adjoint")
    made.learner.load(tmp_path / "learned.npz")
    plain = [made.w_in.synapses(), made.w_rec.synapses(), made.w_out.synapses()]
    made.trials.contained_objects.clear()
    made.trials.present(trial)
    v = StateMonitor(made.readout, "v", record=True, when="end")
    network = Network(made.inputs, made.neurons, made.readout, made.trials, *plain, v)
    simulate(200 * ms, network, progress=False)
    error = v.v[0] - trial.targets[:, 0]
    assert 0.5 * error @ error == pytest.approx(loss["loss"][0], rel=1e-12)


def test_interrupted_run_leaves_no_trace(numpy_target):
    """Ctrl-C in the middle of a trial: the next run is as if it had not been."""
    training, trial, _ = training_of(case())
    count = []

    @network_operation(when="end", order=1000)
    def interrupt():
        count.append(1)
        if len(count) == 330:
            raise KeyboardInterrupt

    training.execution.network.add(interrupt)
    with pytest.raises(KeyboardInterrupt):
        training.run(Phase("train", trial, 3))
    assert training.histories == {}
    training.run(Phase("train", trial, 3))
    whole = training_of(case())[0]
    whole.run(Phase("train", trial, 3))
    np.testing.assert_array_equal(
        training.histories["train"]["loss"], whole.histories["train"]["loss"]
    )
    np.testing.assert_array_equal(training.weights()["w_rec"], whole.weights()["w_rec"])


def stumble(broken):
    """A fault, where one is asked for."""
    return int(broken[0])


def in_three_chunks(target, fails):
    """What is seen after two chunks that succeed, and one in between that may fail."""
    set_target(target)
    made = build(case(), "adjoint")
    text = "int stumble(Array<double> broken) { return (int)broken[0]; }"
    stone = Kernel(stumble, text, {"broken": 0.0}, clock=made.trials.clock, name="stone")
    recorder = Recorder(made.trials, {"v": (made.neurons, "v")}, name="recorder")
    trace = StateMonitor(made.readout, "v", record=True, name="trace")
    made.network.add(stone, recorder, trace)
    training = Training(made.learner, made.network, progress=False)
    phase = Phase("train", next(presented(case(), 1)), 1, recording=True)
    training.run(phase)
    if fails:
        stone.broken = 1
        with pytest.raises(RuntimeError, match="'stone': fault 1 at 200"):
            training.run(phase)
        stone.broken = 0
    training.run(phase)
    seen = training.weights()["w_in"], recorder.read()["v"], trace.v, trace.t
    return [np.array(values) for values in seen]


@pytest.mark.parametrize("target", ["numpy", "cpp_standalone"], indirect=True)
def test_a_chunk_that_fails_leaves_no_trace(target):
    """Neither in what is learned, nor in records, monitors and time."""
    whole, failed = (in_three_chunks(target, fails) for fails in (False, True))
    for one, other in zip(whole, failed, strict=True):
        np.testing.assert_array_equal(one, other)


def test_simulated_between_two_phases(numpy_target):
    """What the network does in between enters no history, and phases begin with their trials."""
    training, trial, made = training_of(case(optimizer="gradient_descent"))
    training.run(Phase("train", trial, 2))
    made.trials.present(trial, learning=False)
    for duration in (400, 130):  # two trials, and a part of one
        simulate(duration * ms, training.network, progress=False)
        training.run(Phase("train", trial, 2))
    whole = training_of(case(optimizer="gradient_descent"))[0]
    whole.run(Phase("train", trial, 6))
    np.testing.assert_array_equal(
        training.histories["train"]["loss"], whole.histories["train"]["loss"]
    )


@pytest.mark.parametrize("name", ["cpp_standalone", "numpy"])
def test_time_step_stays(name, target_restored):
    defaultclock.dt = 0.3 * ms
    set_target(name)
    assert defaultclock.dt == 0.3 * ms
    set_target("numpy")
    assert defaultclock.dt == 0.3 * ms


def test_another_mask_or_model_is_another_training(numpy_target, tmp_path):
    """What the checkpoint compares: connections, equations, and each neuron's constants."""
    path = tmp_path / "one.npz"
    mask = np.random.default_rng(1).uniform(size=(6, 10)) < 0.5
    made = build(case(), "adjoint", masks={"w_in": mask})
    Training(made.learner, made.network, checkpoint=path, progress=False).run(
        Phase("train", next(presented(case(), 1)), 1)
    )
    for other, word in (
        (build(case(), "adjoint", masks={"w_in": mask[::-1]}), r"w_in\.mask"),
        (build(case(surrogate="exponential"), "adjoint", masks={"w_in": mask}), r"neurons\.model"),
    ):
        with pytest.raises(ValueError, match=word):
            Training(other.learner, other.network, checkpoint=path, resume=True)


def test_wrong_learning_rates_and_phases(numpy_target):
    training, trial, _ = training_of(case())
    for rate in (-0.1, np.nan, "fast"):
        with pytest.raises(ValueError, match="learning_rate is .*, but must be a number from 0 on"):
            training.set_learning_rate(rate)
    with pytest.raises(ValueError, match=r"iterations is 2\.5"):
        Phase("train", trial, 2.5)
    with pytest.raises(TypeError, match="must be a Trial, or a function"):
        Phase("train", iter([trial]), 2)
    with pytest.raises(TypeError, match="gave None for trial 0"):
        training.run(Phase("train", lambda k: None, 2))
    training.run()


def test_a_phase_may_come_twice_in_one_run(numpy_target):
    """Its trials go on where those before ended, though nothing has been run yet."""
    training, trial, _ = training_of(case())
    asked = []

    def source(k):
        asked.append(k)
        return trial

    train, validate = Phase("train", source, 2), Phase("validate", trial, 1, learning=False)
    training.run(train, validate, train)
    assert asked == [0, 1, 2, 3]


def test_progress_says_where_training_is(numpy_target, capfd, monkeypatch):
    """Iteration and loss, in a log as in a terminal; an accuracy only of several readouts."""
    monkeypatch.setattr(display, "_LOG_SECONDS", 0.0)
    made = build(case(), "adjoint")
    training = Training(made.learner, made.network, total=6)
    trial = next(presented(case(), 1))
    for _ in range(3):
        training.run(Phase("train", trial, 2))
    shown = capfd.readouterr().err
    assert "compiling" in shown
    assert re.search(r"train +[1-6]/6 .* loss [0-9.]+ ", shown)
    assert "accuracy" not in shown
    later = shown.partition("loss")[2].split("\r")[1:]
    assert all("loss" in line for line in later if line.strip())
