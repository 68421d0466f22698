"""Delays that move in a run: each spike arrives when its delay at emission said."""

import numpy as np
import pytest
from brian2 import (
    Network,
    NeuronGroup,
    StateMonitor,
    Synapses,
    TimedArray,
    defaultclock,
    ms,
    network_operation,
    prefs,
    second,
)
from brian2.devices.device import get_device
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from brianlearn import Kernel, PlasticDelay

STEPS, SOURCES, SYNAPSES = 120, 6, 14


def steps_of(delays, rounding="nearest", shift=0):
    """A delay in time steps, as Brian2's queue has it, or cut off."""
    x = np.asarray(delays) / float(defaultclock.dt)
    whole = np.floor(x + 1e-9) if rounding == "down" else np.floor(x + 0.5)
    return whole.astype(int) + shift


def arrivals(raster, pre, steps):
    """How many spikes have arrived through each synapse by the end of each step, one by one.

    raster is steps x sources, steps (the delays) steps x synapses.
    """
    count = np.zeros((len(pre), len(raster)), dtype=int)
    for emitted, source in zip(*np.nonzero(raster), strict=True):
        for synapse in np.flatnonzero(pre == source):
            arrival = emitted + steps[emitted, synapse]
            if arrival < len(raster):
                count[synapse, arrival] += 1
    return count.cumsum(axis=1)


def spiking(raster, name):
    """Neurons that spike as told."""
    told = TimedArray(raster.astype(float), dt=defaultclock.dt)
    return NeuronGroup(
        raster.shape[1],
        "spike = told(t, i) : 1\nown : 1\nlow : 1\nback : 1",
        threshold="spike > 0",
        reset="",
        namespace={"told": told},
        name=name,
    )


def drawn(seed):
    """A raster, the source of each synapse, and delays (s) of each synapse in each step."""
    random = np.random.default_rng(seed)
    raster = random.uniform(size=(STEPS, SOURCES)) < 0.2
    pre = random.integers(0, SOURCES, SYNAPSES)
    held = np.repeat(random.uniform(0, 4e-3, (STEPS // 4, SYNAPSES)), 4, axis=0)
    return raster, pre, held


# -- a random writer, on NumPy -------------------------------------------------------------------


def tell(step, told, d):
    """A kernel that writes the delays, and announces nothing."""
    d[:] = told[step[0] * len(d) : (step[0] + 1) * len(d)]


def tell_changed(step, told, d, changed):
    """The same for a kernel that announces what it has changed."""
    wanted = told[step[0] * len(d) : (step[0] + 1) * len(d)]
    moved = np.flatnonzero(wanted != d)
    d[:] = wanted
    changed[: len(moved)] = moved
    changed[-1] = len(moved)


TELL_CHANGED = """
int tell_changed(Array<int64_t> step, Array<double> told, Array<double> d, Array<int32_t> changed)
{
    int32_t& count = changed[changed.size - 1];
    for (size_t s = 0; s < d.size; s++) {
        const double wanted = told[step[0] * d.size + s];
        if (wanted != d[s] && count < (int32_t)changed.size - 1) changed[count++] = s;
        d[s] = wanted;
    }
    return 0;
}
"""


def writer(how, synapses, plastic, held):
    """What makes the delays those of ``held`` in each step."""
    clock, d = synapses.clock, (synapses, "d")
    common = {"step": (clock, "timestep"), "told": held.ravel(), "d": d}
    if how == "kernel":
        return Kernel(tell, "// none\n", common, name="writer")
    if how == "announcing kernel":
        arguments = common | {"changed": (plastic, "changed")}
        return Kernel(tell_changed, TELL_CHANGED, arguments, name="writer")
    now = synapses.variables["d"]

    def write():
        row = held[int(clock.timestep[:])]
        if how == "variable":
            now.set_value(row)
        else:
            moved = np.flatnonzero(row != now.get_value())
            plastic.set(moved, row[moved] * second)

    return network_operation(write)


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 2**20),
    how=st.sampled_from(["variable", "set", "kernel", "announcing kernel"]),
    rounding=st.sampled_from(["nearest", "down"]),
    shift=st.integers(0, 2),
    first=st.integers(0, 3),
    delay=st.sampled_from([None, 0.7 * ms]),
    whole=st.booleans(),
)
def test_arrivals(numpy_target, seed, how, rounding, shift, first, delay, whole):
    """Delays drawn anew now and then, by whatever writes them, between zero and the end."""
    raster, pre, held = drawn(seed)
    pre = pre % (SOURCES - first)
    if whole:  # multiples of a time step, as a rule that counts steps has them
        held = np.round(held / float(defaultclock.dt)) * float(defaultclock.dt)
    source = spiking(raster, "source")
    target = NeuronGroup(SYNAPSES, "heard : 1", name="target")
    part = source[first:] if first else source
    synapses = Synapses(part, target, "d : second", on_pre="heard_post += 1", delay=delay)
    synapses.connect(i=pre, j=np.arange(SYNAPSES))
    announced = how in ("set", "announcing kernel")
    plastic = PlasticDelay(
        synapses, rounding=rounding, shift=shift, every=np.inf * second if announced else None
    )
    monitor = StateMonitor(target, "heard", record=True, when="end")
    network = Network(source, target, synapses, plastic, monitor)
    network.add(writer(how, synapses, plastic, held))
    network.run(50 * defaultclock.dt)
    network.run((STEPS - 50) * defaultclock.dt)  # what is under way stays so
    expected = arrivals(raster[:, first:], pre, steps_of(held, rounding, shift))
    np.testing.assert_array_equal(monitor.heard, expected)


# -- the compiled targets ------------------------------------------------------------------------


def everything_at_once():
    """One network with everything that can differ between targets, and what was recorded."""
    raster, pre, told = drawn(1)
    back = np.random.default_rng(2).uniform(size=(STEPS, SYNAPSES)) < 0.2
    pre = pre % (SOURCES - 1)
    source, target = spiking(raster, "source"), spiking(back, "target")
    synapses = Synapses(
        source[1:], target, "d : second\nlater : second\ncommon : second (shared)",
        on_pre={"pre": "own_post += 1; d = clip(d + 0.17*ms, 0*ms, 6*ms)", "low": "low_post += 1"},
        on_post={"together": "back_pre += 1"}, delay={"together": 1 * ms}, name="synapses",
    )  # fmt: skip
    synapses.connect(i=pre, j=np.arange(SYNAPSES))
    synapses.d = np.linspace(0, 1, SYNAPSES) * ms
    drift = "common = 1.5*ms*(1 + sin(t/ms))\nd = clip(d + 0.2*ms*sin(t/ms + i), 0*ms, 6*ms)"
    synapses.run_regularly(drift, name="drift")
    never = np.inf * second
    plastic = [
        PlasticDelay(synapses, max_delay=6 * ms, name="d_pre"),
        PlasticDelay(synapses, "common", "together", every=0.3 * ms, name="common_together"),
        PlasticDelay(synapses, "later", "low", rounding="down", shift=1, every=never, name="low"),
    ]
    arguments = {
        "step": (synapses.clock, "timestep"),
        "told": told.ravel(),
        "d": (synapses, "later"),
        "changed": (plastic[-1], "changed"),
    }
    announcing = Kernel(tell_changed, TELL_CHANGED, arguments, name="announcing")
    monitors = [
        StateMonitor(
            synapses, ["d", "common"], record=True, when="synapses", order=-9, name="held"
        ),
        StateMonitor(target, ["own", "low"], record=True, when="end", name="heard"),
        StateMonitor(source, "back", record=True, when="end", name="felt"),
    ]
    network = Network(source, target, synapses, announcing, *plastic, *monitors)
    return network, monitors, synapses, (raster[:, 1:], back, pre, told)


def run_twice(network, synapses, folder):
    """Two runs, with delays written in between."""
    network.run(60 * defaultclock.dt)
    synapses.d = np.linspace(3, 0, SYNAPSES) * ms
    network.run((STEPS - 60) * defaultclock.dt)
    if hasattr(get_device(), "build"):
        get_device().build(directory=str(folder))


@pytest.mark.parametrize(
    ("target", "threads"),
    [
        ("numpy", 0),
        pytest.param("cython", 0, marks=pytest.mark.slow),
        pytest.param("cpp_standalone", 0, marks=pytest.mark.slow),
        pytest.param("cpp_standalone", 3, marks=pytest.mark.slow),
    ],
    indirect=["target"],
)
def test_everything_at_once(target, threads, tmp_path):
    """Pathways, a subgroup, shared and scalar delays, growth, writers of all kinds, two runs."""
    prefs.devices.cpp_standalone.openmp_threads = threads
    try:
        network, monitors, synapses, (raster, back, pre, told) = everything_at_once()
        run_twice(network, synapses, tmp_path)
    finally:
        prefs.devices.cpp_standalone.openmp_threads = 0
    held, heard, felt = monitors
    d = steps_of(held.d).T
    assert d[0].max() < d.max() / 2  # the queue has grown
    np.testing.assert_array_equal(heard.own, arrivals(raster, pre, d))
    np.testing.assert_array_equal(heard.low, arrivals(raster, pre, steps_of(told, "down", 1)))
    looked = np.arange(STEPS) // 6 * 6  # each 0.3 ms, and when a run begins
    common = np.repeat(steps_of(held.common).T, SYNAPSES, axis=1)[looked]
    each = arrivals(back, np.arange(SYNAPSES), common)
    for i in range(SOURCES - 1):
        np.testing.assert_array_equal(felt.back[i + 1], each[pre == i].sum(axis=0))
