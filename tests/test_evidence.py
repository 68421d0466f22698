"""Evidence accumulation: the published draws, and fast ones of the same statistics."""

import numpy as np
import pytest
from scipy import stats

from brianlearn.tasks import evidence
from brianlearn.tasks.evidence import Evidence

SMALL = Evidence(inputs=12, cue=10, spacing=5, delay=15, recall=12, noise_probability=0.02)
OTHERS = [
    SMALL,
    Evidence(inputs=4, cues=1, cue=1, spacing=0, delay=0, recall=1, cue_probability=0.5),
    Evidence(inputs=8, cues=3, cue=4, spacing=0, delay=0, recall=6, noise_probability=0.3),
]
DRAWS = {
    "published": lambda task, seed, size: task.published(np.random.RandomState(seed), size),
    "sample": lambda task, seed, size: task.sample(evidence.generator(seed, 0), size),
}


@pytest.fixture(params=DRAWS)
def draw(request):
    """Both ways to draw a batch."""
    return DRAWS[request.param]


def published_batch(size):
    """One published batch of the default task: raster (size, 2250, 40), labels and cues."""
    choices = np.array([0.3, 1 - 0.3], dtype=np.float32)[np.random.choice([0, 1], size)]
    cues = np.zeros((size, 7), int)
    for b in range(size):
        p = np.array([choices[b], 1 - choices[b]], dtype=np.float32)
        cues[b] = np.random.choice([0, 1], 7, p=p)
    prob = np.zeros((size, 2250, 40))
    for b in range(size):
        for c in range(7):
            first = 10 * cues[b, c]
            prob[b, c * 150 + 50 : c * 150 + 150, first : first + 10] = 0.04
    prob[:, -150:, 20:30] = 0.04
    prob[:, :, 30:] = 0.01
    raster = prob > np.random.rand(prob.size).reshape(prob.shape)
    raster[:, 0] = False
    return raster, (cues.sum(axis=1) > 3).astype(int), cues


def test_published_numbers():
    np.random.seed(1)
    w_in = np.float32(np.random.randn(40, 100) / np.sqrt(40))
    w_rec = np.float32(np.random.randn(100, 100) / np.sqrt(100))
    w_rec[np.arange(100), np.arange(100)] = 0
    limit = np.sqrt(3 / 51)
    w_out = np.float32(np.random.uniform(-limit, limit, (100, 2)))
    feedback = np.float32(np.random.randn(100, 2))

    task, random = Evidence(), np.random.RandomState(1)
    weights = task.weights(random)
    expected = {"w_in": w_in, "w_rec": w_rec, "w_out": w_out, "feedback": feedback}
    for name, values in expected.items():
        assert getattr(weights, name).dtype == np.float64
        np.testing.assert_array_equal(getattr(weights, name), values, err_msg=name)
    for size in (1, 3, 2):
        raster, label, cues = published_batch(size)
        batch = task.published(random, size)
        np.testing.assert_array_equal(task.raster(batch), raster)
        np.testing.assert_array_equal(batch.label, label)
        np.testing.assert_array_equal(batch.cues, cues)


@pytest.mark.parametrize("task", [Evidence(), *OTHERS])
@pytest.mark.parametrize("size", [1, 6])
def test_form(draw, task, size):
    """Sorted, no spike twice, none at step 0, none where nothing is said."""
    batch = draw(task, 3, size)
    key = (batch.step.astype(int) * size + batch.sample) * task.inputs + batch.neuron
    assert (np.diff(key) > 0).all()
    assert {array.dtype for array in vars(batch).values()} == {np.dtype(np.int32)}
    assert batch.cues.shape == (size, task.cues)
    assert batch.label.tolist() == [int(2 * sides.sum() > task.cues) for sides in batch.cues]
    raster = task.raster(batch)
    assert raster.sum() == len(batch.step)
    assert not raster[expected_rates(task, batch) == 0].any()


def expected_rates(task, batch):
    """The probability of a spike in every cell of a batch's raster, from its cues."""
    population = np.arange(task.inputs) // (task.inputs // 4)
    rates = np.zeros((len(batch.label), task.steps, task.inputs))
    for c in range(task.cues):
        start = c * (task.spacing + task.cue) + task.spacing
        said = population == batch.cues[:, c, None]
        rates[:, start : start + task.cue] += task.cue_probability * said[:, None]
    rates[:, task.steps - task.recall :, population == 2] = task.recall_probability
    rates[:, :, population == 3] = task.noise_probability
    rates[:, 0] = 0
    return rates


@pytest.mark.parametrize("task", OTHERS)
def test_statistics(draw, task):
    """Counts are those of independent spikes: per input and step, per population, of neighbours."""
    batch = draw(task, 7, 2000)
    spikes, rates = task.raster(batch), expected_rates(task, batch)
    variance = rates * (1 - rates)

    per_cell = np.square((spikes - rates).sum(axis=0))[1:] / np.maximum(
        variance.sum(axis=0)[1:], 1e-9
    )
    cells = np.count_nonzero(variance.sum(axis=0))
    assert abs(per_cell.sum() - cells) < 5 * np.sqrt(2 * cells)

    for k in range(4):
        part = slice(k * task.inputs // 4, (k + 1) * task.inputs // 4)
        excess = (spikes - rates)[:, :, part].sum()
        assert abs(excess) <= 5 * np.sqrt(variance[:, :, part].sum())

    # In the order in which `sample` draws, no two spikes know of each other, near or far.
    residual = (spikes - rates).transpose(1, 0, 2).ravel()
    spread = variance.transpose(1, 0, 2).ravel()
    for lag in (1, 2, 3, task.inputs // 4, task.inputs, 2000 * task.inputs):
        together = (residual[lag:] * residual[:-lag]).sum()
        assert abs(together) <= 5 * np.sqrt((spread[lag:] * spread[:-lag]).sum()), lag


def test_cues(draw):
    """One side in each sample is favoured, either one alike; their sum shows both."""
    task = Evidence(inputs=4, cue=1, spacing=0, delay=0, recall=1)
    cues = draw(task, 2, 4000).cues
    total = np.arange(8)
    expected = 2000 * (stats.binom.pmf(total, 7, 0.3) + stats.binom.pmf(total, 7, 0.7))
    counts = np.bincount(cues.sum(axis=1), minlength=8)
    assert stats.chisquare(counts, expected, sum_check=False).pvalue > 1e-4
    favoured = (2 * cues.sum(axis=1) > 7)[:, None] == cues
    assert np.ptp(favoured.mean(axis=0)) < 0.05  # whichever the cue


def test_certain_and_impossible_spikes(draw):
    """At a probability of 1 every cell holds a spike, the last one too; at 0, none."""
    task = Evidence(8, 3, 4, 1, 2, 3, 1.0, 1.0, 0.0)
    batch = draw(task, 1, 5)
    np.testing.assert_array_equal(task.raster(batch), expected_rates(task, batch) == 1)
    silent = draw(Evidence(8, 3, 4, 1, 2, 3, 0.0, 0.0, 0.0), 1, 5)
    assert len(silent.step) == len(silent.sample) == len(silent.neuron) == 0
    assert silent.step.dtype == np.int32


@pytest.mark.parametrize("bias", [0, 1])
def test_certain_cues(draw, bias):
    cues = draw(Evidence(4, 7, 1, 0, 0, 1, bias=bias), 1, 50).cues
    assert (cues == cues[:, :1]).all()
    assert 0 < cues[:, 0].mean() < 1


def same(one, other):
    return all(np.array_equal(vars(one)[name], vars(other)[name]) for name in vars(one))


def test_batches_depend_on_seed_and_number():
    """A batch is the same whatever was drawn before it, and that of a spawned seed."""
    run = SMALL.batches(5, 16)
    batches = [next(run) for _ in range(4)]
    resumed = SMALL.batches(5, 16, start=2)
    assert same(next(resumed), batches[2])
    assert same(next(resumed), batches[3])
    spawned = np.random.default_rng(np.random.SeedSequence(5).spawn(4)[3])
    assert same(SMALL.sample(spawned, 16), batches[3])
    assert not same(batches[0], batches[1])
    assert not same(next(SMALL.batches(6, 16)), batches[0])
    assert same(next(SMALL.batches([5, 1], 16)), next(SMALL.batches([5, 1], 16)))


def test_sizes_of_numpy():
    """Whole numbers of NumPy's own types are whole numbers."""
    task = Evidence(*(np.int64(size) for size in (12, 7, 10, 5, 15, 12)), noise_probability=0.02)
    assert same(DRAWS["sample"](task, 3, np.int64(4)), DRAWS["sample"](SMALL, 3, 4))
    assert DRAWS["sample"](task, 3, np.int64(4)).step.dtype == np.int32


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("inputs", 42, "divisible by 4"),
        ("inputs", 0, "4 or more"),
        ("cues", 6, "odd"),
        ("cues", 0, "1 or more"),
        ("cue", 0, "1 or more"),
        ("cue", 10.0, "a whole number"),
        ("recall", 0, "1 or more"),
        ("spacing", -1, "0 or more"),
        ("delay", -1, "0 or more"),
        ("cue_probability", 1.1, "within 0 and 1"),
        ("recall_probability", -0.1, "within 0 and 1"),
        ("noise_probability", float("nan"), "within 0 and 1"),
        ("bias", 2, "within 0 and 1"),
    ],
)
def test_refused(field, value, why):
    with pytest.raises(ValueError, match=f"{field} is {value}, but must .*{why}"):
        Evidence(**{field: value})


def test_refused_sizes(draw):
    with pytest.raises(ValueError, match="size is 0, but must be a whole number, 1 or more"):
        draw(SMALL, 1, 0)
    with pytest.raises(ValueError, match="size is 30000, but must be 23860 or less"):
        draw(Evidence(), 1, 30000)
