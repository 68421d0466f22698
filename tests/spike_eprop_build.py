"""A `SpikeCase` as a network of ours that learns at every spike: to build it, and to run it."""

from types import SimpleNamespace

import numpy as np
from brian2 import Hz, Network, defaultclock, ms

from brianlearn import (
    Adam,
    EProp,
    FiringRate,
    Given,
    GradientDescent,
    Projection,
    Recorder,
    SpikeInput,
    Trial,
    Trials,
    models,
    simulate,
    surrogates,
)
from spike_eprop_cases import SpikeOutcome

WEIGHTS = ("w_in", "w_rec", "w_out")
_RECORDED = ("v", "psi", "z", "learning_signal")


def build(
    case, *, recording=True, trial_steps=None, learning=(True,), resets=False, **rule_options
):
    """The network of a case.

    Its steps are one trial, or several of ``trial_steps``, each of which learns or does not, and
    may begin anew.
    """
    defaultclock.dt = case.h * ms
    inputs = SpikeInput(case.n_in, name="inputs")
    neurons = neurons_of(case)
    readout = models.eprop_iaf_readout.neurons(case.n_out, tau_m=case.tau_out * ms, name="readout")
    exists, connections = case.exists, {}
    for name, source, target in (
        ("w_in", inputs, neurons),
        ("w_rec", neurons, neurons),
        ("w_out", neurons, readout),
    ):
        weights = np.where(exists[name], getattr(case, name), 0)
        connections[name] = Projection(
            source, target, weights, variable="x", mask=exists[name], name=name
        )
    length = trial_steps or case.steps
    resets = resets or rule_options.get("update") == "trial"
    reset = [neurons, readout] if resets else None
    trials = Trials(length * case.h * ms, inputs, reset, readout=readout, name="trials")
    rule = rule_of(case, length, **rule_options)
    learner = rule.attach(trials, readout, connections.values())
    recorder = Recorder(
        trials,
        {name: (neurons, name) for name in _RECORDED}
        | {"readout": (readout, "v"), "error": (readout, "error")},
        name="recorder",
    )
    parts = [slice(s, s + length) for s in range(0, case.steps, length)]
    trials.write(
        [
            trials.encode(trial_of(case, part), learning=learns, recording=recording)
            for part, learns in zip(parts, learning, strict=True)
        ]
    )
    return SimpleNamespace(
        network=Network(
            inputs, neurons, readout, *connections.values(), trials, recorder, name="network"
        ),
        duration=case.steps * case.h * ms, learner=learner, trials=trials, neurons=neurons,
        readout=readout, inputs=inputs, recorder=recorder, **connections,
    )  # fmt: skip


def trial_of(case, part=slice(None)):
    """Steps as one trial; several spikes of an input in a step are listed as often."""
    steps, inputs = np.nonzero(case.counts[part])
    times = case.counts[part][steps, inputs]
    return Trial(np.repeat(steps, times), np.repeat(inputs, times), targets=case.target[part])


def neurons_of(case, name="neurons"):
    """The recurrent neurons, in the template of their model."""
    model = getattr(models, f"eprop_{'' if case.model.startswith('iaf') else 'iaf_'}{case.model}")
    options = {}
    if "psc_delta" in case.model:
        options = {"v_reset": case.v_reset, "refractory_input": case.refractory_input}
    if "adapt" in case.model:
        options["tau_adapt"] = case.adapt_tau * ms
    if case.model == "psc_delta_adapt":
        options["frozen_by_refractoriness"] = case.nest_quirks
    neurons = model.with_surrogate(getattr(surrogates, case.surrogate)).neurons(
        case.n_rec, name=name, tau_m=case.tau_m * ms, v_th=case.v_th,
        t_ref=case.t_ref * case.h * ms, psi_height=case.height, psi_width=case.width, **options,
    )  # fmt: skip
    if "adapt" in case.model:
        neurons.beta = case.adapt_beta
    return neurons


def rule_of(case, steps=None, **options):
    """The case's `EProp`, for trials of so many steps."""
    numbers = {"learning_rate": float(case.etas[0]), "lower": case.w_min, "upper": case.w_max}
    if case.optimizer == "adam":
        numbers |= {"beta_1": case.beta_1, "beta_2": case.beta_2, "epsilon": case.epsilon}
    cutoff = None if np.isinf(case.cutoff) else case.cutoff * case.h * ms
    spiking = {"update": "spike", "cutoff": cutoff, "each_step": case.optimize_each_step}
    return EProp(
        optimizer=(Adam if case.optimizer == "adam" else GradientDescent)(**numbers),
        feedback=Given(np.where(case.exists["feedback"], case.feedback, 0)),
        regularizer=FiringRate(
            case.c_reg, case.f_target * Hz, kappa=case.kappa_reg, rate_per_step=case.nest_quirks
        ),
        window=case.windows[:steps], kappa=case.kappa, **spiking | options,
    )  # fmt: skip


def run(case, **options):
    """Run a case on the target that is set."""
    built = build(case, **options)
    simulate(built.duration, built.network, progress=False)
    traces = {name: values[0].squeeze(axis=-2) for name, values in built.recorder.read().items()}
    signal = np.vstack([traces["learning_signal"][1:], np.zeros(case.n_rec)])  # of the step before
    return SpikeOutcome(
        **built.learner.weights(), z=traces["z"], v=traces["v"], psi=traces["psi"],
        learning_signal=signal, readout=traces["readout"], error=traces["error"],
    )  # fmt: skip


def learnt(case, outcome, name):
    """How far weights have come."""
    return getattr(outcome, name) - getattr(case, name) * case.exists[name]


def deviation(case, ours, theirs):
    """The largest difference of weights, relative to how far those of the same name have come."""
    return max(
        np.abs(getattr(ours, name) - getattr(theirs, name)).max()
        / max(np.abs(learnt(case, theirs, name)).max(), 1e-5)
        for name in WEIGHTS
    )


def same_course(ours, theirs, tolerance=1e-10):
    """Whether two outcomes have the same spikes, and the same potentials, signals and errors."""
    names = ("v", "psi", "learning_signal", "readout", "error")
    return np.array_equal(ours.z, theirs.z) and all(
        np.allclose(getattr(ours, name), getattr(theirs, name), rtol=tolerance, atol=tolerance)
        for name in names
    )
