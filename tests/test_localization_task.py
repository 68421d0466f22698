"""Sound localization: the generator against its formula, and how well an observer can do."""

import math

import numpy as np
import pytest

from brianlearn.tasks.localization import IPDS, Localization, accuracy, median, median_error


def mean_probability(task, step, ipd=None, other=None):
    """Of a spike at a step, or of one in ear 1 there and in ear 2 at another, over all phases."""
    phase = np.linspace(0, 360, 720, endpoint=False)
    p = task.probabilities(phase)[step]
    return p.mean() if ipd is None else (p * task.probabilities(phase + ipd)[other]).mean()


def test_probabilities():
    """The formula, with 50 Hz in steps of 1 ms, and a phase in degrees."""
    p = Localization().probabilities(90.0)
    assert p.shape == (50,)
    for t in (0, 3, 10, 49):
        tone = math.sin(2 * math.pi * 50 * t * 1e-3 + math.pi / 2)
        assert p[t] == pytest.approx(0.6 * (0.5 * (1 + tone)) ** 10, abs=1e-15)
    assert IPDS.tolist() == list(range(-90, 90, 5))


@pytest.mark.parametrize("task", [Localization(), Localization(fibres=20, tail=7)])
@pytest.mark.parametrize("size", [1, 33])
def test_form(task, size):
    """A trial as a network takes it: sorted, within the sound, of the ears' fibres one by one."""
    trial = task.batch(2, seed=1, size=size)
    trial.check(task.steps, size * task.inputs, size, readouts=36)
    assert trial.raster == (size, 50 + task.tail, 2 * task.fibres)
    assert trial.steps.max() < 50
    assert {array.dtype for array in (trial.steps, trial.indices, trial.labels)} == {
        np.dtype(np.int32)
    }
    counts = task.counts(trial)
    assert counts.shape == (size, 50, 2)
    dense = np.zeros((size, 50, task.inputs), int)
    np.add.at(dense, (trial.indices // task.inputs, trial.steps, trial.indices % task.inputs), 1)
    assert dense.max() == 1
    split = dense.reshape(size, 50, 2, task.fibres).sum(axis=3)
    np.testing.assert_array_equal(counts, split)


def test_rates():
    """Spikes of every step and ear are as frequent as the formula has it, over all phases."""
    task, size = Localization(fibres=3), 4000
    counts = task.counts(task.batch(0, seed=3, size=size))
    p = np.array([mean_probability(task, step) for step in range(50)])
    mean = counts.mean(axis=0) / 3
    spread = counts.std(axis=0) / 3 / np.sqrt(size)  # fibres share their phase
    assert np.abs((mean - p[:, None]) / spread).max() < 4.5  # of 100 deviates
    together = (counts * (counts - 1)).mean(axis=0) / 6  # two fibres of an ear
    expected = [mean_probability(task, step, 0, step) for step in range(50)]
    spread = (counts * (counts - 1)).std(axis=0) / 6 / np.sqrt(size)
    assert np.abs((together - np.array(expected)[:, None]) / spread).max() < 4.5


def test_ears_differ_by_the_ipd():
    """Ear 1 and ear 2 spike together as the table of IPDs has it, in each class."""
    task = Localization(fibres=4)
    trial = task.batch(0, seed=4, size=36000)
    counts = task.counts(trial)
    frequency = np.bincount(trial.labels, minlength=36)
    assert np.abs(frequency - 1000).max() < 4.5 * np.sqrt(1000)
    for k, ipd in enumerate(IPDS):
        mine = counts[trial.labels == k]
        for one, other in ((5, 5), (5, 9), (12, 8)):
            pairs = mine[:, one, 0] * mine[:, other, 1] / 16
            expected = mean_probability(task, one, ipd, other)
            variance = max(pairs.var(), expected / 16)  # of rare events, where none was seen
            spread = np.sqrt(variance / len(pairs))
            assert abs(pairs.mean() - expected) < 4.5 * spread, (ipd, one, other)


def test_batches_depend_on_seed_and_number():
    task = Localization(fibres=2)
    first = [task.batch(k, seed=5, size=16) for k in range(3)]
    again = task.batch(2, seed=5, size=16)
    for name in ("steps", "indices", "labels"):
        np.testing.assert_array_equal(getattr(again, name), getattr(first[2], name))
    others = first[0], first[1], task.batch(2, seed=6, size=16), task.batch(2, seed=[5, 1], size=16)
    assert not any(np.array_equal(other.indices, again.indices) for other in others)
    assert not np.array_equal(first[0].labels, first[1].labels)


def test_posterior_by_brute_force():
    """A short sound, every fibre, phase and class one by one."""
    task = Localization(fibres=2, sound=4, period=7.5, peak=0.8, sharpness=3)
    counts = np.random.default_rng(1).integers(0, 3, (3, 4, 2))
    for row, sample in zip(task.posterior(counts), counts, strict=True):
        likelihood = []
        for ipd in range(-90, 90, 5):
            total = 0.0
            for phase in range(360):
                product = 1.0
                for t in range(4):
                    for ear in range(2):
                        angle = 2 * math.pi * t / 7.5 + math.radians(phase + ear * ipd)
                        p, c = 0.8 * ((1 + math.sin(angle)) / 2) ** 3, int(sample[t, ear])
                        product *= math.comb(2, c) * p**c * (1 - p) ** (2 - c)
                total += product
            likelihood.append(total)
        expected = np.array(likelihood) / sum(likelihood)
        np.testing.assert_allclose(row, expected, rtol=1e-10)


def test_silence_tells_nothing():
    task = Localization(sound=40)  # two whole periods: whatever the phase, silence is as likely
    np.testing.assert_allclose(task.posterior(np.zeros((1, 40, 2), int)), 1 / 36, rtol=1e-4)
    assert task.posterior(np.empty((0, 40, 2))).shape == (0, 36)


# Error in degrees and accuracy of 2,000 sounds: figures that are known, for phases 5 degrees apart;
# and what is possible, for phases so close that closer ones change nothing. With few fibres these
# are the same; with many, 5 degrees are too coarse.
KNOWN = {1: (10.2, 0.168), 5: (4.7, 0.32), 20: (2.1, 0.59), 100: (1.0, 0.79)}
POSSIBLE = {1: (10.2, 0.168), 5: (4.6, 0.33), 20: (2.08, 0.60), 100: (0.30, 0.94)}


@pytest.mark.parametrize(("resolution", "figures"), [(5, KNOWN), (1, POSSIBLE)])
@pytest.mark.parametrize("fibres", KNOWN)
def test_ideal_observer(fibres, resolution, figures):
    """Within 3 standard errors of a difference between two means of 2,000 sounds."""
    task, size = Localization(fibres), 2000
    trial = task.batch(0, seed=1, size=size)
    posterior = task.posterior(task.counts(trial), resolution)
    degrees, fraction = figures[fibres]
    errors = np.abs(median(posterior) - IPDS[trial.labels])
    spread = np.sqrt(2 / size)
    rounding = 0.05, 0.005
    assert abs(errors.mean() - degrees) < 3 * spread * errors.std() + rounding[0]
    deviation = abs(accuracy(posterior, trial.labels) - fraction)
    assert deviation < 3 * spread * np.sqrt(fraction * (1 - fraction)) + rounding[1]
    assert median_error(posterior, trial.labels) == errors.mean()


def test_posterior_is_calibrated():
    """Answers are right as often as they are probable."""
    task = Localization(fibres=20)
    trial = task.batch(1, seed=7, size=3000)
    posterior = task.posterior(task.counts(trial))
    expected = posterior.max(axis=1)
    spread = np.sqrt((expected * (1 - expected)).sum()) / 3000
    assert abs(accuracy(posterior, trial.labels) - expected.mean()) < 4 * spread


def test_phases_lie_close_enough():
    """Half the distance between them changes nothing, even for 100 fibres."""
    task = Localization(fibres=100)
    counts = task.counts(task.batch(0, seed=2, size=100))
    fine, finer = (task.posterior(counts, resolution) for resolution in (1, 0.5))
    assert np.abs(fine - finer).max() < 1e-3


def test_median_and_accuracy():
    """The median is the class in which half the probability is reached, whatever the sum."""
    probabilities = np.zeros((3, 36))
    probabilities[0, [3, 4]] = 0.4, 0.6
    probabilities[1, [3, 4]] = 0.5, 0.5
    probabilities[2, [0, 20, 35]] = 2.0, 1.0, 2.0
    assert median(probabilities).tolist() == [-70, -75, 10]
    assert median_error(probabilities, [4, 4, 22]) == pytest.approx((0 + 5 + 10) / 3)
    assert accuracy(probabilities, [4, 3, 35]) == pytest.approx(2 / 3)  # of equals, the first


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("fibres", 0, "a whole number, 1 or more"),
        ("sound", 1.5, "a whole number, 1 or more"),
        ("tail", -1, "0 or more"),
        ("peak", 1, "between 0 and 1"),
        ("peak", float("nan"), "between 0 and 1"),
        ("period", 0, "above 0"),
        ("sharpness", float("inf"), "above 0"),
    ],
)
def test_refused(field, value, why):
    with pytest.raises(ValueError, match=f"{field} is {value}, but must .*{why}"):
        Localization(**{field: value})


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (lambda: Localization().batch(0, seed=1, size=0), "size is 0, .* 1 or more"),
        (lambda: Localization(100).batch(0, seed=1, size=2**24), "size is 16777216, .* below 107"),
        (lambda: Localization().posterior(np.zeros((2, 9, 2))), r"\(2, 9, 2\).* samples x 50 x 2"),
        (lambda: Localization().posterior(np.full((1, 50, 2), 2)), "within 2 and 2, .* 1 fibres"),
        (lambda: Localization().posterior(np.zeros((1, 50, 2)), 3), "resolution is 3, .* 5/n"),
        (lambda: Localization().posterior(np.zeros((1, 50, 2)), 0), "resolution is 0"),
        (lambda: median(np.zeros((2, 35))), r"\(2, 35\), but should be samples x 36"),
        (lambda: accuracy(np.zeros(36), 0), r"\(36,\), but should be samples x 36"),
    ],
)  # fmt: skip
def test_what_does_not_fit(call, why):
    with pytest.raises(ValueError, match=why):
        call()
