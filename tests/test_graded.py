"""Graded connections are weighted sums; what cannot be is refused."""

import numpy as np
import pytest
from brian2 import Network, NeuronGroup, defaultclock, ms

from brianlearn import Graded, simulate
from brianlearn.graded import HEADER, read
from native import native

TYPES = {"samples": "i8", "sources": "i8", "values": "f", "weights": "f", "read_out": "f"}


@pytest.mark.parametrize("biased", [False, True])
def test_forms_are_weighted_sums(biased):
    random = np.random.default_rng(1)
    values, weights = random.normal(size=(4, 5)), random.normal(size=(5 + biased, 3))
    expected = values @ weights[:5] + (weights[5] if biased else 0)
    for form in (read, native(HEADER, "read", **TYPES)):
        heard = np.ones(12)
        form(
            samples=np.array([4]), sources=np.array([5]), values=values.ravel(),
            weights=weights.ravel(), read_out=heard,
        )  # fmt: skip
        assert np.allclose(heard, expected.ravel(), rtol=1e-14)


def groups(samples=2):
    source = NeuronGroup(3 * samples, "v : 1", name="sums")
    target = NeuronGroup(2 * samples, "v : 1\nu : 1 (shared)", name="answers")
    return source, target


def test_network_reads(target):
    defaultclock.dt = 1 * ms
    random = np.random.default_rng(2)
    source, answers = groups()
    weights, bias = random.normal(size=(3, 2)), random.normal(size=2)
    graded = Graded(source, answers, weights, bias=bias, name="graded")
    assert np.array_equal(graded.matrix, np.vstack([weights, bias]))
    graded.set_matrix(2 * graded.matrix)
    values = random.normal(size=6)
    source.v = values
    simulate(1 * ms, Network(source, answers, graded), progress=False)
    expected = 2 * (values.reshape(2, 3) @ weights + bias)
    assert np.allclose(answers.v_, expected.ravel(), rtol=1e-14)


@pytest.mark.parametrize(
    ("weights", "options", "error", "words"),
    [
        (np.ones((2, 2)), {}, ValueError, r"weights is \(2, 2\), but must be"),
        (np.ones((3, 2)), {"bias": np.ones(3)}, ValueError, r"bias is \(3,\), but must be \(2,\)"),
        (np.full((3, 2), np.nan), {}, ValueError, "is not a finite number"),
        (np.ones((3, 2)), {"reads": "x"}, KeyError, "'sums' has no variable 'x'"),
        (np.ones((3, 2)), {"variable": "x"}, KeyError, "'answers' has no variable 'x'"),
    ],
)
def test_what_cannot_be_is_refused(weights, options, error, words):
    with pytest.raises(error, match=words):
        Graded(*groups(), weights, **options)
    graded = Graded(*groups(), np.ones((3, 2)))
    with pytest.raises(ValueError, match=r"weights is \(4, 2\), but must be \(3, 2\)"):
        graded.set_matrix(np.ones((4, 2)))
