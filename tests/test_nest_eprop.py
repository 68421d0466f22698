"""NEST, run live, gives the published numbers: the driver that others are judged by is right."""

from dataclasses import replace

import numpy as np
import pytest

import published_eprop as published
from nest_eprop import run


@pytest.fixture(autouse=True)
def nest():
    """NEST takes a second to import: not before a test of it runs."""
    return pytest.importorskip(
        "nest", minversion="3.10", reason="needs NEST 3.10: pip install nest-simulator (Linux)"
    )


@pytest.fixture(scope="module")
def small():
    """A network of two batches of two trials, whose input starts at step 2 of each."""
    random = np.random.default_rng(1)
    case = published.evidence(iterations=2, batch=2)
    raster = random.random((2, 2, 50, case.n_in)) < 0.1
    raster[:, :, :2] = False
    return replace(case, raster=raster, target=case.target[:, :, :50], window=20)


def test_sine():
    outcome = run(published.sine())
    assert outcome.losses == pytest.approx(published.SINE_LOSSES, rel=1e-10)
    assert outcome.losses == pytest.approx(published.SINE_LOSSES_TENSORFLOW, rel=1e-7)
    assert published.golden_deviation(outcome, published.SINE_WEIGHTS) < 1e-12
    assert not outcome.w_rec.diagonal().any()


@pytest.mark.parametrize("batch", [1, 2])
def test_evidence_starts_as_published(batch):
    outcome = run(published.evidence(iterations=2, batch=batch))
    assert outcome.losses == pytest.approx(published.EVIDENCE_LOSSES[batch][:2], rel=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("batch", [1, 2])
def test_evidence(batch):
    outcome = run(published.evidence(batch=batch))
    assert outcome.losses == pytest.approx(published.EVIDENCE_LOSSES[batch], rel=1e-9)
    assert published.golden_deviation(outcome, published.EVIDENCE_WEIGHTS[batch]) < 1e-12
    if batch == 1:
        tensorflow = published.EVIDENCE_LOSSES_TENSORFLOW
        assert outcome.losses == pytest.approx(tensorflow, rel=1e-6)


def test_traces_are_aligned_to_steps(small):
    """Each trace against another one that it follows from within the same step."""
    names = ("v", "psi", "spikes", "learning_signal", "readout", "readout_signal", "error")
    small = replace(small, beta=None, refractory_steps=0)
    traces = run(small, record=names).traces
    assert set(traces) == set(names)
    v, target = traces["v"], small.target.reshape(200, 2)
    spikes = traces["spikes"]
    assert spikes.any()
    assert np.array_equal(spikes, v >= small.v_th)
    psi = small.height * np.maximum(0, 1 - np.abs(v - small.v_th) / small.width)
    assert traces["psi"] == pytest.approx(psi)
    odds = np.exp(traces["readout"])
    signal = odds / odds.sum(axis=1, keepdims=True)
    window = np.arange(200) % 50 >= 30
    assert traces["readout_signal"] == pytest.approx(signal * window[:, None])
    assert traces["error"] == pytest.approx((signal - target) * window[:, None])
    assert traces["learning_signal"] == pytest.approx(traces["error"] @ small.feedback.T)
    first = (1 - np.exp(-1 / small.tau_out)) * spikes[0] @ small.w_out
    assert traces["readout"][0] == pytest.approx(first)


def test_weights_after_every_update(small):
    every, final = run(small, every_update=True), run(small)
    assert np.array_equal(every.losses, final.losses)
    for name in ("w_in", "w_rec", "w_out"):
        history = getattr(every, name)
        assert np.array_equal(history[-1], getattr(final, name))
        assert np.any(history[0] != history[1])
        assert np.any(history[0] != getattr(small, name))


def test_current_acts_from_the_first_step(small):
    """Without spikes the voltage relaxes from 0 towards the current, in every trial anew."""
    silent = replace(small, raster=np.zeros_like(small.raster), current=0.5)
    v = run(silent, record=("v",)).traces["v"].reshape(4, 50, -1)
    expected = 0.5 * (1 - np.exp(-np.arange(1, 51) / silent.tau_m))
    assert v == pytest.approx(np.broadcast_to(expected[:, None], v.shape))


def test_refuses_what_nest_cannot_do(small):
    with pytest.raises(ValueError, match="step 0"):
        run(replace(small, raster=np.ones_like(small.raster)))
    with pytest.raises(ValueError, match="after regular"):
        run(replace(small, beta=small.beta[::-1]))
    with pytest.raises(ValueError, match="records"):
        run(small, record=("voltage",))
