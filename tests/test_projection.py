"""A Projection adds what Synapses add, to the bit."""

import numpy as np
import pytest
from brian2 import (
    DimensionMismatchError,
    Hz,
    Network,
    NeuronGroup,
    Synapses,
    TimedArray,
    defaultclock,
    ms,
    mV,
)

from brianlearn import Projection, simulate
from conftest import CYTHON_LATER


def weights(shape, seed):
    random = np.random.default_rng(seed)
    return random.normal(size=shape) * (random.uniform(size=shape) < 0.5)


@pytest.mark.parametrize("target", CYTHON_LATER, indirect=True)
def test_equals_synapses(target):
    """All events of a random raster, from a group and from a subgroup, into parts of a group."""
    raster = TimedArray(np.random.default_rng(1).uniform(size=(40, 12)) < 0.3, dt=defaultclock.dt)
    source = NeuronGroup(
        12,
        "fires = raster(t, i) : 1",
        threshold="fires > 0.5",
        reset="",
        namespace={"raster": raster},
        name="source",
    )
    targets = [NeuronGroup(9, "v : volt", name=f"{name}_target") for name in ("ours", "theirs")]
    whole, part = weights((12, 9), 1) * mV, weights((5, 4), 2) * mV
    objects = [source, *targets]
    ours, theirs = targets
    objects.append(Projection(source, ours, whole, variable="v", name="whole"))
    objects.append(Projection(source[3:8], ours[2:6], part, variable="v", name="part"))
    for name, first, second, w in (
        ("whole_synapses", source, theirs, whole),
        ("part_synapses", source[3:8], theirs[2:6], part),
    ):
        synapses = Synapses(first, second, "w : volt", on_pre="v_post += w", name=name)
        pre, post = np.nonzero(np.asarray(w))
        synapses.connect(i=pre, j=post)
        synapses.w = w[pre, post]
        objects.append(synapses)
    simulate(3 * ms, Network(objects), progress=False)
    assert np.ptp(ours.v_) > 0
    assert np.allclose(ours.v_, theirs.v_, rtol=1e-13, atol=0)


def neurons():
    return NeuronGroup(3, "v : volt", threshold="v > 1*mV", reset="v = 0*mV", name="some")


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (
            {"weights": np.eye(3), "variable": "v"},
            DimensionMismatchError,
            "added to 'v', should be in volt, but is in no unit",
        ),
        ({"weights": np.eye(4) * mV, "variable": "v"}, ValueError, r"must be \(3, 3\)"),
        ({"weights": np.zeros((3, 3)) * mV, "variable": "v"}, ValueError, "no connections"),
        ({"weights": np.eye(3) * mV, "variable": "u"}, KeyError, "no variable 'u'; it has: "),
        (
            {"weights": [1, 2] * mV, "i": [0, 0], "j": [1, 1], "variable": "v"},
            ValueError,
            "connected twice",
        ),
        (
            {"weights": [1, 2] * mV, "i": [0, 3], "j": [1, 1], "variable": "v"},
            ValueError,
            "outside the groups",
        ),
        ({"weights": [1, 2] * mV, "i": [0], "j": [1], "variable": "v"}, ValueError, "differ in"),
    ],
)
def test_refuses(numpy_target, arguments, error, words):
    group = neurons()
    with pytest.raises(error, match=words):
        Projection(group, group, **arguments)


def test_refuses_a_silent_source(numpy_target):
    group = NeuronGroup(3, "r : Hz", name="silent")
    with pytest.raises(TypeError, match="'silent' has no threshold"):
        Projection(group, group, np.eye(3) * Hz, variable="r")
