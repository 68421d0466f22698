"""The adjoint form with filters that are given: kappa, rates of every step, readouts told later."""

from dataclasses import replace
from importlib.resources import files
from inspect import getsource, signature
from types import SimpleNamespace

import numpy as np
import pytest
from brian2 import Hz, Network, defaultclock, ms
from hypothesis import given, settings
from hypothesis import strategies as st

import eprop_oracle as oracle
from adjoint_forms import HEADER, PYTHON, compiled, differ, follow, learn, listing, mutated
from brianlearn import (
    EProp,
    FiringRate,
    Given,
    GradientDescent,
    Projection,
    Recorder,
    SpikeInput,
    Trials,
    regularizers,
    simulate,
)
from brianlearn.learners import eprop_adjoint
from brianlearn.models import eprop_iaf_readout
from eprop_build import random_case
from native import native
from spike_eprop_build import neurons_of, trial_of
from spike_eprop_cases import random_case as random_spike_case


@pytest.fixture(scope="module")
def cpp():
    return compiled()


def sums(psi, arrivals, signal, deviation, k, kappa, kappa_reg, later):
    """Gradients of all weights onto neurons, forward in time; the first axis is the batch's."""
    batch, steps, n = psi.shape
    zbar = np.zeros((batch, arrivals.shape[2], 1))
    eps, ebar, e_reg, total = np.zeros((4, batch, arrivals.shape[2], n))
    for s in range(steps):
        zbar = k.alpha * zbar + k.zeta * arrivals[:, s, :, None]
        e = psi[:, s, None] * (zbar - k.beta * eps)
        eps = k.rho * eps + e
        ebar = kappa * ebar + e
        e_reg = kappa_reg * e_reg + (1 - kappa_reg) * e
        if s + later < steps:
            total += signal[:, s + later, None] * ebar
        total += deviation[:, s, None] * e_reg
    return total.sum(axis=0)


def sums_of_readouts(spikes, error, decay, zeta, later):
    """The same for weights onto readouts, which hear a spike at once or a step later."""
    zbar, total = np.zeros((len(spikes), spikes.shape[2], 1)), 0
    for s in range(spikes.shape[1]):
        heard = spikes[:, s - later] if s >= later else 0 * spikes[:, 0]
        zbar = decay * zbar + zeta * heard[:, :, None]
        total = total + zbar * error[:, s, None]
    return total.sum(axis=0)


def drawn(case, seed):
    """Traces of a case whose inputs spike up to three times a step, and all that is random."""
    random = np.random.default_rng(seed)
    steps = case.raster.shape[2]
    factors = random.choice([0.0, 1.0, -0.5], steps)
    factors[: random.integers(steps)] = 0
    factors[-1] = 2.0
    traces = []
    for each in follow(case):
        times = random.integers(1, 4, each["raster"].shape)
        deviation = random.normal(size=each["psi"].shape)
        error = each["error"] * factors[:, None]
        raster = each["raster"] * times
        traces.append(each | {"raster": raster, "error": error, "deviation": deviation})
    return traces, steps - int(np.nonzero(factors)[0][0])


def equals_the_sums(forms, case, seed, kappa, kappa_reg, later):
    traces, window = drawn(case, seed)
    given_ = {"kappa": kappa, "gain": 1.0, "kappa_reg": kappa_reg, "window": window}
    ours = learn(forms, case, traces, later=later, **given_)
    k, theirs = oracle.constants(case), dict.fromkeys(oracle.WEIGHTS, 0)
    for each in traces:
        arrivals = np.concatenate([each["raster"] > 0, oracle.delayed(each["spikes"])], axis=2)
        signal = each["error"] @ case.feedback.T
        options = (each["psi"], arrivals, signal, each["deviation"], k, kappa, kappa_reg, later)
        hidden = sums(*options)
        np.fill_diagonal(hidden[case.n_in :], 0)
        parts = (hidden[: case.n_in], hidden[case.n_in :])
        out = sums_of_readouts(each["spikes"], each["error"], k.kappa, k.zeta_out, later)
        for name, part in zip(oracle.WEIGHTS, (*parts, out), strict=True):
            theirs[name] = theirs[name] + part
    return differ(ours, theirs) < 1e-10


cases = st.builds(
    random_case,
    st.integers(0, 2**31),
    batch=st.integers(1, 3),
    steps=st.integers(1, 40),
    n_in=st.integers(1, 6),
    n_rec=st.integers(1, 9),
    beta=st.just(None),
    regular=st.booleans(),
    regular_out=st.booleans(),
    refractory_steps=st.integers(0, 3),
)
decays = st.one_of(st.sampled_from([0.0, 1.0]), st.floats(0, 1))


@settings(deadline=None, max_examples=60)
@given(case=cases, seed=st.integers(0, 99), beta=st.sampled_from([None, 0.3]), kappa=decays,
       kappa_reg=decays, later=st.sampled_from([0, 1]))  # fmt: skip
def test_both_forms_are_the_sums(cpp, case, seed, beta, kappa, kappa_reg, later):
    if beta:
        case = replace(case, beta=beta * (np.arange(case.n_rec) % 2), tau_adapt=40.0)
    for forms in (PYTHON, cpp):
        assert equals_the_sums(forms, case, seed, kappa, kappa_reg, later)


MUTANTS = {
    "1 - kappa": (
        [("(gain[0] * q +", "((1 - kappa[0]) * q +")],
        [("gain * filtered", "(1 - kappa) * filtered")],
    ),
    "not filtered": ([("q = kappa[0] * q", "q = 0 * q")], [("kappa * q_[j] + L[j]", "L[j]")]),
    "told in their own step": (
        [("kept_errors[t + told_later[0]]", "kept_errors[t]")],
        [("told = t + told_later[0]", "told = t")],
    ),
    "rates not filtered": (
        [("kappa_reg[0] * (reg if", "0 * (reg if")],
        [("kappa_reg * reg[at + j] +", "0 * reg[at + j] +")],
    ),
    "without 1 - kappa_reg": (
        [("(1 - kappa_reg[0]) * rate", "rate")],
        [("(1 - kappa_reg) * deviation[j]", "deviation[j]")],
    ),
    "rates of the step after": (
        [("rate_history.reshape(T, B, n)[t]", "rate_history.reshape(T, B, n)[min(t + 1, T - 1)]")],
        [("rate_history.data + t * N", "rate_history.data + std::min(t + 1, T - 1) * N")],
    ),
    "several spikes as several": (
        [("origin = origin[np.diff(", "np.diff("), ("prepend=-1) != 0]", "prepend=-1)")],
        [("if (s > 0 && spikes[s] == spikes[s - 1]) continue;", "")],
    ),
    "window a step short": ([], [("told >= T - window[0]", "told > T - window[0]")]),
}
FIXED = random_case(2, batch=2, steps=30, beta=np.full(6, 0.3), tau_adapt=40.0)


@pytest.mark.parametrize(
    ("mutant", "language"),
    [(name, language) for name, texts in MUTANTS.items()
     for language, text in zip(("python", "cpp"), texts, strict=True) if text],
)  # fmt: skip
def test_mutant_is_killed(mutant, language):
    substitutions = MUTANTS[mutant][language == "cpp"]
    text = getsource(eprop_adjoint) if language == "python" else HEADER
    for old, new in substitutions:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    assert not equals_the_sums(mutated(text, language), FIXED, 1, 0.9, 0.7, 1)


@pytest.mark.parametrize("per_step", [False, True])
@pytest.mark.parametrize("language", ["python", "cpp"])
def test_rates(language, per_step):
    """Spikes filtered, in 1/ms; compared with a rate in 1/ms, or per time step."""
    form = regularizers.filter_rates
    if language == "cpp":
        header = files("brianlearn") / "regularizers.h"
        codes = dict(zip(signature(form).parameters, ["i4", *"ffffff"], strict=True))
        form = native(header, "filter_rates", **codes)
    dt, kappa, z = 0.5, 0.9, np.random.default_rng(1).random((20, 3)) < 0.3
    state = {"kappa": kappa, "milliseconds": dt, "c_reg": 2.0}
    state["rate"] = 40 * 1e-3 * (dt if per_step else 1)
    state = {name: np.array([value]) for name, value in state.items()}
    state |= {"filtered": np.zeros(3), "deviation": np.zeros(3)}
    filtered = np.zeros(3)
    for spikes in z:
        filtered = kappa * filtered + (1 - kappa) * spikes / dt
        form(spikes=listing(spikes), **state)
        expected = 2.0 * (filtered - state["rate"])
        np.testing.assert_allclose(state["deviation"], expected, rtol=1e-13)


@pytest.mark.parametrize(
    "target",
    ["numpy", *(pytest.param(t, marks=pytest.mark.slow) for t in ("cython", "cpp_standalone"))],
    indirect=True,
)
def test_network(target):
    """Neurons and readouts of event-driven e-prop, which learn at the end of a trial."""
    factors = np.repeat([0.0, 1.0, 0.5, 0.0], 20)
    case = random_spike_case(
        3, steps=80, h=0.5, model="iaf_adapt", t_ref=1, window=factors, density=1.0
    )
    made = trained_by_trial(case)
    simulate(made.duration, made.network, progress=False)
    traces = {name: values[0].swapaxes(0, 1) for name, values in made.recorder.read().items()}
    k = SimpleNamespace(zeta=1.0, beta=case.adapt_beta)
    k.alpha, k.rho = np.exp(-case.h / np.array([case.tau_m, case.adapt_tau]))
    rate, deviation = np.zeros(case.n_rec), np.zeros((1, case.steps, case.n_rec))
    for s in range(case.steps):
        rate = case.kappa_reg * rate + (1 - case.kappa_reg) * traces["z"][0, s] / case.h
        deviation[0, s] = case.c_reg * (rate - case.f_target / 1000)
    arrivals = np.concatenate([case.counts[None] > 0, oracle.delayed(traces["z"])], axis=2)
    signal = traces["error"] @ case.feedback.T
    hidden = sums(traces["psi"], arrivals, signal, deviation, k, case.kappa, case.kappa_reg, 1)
    decay = np.exp(-case.h / case.tau_out)
    expected = dict(zip(("w_in", "w_rec"), np.split(hidden, [case.n_in]), strict=True))
    expected["w_out"] = sums_of_readouts(traces["z"], traces["error"], decay, 1.0, 1)
    assert traces["z"].any()
    assert (case.counts > 1).any()
    for name, gradient in expected.items():
        moved = (getattr(case, name) - made.learner.weights()[name]) * case.exists[name]
        step = 1e-3 * gradient * case.exists[name]
        assert np.abs(moved - step).max() < 1e-12 * np.abs(step).max(), name


def trained_by_trial(case):
    """The network of a case of learning at spikes, whose weights change after its only trial."""
    defaultclock.dt = case.h * ms
    inputs, neurons = SpikeInput(case.n_in, name="inputs"), neurons_of(case)
    readout = eprop_iaf_readout.neurons(case.n_out, tau_m=case.tau_out * ms, name="readout")
    ends = {"w_in": (inputs, neurons), "w_rec": (neurons, neurons), "w_out": (neurons, readout)}
    connections = [
        Projection(*pair, getattr(case, name) * case.exists[name], variable="x",
                   mask=case.exists[name], name=name)
        for name, pair in ends.items()
    ]  # fmt: skip
    duration = case.steps * case.h * ms
    trials = Trials(duration, inputs, [neurons, readout], readout=readout, name="trials")
    rule = EProp(
        optimizer=GradientDescent(1e-3), feedback=Given(case.feedback), window=case.windows,
        regularizer=FiringRate(case.c_reg, case.f_target * Hz, kappa=case.kappa_reg),
        kappa=case.kappa,
    )  # fmt: skip
    learner = rule.attach(trials, readout, connections)
    recorded = {name: (neurons, name) for name in ("z", "psi")} | {"error": (readout, "error")}
    recorder = Recorder(trials, recorded, name="recorder")
    trials.present(trial_of(case), recording=True)
    network = Network(inputs, neurons, readout, *connections, trials, recorder)
    return SimpleNamespace(network=network, duration=duration, learner=learner, recorder=recorder)
