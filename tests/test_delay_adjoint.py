"""The adjoint rule with delays, both forms called directly: every layout, and mutants.

The Python form is held to an independent oracle in whole networks (`test_delay_forms`,
`test_delay_learning`); here the C++ form is held to the Python form, and to the sums written out.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adjoint_forms import HEADER, NEURONS, arguments, form, listing, of_connections
from brianlearn.learners import eprop_adjoint

SHARED = {"connection": (1, 1), "axon": (1, 0), "branch": (0, 1), "one": (0, 0)}


@pytest.fixture(scope="module")
def cpp():
    return form(HEADER)


class Drawn:
    """Random neurons, spikes, errors, and two connections with delays."""

    def __init__(self, seed, shared, dense, interpolates, learns, emptied, integrates):
        random = np.random.default_rng(seed)
        self.batch, self.steps, self.maximum = int(random.integers(1, 4)), 20, 5
        self.n, self.n_out = int(random.integers(2, 5)), 2
        self.masks = [
            random.random((sources, self.n)) < (2 if dense else 0.4)
            for sources in (int(random.integers(2, 6)), self.n)
        ]
        for mask in self.masks:
            mask[0, 0] = True
        self.weights = [random.normal(size=mask.shape) for mask in self.masks]
        sizes = [[k if own else 1 for k, own in zip(mask.shape, SHARED[shared], strict=True)]
                 for mask in self.masks]  # fmt: skip
        self.delays = [random.uniform(0, self.maximum, size) for size in sizes]
        for delays in self.delays:
            delays[random.random(delays.shape) < 0.3] = self.maximum
            some = random.random(delays.shape) < 0.3
            delays[some] = np.round(2 * delays[some]) / 2  # whole steps, and halves
        shape = self.batch, self.steps
        self.psi = random.normal(size=(*shape, self.n))
        self.error = random.normal(size=(*shape, self.n_out))
        self.spikes = [random.random((*shape, len(mask))) < 0.3 for mask in self.masks]
        self.feedback = random.normal(size=(self.n, self.n_out))
        self.interpolates, self.learns = interpolates, learns
        self.emptied, self.later = emptied, int(random.integers(2))
        kappa = np.exp(-1 / 7)
        self.kappa, self.gain = (1.0, 1.0) if integrates else (kappa, 1 - kappa)
        self.kappa_reg = random.choice([-1.0, 0.0, 0.8])  # -1: of the whole trial's spikes
        self.deviation = random.normal(size=(*shape, self.n))

    def gradients(self, form):
        """What the form has summed up at the trial's end: of weights, then of delays."""
        n, steps, batch = self.n, self.steps, self.batch
        listed = [delays.shape == mask.shape and not mask.all()
                  for delays, mask in zip(self.delays, self.masks, strict=True)]  # fmt: skip
        stored = [
            delays[mask] if own else delays
            for delays, mask, own in zip(self.delays, self.masks, listed, strict=True)
        ]
        strides = [
            [0, 0, 1] if own else [d.shape[1] if len(d) > 1 else 0, int(d.shape[1] > 1), 0]
            for d, own in zip(self.delays, listed, strict=True)
        ]
        kept = [w[mask] for w, mask in zip(self.weights, self.masks, strict=True)]
        state = arguments(
            NEURONS, steps=steps, interval=1e-3, window=steps, learning=True, samples=batch,
            tau_m=5e-3, spread=True, beta=0.3, tau_adapt=9e-3, kappa=self.kappa, gain=self.gain,
            told_later=self.later, rate=10, c_reg=0.2, kappa_reg=self.kappa_reg,
            deviation=np.zeros(batch * n), rate_history=np.zeros(batch * steps * n),
            feedback=self.feedback, empties=self.emptied,
            spike_times=np.zeros(batch * steps * n), psi=np.zeros(batch * n),
            learning_signal=np.zeros(batch * n), spike_counts=np.zeros(batch * n),
            psi_history=np.zeros(batch * steps * n), error=np.zeros(batch * self.n_out),
            error_history=np.zeros(batch * steps * self.n_out),
            **of_connections(self.masks, [0, 1], batch, steps)
            | {
                "weights": kept, "delay_steps": stored, "strides": strides,
                "interpolates": [self.interpolates] * 2, "reach": [self.maximum + 1] * 2,
                "learns": [self.learns] * 2, "delay_gradient": [0 * one for one in stored],
            },
        )  # fmt: skip
        for s in range(steps):
            state["step"][:] = s
            state["psi"][:] = self.psi[:, s].ravel()
            state["error"][:] = self.error[:, s].ravel()
            state["deviation"][:] = self.deviation[:, s].ravel()
            state["spikes"] = [listing(one[:, s]) for one in self.spikes]
            state["spiking"] = state["spikes"][1]
            assert not form(**state)
        return [*state["gradient"], *state["delay_gradient"]]


drawn = st.builds(
    Drawn,
    st.integers(0, 2**31),
    st.sampled_from([*SHARED]),
    st.booleans(),
    st.booleans(),
    st.sampled_from([1, 2, 3]),
    st.booleans(),
    st.booleans(),
)


def differ(ours, theirs):
    scale = max(np.abs(one).max() for one in theirs)
    return max(np.abs(a - b).max() for a, b in zip(ours, theirs, strict=True)) / scale


@settings(max_examples=100, deadline=None)
@given(drawn)
def test_forms_agree(cpp, case):
    expected = case.gradients(eprop_adjoint.adjoint)
    assert differ(case.gradients(cpp), expected) < 1e-12
    moved = [np.any(one) for one in expected]
    assert moved == [bool(case.learns & 1)] * 2 + [bool(case.learns & 2)] * 2


MUTANTS = {
    "sign of the delay's gradient": ("weights[k] * (late - early)", "weights[k] * (early - late)"),
    "weight forgotten": ("weights[k] * (late - early)", "(late - early)"),
    "halves are rounded down": ("rest >= 0.5", "rest > 0.5"),
    "a delay of a step less": ("int64_t slot = begin + whole", "int64_t slot = begin + whole - 1"),
    "nothing in the second step": ("(1 - share) * early + share * late", "early"),
    "no emptied dendrites": ("if (spike_times[t * N + j])", "if (false)"),
    "a readout that never filters": ("kappa * q_[j] + L[j]", "q_[j] + L[j]"),
    "one step too few is remembered": ("longest ? longest + 1 : 0", "longest ? longest : 0"),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_mutant_is_killed(mutant):
    old, new = MUTANTS[mutant]
    assert HEADER.count(old) == 1
    changed = form(HEADER.replace(old, new), optimized=False)
    cases = [
        Drawn(seed, shared, dense, interpolates, 3, True, dense)
        for seed, shared in enumerate(SHARED)
        for dense in (False, True)
        for interpolates in (False, True)
    ]
    assert any(
        differ(case.gradients(changed), case.gradients(eprop_adjoint.adjoint)) > 1e-6
        for case in cases
    )  # fmt: skip
