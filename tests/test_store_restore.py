"""`Network.store` and `restore`, wherever Brian2's own work: at any moment, for every object."""

import numpy as np
import pytest
from brian2 import (
    Network,
    NeuronGroup,
    SpikeGeneratorGroup,
    SpikeMonitor,
    StateMonitor,
    Synapses,
    defaultclock,
    ms,
    second,
)
from test_training import case

from brianlearn import RLS, PlasticDelay, Readout, Recorder, WinnerTakeAllDelays, set_target
from conftest import slow
from eprop_build import build
from eprop_build import presented as trials_of
from spike_eprop_build import build as build_spikes
from spike_eprop_cases import random_case

RUNTIME = ["numpy", slow("cython")]
TRIAL = 200  # time steps


def by_trial(form):
    """Two trials, with weights that have learned from the first."""
    one = case()
    np.fill_diagonal(one.w_rec, 0)
    made = build(one, form)
    trials = [*trials_of(one, 1)] * 2
    made.trials.present(trials)
    recorder = Recorder(made.trials, {"v": (made.neurons, "v")}, each="trial", name="recorder")
    made.network.add(recorder)

    def seen():
        return {**made.learner.weights(), "recorded": recorder.read()["v"]}

    return made.network, 330 * ms, 270 * ms, seen


def at_spikes():
    one = random_case(4, steps=60, optimize_each_step=False)
    made = build_spikes(one, recording=False)
    return made.network, 35 * one.h * ms, 85 * one.h * ms, made.learner.weights


def force():
    neurons = NeuronGroup(
        20, "dv/dt = (1.5 + 0.1*i - v)/(10*ms) : 1\ndr/dt = -r/(20*ms) : Hz", threshold="v > 1",
        reset="v = 0; r += 1/(20*ms)", method="exact", name="neurons",
    )  # fmt: skip
    readout = Readout(neurons, "r", name="readout")
    rule = RLS(alpha=1e-3 * second**2, every=2 * ms)
    learner = rule.attach(readout, target="sin(2*pi*10*Hz*t)", name="rls")
    trace = StateMonitor(readout, "z", record=True, name="trace")
    network = Network(neurons, readout, trace)
    seen = {"phi": lambda: np.array(readout.decoders.phi), "P": lambda: np.array(learner.P),
            "z": lambda: np.array(trace.z)}  # fmt: skip
    return network, 37 * ms, 40 * ms, lambda: {name: look() for name, look in seen.items()}


def moving_delays():
    neurons = NeuronGroup(3, "dv/dt = 1/(5*ms) : 1\nheard : 1", threshold="v > 1", reset="v = 0",
                          method="euler", name="neurons")  # fmt: skip
    neurons.v = [0, 0.3, 0.6]
    synapses = Synapses(neurons, neurons, "d : second", on_pre="heard_post += 1; d += 0.7*ms",
                        name="synapses")  # fmt: skip
    synapses.connect(i=[0, 1, 2], j=[1, 2, 0])
    synapses.d = [3, 6, 9] * ms
    plastic = PlasticDelay(synapses, name="plastic")
    trace = StateMonitor(neurons, "heard", record=True, name="trace")
    network = Network(neurons, synapses, plastic, trace)
    return (
        network,
        23 * ms,
        30 * ms,
        lambda: {"d": np.array(synapses.d), "heard": np.array(trace.heard)},
    )


def competition():
    defaultclock.dt = 0.1 * ms
    rule = WinnerTakeAllDelays(presentation=40 * ms, step=1 * ms, max_delay=10 * ms,
                               reference_delay=5 * ms, tau_theta=10 * ms)  # fmt: skip
    times = [7, 9, 12, 14, 10, 12, 15, 17] * ms
    source = SpikeGeneratorGroup(2, [0] * 4 + [1] * 4, times, period=40 * ms, name="source")
    search = rule.attach(source, [3], [1, 4, 8] * ms, name="search")
    victories = SpikeMonitor(search.neurons, name="victories")
    network = Network(source, search, victories)
    return (
        network,
        97 * ms,
        143 * ms,
        lambda: {"i": np.array(victories.i), "t": np.array(victories.t)},
    )


MAKERS = {
    "adjoint": lambda: by_trial("adjoint"),
    "online": lambda: by_trial("online"),
    "spikes": at_spikes,
    "force": force,
    "delays": moving_delays,
    "competition": competition,
}


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("target", RUNTIME, indirect=True)
def test_restored_goes_on_as_before(target, name, tmp_path):
    """In mid-trial, twice, and from a file in a network that was made anew."""
    network, before, after, seen = MAKERS[name]()
    network.run(before)
    network.store()
    network.store("kept", filename=str(tmp_path / "kept"))
    halfway = seen()
    network.run(after)
    expected = seen()
    assert any(not np.array_equal(halfway[key], values) for key, values in expected.items())
    for _ in range(2):
        network.restore()
        network.run(after)
        for key, values in seen().items():
            assert np.array_equal(values, expected[key]), key

    set_target(target)
    network, before, after, seen = MAKERS[name]()
    network.restore("kept", filename=str(tmp_path / "kept"))
    network.run(after)
    for key, values in seen().items():
        assert np.array_equal(values, expected[key]), (key, "from a file")


def test_restored_network_presents_its_own_trials(numpy_target):
    """What another network was is taken over; which trials come next is not."""
    network, *_ = by_trial("adjoint")
    network.run(TRIAL * ms)
    network.store()
    state = network._stored_state["default"]
    other_case = case(seed=5)
    set_target("numpy")
    other = build(other_case, "adjoint")
    other.trials.present(next(trials_of(other_case, 1)))
    spikes = Recorder(other.trials, {"v": (other.neurons, "v")}, each="trial", name="recorder")
    other.network.add(spikes)
    other.network._stored_state["default"] = state
    other.network.restore()
    other.network.run(1 * ms)
    shown = other.inputs.spikes
    raster = other_case.raster[0, 0, 0]
    assert sorted(shown) == np.flatnonzero(raster).tolist()
