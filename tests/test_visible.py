"""Which network is meant where none is named."""

import numpy as np
import pytest
from brian2 import Network, NeuronGroup, SpikeMonitor, defaultclock, ms

from brianlearn import EProp, Phase, Projection, SpikeInput, Training, Trial, Trials, simulate
from brianlearn.models import eprop_lif, eprop_readout

TRIAL = Trial.from_raster(np.ones((10, 2)), targets=np.ones((10, 1)))


def small(suffix=""):
    """A network of unnamed groups, as in the README."""
    defaultclock.dt = 1 * ms
    inputs = SpikeInput(2)
    neurons, readout = eprop_lif.neurons(1, tau_m=20 * ms), eprop_readout.neurons(1, tau_m=20 * ms)
    w_in = Projection(inputs, neurons, [[0.1], [0.1]], variable="x", name=f"w_in{suffix}")
    w_out = Projection(neurons, readout, [[1.0]], variable="x", name=f"w_out{suffix}")
    trials = Trials(10 * ms, inputs, reset=[neurons, readout], readout=readout)
    learner = EProp().attach(trials, readout, [w_in, w_out])
    return inputs, neurons, readout, w_in, w_out, trials, learner


def test_two_networks_are_told_apart(numpy_target):
    """Not by an error about names, or that something was simulated already."""
    inputs, neurons, readout, w_in, w_out, trials, learner = small()
    inputs_2, neurons_2, readout_2, w_in_2, w_out_2, trials_2, _ = small("_2")
    with pytest.raises(ValueError, match=r"'trials\w*', 'trials\w*' are trials.*network=Network"):
        Training(learner, progress=False)
    network = Network(inputs, neurons, readout, w_in, w_out, trials)
    Training(learner, network, progress=False).run(Phase("train", TRIAL, 1))
    with pytest.raises(ValueError, match="network="):
        Training(learner, progress=False)
    del inputs_2, neurons_2, readout_2, w_in_2, w_out_2, trials_2


def test_objects_of_one_name(numpy_target):
    first, second = (NeuronGroup(1, "x : 1", name="twin") for _ in range(2))
    with pytest.raises(ValueError, match="'twin' are the names of two objects each"):
        simulate(1 * ms, progress=False)
    del first, second


@pytest.mark.parametrize("target", ["numpy", "cpp_standalone"], indirect=True)
def test_the_same_objects_are_the_same_network(target):
    """It goes on, without being named; a second Training of what is visible, too."""
    defaultclock.dt = 1 * ms
    group = NeuronGroup(1, "dx/dt = 1/(10*ms) : 1", threshold="x > 1", reset="x = 0", name="group",
                        method="euler")  # fmt: skip
    spikes = SpikeMonitor(group, name="spikes")
    simulate(25 * ms, progress=False)
    simulate(25 * ms, progress=False)
    assert np.array_equal(np.round(spikes.t / ms), [10, 21, 32, 43])


def test_object_of_another_network(numpy_target):
    group = NeuronGroup(1, "x : 1", name="group")
    network = Network(group)
    network.run(1 * ms)
    with pytest.raises(ValueError, match=r"'group' run in another network already"):
        simulate(1 * ms, progress=False)
