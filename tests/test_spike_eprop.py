"""E-prop that learns at every spike: networks are the oracle's, and both forms are one rule."""

from dataclasses import replace

import numpy as np
import pytest
from brian2 import Network, defaultclock, ms
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import spike_eprop_oracle as oracle
from brianlearn import Projection, SpikeInput, Trials, simulate
from brianlearn.models import eprop_iaf_readout
from conftest import slow
from spike_eprop_build import (
    WEIGHTS,
    build,
    deviation,
    learnt,
    neurons_of,
    rule_of,
    run,
    same_course,
    trial_of,
)
from spike_eprop_cases import MODELS, SpikeOutcome, random_case
from spike_forms import PYTHON, Drawn, compiled, differ, weights_differ

TOLERANCE = 1e-10
SURROGATES = ("piecewise_linear", "exponential", "fast_sigmoid_derivative", "arctan_derivative")


def bounded(case, bound):
    """A case whose weights start within narrow bounds, and stay there."""
    weights = {name: getattr(case, name).clip(-bound, bound) for name in WEIGHTS}
    return replace(case, **weights, w_min=-bound, w_max=bound)


cases = st.builds(
    random_case,
    st.integers(0, 2**31),
    n_in=st.integers(1, 6),
    n_rec=st.integers(2, 8),
    n_out=st.integers(1, 3),
    steps=st.integers(30, 90),
    density=st.sampled_from([0.15, 0.6, 1.0]),
    model=st.sampled_from(MODELS),
    surrogate=st.sampled_from(SURROGATES),
    t_ref=st.integers(0, 3),
    refractory_input=st.booleans(),
    v_reset=st.sampled_from([0.0, -0.2]),
    c_reg=st.sampled_from([0.0, 2.0]),
    kappa=st.sampled_from([0.8, 0.97]),
    kappa_reg=st.sampled_from([0.8, 0.9]),
    cutoff=st.one_of(st.just(np.inf), st.integers(2, 40)),
    optimizer=st.sampled_from(["gd", "adam"]),
    optimize_each_step=st.booleans(),
    h=st.sampled_from([1.0, 0.5]),
    nest_quirks=st.booleans(),
)


@settings(
    deadline=None,
    max_examples=10,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # to shrink takes minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(case=cases, bound=st.sampled_from([0.25, 100.0]))
def test_networks_are_the_oracle(numpy_target, case, bound):
    for mask in (case.mask_in, case.mask_rec, case.mask_out):
        mask[0, -1] = True  # there are no connections without any
    crowded = case.counts.sum(axis=1) > case.n_in  # more than an input can hold
    case.counts[crowded] = case.counts[crowded].clip(max=1)
    case = bounded(case, bound)
    ours, theirs = run(case), oracle.run(case)
    assert same_course(ours, theirs)
    # Adam makes much of what is next to nothing, where sums round it otherwise
    coarse = case.optimizer == "adam" and not case.optimize_each_step
    assert deviation(case, ours, theirs) < (1e-7 if coarse else TOLERANCE)


FIXED = {
    "plain neurons, by sums": random_case(
        11, steps=400, optimize_each_step=False, t_ref=1, tau_m=30.0, v_th=1.2
    ),
    "adapting neurons, Adam": random_case(
        12, model="psc_delta_adapt", optimizer="adam", cutoff=20, h=0.5, t_ref=2,
        refractory_input=True, v_reset=-0.2,
    ),
    "few connections, narrow bounds": bounded(
        random_case(
            13, model="psc_delta", density=0.19, n_in=20, n_rec=20, steps=300, t_ref=1, cutoff=90,
            optimize_each_step=False, kappa_reg=0.9, nest_quirks=True, eta=2e-3,
        ),
        0.4,
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("target", "name"),
    [("numpy", name) for name in FIXED]
    + [slow(target, name) for target in ("cpp_standalone", "cython") for name in FIXED],
    indirect=["target"],
)
def test_fixed_cases(target, name):
    case = FIXED[name]
    ours, theirs = run(case), oracle.run(case)
    assert 0.01 < theirs.z.mean() < 0.9
    assert all(np.abs(learnt(case, theirs, name)).max() > 1e-4 for name in WEIGHTS)
    assert same_course(ours, theirs)
    assert deviation(case, ours, theirs) < TOLERANCE


def cut(case, steps):
    """The first steps of a case."""
    changes = {name: getattr(case, name)[:steps] for name in ("counts", "target")}
    return replace(case, **changes, window=case.windows[:steps])


@pytest.mark.parametrize(
    "changes",
    [{"optimize_each_step": False}, {"model": "iaf_adapt", "optimizer": "adam", "cutoff": 9}],
)
def test_weights_are_those_of_the_moment(numpy_target, changes):
    """After any number of steps, what a spike would transmit; and reading changes nothing."""
    case = random_case(5, steps=100, **changes)
    whole, built = run(case), build(case)
    assert all(
        np.array_equal(w, getattr(case, name) * case.exists[name])
        for name, w in built.learner.weights().items()
    )
    done = 0
    for steps in (1, 2, 17, 64, 65, 100):
        simulate((steps - done) * case.h * ms, built.network, progress=False)
        done = steps
        now, again = (SpikeOutcome(**built.learner.weights()) for _ in range(2))
        assert deviation(case, now, oracle.run(cut(case, steps))) < TOLERANCE
        for name in WEIGHTS:
            assert np.array_equal(getattr(now, name), getattr(again, name))
            assert np.array_equal(getattr(now, name), getattr(built, name).matrix)
    assert all(np.array_equal(getattr(now, w), getattr(whole, w)) for w in WEIGHTS)


def test_weights_that_are_set(numpy_target):
    """What synapses have collected is of the weights before: those that are set start afresh."""
    case = random_case(5, steps=80, optimize_each_step=False)
    built = build(case)
    simulate(50 * case.h * ms, built.network, progress=False)
    for name in WEIGHTS:
        built_one = getattr(built, name)
        built_one.set_matrix(2 * built_one.matrix)
        assert np.array_equal(built.learner.weights()[name], built_one.matrix)
        built_one.set_matrix(built_one.matrix / 2)  # as it was
    simulate(30 * case.h * ms, built.network, progress=False)
    ours = SpikeOutcome(**built.learner.weights())
    assert deviation(case, ours, oracle.run(case)) < TOLERANCE


def test_trials_that_do_not_learn(numpy_target):
    """They are as a closed window without regularization; what was collected is learned."""
    case = random_case(6, model="iaf_adapt", optimize_each_step=False, window=None, c_reg=0.0)
    case.counts[0] = 1
    middle = case.steps // 2
    built = build(case, trial_steps=middle, learning=(True, False))
    simulate(built.duration, built.network, progress=False)
    ours = SpikeOutcome(**built.learner.weights())
    closed = np.repeat([1.0, 0.0], middle)
    assert deviation(case, ours, oracle.run(replace(case, window=closed))) < TOLERANCE
    assert deviation(case, ours, oracle.run(case)) > 1e-3


def test_two_populations(numpy_target):
    """Neurons in two groups, all of whose connections learn, are the same neurons in one."""
    case = random_case(8, model="iaf_adapt", n_rec=10, optimize_each_step=False)
    defaultclock.dt = case.h * ms
    exists, parts = case.exists, {"a": slice(0, 4), "b": slice(4, 10)}
    inputs = SpikeInput(case.n_in, name="inputs")
    groups = {
        name: neurons_of(replace(case, w_rec=case.w_rec[part, part]), name)
        for name, part in parts.items()
    }
    readout = eprop_iaf_readout.neurons(case.n_out, tau_m=case.tau_out * ms, name="readout")
    places, everything = {}, slice(None)
    for name, part in parts.items():
        places["w_in", name] = inputs, groups[name], (everything, part)
        places["w_out", name] = groups[name], readout, (part, everything)
        for other in parts:
            places["w_rec", other + name] = groups[other], groups[name], (parts[other], part)
    connections = {
        key: Projection(source, target, (getattr(case, key[0]) * exists[key[0]])[where],
                        variable="x", mask=exists[key[0]][where], name="_".join(key))
        for key, (source, target, where) in places.items()
    }  # fmt: skip
    duration = case.steps * case.h * ms
    trials = Trials(duration, inputs, None, readout=readout, name="trials")
    learner = rule_of(case).attach(trials, readout, connections.values())
    trials.present(trial_of(case))
    network = Network(inputs, *groups.values(), readout, *connections.values(), trials)
    simulate(duration, network, progress=False)
    joined = {name: np.zeros(exists[name].shape) for name in WEIGHTS}
    for key, (_, _, where) in places.items():
        joined[key[0]][where] = learner.weights()["_".join(key)]
    assert deviation(case, SpikeOutcome(**joined), oracle.run(case)) < TOLERANCE


@pytest.fixture(scope="module")
def cpp():
    return compiled()


@settings(deadline=None, max_examples=60)
@given(
    drawn=st.builds(
        Drawn,
        st.integers(0, 2**31),
        kind=st.sampled_from(["readouts", "plain", "adapting"]),
        kappa_reg=st.sampled_from([None, "shared", "own"]),
        dense=st.booleans(),
        sums=st.booleans(),
        rate=st.sampled_from([0.02, 0.15, 0.6]),
        adam=st.booleans(),
        each_step=st.booleans(),
        cutoff=st.sampled_from([2, 3, 10, 60, 2**62]),
    )
)
def test_forms_agree(cpp, drawn):
    """Plain, adapting neurons and readouts; with sums, and step by step; lists, and rows."""
    assert differ(drawn, drawn.run(cpp), drawn.run(PYTHON)) < TOLERANCE


@pytest.mark.parametrize("tau_m", [5, 10, 20, 30, 50])
@pytest.mark.parametrize("kind", ["plain", "readouts"])
def test_sums_are_the_steps(cpp, kind, tau_m):
    """What is had from sums is what is had step by step, over all time constants in use."""
    for seed in range(2):
        reg = ("shared", None)[seed]
        ways = [Drawn(seed, kind, reg, True, sums, 0.03, tau_m, 0.97) for sums in (True, False)]
        assert [way.filters.block > 0 for way in ways] == [True, False]
        by_sums, by_steps = (way.run(cpp) for way in ways)
        assert weights_differ(ways[0], by_sums, by_steps) < TOLERANCE
