"""The process of a standalone network: what it does, what it refuses, and how it ends."""

import gc
import os
import signal
import threading

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
    device,
    ms,
    mV,
    seed,
)
from test_training import case, training_of

from brianlearn import DivergenceError, Kernel, Training, set_target, simulate
from brianlearn.running import build
from conftest import choose

BREAK = """
#include <cstdio>
int fall_over(Array<double> broken)
{
    if (broken[0] == 1) { std::fprintf(stderr, "it fell over\\n"); std::abort(); }
    return broken[0] == 2 ? 1 : 0;
}
"""


def fall_over(broken):
    """The Python form of something that crashes on request, or finds a fault."""
    return 1 if broken[0] == 2 else 0


@pytest.fixture
def alive():
    """A small network that has lived for 5 ms."""
    defaultclock.dt = 0.1 * ms
    set_target("cpp_standalone")
    group = NeuronGroup(
        4, "dv/dt = (k - v)/tau : 1\nk : 1\nn = v*2 : 1", threshold="v > 0.9", reset="v = 0",
        namespace={"tau": 10 * ms}, method="exact", name="group",
    )  # fmt: skip
    group.k = [0, 1, 2, 3]
    synapses = Synapses(group, group, "w : 1", on_pre="v_post += w", name="synapses")
    synapses.connect(i=[0, 1], j=[1, 0])
    given = SpikeGeneratorGroup(2, [0, 1], [1, 2] * ms, name="given")
    spikes, trace = SpikeMonitor(group, name="spikes"), StateMonitor(group, "v", True, name="trace")
    faulty = Kernel(
        fall_over, BREAK, {"broken": 0.0}, faults={1: (DivergenceError, "it broke at {time}")},
        name="faulty",
    )  # fmt: skip
    network = Network(group, synapses, given, spikes, trace, faulty, name="network")
    simulate(5 * ms, network, progress=False)
    yield network
    set_target("numpy")


def test_values_are_read_and_set(alive):
    """By index, slice, array and unit, as at runtime; monitors grow, and can be read each time."""
    group, trace = alive["group"], alive["trace"]
    assert trace.v.shape == (4, 50)
    assert group.t == 5 * ms == alive.t
    np.testing.assert_allclose(group.n, 2 * np.asarray(group.v))
    group.v = 0.25
    group.v[1] = 0.5
    group.v[2:] = [0.6, 0.7]
    np.testing.assert_array_equal(group.v, [0.25, 0.5, 0.6, 0.7])
    alive["synapses"].w = [0.1, 0.2]
    alive["synapses"].w[1, 0] = 0.3
    np.testing.assert_array_equal(alive["synapses"].w, [0.1, 0.3])
    simulate(5 * ms, alive, progress=True)
    assert trace.v.shape == (4, 100)
    np.testing.assert_array_equal(trace.v[:, 50], [0.25, 0.5, 0.6, 0.7])
    assert np.all(np.diff(trace.t) > 0.09 * ms)
    assert alive["spikes"].num_spikes == len(alive["spikes"].i)
    with pytest.raises(Exception, match="unit"):
        group.v = 3 * mV


def test_what_would_need_a_build_is_refused(alive):
    """Never ignored: strings, new objects, constants, switched-off objects, time steps."""
    group = alive["group"]
    for change, what in (
        (lambda: setattr(group, "v", "rand()"), "v = rand"),
        (lambda: group.v.__setitem__("i > 1", 0), "v = "),
        (lambda: alive["synapses"].connect(i=2, j=2), "new code|has been built"),
        (lambda: alive["given"].set_spikes([0], [9] * ms), "has been built"),
        (lambda: device.insert_code("main", "int x;"), "inserted code"),
        (lambda: alive.run(1 * ms), "go on with simulate"),
    ):
        with pytest.raises(NotImplementedError, match=what):
            change()
    extra = NeuronGroup(1, "x : 1", name="extra")
    alive.add(extra)
    with pytest.raises(
        RuntimeError, match=r"'extra' \(added\).* changed after the network was built"
    ):
        simulate(1 * ms, alive, progress=False)
    alive.remove(extra)
    alive["spikes"].active = False
    with pytest.raises(RuntimeError, match=r"'spikes\.active'"):
        simulate(1 * ms, alive, progress=False)
    alive["spikes"].active = True
    group.namespace["tau"] = 20 * ms
    with pytest.raises(RuntimeError, match="'tau' of 'group'"):
        simulate(1 * ms, alive, progress=False)
    group.namespace["tau"] = 10 * ms
    with pytest.raises(RuntimeError, match="one network at a time"):
        simulate(1 * ms, Network(NeuronGroup(1, "x : 1")), progress=False)
    alive.remove(alive["trace"])
    with pytest.raises(RuntimeError, match=r"'trace' \(removed\)"):
        simulate(1 * ms, alive, progress=False)


def test_constants_of_the_scope():
    """A name that equations find where simulate is called; one that they do not use."""
    choose("cpp_standalone")
    tau, unused = 10 * ms, 1
    group = NeuronGroup(1, "dx/dt = 1/tau : 1", method="euler", name="group")
    simulate(1 * ms, progress=False)
    tau, unused, i = 10 * ms, 2, 5  # noqa: F841 (seen by simulate)
    simulate(1 * ms, progress=False)
    assert group.x[0] == pytest.approx(0.2)
    tau = 20 * ms  # noqa: F841
    with pytest.raises(RuntimeError, match="'tau' changed after"):
        simulate(1 * ms, progress=False)
    set_target("numpy")


def test_made_again_it_is_not_compiled_again(monkeypatch):
    """As where a notebook's cell runs again, whatever the time step was, and what lives still."""
    for before in (0.1, 0.3):
        defaultclock.dt = before * ms
        set_target("cpp_standalone")
        defaultclock.dt = 0.2 * ms
        group = NeuronGroup(1, "dx/dt = 1/second : 1", method="euler", name="group")
        synapses = Synapses(group, group, name="synapses")
        synapses.connect("i == j")
        simulate(1 * ms, progress=False)
        assert group.x[0] == pytest.approx(1e-3)
        monkeypatch.setattr(build, "_make", None)
    set_target("numpy")
    defaultclock.dt = 0.1 * ms


def test_all_that_it_held_stays_readable(alive):
    """After set_target, and what is set then is an error."""
    group, trace = alive["group"], alive["trace"]
    before = np.array(group.v), np.array(trace.v), np.array(alive["spikes"].t)
    set_target("numpy")
    for now, then in zip((group.v, trace.v, alive["spikes"].t), before, strict=True):
        np.testing.assert_array_equal(np.asarray(now), then)
    with pytest.raises((RuntimeError, ValueError), match="set any more|read-only"):
        group.v = 1
    set_target("cpp_standalone")
    np.testing.assert_array_equal(group.v, before[0])
    with pytest.raises(RuntimeError, match="was ended by set_target: it can be read"):
        simulate(1 * ms, alive, progress=False)
    assert defaultclock.dt == 0.1 * ms


def test_crash_becomes_a_sentence(alive):
    alive["faulty"].broken = 1
    with pytest.raises(RuntimeError, match=r"ended by signal 6.*\n.*it fell over"):
        simulate(1 * ms, alive, progress=False)
    with pytest.raises(RuntimeError, match="has ended"):
        simulate(1 * ms, alive, progress=False)


def test_fault_becomes_its_exception(alive):
    alive["faulty"].broken = 2
    with pytest.raises(DivergenceError, match="'faulty': it broke at 5"):
        simulate(1 * ms, alive, progress=False)


def test_ctrl_c_ends_the_run_in_order(alive):
    """It is a KeyboardInterrupt, and the network can be read, and go on."""
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        simulate(10**7 * ms, alive, progress=False)
    now = alive.t
    assert 5 * ms < now < 10**7 * ms
    assert alive["group"].t == now, "time goes on from where it was stopped"
    simulate(1 * ms, alive, progress=False)
    assert alive["group"].t == alive.t == pytest.approx(float(now + 1 * ms))
    assert np.all(np.diff(alive["trace"].t) > 0 * ms)


def test_a_fork_cannot_take_it_over(alive):
    child = os.fork()
    if child == 0:
        try:
            simulate(1 * ms, alive, progress=False)
        except RuntimeError as error:
            os._exit("forked" in str(error))
        os._exit(3)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
    simulate(1 * ms, alive, progress=False)
    assert alive["group"].t == 6 * ms


def test_it_ends_with_its_network():

    def lonely():
        network = Network(NeuronGroup(1, "x : 1", name="lonely"))
        simulate(1 * ms, network, progress=False)
        process = device.process._child
        assert process.poll() is None
        return process

    choose("cpp_standalone")
    process = lonely()
    gc.collect()
    assert process.poll() is not None
    set_target("numpy")


def test_random_numbers_begin_anew_with_seed():
    choose("cpp_standalone")
    seed(3)
    noise = NeuronGroup(5, "dx/dt = xi/sqrt(ms) : 1", method="euler", name="noise")
    network = Network(noise)
    drawn = []
    for again in (False, False, True):
        if again:
            seed(3)
        noise.x = 0
        simulate(3 * ms, network, progress=False)
        drawn.append(np.array(noise.x))
    set_target("numpy")
    assert not np.array_equal(drawn[0], drawn[1])
    np.testing.assert_array_equal(drawn[0], drawn[2])


def test_second_training_of_a_living_network():
    """It goes on where the first has ended; what it would record beyond that is refused."""
    choose("cpp_standalone")
    from brianlearn import Phase

    training, trial, made = training_of(case())
    training.run(Phase("train", trial, 2))
    second = Training(made.learner, made.network, progress=False)
    second.run(Phase("train", trial, 1))
    learned = second.weights()
    third = Training(made.learner, made.network, courses={"w_in": [0]}, progress=False)
    with pytest.raises(RuntimeError, match="'training_log' changed"):
        third.run(Phase("train", trial, 1))
    set_target("numpy")
    whole, trial, _ = training_of(case())
    whole.run(Phase("train", trial, 3))
    for name, weights in whole.weights().items():
        np.testing.assert_allclose(learned[name], weights, rtol=1e-10)
    np.testing.assert_array_equal(training.weights()["w_in"], learned["w_in"])
