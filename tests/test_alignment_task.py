"""Alignment: the patterns, and the optimum against the oracle and against a search."""

import numpy as np
import pytest

import delay_oracle
from brianlearn.tasks import dendrites
from brianlearn.tasks.alignment import different_patterns, same_pattern

VARIANTS = [same_pattern, different_patterns]
SMALL = {"classes": 4, "length": 8, "padding": 4, "tau": 5.0}


def random_delays(task, seed=1):
    """Anywhere; the first input's is the reference."""
    random = np.random.default_rng(seed)
    delays = random.uniform(0, task.max_delay, (task.inputs, task.classes))
    delays[0] = task.reference
    return delays


def moved(delays, *by):
    """Delays with something added to those of each input."""
    return delays + np.array(by)[:, None]


def test_one_pattern_for_all():
    """20 classes of 3 inputs; 20 steps within 80, in all of them the same."""
    task = same_pattern(seed=1)
    assert task.patterns.shape == (20, 3, 80)
    assert (task.tau, task.reference, task.max_delay) == (10, 60, 120)
    assert task.shifts.min() >= 0
    assert task.shifts.max() <= 60
    assert len(np.unique(task.shifts, axis=0)) == 20
    at = task.shifts[:, :, None] + np.arange(20)
    seen = np.take_along_axis(task.patterns, at, axis=2)
    assert (seen == seen[0, 0]).all()
    assert seen.sum() == task.patterns.sum() > 0


def test_patterns_of_their_own():
    task = different_patterns(seed=1)
    assert task.patterns.shape == (20, 2, 80)
    assert task.tau == 30
    seen = np.take_along_axis(task.patterns, task.shifts[:, :, None] + np.arange(20), axis=2)
    assert len(np.unique(seen.reshape(40, 20), axis=0)) == 40
    assert seen.sum() == task.patterns.sum()


def test_statistics():
    """Spikes come with the probability stated, shifts are uniform."""
    task = different_patterns(seed=2, classes=2000)
    count, expected = task.patterns.sum(), 0.3 * 20 * 4000
    assert abs(count - expected) < 4 * np.sqrt(expected * 0.7)
    frequency = np.bincount(task.shifts.ravel(), minlength=61)
    assert np.abs(frequency - 4000 / 61).max() < 4.5 * np.sqrt(4000 / 61)


@pytest.mark.parametrize("make", VARIANTS)
def test_at_least_one_spike(make):
    task = make(seed=1, classes=50, length=3, probability=0.01)
    assert (task.patterns.sum(axis=2) == 1).mean() > 0.9
    assert task.patterns.any(axis=2).all()
    assert make(seed=1, length=4, probability=1.0).patterns.sum(axis=2).max() == 4


@pytest.mark.parametrize("make", VARIANTS)
def test_the_seed_decides(make):
    one, same, other = make(seed=1), make(seed=1), make(seed=2)
    np.testing.assert_array_equal(one.patterns, same.patterns)
    assert not np.array_equal(one.patterns, other.patterns)


def test_batch():
    """Each sample has its class's spikes, and time for the longest delay."""
    task = same_pattern(seed=1)
    labels = np.random.default_rng(1).integers(20, size=50)
    trial = task.batch(labels)
    trial.check(task.steps, 50 * 3, 50, readouts=20)
    assert trial.raster == (50, 200, 3)
    dense = np.zeros((50, 3, 200), bool)
    dense[trial.indices // 3, trial.indices % 3, trial.steps] = True
    np.testing.assert_array_equal(dense, task.raster[labels])
    np.testing.assert_array_equal(trial.labels, labels)


@pytest.mark.parametrize("interpolate", [True, False])
@pytest.mark.parametrize("pairs", ["first", "all"])
@pytest.mark.parametrize("make", VARIANTS)
def test_outputs_are_the_oracles(make, pairs, interpolate):
    task = make(seed=3, inputs=3, **SMALL)
    delays = random_delays(task)
    spikes = task.raster.transpose(0, 2, 1).astype(float)
    outputs = delay_oracle.dendrite_outputs(
        spikes, np.ones((3, 4)), delays, range(3), task.tau, pairs, interpolate=interpolate
    )
    expected = outputs[range(4), -1, range(4)]  # each class at its own neuron
    np.testing.assert_allclose(task.output(delays, pairs, interpolate), expected, rtol=1e-12)


@pytest.mark.parametrize("pairs", ["first", "all"])
@pytest.mark.parametrize("make", VARIANTS)
def test_best_by_search(make, pairs):
    """No delays between the whole ones do better, nor any other whole ones."""
    task = make(seed=4, inputs=3, **SMALL)
    largest, delays = task.best(pairs)
    assert (delays[0] == task.reference).all()
    np.testing.assert_allclose(task.output(delays, pairs), largest, rtol=1e-12)
    fine = np.arange(0, task.max_delay + 0.01, 0.5)
    found = np.zeros(4)
    for one in fine:
        for other in fine:
            tried = np.repeat([[task.reference], [one], [other]], 4, axis=1)
            found = np.maximum(found, task.output(tried, pairs))
    np.testing.assert_allclose(found, largest, rtol=1e-12)


@pytest.mark.parametrize("make", VARIANTS)
def test_no_random_delays_do_better(make):
    task = make(seed=5)
    largest, best = task.best()
    random, tried = np.random.default_rng(1), []
    for scale in np.repeat([0.1, 1, 10, 100], 10):
        delays = np.clip(best + random.normal(0, scale, best.shape), 0, task.max_delay)
        delays[0] = task.reference
        tried.append(task.output(delays))
    assert (tried <= largest * (1 + 1e-12)).all()
    assert np.max(tried / largest) > 0.99


def test_output_is_linear_between_steps():
    """In each delay, with the others anywhere: hence its maxima lie at whole ones."""
    task = same_pattern(seed=6, **SMALL)
    delays = moved(np.floor(random_delays(task)), 0, 0, 0.3)
    ends = [task.output(moved(delays, 0, f, 0), "all") for f in (0, 0.25, 1)]
    np.testing.assert_allclose(ends[1], 0.75 * ends[0] + 0.25 * ends[2], rtol=1e-12)


@pytest.mark.parametrize("pairs", ["first", "all"])
@pytest.mark.parametrize("seed", range(2))
def test_what_is_the_same_meets(seed, pairs):
    """The best delays make up for the shifts, and are never at the limits."""
    task = same_pattern(seed)
    _, delays = task.best(pairs)
    np.testing.assert_array_equal(delays, task.reference + task.shifts[:, 0] - task.shifts.T)
    assert task.aligned(delays, pairs).all()
    assert task.aligned(moved(delays, 0, 0.4, -0.4), pairs, interpolate=False).all()
    assert not task.aligned(moved(delays, 0, 0.4, -0.4), pairs).any()
    assert not task.aligned(moved(delays, 0, 0, 1), pairs).any()
    np.testing.assert_allclose(task.misalignment(moved(delays, 0, 0.4, 0))[1], 0.4, atol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_best_overlaps_are_within_reach(seed):
    task = different_patterns(seed)
    _, delays = task.best()
    assert delays[1].min() > 0
    assert delays[1].max() < task.max_delay
    assert task.aligned(delays).all()
    assert not task.aligned(np.full((2, 20), task.reference)).all()


def test_late_spikes_are_lost():
    """What would arrive after the trial's end does not count."""
    raster = np.zeros((1, 2, 10))
    raster[0, :, 8] = 1
    assert dendrites.output(raster, [[1], [1]], 5.0) == pytest.approx(1)
    assert dendrites.output(raster, [[2], [1]], 5.0) == 0
    assert dendrites.output(raster, [[1.25], [1]], 5.0) == pytest.approx(0.75)


@pytest.mark.parametrize("make", VARIANTS)
@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("classes", 0, "1 or more"),
        ("inputs", 1, "2 or more"),
        ("length", 2.5, "a whole number"),
        ("padding", -1, "0 or more"),
        ("probability", 0, "above 0"),
        ("probability", 1.1, "1 at most"),
        ("tau", 0, "above 0"),
    ],
)
def test_refused(make, field, value, why):
    with pytest.raises(ValueError, match=f"{field} is {value}, but must .*{why}"):
        make(seed=1, **{field: value})


TASK = same_pattern(seed=1, **SMALL)
GOOD = np.full((3, 4), 4.0)


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (lambda: TASK.batch([0, 4]), "label 4 is none of the classes 0 to 3"),
        (lambda: TASK.batch([-1]), "label -1 is none"),
        (lambda: TASK.batch([0.5]), r"labels is float64 \(1,\), .* whole numbers"),
        (lambda: TASK.batch([[0]]), r"\(1, 1\), .* a row"),
        (lambda: TASK.output(GOOD.T), r"delays has the shape \(4, 3\), .* 3 inputs x 4 classes"),
        (lambda: TASK.output(GOOD + 5), "the delay 9.0 is above max_delay, 8"),
        (lambda: TASK.output(GOOD - 5), "the delay -1.0 is none"),
        (lambda: TASK.output(np.full((3, 4), np.nan)), "the delay nan"),
        (lambda: TASK.output(GOOD, pairs="some"), "pairs is 'some', but must be 'first' or 'all'"),
        (lambda: same_pattern(1, inputs=5).best(), "5 inputs .* too many combinations"),
    ],
)
def test_what_does_not_fit(call, why):
    with pytest.raises(ValueError, match=why):
        call()
