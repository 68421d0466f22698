"""A target that is another group's variable: what it holds at the moment of each step."""

import numpy as np
import pytest
from brian2 import (
    DimensionMismatchError,
    Hz,
    Network,
    NeuronGroup,
    PoissonGroup,
    StateMonitor,
    TimedArray,
    defaultclock,
    ms,
    mV,
    second,
    seed,
)

import eprop_oracle as oracle
from brianlearn import (
    RLS,
    Adam,
    EProp,
    Phase,
    Projection,
    Readout,
    SpikeInput,
    Training,
    Trial,
    Trials,
    simulate,
)
from brianlearn.models import eprop_lif, eprop_readout
from conftest import COMPILED_LATER, CYTHON_LATER, choose
from eprop_build import build, deviation, random_case, rule_of, weights_of
from eprop_cases import Outcome

STEPS = 60


def rule():
    return RLS(alpha=0.1 * second**2, every=2 * defaultclock.dt)


def speaker(rows, dt=None):
    """What holds a row of values after each time step's integration."""
    said = TimedArray(rows, dt=dt or defaultclock.dt)
    group = NeuronGroup(rows.shape[1], "g : 1", namespace={"said": said}, name="teacher")
    group.run_regularly("g = said(t, i)", when="groups", name="speaks")
    return group


@pytest.mark.parametrize("target", CYTHON_LATER, indirect=True)
def test_rls_follows_what_the_step_begins_with(target):
    """To the bit as by an array; of a readout, the output of the same step."""
    rows = np.random.default_rng(1).normal(size=(STEPS, 2))
    teacher, group = speaker(rows), NeuronGroup(9, "dr/dt = -r/(i*ms + 1*ms) : Hz", method="euler")
    group.r = np.arange(1, 10) * Hz
    taught, told, second_hand = (
        Readout(group, "r", 2, name=name) for name in ("taught", "told", "second_hand")
    )
    rule().attach(taught, target=(teacher, "g"))
    rule().attach(told, target=np.vstack([np.zeros(2), rows[:-1]]))  # what the last step has left
    rule().attach(second_hand, target=(taught, "z"))
    monitors = [
        StateMonitor(one, ["z", "target"], record=True, name=f"{one.name}_trace")
        for one in (taught, told, second_hand)
    ]
    network = Network(teacher, group, taught, told, second_hand, monitors)
    simulate(STEPS * defaultclock.dt, network, progress=False)
    assert np.array_equal(monitors[0].target, monitors[1].target)
    assert np.array_equal(monitors[0].target[:, 1:], rows[:-1].T)
    assert np.ptp(taught.decoders.phi_) > 0
    assert np.array_equal(taught.decoders.phi_, told.decoders.phi_)
    assert np.array_equal(monitors[2].target, monitors[0].z)


def taught(case, samples):
    """A case whose targets are not those of the trials, but what a group holds at their steps."""
    built = build(case, "adjoint", samples=samples, attach=False)
    iterations, batch, steps, _ = case.raster.shape
    targets = case.target.reshape(-1, samples, steps, case.n_out).swapaxes(1, 2)
    teacher = speaker(targets.reshape(-1, samples * case.n_out), 1 * ms)
    connections = [built.w_in, built.w_rec, built.w_out]
    trials = Trials(
        steps * ms, built.inputs, [built.neurons, built.readout], readout=built.readout,
        target=(teacher, "g"), name="taught",
    )  # fmt: skip
    rule_of(case, None, batch // samples).attach(trials, built.readout, connections)
    rasters = case.raster.reshape(-1, samples, *case.raster.shape[2:])
    trials.present(Trial.from_raster(raster) for raster in rasters)
    heard = StateMonitor(built.readout, "target", record=True, when="end", order=90, name="heard")
    network = Network(built.inputs, built.neurons, built.readout, *connections, trials, teacher)
    network.add(heard)
    simulate(iterations * batch // samples * steps * ms, network, progress=False)
    assert np.array_equal(heard.target, np.vstack(teacher.namespace["said"].values).T)
    return built


@pytest.mark.parametrize("target", CYTHON_LATER, indirect=True)
def test_loss_of_what_a_group_holds(target):
    """At the end of each step, after its integration: the weights are those of the oracle."""
    defaultclock.dt = 1 * ms
    case = random_case(6, batch=2)
    built = taught(case, samples=2)
    expected = oracle.train(case)
    assert deviation(case, Outcome(expected.losses, None, **weights_of(built)), expected) < 1e-11


@pytest.mark.parametrize(
    ("target", "error", "words"),
    [
        (lambda g: (g, "u"), KeyError, "'teacher' has no variable 'u'"),
        (
            lambda g: (g, "v"),
            DimensionMismatchError,
            r"target \('v' of 'teacher'\) should be in no",
        ),
        (lambda g: (g, "twice"), TypeError, "'twice' of 'teacher' is computed where it is used"),
        (lambda g: (g, "whole"), TypeError, r"target \('whole' of 'teacher'\) does not hold real"),
        (
            lambda g: (g, "one"),
            ValueError,
            r"target \('one' .* has 1 value\(s\), but 'pupil' has 2",
        ),
        (lambda g: (g[:1], "g"), ValueError, r"has 1 value\(s\), but 'pupil' has 2"),
    ],
)
def test_refuses(numpy_target, target, error, words):
    model = "g : 1\nv : volt\ntwice = 2*g : 1\nwhole : integer\none : 1 (shared)"
    teacher = NeuronGroup(2, model, name="teacher")
    group = NeuronGroup(3, "r : Hz")
    readout = Readout(group, "r", 2, name="pupil")
    with pytest.raises(error, match=words):
        rule().attach(readout, target=target(teacher))
    assert readout.learner is None
    pupil = eprop_readout.neurons(2, name="pupil")
    with pytest.raises(error, match=words):
        Trials(10 * ms, SpikeInput(2), [pupil], readout=pupil, target=target(teacher))


def test_refuses_a_view(numpy_target):
    """It could be meant either way."""
    teacher = NeuronGroup(2, "g : volt", name="teacher")
    readout = Readout(NeuronGroup(3, "r : volt", name="group"), "r", 2, unit=mV)
    remedy = r"give \(teacher, 'g'\) for its value at each step, or np.array\(teacher.g\) for what"
    for view in (teacher.g, teacher.g_):
        with pytest.raises(TypeError, match=f"target is the variable 'g' of 'teacher'.*{remedy}"):
            rule().attach(readout, target=view)


def test_refuses_other_time_steps(numpy_target):
    teacher = NeuronGroup(2, "g : 1", dt=1 * ms, name="teacher")
    readout = Readout(NeuronGroup(3, "r : Hz", name="group"), "r", 2, name="pupil")
    with pytest.raises(ValueError, match="target of 'pupil' takes 'teacher' and 'pupil' step by"):
        rule().attach(readout, target=(teacher, "g"))
    teacher = NeuronGroup(2, "g : 1", dt=0.05 * ms, name="fixed")
    RLS(alpha=0.1 * second**2, every=1 * ms).attach(readout, target=(teacher, "g"))
    defaultclock.dt = 1 * ms
    with pytest.raises(ValueError, match="'pupil_rls_target' takes 'fixed' and 'pupil_rls' step"):
        simulate(1 * ms, Network(teacher, readout, readout.source), progress=False)


def test_two_that_say_it(numpy_target):
    """Trials say nothing where a group does; and nobody who is not heard does."""
    defaultclock.dt = 1 * ms
    teacher, group = NeuronGroup(2, "g : 1", name="teacher"), eprop_lif.neurons(3)
    readout = eprop_readout.neurons(2, name="pupil")
    options = {"inputs": SpikeInput(2), "reset": [group, readout], "target": (teacher, "g")}
    trials = Trials(2 * ms, readout=readout, **options)
    for given in ({"targets": np.zeros((2, 2))}, {"labels": np.array([1])}):
        with pytest.raises(ValueError, match="it has targets or labels, but 'teacher' is to say"):
            trials.present(Trial.without_spikes(**given))
    trials.present(Trial.without_spikes())
    with pytest.raises(ValueError, match="target has no effect without a readout"):
        Trials(2 * ms, **options)


def trained(target, path, resume, iterations):
    """Poisson spikes, and a target that goes on from trial to trial; the weights."""
    choose(target)
    defaultclock.dt = 1 * ms
    seed(1)
    source, group = PoissonGroup(6, 100 * Hz, name="source"), eprop_lif.neurons(5, name="neurons")
    readout = eprop_readout.neurons(1, name="readout")
    teacher = NeuronGroup(
        1, "dg/dt = h/(20*ms) : 1\ndh/dt = -g/(20*ms) : 1", method="euler", name="teacher"
    )
    teacher.g = 1
    random = np.random.default_rng(1)
    w_in = Projection(source, group, 10 * random.random((6, 5)), variable="x", name="w_in")
    w_out = Projection(group, readout, random.normal(size=(5, 1)), variable="x", name="w_out")
    options = {"readout": readout, "target": (teacher, "g"), "name": "trials"}
    trials = Trials(50 * ms, source, [group, readout], **options)
    learner = EProp(optimizer=Adam(0.01)).attach(trials, readout, [w_in, w_out])
    network = Network(source, group, readout, teacher, w_in, w_out, trials)
    training = Training(learner, network, checkpoint=path, resume=resume, progress=False)
    training.run(Phase("train", Trial.without_spikes(), iterations))
    return learner.weights()


@pytest.mark.parametrize("target", COMPILED_LATER, indirect=True)
def test_resumes_with_sources_and_teachers(target, tmp_path):
    """What both go on from is in the checkpoint: the weights of two halves are those of a whole."""
    whole = trained(target, tmp_path / "whole.npz", False, 6)
    half = trained(target, tmp_path / "halves.npz", False, 3)
    halves = trained(target, tmp_path / "halves.npz", True, 3)
    for name, weights in whole.items():
        assert np.array_equal(weights, halves[name])
        assert not np.array_equal(weights, half[name])
