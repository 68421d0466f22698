"""E-prop against NEST, run live: other seeds and sizes, every surrogate, every way of arriving."""

from dataclasses import replace

import numpy as np
import pytest

import eprop_oracle as oracle
import nest_eprop
import published_eprop as published
from conftest import slow
from eprop_build import deviation, train

SURROGATES = ("piecewise_linear", "exponential", "fast_sigmoid_derivative", "arctan_derivative")


@pytest.fixture(autouse=True, scope="module")
def nest():
    return pytest.importorskip(
        "nest", minversion="3.10", reason="needs NEST 3.10: pip install nest-simulator (Linux)"
    )


def quiet_start(case):
    """No input at step 1 of a trial, where NEST would lose a learning signal."""
    raster = case.raster.copy()
    raster[:, :, 1] = False
    return replace(case, raster=raster)


def sine(seed, **changes):
    """A small network that learns from the first trial on."""
    sizes = {"iterations": 3, "n_in": 20, "n_rec": 15, "n_out": 2, "steps": 100}
    case = published.sine(seed, **sizes | {"learning_rate": 1e-3} | changes)
    return quiet_start(case)


def agrees(case, form):
    expected = nest_eprop.run(case)
    assert min(np.abs(getattr(expected, w) - getattr(case, w)).max() for w in oracle.WEIGHTS) > 1e-6
    return deviation(case, train(case, form), expected) < 1e-10


@pytest.mark.parametrize("form", ["adjoint", "online"])
@pytest.mark.parametrize("seed", [2, 3, 4])
def test_other_seeds_and_sizes(numpy_target, seed, form):
    sizes = {2: {"n_rec": 30}, 3: {"n_out": 1, "steps": 150}, 4: {"n_in": 40, "iterations": 5}}
    assert agrees(sine(seed, **sizes[seed]), form)


@pytest.mark.parametrize("seed", [2, 3, 4])
def test_nest_loses_a_learning_signal(numpy_target, seed):
    """Where inputs spike at step 1, weights agree to 1e-5 and losses to rounding."""
    case = published.sine(seed, iterations=3, n_in=40, n_rec=40, steps=300)
    assert case.raster[:, :, 1].any()
    ours, theirs = train(case, "adjoint"), nest_eprop.run(case)
    assert ours.losses == pytest.approx(theirs.losses, rel=1e-10)
    difference = {w: np.abs(getattr(ours, w) - getattr(theirs, w)).max() for w in oracle.WEIGHTS}
    assert max(difference.values()) < 1e-5
    assert difference["w_in"] > 1e-10


@pytest.mark.parametrize("regular", [False, True])
@pytest.mark.parametrize("surrogate", SURROGATES)
@pytest.mark.parametrize("target", ["numpy", slow("cython"), slow("cpp_standalone")], indirect=True)
def test_surrogates_and_arrivals(target, surrogate, regular):
    """Adaptive neurons with a bias and a refractory period."""
    scale = 0.15 if regular else 1.0
    case = sine(
        5, surrogate=surrogate, regular=regular, regular_out=not regular, refractory_steps=2,
        beta=np.repeat([0.0, 0.4], [7, 8]), tau_adapt=200.0, v_min=-0.05, current=0.01,
    )  # fmt: skip
    case = replace(case, w_in=scale * case.w_in, w_rec=scale * case.w_rec)
    assert agrees(case, "adjoint")


@pytest.mark.parametrize(
    ("target", "form"),
    [
        ("numpy", "adjoint"),
        slow("numpy", "online"),
        slow("cython", "adjoint"),
        slow("cpp_standalone", "adjoint"),
        slow("cpp_standalone", "online"),
    ],
    indirect=["target"],
)
def test_evidence_by_gradient_descent(target, form):
    """Three samples at once; feedback is a copy of the readout as it was at the start."""
    case = published.evidence(
        seed=2, iterations=2, batch=3, optimizer="gradient_descent", learning_rate=5.0
    )
    case = quiet_start(replace(case, feedback=case.w_out))
    assert agrees(case, form)
