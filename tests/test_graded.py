"""Graded connections are weighted sums; what cannot be is refused."""

import numpy as np
import pytest
from brian2 import DimensionMismatchError, Network, NeuronGroup, defaultclock, ms

from brianlearn import DelayLearning, Graded, Projection, SpikeInput, Trials, simulate
from brianlearn.graded import HEADER, read
from brianlearn.models import delay_dendrite, eprop_lif, eprop_readout, linear_readout
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
    with pytest.raises(DimensionMismatchError, match="'v' of 'answers' should be in volt"):
        Graded(NeuronGroup(6, "v : volt"), groups()[1], np.ones((3, 2)))
    graded = Graded(*groups(), np.ones((3, 2)))
    with pytest.raises(ValueError, match=r"weights is \(4, 2\), but must be \(3, 2\)"):
        graded.set_matrix(np.ones((4, 2)))


def test_learns_only_where_its_gradient_is_known(numpy_target):
    """Not of spiking neurons, of other variables, or beside another one."""
    inputs = SpikeInput(2, name="inputs")
    somas, spiking = delay_dendrite().neurons(3), eprop_lif.neurons(3, name="spiking")
    readout, leaky = linear_readout.neurons(2, name="answers"), eprop_readout.neurons(2)
    onto = Projection(inputs, somas, np.ones((2, 3)), variable="x_1", name="onto")
    into = Projection(inputs, spiking, np.ones((2, 3)), variable="x", name="into")
    graded = Graded(somas, readout, np.ones((3, 2)), name="graded")
    for target, first, others, error, words in (
        (readout, into, [Graded(spiking, readout, np.ones((3, 2)))], TypeError, "of its spikes"),
        (readout, onto, [Graded(somas, readout, np.ones((3, 2)), reads="u_1")], ValueError, "'v'"),
        (leaky, onto, [Graded(somas, leaky, np.ones((3, 2)), variable="x")], ValueError, "'v'"),
        (readout, None, [graded, Graded(somas, readout, np.ones((3, 2)))], ValueError, "use one"),
    ):
        trials = Trials(5 * ms, inputs, [somas, spiking, readout, leaky], readout=target)
        connections = [one for one in (first, *others) if one is not None]
        with pytest.raises(error, match=words):
            DelayLearning(learn=("weights",)).attach(trials, target, connections)
