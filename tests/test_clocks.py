"""Objects of ours take their groups step by step: groups with other time steps are refused."""

import numpy as np
import pytest
from brian2 import Clock, Network, NeuronGroup, SpikeGeneratorGroup, Synapses, defaultclock, ms

from brianlearn import (
    EligibilitySynapses,
    EProp,
    Graded,
    PlasticDelay,
    Projection,
    Recorder,
    SpikeInput,
    Trial,
    Trials,
    WinnerTakeAllDelays,
    simulate,
)
from brianlearn.models import eprop_lif, eprop_readout
from conftest import CYTHON_LATER

FAST, SLOW = 0.1 * ms, 1 * ms


def neurons(dt=FAST, name="neurons"):
    return NeuronGroup(2, "x : 1\nv : 1", threshold="v > 1", reset="v = 0", dt=dt, name=name)


def both(first, second):
    """What a refusal says of two groups."""
    steps = "100. us in the one and 1. ms in the other"
    return f"takes '{first}' and '{second}' step by step, but a time step is {steps}"


def spikes(dt):
    return SpikeGeneratorGroup(2, [0], [2] * ms, dt=dt, name="spikes")


def project():
    Projection(neurons(), neurons(SLOW, "slow"), np.eye(2), variable="x", name="w")


def project_from_a_part():
    whole = neurons()
    Projection(whole[1:], neurons(SLOW, "slow"), np.ones((1, 2)), variable="x", name="w")


def project_from_a_generator():
    Projection(spikes(FAST), neurons(SLOW, "slow"), np.eye(2), variable="x", name="w")


def read():
    Graded(neurons(), neurons(SLOW, "slow"), np.eye(2), name="w")


def move_delays():
    synapses = Synapses(
        neurons(), neurons(SLOW, "slow"), "d : second", on_pre="x_post += 1", dt=FAST, name="w"
    )
    PlasticDelay(synapses, name="plastic")


def present_to_neurons():
    Trials(10 * ms, SpikeInput(2, dt=FAST, name="neurons"), [neurons(SLOW, "slow")])


def present_to_a_readout():
    readout = eprop_readout.neurons(1, name="slow")
    readout._clock = Clock(SLOW)
    group = eprop_lif.neurons(2, name="neurons")
    Trials(10 * ms, SpikeInput(2, name="input"), [group], readout=readout)


def trace():
    defaultclock.dt = FAST
    group, readout = eprop_lif.neurons(2, name="neurons"), eprop_readout.neurons(1, name="readout")
    EligibilitySynapses(spikes(SLOW), group, np.ones((2, 2)), readout)


def learn():
    """Nothing of it alone joins the two."""
    defaultclock.dt = FAST
    group, readout = eprop_lif.neurons(2, name="neurons"), eprop_readout.neurons(1, name="readout")
    inputs = SpikeInput(2, name="inputs")
    connections = [
        Projection(source, target, np.ones(shape), variable="x", name=name)
        for name, source, target, shape in (
            ("w_in", inputs, group, (2, 2)),
            ("w_out", group, readout, (2, 1)),
        )
    ]
    late = SpikeInput(2, dt=SLOW, name="slow")
    trials = Trials(10 * ms, late, reset=None, name="trials")
    trials.readout = readout
    EProp().attach(trials, readout, connections)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (project, "'w' " + both("neurons", "slow")),
        (project_from_a_part, "'w' " + both("neurons_subgroup.*", "slow")),
        (project_from_a_generator, "'w' " + both("spikes", "slow")),
        (read, "'w' " + both("neurons", "slow")),
        (move_delays, "'plastic' " + both("neurons", "slow")),
        (present_to_neurons, both("neurons", "slow")),
        (present_to_a_readout, "takes 'input' and 'slow' step by step"),
        (trace, "takes 'spikes' and 'neurons' step by step"),
        (learn, "'eprop' takes 'trials' and 'readout' step by step"),
    ],
)
def test_two_time_steps(numpy_target, make, words):
    defaultclock.dt = FAST
    with pytest.raises(ValueError, match=words):
        make()


@pytest.mark.parametrize("target", CYTHON_LATER, indirect=True)
def test_a_clock_of_its_own_that_ticks_with_the_others(target):
    defaultclock.dt = FAST
    source, heard = spikes(0.1 * ms), NeuronGroup(2, "x : 1", clock=Clock(0.0001 * 1000 * ms))
    w = Projection(source, heard, np.eye(2), variable="x", name="w")
    simulate(3 * ms, Network(source, heard, w), progress=False)
    assert np.array_equal(heard.x, [1, 0])


def test_a_time_step_that_changes_later(numpy_target):
    """Of the default clock, after a group with a clock of its own was joined with it."""
    defaultclock.dt = FAST
    source, group = spikes(0.1 * ms), neurons(None)
    w = Projection(source, group, np.eye(2), variable="x", name="w")
    defaultclock.dt = SLOW
    with pytest.raises(ValueError, match="'w' " + both("spikes", "neurons")):
        simulate(1 * ms, Network(source, group, w), progress=False)
    defaultclock.dt = FAST
    inputs = SpikeInput(2, dt=FAST, name="inputs")
    trials = Trials(10 * ms, inputs, [group], name="trials")
    trials.present(Trial.from_raster(np.zeros((100, 2))))
    defaultclock.dt = SLOW
    with pytest.raises(ValueError, match="'trials' " + both("trials", "neurons")):
        simulate(1 * ms, Network(inputs, group, trials), progress=False)


def test_competition_follows_its_source(numpy_target):
    """Its synapses take the steps of its neurons, whatever the default clock does."""
    defaultclock.dt = SLOW
    made = WinnerTakeAllDelays().attach(spikes(FAST), [2], [3.3, 5.7] * ms)
    assert {float(one.clock.dt) for one in made} == {float(FAST)}


def test_recorder_takes_what_a_slow_variable_holds(numpy_target):
    """A group with another time step, at the end of each step of the trials."""
    defaultclock.dt = FAST
    slow = NeuronGroup(1, "n : 1", dt=0.2 * ms, name="slow")
    slow.run_regularly("n += 1", when="start")
    inputs = SpikeInput(1)
    trials = Trials(0.4 * ms, inputs, reset=None)
    recorder = Recorder(trials, {"n": (slow, "n")})
    trials.present(Trial.from_raster(np.zeros((4, 1))), recording=True)
    Network(inputs, slow, trials, recorder).run(0.4 * ms)
    assert np.array_equal(recorder.read()["n"].ravel(), [1, 1, 2, 2])
