"""Outputs that are heard later: of which time step, with what units, and from where on."""

import numpy as np
import pytest
from brian2 import (
    DimensionMismatchError,
    Hz,
    Network,
    NeuronGroup,
    StateMonitor,
    defaultclock,
    ms,
    second,
)

from brianlearn import Readout, simulate
from conftest import CYTHON_LATER

N, STEPS = 7, 50
WEIGHTS = np.random.default_rng(1).normal(size=(3, N))
ENCODERS = np.random.default_rng(2).normal(size=(N, 2))


def group():
    """Rates that hear two outputs, each its own sum; and one all together."""
    made = NeuronGroup(
        N,
        "dr/dt = (heard + alone - r)/(2*ms) : Hz\nheard : Hz\nalone : Hz (shared)",
        method="euler",
        name="group",
    )
    made.r = np.arange(1, N + 1) * Hz
    return made


def readouts(source, delays):
    """The two outputs, and the one."""
    both = Readout(
        source, "r", 2, feedback="heard", encoders=ENCODERS, feedback_delay=delays[0], name="both"
    )
    one = Readout(source, "r", feedback="alone", feedback_delay=delays[1], name="one")
    both.decoders.phi = WEIGHTS[:2].ravel()
    one.decoders.phi = WEIGHTS[2]
    return both, one


def expected(slots, dt):
    """The same in a loop: outputs of all steps, and the rates after them."""
    r, said = np.arange(1, N + 1.0), np.zeros((STEPS, 3))
    for step in range(STEPS):
        said[step] = WEIGHTS @ r
        before = [said[step - d] if step >= d else np.zeros(3) for d in slots]
        heard = ENCODERS @ before[0][:2] + before[1][2]
        r = r + dt / 2 * (heard - r)
    return said.T, r


def check(slots):
    """Run a network with delays of so many time steps beside the loop."""
    source, dt = group(), defaultclock.dt
    both, one = readouts(source, [d * dt for d in slots])
    traces = [StateMonitor(o, "z", record=True, name=f"{o.name}_trace") for o in (both, one)]
    simulate(STEPS * dt, Network(source, both, one, *traces), progress=False)
    said, r = expected(slots, dt / ms)
    assert np.ptp(said[:, -8:]) > 0
    assert not np.allclose(r, expected((slots[0] + 1, slots[1]), dt / ms)[1], rtol=1e-3)
    assert np.allclose(np.vstack([trace.z for trace in traces]), said, rtol=1e-11, atol=1e-11)
    assert np.allclose(source.r_[:], r, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("target", CYTHON_LATER, indirect=True)
def test_hears_what_was_said(target):
    """From the first output that arrives on."""
    check((3, 8))


@pytest.mark.parametrize("slots", [(1, 0), (2, 70)])
def test_delays_without_length_or_longer_than_the_run(numpy_target, slots):
    """With no delay, what is said is heard in the same step."""
    check(slots)


def test_goes_on_after_a_run_and_from_what_was_stored(numpy_target):
    """What is under way at the end of a run is heard in the next."""
    source = group()
    both, one = readouts(source, [4 * defaultclock.dt] * 2)
    network = Network(source, both, one)
    network.run(20 * defaultclock.dt)
    network.store()
    for _ in range(2):
        network.restore()
        network.run(30 * defaultclock.dt)
        assert np.allclose(source.r_[:], expected((4, 4), defaultclock.dt / ms)[1], rtol=1e-11)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"feedback_delay": 5}, DimensionMismatchError, "feedback_delay is a time and needs a u"),
        ({"feedback_delay": 1 / second}, DimensionMismatchError, "feedback_delay is a time and n"),
        ({"feedback_delay": 0.12 * ms}, ValueError, "is not a multiple of the time step, 50. us"),
        ({"feedback_delay": -1 * ms}, ValueError, "feedback_delay is -1. ms, but must be a finite"),
        ({"feedback_delay": np.inf * ms}, ValueError, "inf.*, but must be a finite time from 0 s"),
        (
            {"feedback": None, "feedback_delay": 1 * ms},
            ValueError,
            "feedback_delay has no effect without feedback",
        ),
    ],
)
def test_refuses(numpy_target, options, error, words):
    with pytest.raises(error, match=words):
        Readout(group(), "r", **{"feedback": "alone"} | options)


def test_refuses_another_time_step(numpy_target):
    source = group()
    readout = Readout(source, "r", feedback="alone", feedback_delay=1 * ms, name="late")
    defaultclock.dt = 0.5 * ms
    with pytest.raises(ValueError, match="time step has changed to 0.5 ms since 'late' was made"):
        simulate(1 * ms, Network(source, readout), progress=False)
