"""Learning at every spike in a `Training`: what a checkpoint goes on from, and what it compares."""

from dataclasses import replace

import numpy as np
import pytest
from brian2 import network_operation

import spike_eprop_oracle as oracle
from brianlearn import Phase, Training, set_target
from conftest import COMPILED_LATER
from spike_eprop_build import WEIGHTS, build, deviation, trial_of
from spike_eprop_cases import SpikeOutcome, random_case

ITERATIONS = 4
STEPS = 40  # of a trial, which is presented again and again
CHANGES = {
    "adapting, Adam": {"model": "iaf_adapt", "optimizer": "adam", "cutoff": 15},
    "plain, by sums": {"optimize_each_step": False, "t_ref": 1, "c_reg": 0.0},
}


def one_trial(name):
    """The case of a single trial."""
    return random_case(4, steps=STEPS, **CHANGES[name])


def repeated(case, times):
    """The case of so many trials, one after another without a reset."""
    series = {
        "counts": np.tile(case.counts, (times, 1)),
        "target": np.tile(case.target, (times, 1)),
        "window": np.tile(case.windows, times),
    }
    return replace(case, **series)


def training_of(case, path=None, resume=False, **options):
    built = build(case, recording=False, **options)
    return Training(built.learner, built.network, checkpoint=path, resume=resume, progress=False)


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("target", COMPILED_LATER, indirect=True)
def test_resumed_is_uninterrupted(target, name, tmp_path):
    """Three trials and one by another process's eyes are four at once; and those of the oracle."""
    case = one_trial(name)
    trial, expected = trial_of(case), oracle.run(repeated(case, ITERATIONS))
    whole = training_of(case)
    whole.run(Phase("train", trial, ITERATIONS))
    learned = whole.weights()  # before the target is set anew
    assert deviation(case, SpikeOutcome(**learned), expected) < 1e-10
    errors = expected.error.reshape(ITERATIONS, -1)
    losses = whole.histories["train"]["loss"]
    assert losses == pytest.approx(0.5 * (errors**2).sum(axis=1), rel=1e-10)

    for done, resume in ((3, False), (ITERATIONS - 3, True)):
        set_target(target)
        part = training_of(case, tmp_path / "part.npz", resume)
        part.run(Phase("train", trial, done))
    assert np.array_equal(part.histories["train"]["loss"], losses)
    for weights in WEIGHTS:
        assert np.array_equal(part.weights()[weights], learned[weights]), weights


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kappa": 0.91}, "kappa was '0.9' and is '0.91'"),
        ({"cutoff": 16}, "cutoff was '15. ms' and is '16. ms'"),
        ({"kappa_reg": 0.81}, "regularizer was"),
        ({"adapt_tau": 60.0}, r"neurons\.tau_adapt was"),
    ],
)
def test_checkpoint_of_another_rule(numpy_target, tmp_path, changes, words):
    path, case = tmp_path / "one.npz", one_trial("adapting, Adam")
    training_of(case, path).run(Phase("train", trial_of(case), 1))
    with pytest.raises(ValueError, match=words):
        training_of(replace(case, **changes), path, resume=True)


@pytest.mark.parametrize("target", COMPILED_LATER[:2], indirect=True)
def test_interrupted_run_leaves_no_trace(target):
    """Ctrl-C within a trial: the next run begins where the one before ended."""
    case, counted = one_trial("plain, by sums"), []
    training, whole = training_of(case), training_of(case)

    @network_operation(when="end", order=1000)
    def interrupt():
        counted.append(1)
        if len(counted) == 2 * STEPS + 25:
            raise KeyboardInterrupt

    training.execution.network.add(interrupt)
    training.run(Phase("train", trial_of(case), 1))
    with pytest.raises(KeyboardInterrupt):
        training.run(Phase("train", trial_of(case), 3))
    training.run(Phase("train", trial_of(case), 2))
    whole.run(Phase("train", trial_of(case), 3))
    for name in WEIGHTS:
        assert np.array_equal(training.weights()[name], whole.weights()[name])


def test_spikes_of_a_test_teach_nothing(numpy_target):
    """What is pending is still learned; what arrives in a test is not."""
    case = one_trial("plain, by sums")
    assert case.counts.any(axis=0).all()  # every input spikes in every trial
    training, trial = training_of(case), trial_of(case)
    training.run(Phase("train", trial, 2), Phase("test", trial, 1, learning=False))
    after = training.weights()["w_in"]
    training.run(Phase("test", trial, 2, learning=False))
    assert np.array_equal(training.weights()["w_in"], after)
    training.run(Phase("train", trial, 1))
    assert not np.array_equal(training.weights()["w_in"], after)


def test_errors_of_a_test_teach_nothing(numpy_target):
    """Whatever a test's targets, the same weights."""
    case = one_trial("plain, by sums")
    trial, learned = trial_of(case), []
    for target in (case.target, case.target + 1):
        training = training_of(case)
        other = trial_of(replace(case, target=target))
        training.run(Phase("train", trial, 2), Phase("test", other, 2, learning=False))
        learned.append(training.weights())
    assert all(np.array_equal(learned[0][name], learned[1][name]) for name in WEIGHTS)


def test_saved_and_loaded(numpy_target, tmp_path):
    """Weights that were learned, in a network that learns on from them."""
    case = one_trial("plain, by sums")
    training, trial = training_of(case), trial_of(case)
    training.run(Phase("train", trial, 2))
    training.learner.save(tmp_path / "learned.npz", training.weights())
    other = build(case, recording=False)
    other.learner.load(tmp_path / "learned.npz")
    for name in WEIGHTS:
        assert np.array_equal(other.learner.weights()[name], training.weights()[name])
        assert np.array_equal(np.asarray(getattr(other, name).matrix), training.weights()[name])
    again = Training(other.learner, other.network, progress=False)
    again.run(Phase("train", trial, 1))
    started = replace(case, **training.weights())
    expected = oracle.run(started)
    assert deviation(started, SpikeOutcome(**again.weights()), expected) < 1e-10


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("adapting, Adam", {}),
        ("plain, by sums", {}),
        ("plain, by sums", {"update": "trial", "cutoff": None, "each_step": False}),
    ],
    ids=["step by step", "by sums", "by trial"],
)
@pytest.mark.parametrize("target", COMPILED_LATER, indirect=True)
def test_tests_leave_no_trace(target, name, options):
    """With or without a test in between, the same is learned, to the bit; weights stay."""
    case = replace(one_trial(name), c_reg=2.0)
    other = replace(case, counts=case.counts[::-1])
    learned, spikes = {}, []
    for forget in (None, True, False):
        set_target(target)
        training = training_of(case, resets=True, forget_tests=forget is not False, **options)
        training.run(Phase("train", trial_of(case), 3))
        if forget is not None:
            before = training.weights()
            training.run(Phase("test", trial_of(other), 3, learning=False))
            spikes.append(training.histories["test"]["loss"])
            for one, weights in training.weights().items():
                assert not forget or np.array_equal(weights, before[one]), one
        training.run(Phase("train", trial_of(case), 3))
        learned[forget] = training.weights()
    for one, weights in learned[None].items():
        assert np.array_equal(learned[True][one], weights), one
    changed = [not np.array_equal(learned[False][one], learned[None][one]) for one in WEIGHTS]
    assert any(changed), "without it, a test is noticed"
    assert spikes[0] == pytest.approx(spikes[1])
