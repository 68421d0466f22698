"""Threads: how many a kernel uses, and that their number changes no number."""

import os

import numpy as np
import pytest
from brian2 import prefs

from adjoint_forms import HEADER, NEURONS, arguments, form, listing, of_connections
from brianlearn.kernel.threads import threads_at_hand

VARIABLES = ("BRIANLEARN_THREADS", "OMP_NUM_THREADS", "PYTEST_XDIST_WORKER")


@pytest.fixture
def environment(monkeypatch):
    """An environment that says nothing of threads."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_cores_at_hand(environment):
    environment.setattr(os, "sched_getaffinity", lambda _: {0, 3, 4}, raising=False)
    assert threads_at_hand() == 3


def test_first_that_is_set_decides(environment):
    for value, name in enumerate(reversed(VARIABLES), start=1):
        environment.setenv(name, str(value))
        assert threads_at_hand() == value
    prefs.brianlearn.threads = 9
    try:
        assert threads_at_hand() == 9
    finally:
        prefs.brianlearn.threads = 0


def test_one_for_each_level(environment):
    environment.setenv("OMP_NUM_THREADS", "4,2")
    assert threads_at_hand() == 4


@pytest.mark.parametrize("wrong", ["0", "-1", "many", "1.5"])
def test_no_number_is_refused(environment, wrong):
    environment.setenv("BRIANLEARN_THREADS", wrong)
    with pytest.raises(ValueError, match=f"'{wrong}'.*BRIANLEARN_THREADS"):
        threads_at_hand()


def gradients(cpp, threads, order=1):
    """Of 37 samples, which are no multiple of the parts, and enough work for three threads."""
    batch, steps, n = 37, 40, 70
    random = np.random.default_rng(1)
    spikes = random.random((steps, batch, n)) < 0.1
    state = arguments(
        NEURONS, steps=steps, interval=1e-3, window=steps, learning=True, samples=batch,
        tau_m=20e-3, spread=True, beta=0.3, tau_adapt=0.1, kappa=0.9, gain=0.1, rate=10, c_reg=0.2,
        kappa_reg=-1, deviation=np.zeros(batch * n), feedback=random.normal(size=n),
        psi=np.zeros(batch * n), learning_signal=np.zeros(batch * n), threads=threads,
        spike_counts=np.zeros(batch * n), psi_history=np.zeros(steps * batch * n),
        error=np.zeros(batch), error_history=np.zeros(steps * batch),
        **of_connections([np.ones((n, n), bool)] * 2, [0, 1], batch, steps)
    )  # fmt: skip
    for s in range(steps):
        state["step"][:] = s
        state["psi"][:] = random.normal(size=batch * n)
        state["error"][:] = random.normal(size=batch)
        heard = listing(spikes[s])
        heard[: heard[-1]] = heard[: heard[-1]][::order]
        state["spikes"], state["spiking"] = [heard] * 2, heard
        assert not cpp(**state)
    return np.concatenate(state["gradient"])


def test_any_number_gives_the_same_bits():
    cpp = form(HEADER)
    expected = gradients(cpp, 1)
    assert np.ptp(expected) > 0
    for threads in (2, 3, 16):
        np.testing.assert_array_equal(gradients(cpp, threads), expected)


def test_any_order_of_spikes():
    """A `SpikeGeneratorGroup` lists those of a time step by their times, not by neurons."""
    cpp = form(HEADER)
    np.testing.assert_allclose(gradients(cpp, 2, order=-1), gradients(cpp, 2), rtol=1e-11)
