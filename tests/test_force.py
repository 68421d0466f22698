"""FORCE in a network, on every target: one run carries all contracts."""

import numpy as np
import pytest
from brian2 import Network, SpikeMonitor, StateMonitor, defaultclock, ms, second

import oracles
from brianlearn import RLS, Readout, simulate
from brianlearn.models import force_lif
from brianlearn.targets import TARGETS
from conftest import COMPILED_LATER, CYTHON_LATER, choose

N, STEPS, FIRST = 200, 9000, 4000  # neurons, time steps, where learning begins
UPDATES = range(FIRST + 50, STEPS, 50)


def run(target, *, learner=True, learning=True, carrier="projection", stop=1 * second):
    """The published network, small; everything that a user may record of it."""
    choose(target)
    neurons, recurrent = force_lif.network(N, seed=1, carrier=carrier)
    readout = Readout(neurons, "r", feedback="z", name="readout")
    network = Network(neurons, recurrent, readout)
    trace = StateMonitor(readout, "z", record=True, name="trace")
    spikes = SpikeMonitor(neurons, name="spikes")
    network.add(trace, spikes)
    if learner:
        rule = RLS(
            alpha=5e-6 * second**2,
            every=2.5 * ms,
            start=FIRST * defaultclock.dt,
            stop=stop,
            step="published",
        )
        learner = rule.attach(readout, target="sin(2*pi*5*Hz*t)")
        learner.learning = learning
        errors = StateMonitor(readout, ["error", "target"], record=True, name="errors")
        norms = StateMonitor(
            learner, ["q", "P_trace", "P_norm", "updates"], record=[0], name="norms"
        )
        phi = StateMonitor(readout.decoders, "phi", record=[0, 7], name="phi")
        network.add(errors, norms, phi)
    simulate(STEPS * defaultclock.dt, network, progress=False)
    result = {
        "spike_steps": np.rint(np.array(spikes.t / defaultclock.dt)).astype(int),
        "spike_neurons": np.array(spikes.i),
        "z": np.array(trace.z[0]),
        "decoders": np.array(readout.decoders.phi),
    }
    if learner:
        result |= {name: np.array(getattr(norms, name)[0]) for name in ("q", "P_trace", "P_norm")}
        result |= {"updates": norms.updates[0][-1], "P": np.array(learner.P)}
        result |= {"error": np.array(errors.error[0]), "target": np.array(errors.target[0])}
        result |= {"phi": np.array(phi.phi)}
    return result


@pytest.fixture(scope="module", params=CYTHON_LATER)
def result(request):
    return run(request.param)


@pytest.fixture(scope="module")
def oracle():
    """The published experiment as a plain NumPy loop."""
    time = np.arange(STEPS) * 5e-5
    return oracles.published_force(
        oracles.draw_force_network(N, 1),
        STEPS,
        target=np.sin(2 * np.pi * 5 * time),
        update_steps=UPDATES,
    )


def test_equals_published_experiment(result, oracle):
    """Same spikes; z and decoders to rounding, over the first 99 updates."""
    assert len(oracle.spike_steps) > 1000
    order = np.lexsort((result["spike_neurons"], result["spike_steps"]))
    assert np.array_equal(result["spike_steps"][order], oracle.spike_steps)
    assert np.array_equal(result["spike_neurons"][order], oracle.spike_neurons)
    assert np.abs(result["z"] - oracle.z).max() < 1e-11
    assert np.allclose(result["decoders"], oracle.phi, rtol=1e-10, atol=1e-14)
    assert result["updates"] == len(UPDATES)


def test_learns(result):
    after, before = result["error"][-2000:], result["error"][:FIRST]
    assert np.sqrt(np.mean(after**2)) < 0.5 * np.sqrt(np.mean(before**2))


def test_monitors_see_it(result):
    time = np.arange(STEPS) * 5e-5
    assert np.allclose(result["target"], np.sin(2 * np.pi * 5 * time), atol=1e-12)
    assert np.allclose(result["error"], result["z"] - result["target"], atol=1e-15)
    changed = np.flatnonzero(np.diff(result["phi"][0]))
    assert np.array_equal(changed + 1, list(UPDATES))
    assert np.array_equal(np.flatnonzero(np.diff(result["q"])) + 1, list(UPDATES))
    assert result["P_trace"][-1] > np.trace(result["P"]) > 0
    assert result["P_norm"][-1] < result["P_trace"][-1]
    assert np.allclose(result["P"], result["P"].T)
    assert np.linalg.eigvalsh(result["P"]).min() > 0


def test_targets_agree():
    """Cython and standalone to the bit, numpy to 1e-9, spike for spike."""
    results = {target: run(target) for target in TARGETS}
    standalone = results["cpp_standalone"]
    for name, values in standalone.items():
        assert np.array_equal(values, results["cython"][name]), name
        scale = np.abs(values).max()
        assert np.allclose(values, results["numpy"][name], rtol=1e-9, atol=1e-9 * scale), name


@pytest.mark.parametrize("how", ["switched off", "outside its window"])
@pytest.mark.parametrize("target", COMPILED_LATER, indirect=True)
def test_learning_off_changes_nothing(target, how):
    plain = run(target, learner=False)
    if how == "switched off":
        idle = run(target, learning=False)
    else:
        idle = run(target, stop=(FIRST + 1) * defaultclock.dt)
    for name in ("spike_steps", "spike_neurons", "z"):
        assert np.array_equal(plain[name], idle[name]), name
    assert not idle["decoders"].any()


@pytest.mark.parametrize("target", COMPILED_LATER, indirect=True)
def test_carriers_agree(target):
    """Brian2's Synapses carry the same weights, and give the same network."""
    ours, theirs = run(target), run(target, carrier="synapses")
    assert np.array_equal(ours["spike_steps"], theirs["spike_steps"])
    assert np.allclose(ours["z"], theirs["z"], rtol=0, atol=1e-11)
