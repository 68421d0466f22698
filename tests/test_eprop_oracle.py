"""The oracle of e-prop against what is known of it: other derivations, and published numbers."""

from dataclasses import replace

import numpy as np
import pytest

import eprop_oracle as oracle
import published_eprop as published
from eprop_cases import Case

LOSSES = ("mean_squared_error", "cross_entropy")
SURROGATES = (
    "piecewise_linear",
    "exponential",
    "fast_sigmoid_derivative",
    "arctan_derivative",
)


def small_case(seed=1, *, batch=3, steps=60, n_in=7, n_rec=6, n_out=3, **changes):
    """A random network that spikes, with one trial after another of Poisson input."""
    random = np.random.default_rng(seed)
    changes = {"width": 0.5, "height": 0.6, "v_th": 0.5, "tau_m": 8.0, "tau_out": 12.0} | changes
    scale = 0.5 if changes.get("regular") else 4.0
    targets = random.normal(size=(2, batch, steps, n_out))
    if changes.get("loss") == "cross_entropy":
        labels = random.integers(n_out, size=(2, batch))
        targets = np.repeat(np.eye(n_out)[labels][:, :, None], steps, axis=2)
    return Case(
        w_in=scale * random.normal(0.3, 1, size=(n_in, n_rec)),
        w_rec=scale * random.normal(size=(n_rec, n_rec)) * ~np.eye(n_rec, dtype=bool),
        w_out=random.normal(size=(n_rec, n_out)),
        feedback=random.normal(size=(n_rec, n_out)),
        raster=random.random((2, batch, steps, n_in)) < 0.2,
        target=targets,
        **changes,
    )


def first_trials(case, **weights):
    """Traces of the first iteration."""
    weights = {name: getattr(case, name) for name in oracle.WEIGHTS} | weights
    traces = oracle.forward(case, **weights, raster=case.raster[0], target=case.target[0])
    assert 0.02 < traces["spikes"].mean() < 0.6  # neither silent nor saturated
    assert (traces["psi"] > 0).mean() > 0.02
    return traces


def close(a, b, tolerance=1e-12):
    return np.abs(a - b).max() <= tolerance * np.abs(b).max()


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("regular", [False, True])
@pytest.mark.parametrize("beta", [None, np.array([0, 0.3, 0, 0.1, 0.3, 0.05])], ids=["lif", "alif"])
@pytest.mark.parametrize("surrogate", SURROGATES)
def test_without_recurrence_eprop_is_backpropagation(loss, regular, beta, surrogate):
    """With symmetric feedback, the input weights' gradient is that of the surrogate network."""
    case = small_case(
        loss=loss, regular=regular, beta=beta, surrogate=surrogate, window=40, refractory_steps=3,
        tau_adapt=30.0,
    )  # fmt: skip
    case = replace(case, feedback=case.w_out, w_rec=0 * case.w_rec)
    traces = first_trials(case)
    eprop = oracle.gradients(case, traces)
    backpropagation = oracle.bptt_gradients(case, case.w_rec, case.w_out, traces)
    assert close(eprop["w_in"], backpropagation["w_in"])
    assert close(eprop["w_out"], backpropagation["w_out"])


def test_recurrence_makes_eprop_an_approximation():
    case = small_case(c_reg=0.0)
    case = replace(case, feedback=case.w_out)
    traces = first_trials(case)
    eprop = oracle.gradients(case, traces)
    backpropagation = oracle.bptt_gradients(case, case.w_rec, case.w_out, traces)
    assert not close(eprop["w_in"], backpropagation["w_in"], 1e-2)
    assert close(eprop["w_out"], backpropagation["w_out"])


def directional(case, traces, d_w):
    """Derivative of the loss of the surrogate network along `d_w`, in forward mode."""
    k = oracle.constants(case)
    spikes, before = traces["spikes"], oracle.delayed(traces["spikes"])
    d_v, d_a, d_z = np.zeros((3, *spikes[:, 0].shape))
    d_out = np.zeros_like(traces["error"][:, 0])
    total = 0.0
    for s in range(spikes.shape[1]):
        d_x = traces["raster"][:, s] @ d_w["w_in"] + before[:, s] @ d_w["w_rec"] + d_z @ case.w_rec
        d_v = k.zeta * d_x + k.alpha * d_v
        d_a = k.rho * d_a + d_z
        d_z = traces["psi"][:, s] * (d_v - k.beta * d_a)
        d_out = k.zeta_out * (d_z @ case.w_out + spikes[:, s] @ d_w["w_out"]) + k.kappa * d_out
        total += np.sum(traces["error"][:, s] * d_out) / len(spikes)
    return total


@pytest.mark.parametrize("loss", LOSSES)
def test_backpropagation_agrees_with_forward_mode(loss):
    case = small_case(loss=loss, beta=np.full(6, 0.3), tau_adapt=30.0, c_reg=0.0, regular_out=True)
    traces = first_trials(case)
    gradient = oracle.bptt_gradients(case, case.w_rec, case.w_out, traces)
    random = np.random.default_rng(2)
    for name in oracle.WEIGHTS:
        d_w = {other: np.zeros_like(getattr(case, other)) for other in oracle.WEIGHTS}
        d_w[name] = random.normal(size=d_w[name].shape) * (gradient[name] != 0)
        expected = directional(case, traces, d_w)
        assert np.sum(gradient[name] * d_w[name]) == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("regular_out", [False, True])
def test_readout_gradient_is_that_of_the_loss(loss, regular_out):
    """The readout's weights change no spike: central differences of the loss itself."""
    case = small_case(loss=loss, regular_out=regular_out, window=40, average=loss == LOSSES[1])
    gradient = oracle.gradients(case, first_trials(case))["w_out"]

    def mean_loss(shift):
        return oracle.loss(case, first_trials(case, w_out=case.w_out + shift)).mean()

    for index in np.ndindex(*case.w_out.shape):
        shift = np.zeros_like(case.w_out)
        shift[index] = 1e-5
        difference = (mean_loss(shift) - mean_loss(-shift)) / 2e-5
        assert gradient[index] == pytest.approx(difference, rel=1e-6, abs=1e-8)


def test_rates_are_regularized():
    """Without feedback the gradient is that of c_reg/2 times the rates' squared deviation."""
    case = small_case(f_target=80.0)
    case = replace(case, feedback=0 * case.feedback, w_out=0 * case.w_out, w_rec=0 * case.w_rec)
    traces = first_trials(case)
    deviation = traces["spikes"].mean(axis=1) - 0.08  # (batch, neuron), spikes per step
    slopes = [e for e, _ in oracle.eligibility(case, traces["psi"], traces["raster"])]
    expected = 300 * np.mean(deviation[:, None] * np.mean(slopes, axis=0), axis=0)
    assert close(oracle.gradients(case, traces)["w_in"], expected)


def test_refractoriness():
    """After a spike at s the next may come at s + R, and psi is 0 strictly between."""
    case = small_case(current=5.0, refractory_steps=4, surrogate="exponential")
    traces = first_trials(case)
    for trial, neuron in np.ndindex(traces["spikes"][:, 0].shape):
        steps = np.flatnonzero(traces["spikes"][trial, :, neuron])
        assert np.diff(steps).min() == 4
        silent = {s + d for s in steps for d in (1, 2, 3) if s + d < 60}
        assert set(np.flatnonzero(traces["psi"][trial, :, neuron] == 0)) == silent


def test_trials_are_independent():
    """A batch is the mean over its trials, however it is cut."""
    case = small_case(loss="cross_entropy", optimizer="adam")
    whole = oracle.gradients(case, first_trials(case))
    single = []
    for trial in range(3):
        one = replace(case, raster=case.raster[:, [trial]], target=case.target[:, [trial]])
        single.append(oracle.gradients(one, first_trials(one)))
    for name in oracle.WEIGHTS:
        assert close(np.mean([gradient[name] for gradient in single], axis=0), whole[name])


def test_train_keeps_its_books():
    case = small_case(learning_rate=1e-3, bounds=(-5.0, 5.0), optimizer="adam")
    together, singly = oracle.train(case), oracle.train(case, batch_per_update=1)
    for outcome in (together, singly):
        assert outcome.losses.shape == (2,)
        assert outcome.accuracies is None
        assert outcome.traces["output"].shape == (2 * 3 * 60, 3)
        assert not outcome.w_rec.diagonal().any()
        assert max(abs(w).max() for w in (outcome.w_in, outcome.w_rec)) == 5.0
    first = [outcome.traces["v"][:60] for outcome in (together, singly)]
    assert np.allclose(*first, rtol=1e-12)
    assert not np.allclose(together.w_in, singly.w_in)


def test_adam():
    """The first step has the length of the learning rate; then the written-out recursion."""
    case = small_case(optimizer="adam", learning_rate=0.1, epsilon=0.0)
    w, state = np.array([1.0]), {}
    w = oracle.optimize(case, w, np.array([3.0]), state)
    assert w == pytest.approx(0.9)
    m, v = 0.9 * 0.1 * 3 - 0.1 * 1, 0.999 * 0.001 * 9 + 0.001 * 1
    rate = 0.1 * np.sqrt(1 - 0.999**2) / (1 - 0.9**2)
    expected = w - rate * m / np.sqrt(v)
    assert oracle.optimize(case, w, np.array([-1.0]), state) == pytest.approx(expected)


PUBLISHED = {
    "sine": (published.sine, {}, published.SINE_LOSSES, published.SINE_WEIGHTS),
    **{
        f"evidence, batch {n}": (
            published.evidence,
            {"batch": n},
            published.EVIDENCE_LOSSES[n],
            published.EVIDENCE_WEIGHTS[n],
        )
        for n in (1, 2)
    },
}


@pytest.mark.parametrize(
    "task", ["sine", "evidence, batch 1", pytest.param("evidence, batch 2", marks=pytest.mark.slow)]
)
def test_published_numbers(task):
    draw, options, losses, weights = PUBLISHED[task]
    outcome = oracle.train(draw(**options), nest=True)
    assert np.abs(outcome.losses / losses - 1).max() < 1e-11  # they have 12 digits
    assert published.golden_deviation(outcome, weights) < 1e-12


def test_nest_loses_the_last_learning_signal():
    """Of the inputs that spike in step 1 of the next trial, and of no others."""
    case = small_case(c_reg=0.0, average=True)
    traces = first_trials(case)
    complete = oracle.gradients(case, traces)["w_in"]
    following = np.zeros((3, 7), bool)
    following[:, [2, 5]] = True
    truncated = complete - oracle.nest_truncation(case, traces, following)
    traces["error"][:, -1] = 0
    expected = np.where(following[0][:, None], oracle.gradients(case, traces)["w_in"], complete)
    assert close(truncated, expected)
    assert not close(truncated, complete, 1e-6)
