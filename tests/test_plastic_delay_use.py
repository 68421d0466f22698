"""PlasticDelay from outside: what it refuses, faults in runs, `set`, files, `check_delays`."""

import gc

import numpy as np
import pytest
from brian2 import (
    DimensionMismatchError,
    Network,
    NeuronGroup,
    Synapses,
    TimedArray,
    defaultclock,
    ms,
    network_operation,
    second,
)

from brianlearn import DelayError, PlasticDelay, check_delays, record, simulate

STEPS, SOURCES, SYNAPSES = 120, 6, 14


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


def test_runs_wherever_its_synapses_run(numpy_target):
    """Nobody has to keep it, or to add it to the network."""
    group, synapses = pair()
    PlasticDelay(synapses, name="kept")
    gc.collect()
    assert "kept" in {item.name for item in Network(group, synapses).sorted_objects}
    check_delays(Network(group, synapses))


def test_moved_twice(numpy_target):
    group, synapses = pair()
    both = [PlasticDelay(synapses, name=f"plastic_{k}") for k in range(2)]
    with pytest.raises(DelayError, match="'plastic_0' and 'plastic_1' both move the delays"):
        check_delays(Network(group, synapses, both))
