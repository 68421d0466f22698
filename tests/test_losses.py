"""Losses as functions of arrays: what they sum up, in both languages, for windows of any factor."""

from importlib.resources import files

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brianlearn import BestSoFar, CrossEntropy, MeanSquaredError
from native import empty, native

ARGUMENTS = {
    "step": "i8", "steps": "i8", "window": "f", "open_steps": "i8", "recording": "b",
    "samples": "i8", "v": "f", "target": "f", "output": "f", "error": "f", "output_sum": "f",
    "target_sum": "f", "total": "f", "loss": "f", "accuracy": "f",
}  # fmt: skip
KINDS = {"mean_squared_error": MeanSquaredError, "cross_entropy": CrossEntropy}
KINDS["best_so_far"] = BestSoFar
OWN = {"learning": "b", "best": "f", "aspiration": "f"}


def signature(name):
    """The parameters of a form, in order."""
    if name != "best_so_far":
        return ARGUMENTS
    order = [*ARGUMENTS]
    at = order.index("total")
    return {key: (ARGUMENTS | OWN)[key] for key in (*order[:at], *OWN, *order[at:])}


@pytest.fixture(scope="module")
def cpp():
    header = files("brianlearn") / "losses.h"
    return {name: native(header, name, **signature(name)) for name in KINDS}


def judged(form, parameters, v, target, window, recording=True):
    """What a loss says of each step of a trial, and of the trial: ``[step, sample, readout]``."""
    steps, samples, readouts = v.shape
    sizes = dict.fromkeys(("v", "target", "output", "error", "output_sum", "target_sum"))
    state = {
        name: empty(samples * readouts if name in sizes else 1, code)
        for name, code in parameters.items()
    }
    state["window"], state["steps"][:], state["samples"][:] = window, steps, samples
    state["open_steps"][:], state["recording"][:] = np.count_nonzero(window), recording
    if "best" in state:
        state |= {"best": np.full(readouts, -1e300), "aspiration": np.full(1, 0.1)}
        state["learning"][:] = True
    state["total"][:] = state["output_sum"][:] = 7.0  # of a trial that was broken off
    outputs, errors = np.zeros((2, *v.shape))
    for s in range(steps):
        state["step"][:] = s
        state["v"], state["target"] = v[s].ravel().copy(), target[s].ravel().copy()
        assert not form(**{name: state[name] for name in parameters})
        outputs[s], errors[s] = (state[key].reshape(samples, -1) for key in ("output", "error"))
    return outputs, errors, state["loss"][0], state["accuracy"][0]


def drawn(seed, steps, samples, readouts, factors):
    random = np.random.default_rng(seed)
    v = random.normal(size=(steps, samples, readouts))
    target = np.eye(readouts)[random.integers(readouts, size=(steps, samples))]
    window = random.choice(factors, steps)
    window[-1] = 1.0
    return v, target, window


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from([*KINDS]), st.integers(0, 999), st.integers(1, 6), st.integers(1, 3),
    st.integers(1, 4), st.sampled_from([[0.0, 1.0], [0.0, 0.5, 2.0], [1.0], [-1.0, 0.0]]),
)  # fmt: skip
def test_forms_agree(cpp, name, seed, steps, samples, readouts, factors):
    case = drawn(seed, steps, samples, readouts, factors)
    python = judged(KINDS[name].form, signature(name), *case)
    for ours, theirs in zip(judged(cpp[name], signature(name), *case), python, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("language", ["python", "cpp"])
@pytest.mark.parametrize("factors", [[0.0, 1.0], [0.0, 0.5, 2.0]])
def test_what_they_sum_up(cpp, language, factors):
    v, target, window = drawn(1, 30, 2, 3, factors)
    forms = {n: kind.form for n, kind in KINDS.items()} if language == "python" else cpp
    gain = window[:, None, None]
    options = ARGUMENTS, v, target, window

    output, error, loss, accuracy = judged(forms["mean_squared_error"], *options)
    np.testing.assert_allclose(error, gain * (v - target), rtol=1e-14)
    assert np.array_equal(output, v)
    assert loss == pytest.approx(0.5 * (gain * (v - target) ** 2).sum() / 2, rel=1e-13)
    opened = window != 0
    said, wanted = (values[opened].sum(axis=0).argmax(axis=1) for values in (output, target))
    assert accuracy == np.mean(said == wanted)

    output, error, loss, _ = judged(forms["cross_entropy"], *options)
    softmax = np.exp(v) / np.exp(v).sum(axis=2, keepdims=True)
    np.testing.assert_allclose(output, softmax, rtol=1e-13)
    np.testing.assert_allclose(error, gain * (softmax - target), rtol=1e-13, atol=1e-15)
    logs = (gain * target * np.log(softmax)).sum()
    assert loss == pytest.approx(-logs / opened.sum() / 2, rel=1e-13)


@pytest.mark.parametrize("language", ["python", "cpp"])
@pytest.mark.parametrize("name", ["mean_squared_error", "cross_entropy"])
def test_the_error_is_the_derivative_of_the_loss(cpp, language, name):
    """By finite differences, where the window holds fractions; up to what an average divides by."""
    form = KINDS[name].form if language == "python" else cpp[name]
    v, target, window = drawn(2, 6, 2, 3, [0.0, 0.25, 0.5, 2.0])
    _, error, _, _ = judged(form, ARGUMENTS, v, target, window)
    divisor = 2 * (np.count_nonzero(window) if name == "cross_entropy" else 1)
    small, slope = 1e-5, np.zeros(v.shape)
    for at in np.ndindex(v.shape):
        shift = np.zeros(v.shape)
        shift[at] = small
        above, below = (judged(form, ARGUMENTS, v + s, target, window)[2] for s in (shift, -shift))
        slope[at] = (above - below) / (2 * small)
    assert len({*window} - {0.0, 1.0}) > 1
    np.testing.assert_allclose(error / divisor, slope, atol=1e-9)
