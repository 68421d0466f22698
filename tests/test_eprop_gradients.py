"""The gradients are those of the loss where theory says so, and feedback is what it is called."""

from dataclasses import replace

import numpy as np
import pytest
from brian2 import ms

import eprop_oracle as oracle
from brianlearn import Symmetric
from eprop_build import (
    build,
    deviation,
    gradients_of,
    presented,
    random_case,
    train,
)
from eprop_cases import Outcome

FORMS = ("adjoint", "online")
LOSSES = ("mean_squared_error", "cross_entropy")


def gradients(case, form, **options):
    """What one trial of all samples leaves before its update, and the network."""
    built = build(case, form, trials_per_update=2, **options)
    built.network.run(built.duration)
    return gradients_of(built), built


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("regular_out", [False, True])
def test_readout_gradient_is_that_of_our_loss(numpy_target, loss, regular_out):
    """Central differences, the network run for each."""
    case = random_case(
        iterations=1, loss=loss, regular_out=regular_out, window=40, c_reg=0.0,
        average=loss == "cross_entropy",
    )  # fmt: skip
    found, built = gradients(case, "adjoint")
    scale = 3 * (40 if case.average else 1)  # samples, and steps
    built.trials.present(presented(case, 3), learning=False)

    def loss_of(weights):
        built.w_out.set_matrix(weights)
        built.network.run(60 * ms)
        return built.learner.loss

    for index in [(1, 2), (5, 0)]:
        shift = np.zeros_like(case.w_out)
        shift[index] = 1e-5
        difference = (loss_of(case.w_out + shift) - loss_of(case.w_out - shift)) / 2e-5
        assert found["w_out"][index] / scale == pytest.approx(difference, rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("beta", [None, np.array([0, 0.3, 0, 0.1, 0.3, 0.05])], ids=["lif", "alif"])
def test_without_recurrence_eprop_is_backpropagation(numpy_target, form, loss, beta):
    """With symmetric feedback, the input weights' gradient is that of the surrogate network."""
    case = random_case(
        iterations=1, loss=loss, beta=beta, tau_adapt=30.0, refractory_steps=3, window=40
    )
    case = replace(case, w_rec=0 * case.w_rec)
    found, _ = gradients(case, form, feedback=Symmetric())
    traces = oracle.forward(case, case.w_in, case.w_rec, case.w_out, case.raster[0], case.target[0])
    expected = oracle.bptt_gradients(case, case.w_rec, case.w_out, traces)
    for name in ("w_in", "w_out"):
        difference = np.abs(found[name] / 3 - expected[name]).max()
        assert difference < 1e-11 * np.abs(expected[name]).max()


def follow(case, feedback):
    """The oracle's training with feedback that is a function of the readout weights."""
    weights = {name: getattr(case, name) for name in oracle.WEIGHTS}
    states = {name: {} for name in oracle.WEIGHTS}
    losses = []
    for raster, target in zip(case.raster, case.target, strict=True):
        traces = oracle.forward(case, **weights, raster=raster, target=target)
        losses.append(oracle.loss(case, traces).mean())
        now = replace(case, feedback=feedback(weights["w_out"]))
        for name, gradient in oracle.gradients(now, traces).items():
            weights[name] = oracle.optimize(case, weights[name], gradient, states[name])
    return Outcome(np.array(losses), None, **weights)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("samples", [1, 3])
def test_symmetric_feedback_is_the_readout_as_it_is(numpy_target, form, samples):
    """The weights at each moment, not those at the start; for each sample of a batch the same."""
    case = random_case(iterations=4, optimizer="adam", learning_rate=0.05)
    outcome = train(case, form, samples=samples, feedback=Symmetric())
    assert deviation(case, outcome, follow(case, lambda w_out: w_out)) < 1e-11
    assert deviation(case, outcome, follow(case, lambda w_out: case.w_out)) > 1e-3
