"""E-prop at every spike is the published one: NEST's losses and golden weights, and NEST live."""

from dataclasses import replace

import numpy as np
import pytest

import published_spike_eprop as published
from conftest import slow
from spike_eprop_build import WEIGHTS, deviation, learnt, run
from spike_eprop_cases import MODELS, random_case


@pytest.mark.parametrize(
    ("target", "model", "each_step"),
    [("numpy", model, True) for model in ("iaf", "psc_delta_adapt")]
    + [("cpp_standalone", "psc_delta", False)]
    + [slow("numpy", model, True) for model in ("iaf_adapt", "psc_delta")]
    + [slow("numpy", model, False) for model in MODELS if model != "iaf"]
    + [slow("cpp_standalone", model, True) for model in MODELS]
    + [slow("cpp_standalone", model, False) for model in ("iaf_adapt", "psc_delta_adapt")]
    + [slow("cython", model, True) for model in MODELS]
    + [slow("cython", "psc_delta", False)],
    indirect=["target"],
)
def test_regression(target, model, each_step):
    """Once a spike or once a step: gradient descent makes no difference, Adam does (iaf)."""
    case = published.regression(model, optimize_each_step=each_step)
    outcome = run(case)
    # the smallest losses are printed with eleven digits
    expected = published.LOSSES[model]
    np.testing.assert_allclose(published.losses(case, outcome), expected, rtol=1e-9, atol=1e-14)
    assert published.golden_deviation(outcome, published.WEIGHTS[model]) < 1e-11
    assert not outcome.w_rec.diagonal().any()


@pytest.mark.parametrize("surrogate", published.SURROGATES)
def test_surrogate_gradients(numpy_target, surrogate):
    one = published.surrogate_task(surrogate)
    zeros = np.zeros((2, 1))
    twins = replace(
        one, w_in=np.tile(one.w_in, 2), w_rec=np.zeros((2, 2)), w_out=zeros, feedback=zeros
    )
    expected = published.SURROGATES[surrogate]
    assert run(twins).psi[12:, 0] == pytest.approx(expected, rel=1e-12)


@pytest.fixture(scope="module")
def nest():
    """NEST takes a second to import: not before a test of it runs."""
    reason = "needs NEST 3.10: pip install nest-simulator (Linux)"
    pytest.importorskip("nest", minversion="3.10", reason=reason)
    from nest_spike_eprop import run as run_nest

    return run_nest


def equals_nest(nest, case):
    """Whether spikes, potentials, errors and weights are NEST's."""
    ours, theirs = run(case), nest(case)
    assert 0.01 < ours.z.mean() < 0.9
    assert all(learnt(case, theirs, name).any() for name in WEIGHTS)
    assert np.array_equal(ours.z[:-1], theirs.z[:-1])  # in NEST, all spike in the last step
    for name in ("readout", "error"):
        assert np.allclose(getattr(ours, name), getattr(theirs, name), rtol=1e-10, atol=1e-10)
    return deviation(case, ours, theirs) < 1e-10


SIZES = [
    (21, {"model": "iaf", "cutoff": 5, "n_rec": 15}),
    (22, {"model": "iaf_adapt", "cutoff": 100, "optimizer": "adam", "n_in": 12, "c_reg": 0.0}),
    (23, {"model": "psc_delta", "cutoff": np.inf, "t_ref": 2, "refractory_input": True}),
    (24, {"model": "psc_delta_adapt", "cutoff": 5, "h": 0.5, "t_ref": 1, "n_out": 3}),
    (25, {"model": "iaf", "cutoff": np.inf, "optimizer": "adam", "surrogate": "exponential"}),
]


@pytest.mark.parametrize(
    ("seed", "sizes", "each_step"),
    [(*case, case[0] % 2 == 0) for case in SIZES]
    + [slow(*case, case[0] % 2 > 0) for case in SIZES],
)
def test_other_seeds_and_sizes(numpy_target, nest, seed, sizes, each_step):
    window = np.repeat([0.0, 1.0, 0.5, 0.0, 1.0], 20)
    case = random_case(
        seed, steps=100, window=window, optimize_each_step=each_step, nest_quirks=True, **sizes
    )
    assert equals_nest(nest, case)


@pytest.mark.parametrize("each_step", [False, True])
def test_first_spikes_together(numpy_target, nest, each_step):
    """Adam's count of steps starts with the first spike that has one before it, however near."""
    case = random_case(4, optimizer="adam", optimize_each_step=each_step, n_in=12)
    case.counts[:5] = 0
    case.counts[5], case.counts[6:8] = np.repeat([2, 0], 6), 0
    assert equals_nest(nest, case)


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("target", ["cpp_standalone"], indirect=True)
def test_long_silences(target, nest, model):
    """Thousands of steps, in which few inputs spike."""
    case = random_case(
        31, steps=3000, n_in=30, n_rec=20, model=model, cutoff=np.inf, optimize_each_step=False,
        nest_quirks=True, t_ref=1, eta=1e-5,
    )  # fmt: skip
    case.counts[:, 5:] *= np.random.default_rng(1).random((3000, 25)) < 0.03
    assert equals_nest(nest, case)
