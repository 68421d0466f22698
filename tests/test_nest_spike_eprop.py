"""The oracle of e-prop that learns at every spike: the published numbers, and NEST run live."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

import published_spike_eprop as published
import spike_eprop_oracle as oracle
from spike_eprop_cases import MODELS, random_case

WEIGHTS = ("w_in", "w_rec", "w_out")
SURROGATES = tuple(published.SURROGATES)


@pytest.fixture(scope="module")
def nest():
    """NEST takes a second to import: not before a test of it runs."""
    reason = "needs NEST 3.10: pip install nest-simulator (Linux)"
    pytest.importorskip("nest", minversion="3.10", reason=reason)
    from nest_spike_eprop import run

    return run


@pytest.fixture(params=["oracle", "nest"])
def either(request):
    """The oracle and NEST in turn."""
    return oracle.run if request.param == "oracle" else request.getfixturevalue("nest")


def learnt(case, outcome, name):
    """How far weights have come."""
    return getattr(outcome, name) - getattr(case, name) * case.exists[name]


def deviation(case, ours, theirs):
    """The largest difference of final weights, relative to the most that any has learnt."""
    return max(
        np.abs(getattr(ours, name) - getattr(theirs, name)).max()
        / np.abs(learnt(case, theirs, name)).max()
        for name in WEIGHTS
    )


def compared(case, nest):
    """Run a case in NEST, see that it is alive, and compare the oracle with it."""
    traces = ("v", "psi", "readout", "error")
    ours, theirs = oracle.run(case), nest(case, record=("z", *traces))
    assert 0.01 < ours.z.mean() < 0.9
    assert all(learnt(case, theirs, name).any() for name in WEIGHTS)
    assert np.array_equal(ours.z[:-1], theirs.z[:-1])  # in NEST, all spike in the last step
    for name in traces:
        pair = (getattr(each, name)[:-1] for each in (ours, theirs))
        np.testing.assert_allclose(*pair, rtol=1e-10, atol=1e-10, err_msg=name)
    return deviation(case, ours, theirs)


@pytest.mark.parametrize("model", MODELS)
def test_regression(either, model):
    case = published.regression(model)
    outcome = either(case)
    expected = published.LOSSES[model]
    # the smallest losses are printed with eleven digits
    np.testing.assert_allclose(published.losses(case, outcome), expected, rtol=1e-10, atol=1e-14)
    assert published.golden_deviation(outcome, published.WEIGHTS[model]) < 1e-12
    assert not outcome.w_rec.diagonal().any()


@pytest.mark.parametrize("surrogate", SURROGATES)
def test_surrogate_gradients(nest, surrogate):
    case = published.surrogate_task(surrogate)
    for outcome in (oracle.run(case), nest(case, record=("psi",))):
        assert outcome.psi[12:, 0] == pytest.approx(published.SURROGATES[surrogate], rel=1e-12)


# Every model with every optimizer and cutoff; what else there is alternates from case to case.
CASES = list(enumerate(product(MODELS, ("gd", "adam"), (True, False), (5, 100, np.inf))))


@pytest.mark.parametrize(("seed", "combination"), CASES)
def test_weights_equal_those_of_nest(nest, seed, combination):
    model, optimizer, each_step, cutoff = combination
    case = random_case(
        seed,
        n_in=4 + seed % 5,
        n_rec=6 + seed % 7,
        n_out=1 + seed % 3,
        steps=150,
        model=model,
        optimizer=optimizer,
        optimize_each_step=each_step,
        cutoff=cutoff,
        surrogate=SURROGATES[seed % 4],
        t_ref=(0, 3, 1)[(seed + seed // 3) % 3],
        refractory_input=seed % 2 == 0,
        v_reset=(0.0, -0.2)[seed // 2 % 2],
        c_reg=(2.0, 0.0)[seed % 5 == 0],
        h=(1.0, 0.5)[seed // 4 % 2],
        nest_quirks=True,
    )
    assert compared(case, nest) < 1e-11


LEARNING = list(product(("gd", "adam"), (True, False)))


@pytest.mark.parametrize(("optimizer", "each_step"), LEARNING)
def test_learning_rate_is_that_of_the_last_update(nest, optimizer, each_step):
    """A rate that changes between two spikes holds from the second of them."""
    eta = np.full(120, 1e-3)
    eta[60:] = 0
    eta[90:] = 5e-4
    case = random_case(1, eta=eta, optimizer=optimizer, optimize_each_step=each_step)
    assert compared(case, nest) < 1e-11
    assert deviation(case, oracle.run(case), oracle.run(replace(case, eta=1e-3))) > 0.01


def test_window_of_any_factor(nest):
    window = np.repeat([0.0, 1.0, 0.5, 0.0], 30)
    assert compared(random_case(2, window=window), nest) < 1e-11


@pytest.mark.parametrize("optimizer", ["gd", "adam"])
def test_weights_stay_within_bounds(nest, optimizer):
    case = random_case(3, optimizer=optimizer, eta=2e-3, w_min=-0.2, w_max=0.2, v_th=0.3)
    case = replace(case, **{name: getattr(case, name).clip(-0.2, 0.2) for name in WEIGHTS})
    assert compared(case, nest) < 1e-11
    assert (oracle.run(case).w_rec == 0.2).any()


@pytest.mark.parametrize(("optimizer", "each_step"), LEARNING)
def test_first_spikes_together(nest, optimizer, each_step):
    """Adam's count of steps starts with the first spike that has one before it, however near."""
    case = random_case(4, optimizer=optimizer, optimize_each_step=each_step)
    case.counts[:5] = 0
    case.counts[5] = 2
    assert compared(case, nest) < 1e-11


@pytest.mark.parametrize("model", MODELS)
def test_neurons_without_synapses(nest, model):
    case = random_case(5, model=model, density=1.0)
    case.mask_in[:, 2] = case.mask_rec[:, 2] = case.mask_rec[3] = case.mask_out[4] = False
    case.mask_feedback[5] = False
    assert compared(case, nest) < 1e-11


def test_quirks_of_nest():
    """Without them refractory neurons adapt, and the target rate holds for any time step."""
    case = random_case(6, model="psc_delta_adapt", t_ref=2, adapt_beta=0.5, eta=0.0)
    adapting, quirky = oracle.run(case), oracle.run(replace(case, nest_quirks=True))
    unadapted = oracle.run(replace(case, model="psc_delta"))
    assert adapting.z.sum() < quirky.z.sum()
    assert np.array_equal(quirky.z, unadapted.z)

    case = random_case(6, h=0.5, f_target=80.0)
    expected = oracle.run(replace(case, f_target=40.0))
    assert deviation(case, oracle.run(replace(case, nest_quirks=True)), expected) < 1e-12
    assert deviation(case, oracle.run(case), expected) > 1e-3


MUTANTS = {
    "gain": {},
    "window": {},
    "cutoff": {"cutoff": 5},
    "reset": {},
    "catch-up": {"cutoff": 5, "optimizer": "adam"},
}


@pytest.mark.parametrize("mutant", oracle.MUTANTS)
@pytest.mark.parametrize("each_step", [True, False])
@pytest.mark.parametrize("model", MODELS)
def test_mutant_is_killed(nest, mutant, each_step, model):
    case = random_case(7, model=model, optimize_each_step=each_step, **MUTANTS[mutant])
    outcome = nest(case, record=())
    assert deviation(case, oracle.run(case), outcome) < 1e-11
    assert deviation(case, oracle.run(case, mutant=mutant), outcome) > 1e-3


def test_refuses_what_is_not_there(nest):
    case = random_case(8)
    with pytest.raises(ValueError, match="mutant"):
        oracle.run(case, mutant="gian")
    with pytest.raises(ValueError, match="model"):
        replace(case, model="lif")
    with pytest.raises(ValueError, match="optimizer"):
        replace(case, optimizer="sgd")
    with pytest.raises(ValueError, match="records"):
        nest(case, record=("voltage",))
    with pytest.raises(ValueError, match="1e-4"):
        nest(replace(case, eta=np.repeat([1e-4, 0.0], 60)))
