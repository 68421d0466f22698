"""A Recorder keeps what happens, by trial, step and sample, on every target."""

import numpy as np
import pytest
from brian2 import Network, NeuronGroup, Synapses, defaultclock, ms

from brianlearn import Recorder, SpikeInput, Trial, Trials, simulate
from conftest import COMPILED_LATER


@pytest.mark.parametrize("target", COMPILED_LATER, indirect=True)
def test_records_by_trial_step_and_sample(target):
    """What two samples hear in each step of two trials, and only of those to be recorded."""
    defaultclock.dt = 1 * ms
    inputs = SpikeInput(3, 2, name="inputs")
    heard = NeuronGroup(6, "x : 1", name="heard")
    synapses = Synapses(inputs, heard, on_pre="x_post += i_post + 1", name="synapses")
    synapses.connect(j="i")
    trials = Trials(5 * ms, inputs, [heard], name="trials")
    steps = Recorder(trials, {"x": (heard, "x")}, name="steps")
    ends = Recorder(trials, {"x": (heard, "x")}, each="trial", indices={"x": [1, 4]}, name="ends")
    rasters = np.random.default_rng(1).uniform(size=(2, 2, 5, 3)) < 0.4
    trials.present([Trial.from_raster(raster) for raster in rasters], recording=True)
    simulate(12 * ms, Network(inputs, heard, synapses, trials, steps, ends), progress=False)
    expected = np.cumsum(rasters * np.arange(1, 7).reshape(2, 1, 3), axis=2).swapaxes(1, 2)
    np.testing.assert_array_equal(steps.read()["x"], expected)  # the third trial is incomplete
    np.testing.assert_array_equal(ends.read()["x"], expected[:, -1].reshape(2, 6)[:, [1, 4]])
    steps.clear()
    assert steps.read()["x"].shape == (0, 5, 2, 3)


def test_what_cannot_be_recorded(numpy_target):
    inputs = SpikeInput(3, name="inputs")
    heard = NeuronGroup(3, "x : 1\nn : integer", name="heard")
    trials = Trials(5 * ms, inputs, [heard])
    with pytest.raises(KeyError, match="'heard' has no variable 'y'"):
        Recorder(trials, {"y": (heard, "y")})
    with pytest.raises(TypeError, match="does not hold real numbers"):
        Recorder(trials, {"n": (heard, "n")})
    with pytest.raises(ValueError, match="'step' or 'trial'"):
        Recorder(trials, {"x": (heard, "x")}, each="second")
    with pytest.raises(ValueError, match="indices of 'x'"):
        Recorder(trials, {"x": (heard, "x")}, indices={"x": [3]})
