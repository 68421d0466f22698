"""Delays that move in a run: each spike arrives when its delay at emission said."""

from importlib.resources import files

import numpy as np
import pytest
from brian2 import (
    DimensionMismatchError,
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

from brianlearn import DelayError, Kernel, PlasticDelay, check_delays, record, simulate
from brianlearn.move_delays import move_delays
from native import native

STEPS, SOURCES, SYNAPSES = 120, 6, 14


def steps_of(delays, rounding="nearest", shift=0):
    """A delay in time steps, as Brian2's queue has it, or cut off."""
    x = np.asarray(delays) / float(defaultclock.dt)
    return (
        (x + 0.5).astype(int) + shift
        if rounding == "nearest"
        else np.floor(x + 1e-9).astype(int) + shift
    )


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

    return network_operation(write, when="start") if how != "set" else network_operation(write)


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


# -- both forms, by themselves -------------------------------------------------------------------

DRIVE = """
int drive(Array<double> delays, Array<char> shared, Array<int32_t> changed, Array<int64_t> step,
          Array<int64_t> every, Array<char> fresh, Array<double> rounding, Array<int64_t> shift,
          Array<double> longest, Array<int64_t> synapse, Array<double> delay, Array<int32_t> first,
          Array<double> dt, Array<int32_t> steps, Array<int64_t> room)
{
    static CSpikeQueue made[3] = {CSpikeQueue(0, 1), CSpikeQueue(0, 1), CSpikeQueue(0, 1)};
    CSpikeQueue* items[3] = {made, made + 1, made + 2};
    for (size_t k = 0; k < first.size; k++) made[k].dt = dt[0], made[k].openmp_padding = first[k];
    const int code = move_delays(Queues{items, first.size}, delays, shared, changed, step, every,
                                 fresh, rounding, shift, longest, synapse, delay);
    for (size_t s = 0, k = 0; !code && s < steps.size; s++) {
        while (!shared[0] && k + 1 < first.size && (int)s >= first[k + 1]) k++;
        steps[s] = made[k].delays[s - (shared[0] ? 0 : first[k])];
        room[0] = std::min(room[0], (int64_t)made[k].queue.size() - steps[s]);
    }
    return code;
}
"""
TYPES = {
    "delays": "f", "shared": "b", "changed": "i4", "step": "i8", "every": "i8", "fresh": "b",
    "rounding": "f", "shift": "i8", "longest": "f", "synapse": "i8", "delay": "f",
}  # fmt: skip
DT = 1e-4


class Heap:
    """What the Python form sees of queues."""

    dt, steps = DT, None

    def prepare(self, steps):
        self.steps = steps


@pytest.fixture(scope="module")
def drive():
    text = (files("brianlearn") / "move_delays.h").read_text() + DRIVE
    more = {"first": "i4", "dt": "f", "steps": "i4", "room": "i8"}
    return native(text, "drive", queues=True, **TYPES, **more)


def numbers(n, shared, rounding, shift, longest, every):
    values = {
        "delays": np.zeros(n), "shared": shared, "changed": np.zeros(n + 1), "step": 0,
        "every": every, "fresh": True, "rounding": rounding, "shift": shift, "longest": longest,
        "synapse": 0, "delay": 0,
    }  # fmt: skip
    dtypes = {"f": float, "b": bool, "i4": np.int32, "i8": np.int64}
    return {key: np.atleast_1d(np.array(v, dtypes[TYPES[key]])) for key, v in values.items()}


ODD = st.sampled_from([np.nan, -1e-3, -1e-12, np.inf, 5e-3, 5e-3 + 1e-12, 5.1e-3, 4.95e-3, 1e300])


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data(), n=st.integers(1, 9), shared=st.booleans(), shift=st.integers(0, 1),
       rounding=st.sampled_from([0.5, 1e-9]), every=st.sampled_from([1, 3, 2**62]))  # fmt: skip
def test_forms_agree(drive, data, n, shared, shift, rounding, every):
    """Python and C++, with up to three queues: the same steps, the same faults, room for all."""
    n = 1 if shared else n
    ours, theirs = (numbers(n, shared, rounding, shift, 5e-3, every) for _ in range(2))
    first = np.unique([0, *data.draw(st.lists(st.integers(0, n - 1), max_size=2))]).astype(np.int32)
    heap, steps = Heap(), np.zeros(n, dtype=np.int32)
    for step in range(data.draw(st.integers(1, 5))):
        values = st.one_of(st.floats(0, 5e-3), st.integers(0, 50).map(lambda k: k * DT), ODD)
        moved = data.draw(st.lists(st.tuples(st.integers(0, n - 1), values), max_size=4))
        listed = [synapse for synapse, _ in moved][:n]
        if data.draw(st.integers(0, 30)) == 0:
            listed = [*listed, data.draw(st.sampled_from([-1, n]))][-n:]
        for held in (ours, theirs):
            held["step"][0] = step
            for synapse, value in moved:
                held["delays"][synapse] = value
            held["changed"][: len(listed)] = listed
            held["changed"][-1] = len(listed)
        with np.errstate(all="ignore"):
            code = move_delays(heap, **ours)
        room = np.full(1, 99)
        kept = {"first": first, "dt": np.full(1, DT), "steps": steps, "room": room}
        assert (code or 0) == drive(**theirs, **kept)
        assert ours["synapse"] == theirs["synapse"] or not code
        if code:
            break
        np.testing.assert_array_equal(heap.steps, steps)
        assert room[0] > 0
        for key, held in ours.items():
            np.testing.assert_array_equal(held, theirs[key], err_msg=key)


def test_many_synapses(drive):
    """Longer than a block, with the first fault in a later one."""
    n = 3000
    values = numbers(n, False, 0.5, 0, 5e-3, 1)
    values["delays"][:] = np.random.default_rng(1).uniform(0, 5e-3, n)
    kept = {"first": np.zeros(1, np.int32), "dt": np.full(1, DT), "steps": np.zeros(n, np.int32)}
    assert drive(**values, **kept, room=np.full(1, 99)) == 0
    np.testing.assert_array_equal(kept["steps"], (values["delays"] / DT + 0.5).astype(int))
    values["delays"][[2500, 2700]] = -1
    assert drive(**values, **kept, room=np.full(1, 99)) == 1
    assert values["synapse"] == 2500


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
        ("cython", 0),
        ("cpp_standalone", 0),
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


# -- what is refused -----------------------------------------------------------------------------


def pair(model="d : second", on_pre="x_post += 1", connect=None, **options):
    group = NeuronGroup(3, "x : 1", threshold="x > 10", reset="", name="group")
    synapses = Synapses(group, group, model, on_pre=on_pre, name="synapses", **options)
    synapses.connect(**(connect or {"i": [0, 1, 2], "j": [0, 1, 2]}))
    return group, synapses


ODDITIES = {
    "negative": (-0.2, "is -200. us at t = 300. us, which is negative: .* 'd = clip"),
    "no number": (np.nan, "is not a number at t = 300. us: look at what is written"),
    "too long": (2.1, "is 2.1 ms at t = 300. us, longer than 2. ms: keep it below.*max_delay"),
}


@pytest.mark.parametrize(
    ("target", "oddity"),
    [
        *(("numpy", oddity) for oddity in ODDITIES),
        pytest.param("cython", "too long", marks=pytest.mark.slow),
    ],
    indirect=["target"],
)
def test_faults(target, oddity):
    """What a run finds, it says in one sentence, with the step in which it came up."""
    value, words = ODDITIES[oddity]
    group, synapses = pair()
    odd = TimedArray([[0, 0, 0]] * 6 + [[0, value, 0]], dt=defaultclock.dt)
    synapses.run_regularly("d = odd(t, i)*ms", name="spoil")
    plastic = PlasticDelay(synapses, max_delay=2 * ms, name="plastic")
    network = Network(group, synapses, plastic)
    words = rf"'plastic': the delay of synapse 1 in 'synapses' \('d'\) {words}"
    with pytest.raises(DelayError, match=words):
        simulate(1 * ms, network, progress=False, namespace={"odd": odd})


@pytest.mark.usefixtures("numpy_target")
class TestRefuses:
    def test_unknown_variable(self):
        with pytest.raises(
            KeyError, match="no variable 'u' to hold its delays: add .*'u : second'"
        ):
            PlasticDelay(pair()[1], "u")

    def test_another_unit(self):
        with pytest.raises(DimensionMismatchError, match="'d' of 'synapses', .* in second, but is"):
            PlasticDelay(pair("d : 1")[1])

    def test_unknown_pathway(self):
        with pytest.raises(KeyError, match="'synapses' has no pathway 'post'; it has: pre"):
            PlasticDelay(pair()[1], pathway="post")

    def test_no_synapses(self):
        with pytest.raises(TypeError, match="Only Synapses have pathways"):
            PlasticDelay(pair()[0])

    def test_linked(self):
        with pytest.raises(TypeError, match="'x_pre' of 'synapses' is linked"):
            PlasticDelay(pair()[1], "x_pre")

    @pytest.mark.parametrize(
        ("options", "error", "words"),
        [
            ({"max_delay": 5}, DimensionMismatchError, "max_delay is a time"),
            ({"max_delay": -5 * ms}, ValueError, "must not be negative"),
            ({"every": 5}, DimensionMismatchError, "every is a time"),
            ({"every": 0 * ms}, ValueError, "every is 0. s, but must be positive"),
            ({"rounding": "up"}, ValueError, "rounding is 'up'"),
            ({"shift": -1}, ValueError, "shift is -1"),
            ({"shift": 0.5}, ValueError, "shift is 0.5"),
        ],
    )
    def test_options(self, options, error, words):
        with pytest.raises(error, match=words):
            PlasticDelay(pair()[1], **options)

    def test_another_time_step(self):
        group, synapses = pair()
        network = Network(group, synapses, PlasticDelay(synapses))
        network.run(1 * ms)
        defaultclock.dt = 0.1 * ms
        with pytest.raises(DelayError, match="step of 'synapses' was 50. us and is now 100. us"):
            simulate(1 * ms, network, progress=False)

    def test_a_pathway_moved_later(self):
        group, synapses = pair()
        network = Network(group, synapses, PlasticDelay(synapses))
        synapses.pre.order = 7
        with pytest.raises(DelayError, match="'synapses_pre' was moved .* set its when and order"):
            simulate(1 * ms, network, progress=False)

    @pytest.mark.parametrize("value", [-1 * ms, np.nan * ms, np.inf * ms, 3 * ms, [1, -1] * ms])
    def test_set(self, value):
        plastic = PlasticDelay(pair()[1], max_delay=2 * ms)
        with pytest.raises(DelayError, match="must lie between 0 s and 2. ms|but must lie"):
            plastic.set([0, 1], value)

    def test_set_elsewhere(self):
        plastic = PlasticDelay(pair()[1])
        with pytest.raises(IndexError):
            plastic.set([3], 1 * ms)
        with pytest.raises(DimensionMismatchError, match="A delay of 'synapses' should be in sec"):
            plastic.set([0], 1)

    def test_no_such_synapse(self):
        group, synapses = pair()
        plastic = PlasticDelay(synapses, every=np.inf * second)

        @network_operation
        def announce():
            plastic.variables["changed"].get_value()[[0, -1]] = [5, 1]

        network = Network(group, synapses, plastic, announce)
        network.run(0 * ms)
        with pytest.raises(DelayError, match="synapse 5 of 'synapses' was announced"):
            network.run(1 * ms)


@pytest.mark.usefixtures("numpy_target")
class TestSet:
    def test_elements(self):
        plastic = PlasticDelay(pair()[1])
        plastic.set([0, 2], [1, 3] * ms)
        plastic.set(-2, 2 * ms)
        np.testing.assert_allclose(plastic.synapses.d, [1, 2, 3] * ms)
        plastic.set([True, False, True], 4 * ms)
        np.testing.assert_allclose(plastic.synapses.d, [4, 2, 4] * ms)
        plastic.set(slice(None), 5 * ms)
        np.testing.assert_allclose(plastic.synapses.d, [5, 5, 5] * ms)
        assert plastic.changed[-1] == 3  # a full list: all are read

    def test_saved_and_loaded(self, tmp_path):
        """To the last bit, whatever a time step is."""
        delays = np.random.default_rng(1).uniform(0, 0.02, 3)
        first, second_one = PlasticDelay(pair()[1]), PlasticDelay(pair()[1])
        first.set(slice(None), delays * second)
        first.save(tmp_path / "delays")
        second_one.load(tmp_path / "delays")
        np.testing.assert_array_equal(np.asarray(second_one.synapses.d), delays)
        shared = PlasticDelay(pair("d : second (shared)")[1])
        with pytest.raises(ValueError, match="holds 3 delays, but 'synapses' has 1"):
            shared.load(tmp_path / "delays")


def test_standalone_by_itself(tmp_path):
    """Delays loaded and set before the run, a fault in it, and delays saved after it."""
    from conftest import _restore, choose

    def loaded(folder):
        choose("numpy")
        plastic = PlasticDelay(pair()[1])
        plastic.load(folder / "delays")
        return np.asarray(plastic.synapses.d)

    delays = np.random.default_rng(1).uniform(0, 0.02, 3)
    record.save(tmp_path / "delays", delays=delays)
    try:
        choose("cpp_standalone")
        group, synapses = pair(
            "d : second\ncommon : second (shared)",
            {"pre": "x_post += 1", "other": ""},
            connect={"j": "i"},  # only the run will know how many
        )
        synapses.run_regularly("common += 0.1*ms", name="slower")
        common = PlasticDelay(synapses, "common", "other", max_delay=4.25 * ms, name="common")
        each = PlasticDelay(synapses, name="each")
        each.load(tmp_path / "delays")
        each.set([1], 3 * ms)
        common.set(slice(None), 4 * ms)
        network = Network(group, synapses, each, common)
        words = (
            r"the delay in 'synapses' \('common'\) is 4.3 ms at t = 100. us, longer than 4.25 ms"
        )
        with pytest.raises(DelayError, match=f"'common': {words}"):
            simulate(1 * ms, network, progress=False)
        delays[1] = 3e-3
        each.save(tmp_path / "delays")
        np.testing.assert_array_equal(loaded(tmp_path), delays)
    finally:
        _restore()


# -- delays that are written in vain -------------------------------------------------------------


@pytest.mark.parametrize("statement", ["delay = 1*ms", "delay += d", "x_post += 1; delay *= 2"])
@pytest.mark.parametrize("where", ["pre", "mine", "post", "run_regularly"])
def test_written_in_vain(numpy_target, statement, where):
    codes = {
        "pre": {"on_pre": statement},
        "mine": {"on_pre": {"pre": "x_post += 1", "mine": f"x_post += 1\n{statement}  # slower"}},
        "post": {"on_pre": "x_post += 1", "on_post": statement},
    }
    group, synapses = pair(**codes.get(where, {}))
    if where == "run_regularly":
        synapses.run_regularly(statement.rpartition("; ")[2], name="synapses_run_regularly")
    network = Network(group, synapses)
    with pytest.raises(DelayError, match=f"'delay .*' in 'synapses_{where}' has no effect.*'d : s"):
        check_delays(network)


def test_not_in_vain(numpy_target):
    """A delay that is only read, or another variable: nothing to say."""
    group, synapses = pair(on_pre="x_post += int(delay == 1*ms)\nd = delay\nmy_delay = 1*ms")
    check_delays(Network(group, synapses))


def test_left_out(numpy_target):
    group, synapses = pair()
    plastic = PlasticDelay(synapses, name="left_out")
    with pytest.raises(DelayError, match="'left_out' was made for .*, but is not in the network"):
        check_delays(Network(group, synapses))
    check_delays(Network(group, synapses, plastic))
    check_delays(Network(group))


def test_moved_twice(numpy_target):
    group, synapses = pair()
    both = [PlasticDelay(synapses, name=f"plastic_{k}") for k in range(2)]
    with pytest.raises(DelayError, match="'plastic_0' and 'plastic_1' both move the delays"):
        check_delays(Network(group, synapses, both))
