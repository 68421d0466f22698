"""The waves task: the published numbers, whatever else draws random ones."""

import dataclasses

import numpy as np
import pytest

from brianlearn.tasks import waves


def published(seed):
    """The draws one after the other, matrices ``[target, source]``, as in the published script."""
    np.random.seed(seed)
    drawn = {
        "w_in": np.float32(np.random.randn(100, 100).T / np.sqrt(100)),
        "w_rec": np.float32(np.random.randn(100, 100).T / np.sqrt(100)),
        "w_out": np.float32(np.random.randn(100, 1).T / np.sqrt(100)),
    }
    drawn = {name: matrix.T for name, matrix in drawn.items()}
    for neuron in range(100):
        drawn["w_rec"][neuron, neuron] = 0
    drawn["feedback"] = np.float32(np.random.randn(100, 1) / np.sqrt(100))
    drawn["raster"] = np.random.rand(1000, 100) < 0.05
    drawn["raster"][0, :] = False
    amplitudes, phases = np.random.uniform(0.5, 2, 4), np.random.uniform(0, 2 * np.pi, 4)
    target = np.zeros(1000)
    for period, amplitude, phase in zip([1000, 500, 333, 200], amplitudes, phases, strict=True):
        end = phase + 2 * np.pi * (1000 // period)
        target += amplitude * np.sin(np.linspace(phase, end, 1000))
    target -= target[0]
    drawn["target"] = (target / np.max(np.abs(target)))[:, None]
    return drawn


@pytest.mark.parametrize("seed", [1, 12])
def test_published_numbers(seed):
    expected, drawn = published(seed), waves.draw(seed)
    assert set(expected) == {field.name for field in dataclasses.fields(drawn)}
    for name, values in expected.items():
        assert getattr(drawn, name).dtype == (bool if name == "raster" else np.float64)
        np.testing.assert_array_equal(getattr(drawn, name), values, err_msg=name)


def test_only_the_seed_counts():
    """NumPy's global generator is neither read nor moved."""
    np.random.seed(5)
    first = waves.draw(3)
    after = np.random.rand()
    np.random.seed(5)
    assert after == np.random.rand()
    np.testing.assert_array_equal(waves.draw(3).raster, first.raster)
    assert (waves.draw(4).raster != first.raster).any()


def test_other_sizes():
    drawn = waves.draw(1, n_in=8, n_rec=5, n_out=2, steps=60)
    shapes = {name: array.shape for name, array in vars(drawn).items()}
    assert shapes == {
        "w_in": (8, 5),
        "w_rec": (5, 5),
        "w_out": (5, 2),
        "feedback": (5, 2),
        "raster": (60, 8),
        "target": (60, 2),
    }
    assert not np.diag(drawn.w_rec).any()
    assert not drawn.raster[0].any()
    assert not drawn.target[0].any()
    np.testing.assert_allclose(np.abs(drawn.target).max(axis=0), 1)
    np.testing.assert_allclose(drawn.target[-1], 0, atol=1e-12)  # whole cycles
    assert (drawn.target[:, 0] != drawn.target[:, 1]).any()


@pytest.mark.parametrize("name", ["n_in", "n_rec", "n_out", "steps"])
def test_refused(name):
    with pytest.raises(ValueError, match=f"{name} is 0, but must be"):
        waves.draw(1, **{name: 0})
