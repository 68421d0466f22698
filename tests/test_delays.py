"""Every spike of a Projection arrives when the delay at its emission says."""

import gc

import numpy as np
import pytest
from brian2 import (
    DimensionMismatchError,
    Network,
    NeuronGroup,
    StateMonitor,
    defaultclock,
    ms,
    second,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from brianlearn import Kernel, Projection, SpikeInput, Trial, Trials, simulate
from brianlearn.delays import HEADER, OUT_OF_RANGE, propagate_delayed
from brianlearn.errors import DelayError
from conftest import CYTHON_LATER
from native import native

SHARED = {"synapse": (1, 1), "axon": (1, 0), "branch": (0, 1), "one": (0, 0)}


def arrivals(raster, weights, delays, interpolates):
    """What each target hears in each step, spike by spike: steps x samples x targets.

    ``delays``, in steps, are those of each step: steps x sources x targets.
    """
    steps, samples, _ = raster.shape
    heard = np.zeros((steps, samples, weights.shape[1]))
    for t, b, i in zip(*np.nonzero(raster), strict=True):
        for j in range(weights.shape[1]):
            whole = int(np.floor(delays[t, i, j]))
            later = delays[t, i, j] - whole
            if not interpolates:
                later = float(later >= 0.5)
            for arrival, share in ((t + whole, 1 - later), (t + whole + 1, later)):
                if arrival < steps:
                    heard[arrival, b, j] += share * weights[i, j]
    return heard


def drawn(seed, shared, density, maximum, steps=15):
    """A raster, weights (0: no connection) and delays that change in each step."""
    random = np.random.default_rng(seed)
    samples, sources, targets = random.integers(1, 5, 3)
    shape = [n if wide else 1 for n, wide in zip((sources, targets), SHARED[shared], strict=True)]
    delays = random.uniform(0, maximum, (steps, *shape))
    delays[random.random(delays.shape) < 0.2] = maximum
    whole = random.random(delays.shape) < 0.3
    delays[whole] = np.round(delays[whole] * 2) / 2  # also half steps, which are rounded up
    raster = random.random((steps, samples, sources)) < 0.4
    weights = random.normal(size=(sources, targets)) * (random.random((sources, targets)) < density)
    weights[0, 0] = 1
    return raster, weights, delays


TYPES = {
    "spikes": "i4", "first": "i8", "samples": "i8", "targets": "i8", "rows": "i4", "columns": "i4",
    "weights": "f", "delay_steps": "f", "strides": "i8", "interpolates": "i8", "slots": "i8",
    "now": "i8", "under_way": "f", "hears": "b", "fed": "f",
}  # fmt: skip
FORMS = {"python": propagate_delayed}


@pytest.fixture(scope="module", autouse=True)
def compiled():
    FORMS["C++"] = native(HEADER, "propagate_delayed", **TYPES)


def run_directly(form, raster, weights, delays, interpolates, dense, maximum):
    """The rule called step by step, without a network."""
    steps, samples, _ = raster.shape
    targets = weights.shape[1]
    mask = np.ones(weights.shape, dtype=bool) if dense else weights != 0
    shape = delays.shape[1:]
    strides = [shape[1] if shape[0] > 1 else 0, int(shape[1] > 1), 0]
    listed = shape == weights.shape and weights.size > 1 and not dense
    nowhere = np.full(1, -1, dtype=np.int32)
    rows = np.concatenate([[0], np.cumsum(mask.sum(axis=1))]).astype(np.int32)
    slots = maximum + 1 + interpolates
    arguments = {
        "first": np.array([2]),
        "samples": np.array([samples]),
        "targets": np.array([targets]),
        "rows": nowhere if dense else rows,
        "columns": nowhere if dense else np.nonzero(mask)[1].astype(np.int32),
        "weights": weights[mask],
        "strides": np.array([0, 0, 1] if listed else strides),
        "interpolates": np.array([int(interpolates)]),
        "slots": np.array([slots]),
        "now": np.array([0]),
        "under_way": np.zeros(slots * samples * targets),
        "hears": np.ones(1, dtype=bool),
    }
    heard = np.zeros((steps, samples * targets))
    for t in range(steps):
        spiking = np.flatnonzero(raster[t].ravel()) + 2
        arguments["spikes"] = np.array(
            [*spiking, *[0] * (5 - len(spiking)), len(spiking)], np.int32
        )
        arguments["delay_steps"] = np.ascontiguousarray(delays[t][mask] if listed else delays[t])
        arguments["delay_steps"] = arguments["delay_steps"].ravel()
        arguments["fed"] = heard[t]
        assert not form(**arguments)
    return heard.reshape(steps, samples, targets)


@pytest.mark.parametrize("name", ["python", "C++"])
@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    shared=st.sampled_from([*SHARED]),
    interpolates=st.booleans(),
    dense=st.booleans(),
    maximum=st.integers(0, 6),
)
def test_rule_delivers_when_the_delay_at_emission_says(
    name, seed, shared, interpolates, dense, maximum
):
    raster, weights, delays = drawn(seed, shared, 0.6, maximum)
    heard = run_directly(FORMS[name], raster, weights, delays, interpolates, dense, maximum)
    full = np.broadcast_to(delays, (len(raster), *weights.shape))
    assert np.allclose(heard, arrivals(raster, weights, full, interpolates), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["python", "C++"])
@pytest.mark.parametrize("wrong", [-0.001, 3.001, np.nan])
def test_rule_notices_impossible_delays(name, wrong):
    arguments = {
        "spikes": np.array([0, 1], np.int32), "first": np.array([0]), "samples": np.array([1]),
        "targets": np.array([2]), "rows": np.full(1, -1, np.int32),
        "columns": np.full(1, -1, np.int32), "weights": np.ones(2), "fed": np.zeros(2),
        "interpolates": np.array([0]), "slots": np.array([4]), "now": np.array([0]),
        "hears": np.ones(1, dtype=bool),
    }  # fmt: skip
    for strides in ([2, 1, 0], [0, 0, 0]):
        delay = np.array([wrong, 1.0])
        state = {"strides": np.array(strides), "delay_steps": delay, "under_way": np.zeros(8)}
        assert FORMS[name](**arguments, **state) == OUT_OF_RANGE


def shift(delay_steps, moves, row):
    """Another learner's work: in each step, the next row of given delays."""
    delay_steps[:] = moves.reshape(-1, len(delay_steps))[row[0]]
    row[0] += 1


SHIFT = """int shift(Array<double> delay_steps, Array<double> moves, Array<int64_t> row)
{
    for (size_t k = 0; k < delay_steps.size; k++)
        delay_steps[k] = moves[row[0] * delay_steps.size + k];
    row[0]++;
    return 0;
}"""


@pytest.mark.parametrize("target", CYTHON_LATER, indirect=True)
def test_network_delivers_when_the_delay_at_emission_says(target):
    """All ways to share delays, interpolated or not, as lists or not, while a kernel moves them."""
    defaultclock.dt = 1 * ms
    random = np.random.default_rng(5)
    steps, samples, sources, targets, maximum = 20, 2, 4, 5, 7
    raster = random.random((samples, steps, sources)) < 0.3
    inputs = SpikeInput(sources, samples, name="inputs")
    objects, expected, groups, projections = [inputs], [], [], []
    for k, (shared, interpolates, density) in enumerate(
        [("synapse", 1, 1), ("synapse", 0, 0.4), ("axon", 0, 1), ("branch", 1, 0.4)]
    ):
        weights = random.normal(size=(sources, targets))
        weights *= random.random(weights.shape) < density
        wide = SHARED[shared]
        shape = [n if w else 1 for n, w in zip(weights.shape, wide, strict=True)]
        moves = random.uniform(0, maximum, (steps, *shape))
        group = NeuronGroup(samples * targets, "x : 1", name=f"group_{k}")
        projection = Projection(
            inputs, group, weights, variable="x", delay=moves[0] * ms, name=f"projection_{k}",
            max_delay=maximum * ms, interpolate=bool(interpolates),
        )  # fmt: skip
        stored = moves
        if shared == "synapse" and not projection.is_dense:
            stored = moves[:, projection.mask]
        writer = Kernel(
            shift, SHIFT,
            {"delay_steps": (projection, "delay_steps"), "moves": stored.ravel(), "row": 0},
            when="start", order=-90, name=f"writer_{k}",
        )  # fmt: skip
        groups.append(group)
        projections.append(projection)
        monitor = StateMonitor(group, "x", record=True, when="end", name=f"heard_{k}")
        objects += [group, projection, writer, monitor]
        full = np.broadcast_to(moves, (steps, *weights.shape))
        heard = arrivals(raster.transpose(1, 0, 2), weights, full, interpolates)
        expected.append(np.cumsum(heard.reshape(steps, -1), axis=0))
    trials = Trials(steps * ms, inputs, [*groups, *projections], name="trials")
    trials.present(Trial.from_raster(raster))
    simulate(steps * ms, Network(objects, trials), progress=False)
    monitors = [one for one in objects if isinstance(one, StateMonitor)]
    for monitor, values in zip(monitors, expected, strict=True):
        assert np.ptp(values) > 0
        assert np.allclose(monitor.x.T, values, rtol=0, atol=1e-12)


def connected(**options):
    defaultclock.dt = 1 * ms
    inputs = SpikeInput(3)
    group = NeuronGroup(2, "x : 1", name="group")
    options = {"delay": 2 * ms, "max_delay": 4 * ms, "name": "axons"} | options
    return inputs, group, Projection(inputs, group, np.ones((3, 2)), variable="x", **options)


def test_ring_is_emptied_between_trials(numpy_target):
    inputs, group, projection = connected()
    raster = np.zeros((5, 3))
    raster[4] = 1  # arrives after the trial's end
    careless = network(inputs, group, [group], projection, raster)
    with pytest.raises(ValueError, match="'axons' would deliver delayed spikes of one trial in"):
        simulate(5 * ms, careless, progress=False)
    del careless
    gc.collect()
    heard = network(inputs, group, [projection], projection, raster)
    heard.run(20 * ms)
    assert not np.any(group.x_)


def network(inputs, group, reset, projection, raster):
    trials = Trials(5 * ms, inputs, reset)
    trials.present(Trial.from_raster(raster[None]))
    return Network(inputs, group, projection, trials)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"delay": 2}, DimensionMismatchError, "delay, such as 2\\*ms, should be in second"),
        ({"delay": 5 * ms}, DelayError, "A delay is 5. ms, but must lie between 0 and .* 4. ms"),
        ({"delay": -1 * ms}, DelayError, "A delay is -1. ms"),
        ({"delay": np.nan * ms}, DelayError, "A delay is nan s"),
        ({"delay": [1, 2, 3, 4] * ms}, ValueError, r"delay is \(4,\), but must be one time"),
        ({"delay": np.ones((2, 2)) * ms}, ValueError, r"delay is \(2, 2\), but must be one time"),
        ({"max_delay": 3}, DimensionMismatchError, "max_delay, such as 20\\*ms, should be"),
        ({"max_delay": -3 * ms}, DelayError, "max_delay is -3. ms"),
        ({"delay": None}, ValueError, "'axons' has no delay: give delay"),
    ],
)
def test_wrong_delays_are_refused(options, error, words):
    with pytest.raises(error, match=words):
        connected(**options)


def test_delay_out_of_range_ends_the_run(numpy_target):
    inputs, group, projection = connected()
    projection.set_array("delay_steps", np.array([5.0]))
    with pytest.raises(DelayError, match=r"'axons': a delay was negative, longer than max_delay"):
        simulate(
            5 * ms, network(inputs, group, [group, projection], projection, np.ones((5, 3))),
            progress=False,
        )  # fmt: skip


def test_changed_time_step_is_refused(numpy_target):
    inputs, group, projection = connected()
    defaultclock.dt = 0.5 * ms
    with pytest.raises(ValueError, match=r"time step has changed to .* since 'axons' was made"):
        simulate(1 * ms, Network(inputs, group, projection), progress=False)


def test_delays_are_set_and_read_exactly(numpy_target):
    random = np.random.default_rng(1)
    values = random.uniform(0, 4, (3, 2)) * ms
    *_, projection = connected(delay=values)
    assert np.allclose(projection.delays / ms, values / ms, rtol=1e-15)
    projection.set_delays(values / 2)
    assert np.allclose(projection.delays / ms, values / ms / 2, rtol=1e-15)
    for wrong, error in (
        (values[:2], ValueError), (values / second, DimensionMismatchError), (-values, DelayError)
    ):  # fmt: skip
        with pytest.raises(error):
            projection.set_delays(wrong)
    *_, fixed = connected(delay=None, max_delay=None)
    with pytest.raises(DelayError, match="has no delays: make it with delay"):
        fixed.set_delays(values)


@pytest.mark.parametrize("interpolate", [False, True])
def test_plain_synapses_do_the_same(numpy_target, interpolate):
    random = np.random.default_rng(2)
    delays = random.uniform(0, 4, (3, 2)) * ms
    raster = random.random((30, 3)) < 0.3
    heard = []
    for plain in (False, True):
        inputs, group, projection = connected(delay=delays, interpolate=interpolate)
        trials = Trials(30 * ms, inputs, [group] if plain else [group, projection])
        trials.present(Trial.from_raster(raster[None]))
        monitor = StateMonitor(group, "x", record=True, when="end")
        connection = projection.synapses() if plain else projection
        Network(inputs, group, connection, trials, monitor).run(30 * ms)
        heard.append(np.array(monitor.x))
    assert np.ptp(heard[0]) > 0
    assert np.allclose(*heard, rtol=0, atol=1e-12)


def test_whole_delays_are_whole(numpy_target):
    """0.3 ms are three steps of 0.1 ms, though a division says 2.9999999999999996."""
    defaultclock.dt = 0.1 * ms
    source = NeuronGroup(50, "x : 1", threshold="x > 1")
    target = NeuronGroup(40, "x : 1")
    steps = np.arange(2000.0).reshape(50, 40)
    projection = Projection(source, target, np.ones((50, 40)), variable="x", delay=steps * 0.1 * ms)
    assert np.array_equal(projection.delay_steps, steps.ravel())
    for k in range(200):
        delay = k * 0.1 * ms
        one = Projection(source, target, np.ones((50, 40)), variable="x", delay=delay)
        assert one.layout.maximum == k
    with pytest.raises(ValueError, match="max_delay .* is not a multiple of the time step"):
        Projection(source, target, steps, variable="x", delay=0 * ms, max_delay=0.25 * ms)
    halves = Projection(source, target, steps + 1, variable="x", delay=(steps + 0.5) * 0.1 * ms)
    assert np.array_equal(np.rint(halves.synapses().delay / (0.1 * ms)), steps.ravel() + 1)


def test_other_trials_do_not_matter(numpy_target):
    """Trials that reset the same group, but do not run, ask for nothing."""
    inputs, group, projection = connected()
    idle = Trials(5 * ms, SpikeInput(1), [group], name="idle")
    simulate(5 * ms, Network(inputs, group, projection), progress=False)
    assert idle.in_run is None


def test_a_list_of_times(numpy_target):
    inputs, group, _ = connected()
    listed = Projection(
        inputs, group, [1.0, 2.0], i=[2, 0], j=[0, 1], variable="x", delay=[1 * ms, 2 * ms]
    )
    assert listed.delays[2, 0] == 1 * ms
    assert listed.delays[0, 1] == 2 * ms
    with pytest.raises(ValueError, match=r"delay is \(3,\)|must be one time"):
        Projection(
            inputs, group, [[1, 0], [1, 0], [1, 0]], variable="x", delay=[1 * ms, 2 * ms, 3 * ms]
        )
