"""Trials of networks that hear Brian2's own sources, without a `SpikeInput`."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from brian2 import (
    Hz,
    Network,
    NeuronGroup,
    PoissonGroup,
    SpikeGeneratorGroup,
    SpikeMonitor,
    TimedArray,
    defaultclock,
    ms,
    seed,
)

import eprop_oracle as oracle
import spike_eprop_build
from brianlearn import EligibilitySynapses, EProp, Projection, SpikeInput, Trial, Trials, simulate
from brianlearn.models import eprop_iaf_readout, eprop_lif, eprop_readout
from conftest import COMPILED_LATER, CYTHON_LATER
from eprop_build import WEIGHTS, deviation, groups, random_case, rule_of, weights_of
from eprop_cases import Outcome
from spike_eprop_cases import random_case as spike_case


def generator(case, samples):
    """What plays the case's raster, the trials of each sample one after another."""
    iterations, batch, steps, n_in = case.raster.shape
    turns = case.raster.reshape(iterations * batch // samples, samples, steps, n_in)
    turn, sample, step, neuron = np.nonzero(turns)
    times = (turn * steps + step) * ms
    order = np.argsort(times, kind="stable")
    return SpikeGeneratorGroup(
        samples * n_in, (sample * n_in + neuron)[order], times[order], name="source"
    )


def build(case, source, samples, form="adjoint", *, given=True):
    """A case whose inputs are those of a source of Brian2's."""
    _, batch, steps, _ = case.raster.shape
    unused, neurons, readout = groups(case, samples)
    made = {}
    for name, before, after in (
        ("w_in", source, neurons),
        ("w_rec", neurons, neurons),
        ("w_out", neurons, readout),
    ):
        weights = getattr(case, name)
        options = {"variable": "x", "mask": np.ones(weights.shape, bool), "name": name}
        if name == "w_rec":
            options["mask"] = ~np.eye(len(weights), dtype=bool)
        if form == "adjoint":
            made[name] = Projection(before, after, weights, **options)
        else:
            made[name] = EligibilitySynapses(
                before, after, weights, readout, samples=samples, **options
            )
    reset = [neurons, readout, *made.values()]
    trials = Trials(
        steps * ms, source if given else None, reset, samples=samples, readout=readout,
        name="trials",
    )  # fmt: skip
    learner = rule_of(case, None, batch // samples).attach(trials, readout, made.values())
    targets = case.target.reshape(-1, samples, *case.target.shape[2:])
    trials.present(Trial.without_spikes(targets=target) for target in targets)
    spikes = SpikeMonitor(source, name="spikes")
    network = Network(source, neurons, readout, *made.values(), trials, spikes)
    duration = len(targets) * steps * ms
    return SimpleNamespace(
        network=network, duration=duration, learner=learner, spikes=spikes, unused=unused, **made
    )


def outcome(case):
    """The oracle's: a spike of such a source arrives a step later, as those of neurons do."""
    shape = case.raster.shape
    later = oracle.delayed(case.raster.reshape(-1, *shape[2:])).reshape(shape)
    return oracle.train(replace(case, raster=later))


def random(**options):
    defaultclock.dt = 1 * ms
    return random_case(5, batch=2, refractory_steps=2, **options)


@pytest.mark.parametrize("target", CYTHON_LATER, indirect=True)
@pytest.mark.parametrize(("samples", "given"), [(2, True), (1, False)])
def test_generator(target, samples, given):
    """The weights after some updates are those of the oracle; also of a batch."""
    case = random()
    built = build(case, generator(case, samples), samples, given=given)
    simulate(built.duration, built.network, progress=False)
    assert case.raster[..., -1, :].any()  # of which nothing may cross the trial's end
    expected = outcome(case)
    ours = Outcome(expected.losses, None, **weights_of(built))
    assert deviation(case, ours, expected) < 1e-11
    assert deviation(case, ours, oracle.train(case)) > 1e-3  # in their own step


def test_generator_online(numpy_target):
    """The traces of Synapses see the same."""
    case = random()
    built = build(case, generator(case, 2), 2, "online")
    simulate(built.duration, built.network, progress=False)
    expected = outcome(case)
    assert deviation(case, Outcome(expected.losses, None, **weights_of(built)), expected) < 1e-11


@pytest.mark.parametrize("target", COMPILED_LATER, indirect=True)
def test_poisson(target):
    """The oracle is given the spikes that there were."""
    case = random()
    iterations, batch, steps, n_in = case.raster.shape
    seed(1)
    built = build(case, PoissonGroup(batch * n_in, 200 * Hz, name="source"), batch)
    simulate(built.duration, built.network, progress=False)
    raster = np.zeros((iterations * steps, batch * n_in), bool)
    raster[np.rint(built.spikes.t / ms).astype(int), np.asarray(built.spikes.i)] = True
    assert 0.1 < raster.mean() < 0.3
    case = replace(case, raster=raster.reshape(iterations, steps, batch, n_in).swapaxes(1, 2))
    expected = outcome(case)
    for name in WEIGHTS:
        assert np.abs(getattr(expected, name) - getattr(case, name)).max() > 1e-4
    assert deviation(case, Outcome(expected.losses, None, **weights_of(built)), expected) < 1e-11


@pytest.mark.parametrize("taught", [False, True])
def test_at_every_spike(numpy_target, taught):
    """Weights that change at spikes are those of a `SpikeInput` with the spikes a step later.

    Also where another group says what the readouts should be, in their own step.
    """
    case = spike_case(3)
    later = oracle.delayed(case.counts[None] > 0)[0]
    expected = spike_eprop_build.build(replace(case, counts=later.astype(int)), recording=False)
    simulate(expected.duration, expected.network, progress=False)

    step, neuron = np.nonzero(case.counts)
    source = SpikeGeneratorGroup(case.n_in, neuron, step * case.h * ms, name="source")
    neurons = spike_eprop_build.neurons_of(case, "hidden")
    readout = eprop_iaf_readout.neurons(case.n_out, tau_m=case.tau_out * ms, name="out")
    made = []
    for name, *ends in (
        ("w_in", source, neurons),
        ("w_rec", neurons, neurons),
        ("w_out", neurons, readout),
    ):
        weights, mask = getattr(case, name), case.exists[name]
        made.append(Projection(*ends, weights * mask, variable="x", mask=mask, name=f"{name}_2"))
    said = TimedArray(case.target, dt=case.h * ms)
    teacher = NeuronGroup(case.n_out, "g : 1", namespace={"said": said}, name="teacher")
    teacher.run_regularly("g = said(t, i)", when="groups")
    duration, target = case.steps * case.h * ms, (teacher, "g") if taught else None
    trials = Trials(duration, source, None, readout=readout, target=target, name="other_trials")
    learner = spike_eprop_build.rule_of(case).attach(trials, readout, made, name="other")
    trials.present(Trial.without_spikes(targets=None if taught else case.target))
    network = Network(source, neurons, readout, *made, trials, teacher)
    simulate(duration, network, progress=False)
    weights = learner.weights()
    for name, theirs in expected.learner.weights().items():
        assert np.abs(theirs - getattr(case, name) * case.exists[name]).max() > 1e-6
        assert np.allclose(weights[f"{name}_2"], theirs, rtol=1e-12, atol=1e-12)


def test_refuses(numpy_target):
    source = PoissonGroup(6, 10 * Hz, name="source")
    group, readout = eprop_lif.neurons(4), eprop_readout.neurons(2)
    options = {"reset": [group, readout], "readout": readout}
    for wrong, error, words in (
        ({"inputs": source, "samples": 4}, ValueError, "6 neurons, which is no multiple"),
        ({"inputs": None, "samples": 0}, ValueError, "samples is 0, but must be a whole"),
        ({"inputs": SpikeInput(3, 2), "samples": 1}, ValueError, "has 2: leave it out"),
        ({"inputs": NeuronGroup(1, "v : 1")}, TypeError, "source of spikes, or None"),
        ({"inputs": 3}, TypeError, "inputs is 3, but must be a SpikeInput"),
    ):
        with pytest.raises(error, match=words):
            Trials(10 * ms, **wrong, **options)
    trials = Trials(0.2 * ms, source, samples=2, name="trials", **options)
    with pytest.raises(ValueError, match="Trial 0: it has input spikes, but 'trials' has no Sp"):
        trials.present(Trial(np.array([0]), np.array([0]), labels=np.array([0, 0])))
    with pytest.raises(ValueError, match=r"targets has shape \(4, 1\), but must be \(4, 2\)"):
        trials.present(Trial.without_spikes(targets=np.zeros((4, 1))))
    trials.present(Trial.without_spikes(labels=np.array([0, 0])))


def attach_to_a_source(when):
    """Let the synapses from a source learn that spikes in this slot."""
    readout = eprop_readout.neurons(2)
    source = SpikeGeneratorGroup(3, [0], [1] * ms, when=when, name="late")
    trials = Trials(10 * ms, None, [readout], readout=readout)
    w = Projection(source, readout, np.ones((3, 2)), variable="x", name="w")
    EProp().attach(trials, readout, [w])


@pytest.mark.parametrize("when", ["after_synapses", "resets", "end"])
def test_a_source_that_spikes_after_the_synapses(numpy_target, when):
    """Its spikes are propagated a step later than they are read."""
    with pytest.raises(ValueError, match=f"'late' spikes in slot '{when}', after 'w' has"):
        attach_to_a_source(when)


@pytest.mark.parametrize("when", ["start", "after_groups", "before_synapses"])
def test_a_source_that_spikes_before_the_synapses(numpy_target, when):
    attach_to_a_source(when)
