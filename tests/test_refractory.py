"""A refractory neuron hears nothing by a variable that is (unless refractory), as in Brian2."""

import numpy as np
import pytest
from brian2 import Network, NeuronGroup, SpikeGeneratorGroup, Synapses, defaultclock, ms

from brianlearn import EProp, Projection, SpikeInput, Trials, simulate
from brianlearn.models import eprop_readout
from conftest import CYTHON_LATER

STEPS, SOURCES, TARGETS = 60, 12, 9


def hearing(name, n=TARGETS):
    """Neurons that are exact: whatever the order of additions, nothing is rounded."""
    return NeuronGroup(
        n,
        "dv/dt = 0*v/second : 1 (unless refractory)\nu : 1",
        threshold="v > 1",
        reset="v = 0",
        refractory=5 * defaultclock.dt,
        method="euler",
        name=name,
    )


def spiking(name="source", n=SOURCES):
    raster = np.random.default_rng(1).random((STEPS, n)) < 0.2
    steps, neurons = np.nonzero(raster)
    return SpikeGeneratorGroup(n, neurons, steps * defaultclock.dt, name=name)


def weights(density, shape=(SOURCES, TARGETS)):
    """Whole numbers of 1/64."""
    random = np.random.default_rng(2)
    return random.integers(1, 40, shape) / 64 * (random.random(shape) < density)


def delays(shape=(SOURCES, TARGETS)):
    return np.random.default_rng(3).integers(0, 8, shape) * defaultclock.dt


def pairs():
    """Of each form: what it joins, how, and for the Synapses, pairs, weights and delays."""
    source, dense, few = spiking(), weights(1), weights(0.3)
    for name, matrix, options in (
        ("dense", dense, {}),
        ("few", few, {}),
        ("few_delayed", few, {"delay": delays()}),
    ):
        yield name, source, matrix, options
    yield "part", source, few[:, 1:5], {}
    yield "batch", spiking("batch_source", 2 * SOURCES), dense, {"delay": delays()}


def ends(name, source, targets):
    return source, targets[1:5] if name == "part" else targets


def as_synapses(name, source, targets, matrix, options):
    both = ends(name, source, targets)
    synapses = Synapses(*both, "w : 1", on_pre="v_post += w", name=f"{name}_synapses")
    i, j = np.nonzero(matrix)
    samples = len(source) // SOURCES
    for sample in range(samples):
        synapses.connect(i=i + sample * SOURCES, j=j + sample * TARGETS)
    synapses.w = np.tile(matrix[i, j], samples)
    if options:
        each = np.broadcast_to(options["delay"] / ms, matrix.shape)[i, j]
        synapses.pre.delay = np.tile(each, samples) * ms
    return synapses


@pytest.mark.parametrize("target", CYTHON_LATER, indirect=True)
def test_equals_synapses_to_the_bit(target):
    """Dense, sparse and delayed rows, whole groups, parts and batches, in one network."""
    objects, both = [], []
    for name, source, matrix, options in pairs():
        size = TARGETS * len(source) // SOURCES
        ours, theirs = (hearing(f"{name}_{whose}", size) for whose in ("ours", "theirs"))
        made = ends(name, source, ours)
        made = Projection(*made, matrix, variable="v", name=f"{name}_w", **options)
        objects += [source, ours, theirs, made, as_synapses(name, source, theirs, matrix, options)]
        both.append((ours, theirs))
    simulate(STEPS * defaultclock.dt, Network(*set(objects)), progress=False)
    for ours, theirs in both:
        assert np.array_equal(ours.v, theirs.v), ours.name
        assert np.array_equal(ours.lastspike_, theirs.lastspike_), ours.name
        assert (ours.lastspike_[:] > 0).any(), ours.name  # some have been refractory


@pytest.mark.parametrize("interpolate", [False, True])
def test_plain_synapses_do_the_same(numpy_target, interpolate):
    """What `Projection.synapses` makes, also of spikes that arrive in two parts."""
    later = delays() + 0.25 * defaultclock.dt
    ours, theirs = hearing("ours"), hearing("theirs")
    source = spiking()
    options = {"delay": later, "interpolate": interpolate, "variable": "v"}
    made = Projection(source, ours, weights(1), **options)
    plain = Projection(source, theirs, weights(1), **options).synapses()
    simulate(STEPS * defaultclock.dt, Network(source, ours, theirs, made, plain), progress=False)
    assert np.array_equal(ours.v, theirs.v)
    assert np.array_equal(ours.lastspike_, theirs.lastspike_)
    assert (ours.lastspike_[:] > 0).any()


def test_a_single_neuron(numpy_target):
    """It is deaf by ``v`` alone: ``u`` hears all spikes."""
    source, one = spiking(), hearing("one", 1)
    w = Projection(source, one, weights(1)[:, :1], variable="v")
    every = Projection(source, one, weights(1)[:, :1], variable="u")
    simulate(STEPS * defaultclock.dt, Network(source, one, w, every), progress=False)
    raster = np.random.default_rng(1).random((STEPS, SOURCES)) < 0.2
    heard = raster @ weights(1)[:, 0]
    assert one.u[0] == heard.sum()
    v, free = 0.0, 0
    for step, now in enumerate(heard):
        spikes = v > 1
        free = step + 6 if spikes else free  # of whose steps the first is this one
        v = 0.0 if spikes else v + now * (step >= free)
    assert one.v[0] == v


def test_eprop_refuses(numpy_target):
    """Its gradient would be that of a network in which refractory neurons hear."""
    inputs, readout = SpikeInput(3), eprop_readout.neurons(2)
    group = hearing("deaf", 4)
    w = Projection(inputs, group, np.ones((3, 4)), variable="v", name="w_in")
    trials = Trials(10 * ms, inputs, reset=None, readout=readout)
    with pytest.raises(ValueError, match="'w_in' leads to 'v' of 'deaf', .*unless refractory"):
        EProp().attach(trials, readout, [w])
