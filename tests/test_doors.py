"""What users give as numbers: every door takes what is meant, and refuses what would be changed.

A row of the table is a door, a column something that a conversion would cut, drop or take for
something else. Doors whose answer is another one have tests of their own.
"""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from brian2 import (
    DimensionMismatchError,
    Hz,
    NeuronGroup,
    SpikeGeneratorGroup,
    Synapses,
    defaultclock,
    ms,
    mV,
    second,
)

from brianlearn import (
    Adam,
    EligibilitySynapses,
    EProp,
    FiringRate,
    Given,
    Graded,
    GradientDescent,
    Kernel,
    Phase,
    PlasticDelay,
    Projection,
    Readout,
    Recorder,
    Signal,
    SpikeInput,
    Trial,
    Trials,
    WinnerTakeAllDelays,
    simulate,
)
from brianlearn.checks import real_numbers, whole_numbers
from brianlearn.models import eprop_lif, eprop_readout, force_lif, linear_readout
from brianlearn.tasks import dendrites
from brianlearn.tasks.alignment import Alignment, same_pattern
from brianlearn.tasks.events import Events
from brianlearn.tasks.localization import Localization, median_error
from brianlearn.tasks.nmnist import NMNIST
from brianlearn.tasks.recordings import Recordings
from brianlearn.tasks.sequence import Sequence

pytestmark = pytest.mark.usefixtures("numpy_target")

REFUSED = TypeError, ValueError, IndexError, DimensionMismatchError


def spiking(unit="1"):
    return NeuronGroup(3, f"v : {unit}\nn : integer", threshold="n > 0", name="neurons")


def volts(values):
    group = spiking("volt")
    return Projection(group, group, values, variable="v")


def listed(**given):
    group = spiking()
    arguments = {"i": [0, 1, 2], "j": [1, 2, 0], "weights": np.ones(3)} | given
    return Projection(group, group, **arguments, variable="v")


def matrix(**given):
    group = spiking()
    return Projection(group, group, **{"weights": np.ones((3, 3))} | given, variable="v")


def graded(weights=None, **given):
    groups = [NeuronGroup(n, "v : 1") for n in (4, 3)]
    return Graded(*groups, np.ones((4, 3)) if weights is None else weights, **given)


def online(weights=None, **given):
    ends = SpikeInput(4), eprop_lif.neurons(3)
    weights = np.ones((4, 3)) if weights is None else weights
    return EligibilitySynapses(*ends, weights, eprop_readout.neurons(1), **given)


def presented(samples=3, readouts=2, **given):
    """A trial of three steps, given to trials of three samples."""
    defaultclock.dt = 1 * ms
    inputs, readout = SpikeInput(4, samples), linear_readout.neurons(samples * readouts)
    trials = Trials(3 * ms, inputs, None, readout=readout)
    arguments = {"steps": [0, 1, 2], "indices": [1, 2, 3]}
    if "labels" not in given:
        arguments["targets"] = np.ones((3, samples * readouts))
    trials.present(Trial(**arguments | given))


def raster(values):
    return Trial.from_raster(values)


def windowed(window):
    defaultclock.dt = 1 * ms
    inputs, readout = SpikeInput(2), eprop_readout.neurons(2)
    trials = Trials(3 * ms, inputs, readout, readout=readout)
    onto = Projection(inputs, readout, np.ones((2, 2)), variable="x")
    return EProp(window=window).attach(trials, readout, [onto])


def listeners():
    return NeuronGroup(3, "r : 1\nheard : 1", name="listeners")


def recorded(indices):
    neurons = listeners()
    trials = Trials(3 * ms, SpikeInput(1), [neurons])
    return Recorder(trials, {"r": (neurons, "r")}, indices={"r": indices})


def fed_back(feedback):
    defaultclock.dt = 1 * ms
    inputs, neurons, readout = SpikeInput(2), eprop_lif.neurons(3), eprop_readout.neurons(2)
    trials = Trials(3 * ms, inputs, [neurons, readout], readout=readout)
    onto = Projection(inputs, neurons, np.ones((2, 3)), variable="x")
    out = Projection(neurons, readout, np.ones((3, 2)), variable="x")
    return EProp(feedback=Given(feedback)).attach(trials, readout, [onto, out])


def moved(delays=(1, 1, 1) * ms, indices=(0, 1, 2)):
    group = spiking()
    synapses = Synapses(group, group, "d : second", on_pre="v_post += 1")
    synapses.connect(j="i")
    PlasticDelay(synapses, max_delay=5 * ms).set(indices, delays)


def competing(competitors=(2, 2, 2), delays=(0, 1, 2, 3, 4, 5) * ms):
    source = SpikeGeneratorGroup(6, [0], [0] * ms)
    return WinnerTakeAllDelays().attach(source, competitors, delays)


def alignment(**given):
    arguments = {"patterns": np.ones((2, 2, 3)), "shifts": np.ones((2, 2), int)} | given
    return Alignment(**arguments, tau=3.0, reference=1, max_delay=3, enough=0.9)


PATTERN = same_pattern(seed=1, classes=3, inputs=2, length=3, padding=4)
EVENTS = {"x": [1, 2, 3], "y": [1, 2, 3], "polarity": [0, 1, 0], "time": [1, 2, 3]}


@dataclass(frozen=True)
class Door:
    """What takes values, some that it takes, and which bad ones are of no concern to it."""

    take: Any
    good: Any
    but: tuple = ()


def signal(values):
    return Signal.of(values, 2, name="target", dim=ms.dim / ms.dim)


ONES = np.ones((3, 3))
WITH_FEWER = ("another length",)  # which it takes as well
BOOLEANS = ("booleans",)
ANY_FLOAT = ("infinite", "no number", "too long for a float")  # a fault where it is met, in a run
NO_QUANTITIES = ("a view", "a list of views", "text", "objects", "ragged", "nothing")
NO_QUANTITIES += ("too long for a float",)

REAL = {
    "real_numbers": Door(lambda v: real_numbers(v, "x", shape=(3,)), np.ones(3)),
    "Projection(weights)": Door(lambda v: matrix(weights=v), ONES),
    "Projection(weights, i, j)": Door(lambda v: listed(weights=v), np.ones(3)),
    "Projection(weights in volt)": Door(lambda v: volts(v * mV), ONES, (*NO_QUANTITIES, *BOOLEANS)),
    "Projection.set_matrix": Door(lambda v: matrix().set_matrix(v), ONES, ("infinite",)),
    "Projection.set_delay_steps": Door(
        lambda v: matrix(delay=ONES * ms, max_delay=2 * ms).set_delay_steps(v), ONES
    ),
    "Graded(weights)": Door(graded, np.ones((4, 3))),
    "Graded(bias)": Door(lambda v: graded(bias=v), np.ones(3)),
    "Graded.set_matrix": Door(lambda v: graded().set_matrix(v), np.ones((4, 3)), ("infinite",)),
    "EligibilitySynapses(weights)": Door(online, np.ones((4, 3))),
    "EligibilitySynapses.set_matrix": Door(
        lambda v: online().set_matrix(v), np.ones((4, 3)), ("infinite",)
    ),
    "Given": Door(fed_back, np.ones((3, 2))),
    "Given, by name": Door(lambda v: Given({"some": v}), np.ones((3, 2)), WITH_FEWER),
    "Template.neurons": Door(lambda v: eprop_lif.neurons(3, v_th=v), np.ones(3), ("infinite",)),
    "EProp(window)": Door(windowed, np.ones(3), BOOLEANS),
    "Signal.of": Door(signal, np.ones((5, 2)), (*WITH_FEWER, *ANY_FLOAT)),
    "Trial(targets)": Door(lambda v: presented(targets=v), np.ones((3, 6)), BOOLEANS),
    "Trial.from_raster(targets)": Door(
        lambda v: Trial.from_raster(np.ones((3, 4)), targets=v), np.ones((3, 2)),
        (*BOOLEANS, *WITH_FEWER),
    ),
    "Trial.from_raster(raster)": Door(raster, np.ones((3, 4)), (*BOOLEANS, *WITH_FEWER)),
    "tasks.dendrites.output(delays)": Door(
        lambda v: dendrites.output(np.ones((3, 2, 4)), v, 3.0), np.ones((2, 3))
    ),
    "tasks.dendrites.output(raster)": Door(
        lambda v: dendrites.output(v, np.ones((2, 3)), 3.0), np.ones((3, 2, 4)),
        (*BOOLEANS, *WITH_FEWER),
    ),
    "Alignment(patterns)": Door(
        lambda v: alignment(patterns=v), np.ones((2, 2, 3)), (*BOOLEANS, *WITH_FEWER)
    ),
    "Alignment.output": Door(PATTERN.output, np.ones((2, 3))),
    "Alignment.misalignment": Door(
        PATTERN.misalignment, np.ones((2, 3))
    ),
    "localization.median_error": Door(lambda v: median_error(v, [1, 2]), np.ones((2, 36))),
    "Readout(encoders)": Door(
        lambda v: Readout(listeners(), "r", feedback="heard", encoders=v), np.ones(3)
    ),
    "Localization.posterior": Door(Localization(sound=3).posterior, np.ones((1, 3, 2)), WITH_FEWER),
}  # fmt: skip

TIMES = {
    "Projection(delay)": Door(lambda v: matrix(delay=v), ONES),
    "Projection(delay, i, j)": Door(lambda v: listed(delay=v), np.ones(3)),
    "EligibilitySynapses(delay)": Door(lambda v: online(delay=v), np.ones((4, 3))),
    "Projection.set_delays": Door(
        lambda v: matrix(delay=ONES * ms, max_delay=2 * ms).set_delays(v), ONES
    ),
    "PlasticDelay.set(delays)": Door(moved, np.ones(3)),
    "WinnerTakeAllDelays(delays)": Door(lambda v: competing(delays=v), np.ones(6)),
    "Template.neurons(tau_m)": Door(lambda v: eprop_lif.neurons(3, tau_m=v), np.ones(3)),
}

WHOLE = {
    "whole_numbers": Door(lambda v: whole_numbers(v, "x", np.int32), [0, 1, 2], WITH_FEWER),
    "Projection(i)": Door(lambda v: listed(i=v), [0, 1, 2]),
    "Projection(j)": Door(lambda v: listed(j=v), [0, 1, 2]),
    "Trial(steps)": Door(lambda v: presented(steps=v), [0, 1, 2]),
    "Trial(indices)": Door(lambda v: presented(indices=v), [0, 1, 2]),
    "Trial(labels)": Door(lambda v: presented(labels=v), [0, 1, 1]),
    "Events(x)": Door(lambda v: Events(**EVENTS | {"x": v}), [0, 1, 2]),
    "Events(time)": Door(lambda v: Events(**EVENTS | {"time": v}), [0, 1, 2]),
    "Events(polarity)": Door(lambda v: Events(**EVENTS | {"polarity": v}), [0, 1, 1], BOOLEANS),
    "NMNIST(blocklist)": Door(lambda v: NMNIST(blocklist=v), [0, 1, 2], WITH_FEWER),
    "NMNIST.trial(labels)": Door(
        lambda v: NMNIST().trial([Events(**EVENTS)] * 3, v), [0, 1, 2], WITH_FEWER
    ),
    "Recordings(labels)": Door(lambda v: Recordings(["a", "b", "c"], v), [0, 1, 2]),
    "Recordings.part": Door(
        lambda v: Recordings(["a", "b", "c"], [0, 1, 2]).part(v), [0, 1, 2], WITH_FEWER
    ),
    "Alignment(shifts)": Door(
        lambda v: alignment(shifts=v), [[0, 1], [1, 0]], ("too large",)
    ),
    "Alignment.batch": Door(PATTERN.batch, [0, 1, 2], WITH_FEWER),
    "Sequence.batch": Door(
        Sequence().batch, [0, 1, 1], (*BOOLEANS, *WITH_FEWER, "fractions of 1")
    ),
    "median_error(labels)": Door(
        lambda v: median_error(np.ones((3, 36)), v), [0, 1, 2]
    ),
    "WinnerTakeAllDelays(competitors)": Door(lambda v: competing(competitors=v), [2, 2, 2]),
    "Recorder(indices)": Door(recorded, [0, 1, 2], WITH_FEWER),
    "PlasticDelay.set(indices)": Door(
        lambda v: moved(1 * ms, v), [0, 1, 2], (*BOOLEANS, *WITH_FEWER)
    ),
}  # fmt: skip


def with_first(values, first):
    changed = np.array(values, dtype=np.result_type(np.asarray(values), type(first)))
    changed.flat[0] = first
    return changed


def masked(values):
    mask = np.zeros(np.shape(values), bool)
    mask.flat[0] = True
    return np.ma.array(values, mask=mask)


def view(values):
    """Of a group that lives as long as its view."""
    group = NeuronGroup(np.size(values), "x : 1", name="other*")
    seen = group.x
    seen.owner = group
    return seen


COMMON = {
    "complex": lambda v: np.asarray(v) + 1j,
    "objects": lambda v: np.asarray(v).astype(object),
    "text": lambda v: np.asarray(v).astype(str),
    "masked": masked,
    "a view": view,
    "a list of views": lambda v: [view(v)],
    "another unit": lambda v: np.asarray(v) * Hz,
    "another length": lambda v: np.asarray(v)[:-1],
    "ragged": lambda v: [[1], [1, 2]],
    "nothing": lambda v: np.array(None),
    "booleans": lambda v: np.asarray(v).astype(bool),
}
BAD_REAL = COMMON | {
    "no number": lambda v: with_first(v, np.nan),
    "infinite": lambda v: with_first(v, np.inf),
    "too long for a float": lambda v: np.asarray(v).astype(int) * (2**60 + 1),
}
BAD_WHOLE = COMMON | {
    "floats": lambda v: np.asarray(v) + 0.5,
    "too large": lambda v: np.asarray(v) + 2**40,
    "too large for all": lambda v: [int(np.max(v)) + 2**64],
    "no number": lambda v: with_first(v, np.nan),
}
TABLE = {name: (door, BAD_REAL) for name, door in REAL.items()}
TABLE |= {name: (door, BAD_WHOLE) for name, door in WHOLE.items()}
BAD_TIMES = {what: COMMON[what] for what in ("complex", "masked", "another length")}


@pytest.mark.parametrize("door", [*REAL.values(), *WHOLE.values()], ids=[*REAL, *WHOLE])
def test_good_values_are_taken(door):
    door.take(door.good)
    door.take(np.asarray(door.good).tolist())


@pytest.mark.parametrize("name", TIMES)
def test_good_times_are_taken(name):
    TIMES[name].take(TIMES[name].good * ms)


@pytest.mark.parametrize("name", TABLE)
def test_what_would_be_changed_is_refused(name):
    door, bad = TABLE[name]
    refuse(door.take, {what: make(door.good) for what, make in bad.items() if what not in door.but})


@pytest.mark.parametrize("name", TIMES)
def test_what_are_no_times(name):
    door = TIMES[name]
    bad = {what: make(door.good) * ms for what, make in BAD_TIMES.items()}
    bad |= {
        "without unit": door.good,
        "view": view(door.good),
        "mixed": [1 * ms, 1],
        "text": "1*ms",
        "no number": with_first(door.good, np.nan) * ms,
        "another unit": door.good * mV,
    }
    refuse(door.take, bad)


def refuse(take, values):
    """An error of a known kind in a sentence for each, and no warning in place of it."""
    passed = []
    for what, value in values.items():
        with warnings.catch_warnings():
            warnings.simplefilter("error", np.exceptions.ComplexWarning)
            warnings.simplefilter("error", RuntimeWarning)
            try:
                take(value)
            except REFUSED as error:
                message = str(error.args[0])
                if len(message) < 12 or "length-1" in message:
                    passed.append(f"{what}: {message}")
            else:
                passed.append(what)
    assert not passed


NUMBERS = {
    "GradientDescent(learning_rate)": GradientDescent,
    "GradientDescent(lower)": lambda v: GradientDescent(lower=v),
    "Adam(beta_1)": lambda v: Adam(beta_1=v),
    "FiringRate(c_reg)": FiringRate,
    "FiringRate(kappa)": lambda v: FiringRate(kappa=v),
    "EProp(kappa)": lambda v: EProp(kappa=v),
    "WinnerTakeAllDelays(gain)": lambda v: WinnerTakeAllDelays(gain=v),
    "force_lif.network(p)": lambda v: force_lif.network(20, p=v),
    "force_lif.network(G)": lambda v: force_lif.network(20, G=v),
    "NMNIST(longest)": lambda v: NMNIST(longest=v),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_one_number(name):
    for good in (0.5, np.float32(0.5), np.float64(0.5)):
        NUMBERS[name](good)
    bad = [True, 0.5j, "0.5", np.array([0.5, 0.5]), 0.5 * mV, np.nan]
    refuse(NUMBERS[name], {repr(one): one for one in bad})


COUNTS = {
    "EProp(trials_per_update)": lambda v: EProp(trials_per_update=v),
    "EligibilitySynapses(samples)": lambda v: online(samples=v),
    "Template.neurons(N)": eprop_lif.neurons,
    "NMNIST(steps)": lambda v: NMNIST(steps=v),
    "same_pattern(classes)": lambda v: same_pattern(1, v, length=3, padding=4),
    "Sequence(interval)": lambda v: Sequence(interval=v),
    "Localization(fibres)": lambda v: Localization(fibres=v),
    "SpikeInput(neurons)": SpikeInput,
    "SpikeInput(samples)": lambda v: SpikeInput(1, v),
    "Readout(outputs)": lambda v: Readout(listeners(), "r", v),
    "Phase(iterations)": lambda v: Phase("train", Trial([], []), v if v != 0 else -1),
}


@pytest.mark.parametrize("name", COUNTS)
def test_one_whole_number(name):
    for good in (1, np.int64(1), np.uint8(1)):
        COUNTS[name](good)
    bad = [True, 1.0, "1", None, [1], 1 * mV, 0, -1, np.nan]
    refuse(COUNTS[name], {repr(one): one for one in bad})


FLAGS = {
    "Projection(autapses)": lambda v: matrix(autapses=v),
    "Projection(interpolate)": lambda v: matrix(delay=1 * ms, interpolate=v),
    "EligibilitySynapses(interpolate)": lambda v: online(delay=1 * ms, interpolate=v),
    "EProp(average)": lambda v: EProp(average=v),
    "EProp(each_step)": lambda v: EProp(update="spike", each_step=v),
    "FiringRate(rate_per_step)": lambda v: FiringRate(rate_per_step=v),
    "EProp(forget_tests)": lambda v: EProp(forget_tests=v),
    "Phase(learning)": lambda v: Phase("train", Trial([], []), 1, learning=v),
    "Phase(recording)": lambda v: Phase("train", Trial([], []), 1, recording=v),
}


@pytest.mark.parametrize("name", FLAGS)
def test_true_or_false(name):
    for good in (True, False, np.bool_(True)):
        FLAGS[name](good)
    refuse(FLAGS[name], {repr(one): one for one in ("no", 1, 0.0, None, [True])})


@pytest.mark.parametrize("door", [lambda v: matrix(mask=v), lambda v: online(mask=v)])
def test_masks(door):
    wrong = np.full((3, 3), True)
    bad = {"numbers": ONES, "a row": wrong[0], "text": "all", "masked": masked(wrong)}
    refuse(door, bad | {"a view": view(ONES)})


def test_a_view_is_named_and_so_is_the_way_out():
    other = NeuronGroup(3, "w : 1", name="other")
    with pytest.raises(TypeError, match=r"'w' of 'other', .* give those of now, other\.w\[:\]"):
        listed(weights=other.w)
    listed(weights=other.w[:] + 1)


def test_what_lists_of_pairs_leave_no_room_for():
    """A keyword that would have no effect is an error."""
    for given in ({"mask": ONES > 0}, {"autapses": False}, {"j": None}, {"i": None}):
        with pytest.raises(ValueError, match="has i or j, which name each connection: give both"):
            listed(**given)


def test_targets_without_a_readout_are_refused():
    """In C++ they were written beside an array of one number."""
    defaultclock.dt = 1 * ms
    trials = Trials(3 * ms, SpikeInput(4), None)
    trials.present(Trial([0], [1]))
    for wanted in ({"labels": [0]}, {"targets": np.ones((3, 1))}):
        with pytest.raises(ValueError, match="Trial 0: it has targets or labels, but there is no"):
            trials.present(Trial([0], [1], **wanted))


def test_integers_hear_nothing():
    group = spiking()
    for make in (
        lambda: Projection(group, group, ONES, variable="n"),
        lambda: Graded(NeuronGroup(3, "v : 1"), group, ONES, variable="n"),
    ):
        with pytest.raises(TypeError, match="'n' of 'neurons' does not hold real numbers"):
            make()


def test_max_delay_is_one_time():
    with pytest.raises(ValueError, match=r"max_delay is \(3,\), but must be one time"):
        matrix(delay=1 * ms, max_delay=[1, 2, 3] * ms)
    with pytest.raises(ValueError, match="kappa is inf"):
        EProp(kappa=np.inf * second)


def test_arrays_of_kernels():
    """They may be anything that holds numbers; what is set later must be of their type."""

    def nothing(held):
        """No operation."""

    def made(values):
        return Kernel(nothing, "int nothing(Array<double> held) { return 0; }", {"held": values})

    for good in ([1.5, np.inf], [True, False], np.arange(3), 2 * mV, [1, np.nan]):
        made(good)
    bad = {what: COMMON[what] for what in ("complex", "text", "masked", "a view", "nothing")}
    refuse(made, {what: change([0.0, 1.0]) for what, change in bad.items()})
    counted = made(np.arange(1, 3))
    for wrong in ([0.5, 1.0], [1, 2, 3], [True, False], [1, 2] * mV):
        refuse(lambda values: counted.set_array("held", values), {repr(wrong): wrong})


def test_times_of_trials_and_runs():
    for take in (lambda v: Trials(v, SpikeInput(1), None), lambda v: simulate(v, progress=False)):
        bad = (10, [1, 2] * ms, np.nan * ms, np.inf * second, -1 * ms, 1 * mV)
        refuse(take, {repr(one): one for one in bad})


def test_what_is_no_group_to_reset():
    neurons = listeners()
    refuse(lambda v: Trials(1 * ms, SpikeInput(1), v), {"view": [neurons.r], "name": ["r"]})
