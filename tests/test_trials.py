"""Trials begin anew, repeat exactly, and are the same whether or not something learns."""

from dataclasses import replace

import numpy as np
import pytest
from brian2 import (
    Network,
    NeuronGroup,
    SpikeMonitor,
    StateMonitor,
    Synapses,
    defaultclock,
    ms,
)

from brianlearn import SpikeInput, Trial, Trials, simulate
from brianlearn.models import eprop_lif, eprop_readout
from conftest import choose
from eprop_build import build, presented, random_case, weights_of

COMPILED = [pytest.param(t, marks=pytest.mark.slow) for t in ("cython", "cpp_standalone")]


def trajectory(case, form="adjoint", **options):
    """Membranes and readouts of all steps, spikes, and the weights at the end."""
    built = build(case, form, **options)
    monitors = [
        StateMonitor(built.neurons, "v", record=True, name="membranes"),
        StateMonitor(built.readout, ["v", "output"], record=True, when="end", name="outputs"),
        SpikeMonitor(built.neurons, name="spikes"),
    ]
    if not built.learner:
        monitors[1] = StateMonitor(built.readout, "v", record=True, when="end", name="outputs")
    built.network.add(monitors)
    simulate(built.duration, built.network, progress=False)
    spikes = np.stack([np.rint(monitors[2].t / ms), np.asarray(monitors[2].i)])
    traces = {"v": np.asarray(monitors[0].v), "readout": np.asarray(monitors[1].v)}
    return {**traces, "spikes": spikes, **weights_of(built)}


@pytest.mark.parametrize("target", ["numpy", *COMPILED], indirect=True)
def test_frozen_trials_repeat(target):
    """Also where neurons spike in a trial's last step: no spike, trace or reset is carried over."""
    case = random_case(
        3, iterations=3, batch=2, refractory_steps=3, beta=np.full(6, 0.2), current=0.8,
        learning_rate=0.0,
    )  # fmt: skip
    case.raster[:] = case.raster[0]
    run = trajectory(case)
    first, *others = np.split(run["v"], 3, axis=1)
    assert 59 in run["spikes"][0]  # in the last of 60 steps
    assert np.ptp(first) > 0.5
    for other in others:
        assert np.array_equal(first, other)
    first, *others = np.split(run["readout"], 3, axis=1)
    for other in others:
        assert np.array_equal(first, other)


@pytest.mark.parametrize("form", ["adjoint", "online"])
@pytest.mark.parametrize("target", ["numpy", *COMPILED], indirect=True)
def test_switched_off_nothing_changes(target, form):
    """To the bit the trajectory of a network without a learner; on, another one."""
    case = random_case(4, beta=np.full(6, 0.2), learning_rate=1e-2)

    def run(case, **options):
        choose(target)  # anew, as standalone mode asks
        return trajectory(case, form, **options)

    without = run(case, attach=False)
    off = run(case, learning=False)
    zero = run(replace(case, learning_rate=0.0))
    for other in (off, zero):
        for name, values in without.items():
            assert np.array_equal(values, other[name]), name
    assert not np.array_equal(run(case)["v"], without["v"])


def test_spikes_and_targets_arrive_in_their_step(numpy_target):
    """Of a batch of two, in turn, and from the first trial again when all were presented."""
    defaultclock.dt = 1 * ms
    random = np.random.default_rng(1)
    rasters = random.random((2, 2, 5, 3)) < 0.4
    targets = random.normal(size=(2, 2, 5, 1))
    inputs, readout = SpikeInput(3, 2), eprop_readout.neurons(2)
    trials = Trials(5 * ms, inputs, [readout], readout=readout)
    trials.present(Trial.from_raster(r, t) for r, t in zip(rasters, targets, strict=True))
    heard = SpikeMonitor(inputs)
    wanted = StateMonitor(readout, "target", record=True, when="end")
    simulate(15 * ms, Network(inputs, readout, trials, heard, wanted), progress=False)
    raster = np.zeros((15, 6), dtype=bool)
    raster[np.rint(heard.t / ms).astype(int), heard.i] = True
    order = [0, 1, 0]
    expected = rasters[order].transpose(0, 2, 1, 3).reshape(15, 6)
    assert np.array_equal(raster, expected)
    assert np.array_equal(wanted.target.T, targets[order].transpose(0, 2, 1, 3).reshape(15, 2))


def test_labels_are_one_hot_targets(numpy_target):
    defaultclock.dt = 1 * ms
    inputs, readout = SpikeInput(1, 2), eprop_readout.neurons(6)
    trials = Trials(4 * ms, inputs, [readout], readout=readout)
    silent = np.zeros((2, 4, 1))
    trials.present(
        [Trial.from_raster(silent, labels=[2, 0]), Trial.from_raster(silent, labels=[1, 1])]
    )
    wanted = StateMonitor(readout, "target", record=True, when="end")
    simulate(8 * ms, Network(inputs, readout, trials, wanted), progress=False)
    expected = np.eye(3)[[[2, 0], [1, 1]]].reshape(2, 6)
    assert np.array_equal(wanted.target.T, np.repeat(expected, 4, axis=0))


def test_a_trial_is_read_from_its_raster():
    raster = np.zeros((2, 4, 3), dtype=int)
    raster[0, 1, 2] = raster[1, 1, 0] = raster[1, 3, 1] = 1
    trial = Trial.from_raster(raster, targets=np.arange(16).reshape(2, 4, 2))
    assert trial.steps.tolist() == [1, 1, 3]
    assert trial.indices.tolist() == [2, 3, 4]
    assert trial.targets.tolist() == [[0, 1, 8, 9], [2, 3, 10, 11], [4, 5, 12, 13], [6, 7, 14, 15]]


def made(samples=2):
    defaultclock.dt = 1 * ms
    inputs, readout = SpikeInput(3, samples), eprop_readout.neurons(2 * samples)
    return Trials(4 * ms, inputs, [readout], readout=readout, name="some")


SILENT = np.zeros(0, dtype=int)
ZEROS = np.zeros((4, 4))


@pytest.mark.parametrize(
    ("trial", "words"),
    [
        (Trial([4], [0], ZEROS), "Trial 1: a spike at step 4 lies outside the trial"),
        (Trial([-1], [0], ZEROS), "a spike at step -1 lies outside the trial, .* 0 to 3"),
        (Trial([0], [6], ZEROS), "a spike of neuron 6 lies outside the input's 6"),
        (Trial([0] * 7, [1] * 7, ZEROS), "more than 6 spikes in one step"),
        (Trial([1, 0], [1, 1], ZEROS), "a spike is out of order: sort them"),
        (Trial([0, 1], [0], ZEROS), "steps and indices differ"),
        (Trial(SILENT, SILENT), "need either targets or labels"),
        (Trial(SILENT, SILENT, ZEROS, [0, 1]), "need either targets or labels"),
        (Trial(SILENT, SILENT, ZEROS[:3]), r"targets has shape \(3, 4\), but must be \(4, 4\)"),
        (Trial(SILENT, SILENT, ZEROS[:, :2]), r"targets has shape \(4, 2\), but must be \(4, 4\)"),
        (Trial(SILENT, SILENT, ZEROS * np.nan), "not a finite number"),
        (Trial(SILENT, SILENT, labels=[0]), r"labels is int64 \(1,\), but must be 2 integers"),
        (Trial(SILENT, SILENT, labels=[0.0, 1.0]), "labels is float64 .* must be 2 integers"),
        (Trial(SILENT, SILENT, labels=[0, 2]), "the label 2 is none of the readouts 0 to 1"),
        (Trial(SILENT, SILENT, labels=[-1, 0]), "the label -1 is none of the readouts 0 to 1"),
    ],
)
def test_refuses_what_does_not_fit(numpy_target, trial, words):
    with pytest.raises(ValueError, match=words):
        made().present([Trial(SILENT, SILENT, ZEROS), trial])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"raster": [[0, 2]]}, "raster holds something else than 0 and 1"),
        ({"raster": [0, 1]}, r"raster has shape \(2,\), but must be steps x units or samples"),
        (
            {"raster": np.zeros((2, 4, 3)), "targets": np.zeros((4, 2))},
            "targets has 1 samples, but raster 2",
        ),
    ],
)
def test_a_raster_is_checked(arguments, words):
    with pytest.raises(ValueError, match=words):
        Trial.from_raster(**arguments)


def test_refuses_a_length_that_is_no_number_of_steps(numpy_target):
    defaultclock.dt = 1 * ms
    with pytest.raises(ValueError, match=r"duration \(4.5 ms\) is not a multiple of the time step"):
        Trials(4.5 * ms, SpikeInput(3), [eprop_lif.neurons(2)])


def test_refuses_a_run_without_trials(numpy_target):
    inputs, neurons = SpikeInput(3), eprop_lif.neurons(2)
    trials = Trials(4 * ms, inputs, [neurons], name="some")
    with pytest.raises(ValueError, match=r"'some' has no trials: call its present"):
        simulate(4 * ms, Network(inputs, neurons, trials), progress=False)
    with pytest.raises(ValueError, match="No trials were given"):
        trials.present([])


def test_refuses_groups_that_do_not_fit_the_batch(numpy_target):
    inputs = SpikeInput(3, 2)
    with pytest.raises(ValueError, match="'odd' has 5 neurons, which is no multiple of the batch"):
        Trials(4 * ms, inputs, [eprop_lif.neurons(5, name="odd")])
    with pytest.raises(ValueError, match="'three' has 3 neurons, which is no multiple"):
        Trials(4 * ms, inputs, [], readout=eprop_readout.neurons(3, name="three"))
    with pytest.raises(ValueError, match="reset names no state"):
        Trials(4 * ms, inputs, [])
    with pytest.raises(KeyError, match="u"):
        Trials(4 * ms, inputs, [(eprop_lif.neurons(4), "u")])


@pytest.mark.parametrize("length", [0 * ms, -1 * ms])
def test_refuses_an_empty_trial(numpy_target, length):
    with pytest.raises(ValueError, match="duration"):
        Trials(length, SpikeInput(3), [eprop_lif.neurons(2)])


def test_a_lost_file_is_noticed(numpy_target):
    case = random_case(1, iterations=2, steps=20)
    built = build(case, "adjoint")
    built.trials.path.write_bytes(built.trials.path.read_bytes()[:100])
    with pytest.raises(OSError, match="'trials': the file with the trials could not be read"):
        simulate(built.duration, built.network, progress=False)
    built.trials.present(presented(case, 3))
    simulate(built.duration, built.network, progress=False)


def test_raster_of_another_shape_is_refused(numpy_target):
    """Four inputs instead of five would move spikes from one sample into another."""
    defaultclock.dt = 1 * ms
    inputs = SpikeInput(5, 2, name="inputs")
    neurons = eprop_lif.neurons(4, name="neurons")
    trials = Trials(20 * ms, inputs, [neurons], name="trials")
    for shape in ((2, 20, 4), (1, 20, 5), (2, 19, 5)):
        with pytest.raises(ValueError, match=r"network takes \(2, 20, 5\)"):
            trials.present(Trial.from_raster(np.zeros(shape)))
    with pytest.raises(ValueError, match="whole numbers without a unit"):
        trials.present(Trial(np.array([1.5]), np.array([0])))
    with pytest.raises(ValueError, match="whole numbers without a unit"):
        trials.present(Trial(np.array([1]) * ms, np.array([0])))


def test_parameters_are_not_reset_without_a_word(numpy_target):
    """What is not 0 before the first trial may be a parameter that (constant) was forgotten on."""
    defaultclock.dt = 1 * ms
    inputs = SpikeInput(5, name="inputs")
    neurons = NeuronGroup(4, "dv/dt = (bias - v)/(10*ms) : 1\nbias : 1", name="neurons")
    neurons.bias = 1
    trials = Trials(20 * ms, inputs, neurons, name="trials")
    trials.present(Trial.from_raster(np.zeros((20, 5))))
    with pytest.raises(ValueError, match=r"'bias' of 'neurons' is not 0.*\(constant\)"):
        simulate(1 * ms, Network(inputs, neurons, trials), progress=False)


def test_refractoriness_of_brian2_is_refused(numpy_target):
    inputs = SpikeInput(5, name="inputs")
    neurons = NeuronGroup(4, "v : 1", threshold="v > 1", refractory=5 * ms, name="neurons")
    with pytest.raises(ValueError, match="'neurons' uses Brian2's refractory="):
        Trials(20 * ms, inputs, [neurons])
    synapses = Synapses(inputs, neurons, "w : 1", name="synapses")
    with pytest.raises(TypeError, match="'synapses' are Synapses"):
        Trials(20 * ms, inputs, [synapses])
    with pytest.raises(TypeError, match="must be a SpikeInput"):
        Trials(20 * ms, NeuronGroup(4, "v : 1", name="silent"), [synapses])
