"""Both forms of e-prop are the oracle's sums in whole networks, however a batch is presented."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import eprop_oracle as oracle
from eprop_build import deviation, random_case, train

FORMS = ("adjoint", "online")
TOLERANCE = 1e-11  # of how far weights move: 1e-14 of themselves

cases = st.builds(
    random_case,
    st.integers(0, 2**31),
    batch=st.integers(1, 4),
    steps=st.integers(20, 50),
    n_in=st.integers(1, 6),
    n_rec=st.integers(2, 6),
    n_out=st.integers(1, 3),
    tau_m=st.floats(2, 60),
    tau_out=st.floats(2, 60),
    tau_adapt=st.floats(5, 2000),
    refractory_steps=st.integers(0, 5),
    regular=st.booleans(),
    regular_out=st.booleans(),
    current=st.sampled_from([0.0, 0.4]),
    loss=st.sampled_from(["mean_squared_error", "cross_entropy"]),
    average=st.booleans(),
    window=st.sampled_from([None, 11]),
    learning_rate=st.just(1e-3),
)


def masks_of(case, random):
    """Sparse connections; each matrix has one at least."""
    masks = {name: random.random(getattr(case, name).shape) < 0.4 for name in ("w_in", "w_rec")}
    for mask in masks.values():
        mask[0, 1] = True
    return masks | {"w_rec": masks["w_rec"] & ~np.eye(case.n_rec, dtype=bool)}


@settings(
    deadline=None,
    max_examples=10,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # to shrink takes minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(case=cases, beta=st.floats(0, 2), sparse=st.booleans(), seed=st.integers(0, 2**31))
def test_forms_agree(numpy_target, case, beta, sparse, seed):
    """Random networks; where all pairs are connected, the oracle as well."""
    random = np.random.default_rng(seed)
    case = replace(case, beta=beta * (random.random(case.n_rec) < 0.6))
    masks = masks_of(case, random) if sparse else None
    if sparse:
        case = replace(case, **{name: getattr(case, name) * masks[name] for name in masks})
    adjoint, online = (train(case, form, masks=masks) for form in FORMS)
    assert deviation(case, online, adjoint) < TOLERANCE
    if not sparse:
        assert deviation(case, adjoint, oracle.train(case)) < TOLERANCE


FIXED = {
    "LIF": random_case(2, refractory_steps=2, current=0.3, learning_rate=1e-3),
    "ALIF, both spikes spread": random_case(
        3, beta=np.array([0, 0.3, 0, 0.1, 0.3, 0.05]), tau_adapt=40.0, window=30, learning_rate=1e-3
    ),
    "ALIF, classes, Adam": random_case(
        4, beta=np.full(6, 0.2), loss="cross_entropy", optimizer="adam", learning_rate=1e-2,
        regular=True, regular_out=True, window=20, average=True, bounds=(-2.13, 2.13),
    ),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", FIXED)
@pytest.mark.parametrize(
    "target",
    ["numpy", *(pytest.param(t, marks=pytest.mark.slow) for t in ("cython", "cpp_standalone"))],
    indirect=True,
)
def test_fixed_cases(target, name, form):
    case = FIXED[name]
    expected = oracle.train(case)
    assert np.ptp(expected.losses) > 1e-3
    assert np.abs(expected.w_in - case.w_in).max() > 1e-3
    assert deviation(case, train(case, form), expected) < TOLERANCE


@pytest.mark.parametrize(
    ("form", "optimizer"), [("adjoint", "adam"), ("online", "gradient_descent")]
)
def test_batch_is_the_mean_of_its_samples(numpy_target, form, optimizer):
    """At once, one sample after another with an update at the end, or in halves."""
    case = random_case(batch=4, optimizer=optimizer, learning_rate=1e-3)
    together, singly, halves = (train(case, form, samples=samples) for samples in (4, 1, 2))
    assert deviation(case, singly, together) < TOLERANCE
    assert deviation(case, halves, together) < TOLERANCE


@pytest.mark.parametrize("form", FORMS)
def test_batch_is_the_mean_of_runs(numpy_target, form):
    """One update of a batch is the mean of the changes that each sample would make alone."""
    case = random_case(batch=3, iterations=1, learning_rate=1e-3)
    whole = train(case, form)
    alone = [
        train(replace(case, raster=case.raster[:, [b]], target=case.target[:, [b]]), form)
        for b in range(3)
    ]
    assert whole.losses == pytest.approx(np.mean([one.losses for one in alone]), rel=1e-12)
    for name in oracle.WEIGHTS:
        mean = np.mean([getattr(one, name) for one in alone], axis=0)
        assert np.abs(getattr(whole, name) - mean).max() < 1e-12 * np.abs(mean).max()
