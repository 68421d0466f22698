"""The RLS rule itself, both forms called directly: least squares, a rewrite, and mutants."""

from importlib.resources import files
from inspect import getsource

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import oracles
from brianlearn.learners import rls
from native import empty, native

HEADER = (files("brianlearn.learners") / "rls.h").read_text()
PARAMETERS = {
    "step": "i8", "learning": "b", "every": "i8", "start": "i8", "stop": "i8", "exact": "b",
    "r": "f", "z": "f", "target": "f", "error": "f", "phi": "f", "P_packed": "f", "k": "f",
    "pending": "f", "product": "f", "q": "f", "P_trace": "f", "P_norm": "f", "updates": "i8",
    "runaway": "i8", "runaway_error": "f",
}  # fmt: skip


def python_form(source=None):
    """The Python form, or what a mutated text of it defines."""
    if source is None:
        return rls.recursive_least_squares
    namespace = dict(vars(rls))
    exec(source, namespace)
    return namespace["recursive_least_squares"]


def cpp_form(text=HEADER):
    return native(text, "recursive_least_squares", **PARAMETERS)


@pytest.fixture(scope="module", params=["python", "cpp"])
def form(request):
    return python_form() if request.param == "python" else cpp_form()


class Learner:
    """The state of one learner, driven along a trajectory without a network."""

    def __init__(self, form, n, m=1, *, alpha=0.5, exact=True, every=1, start=-1, stop=10**9):
        size = {"r": n, "k": n, "product": n, "phi": n * m, "P_packed": n * (n + 1) // 2}
        size.update(z=m, target=m, error=m)
        self.form = form
        self.state = {name: empty(size.get(name, 1), code) for name, code in PARAMETERS.items()}
        self.state["P_packed"][rls._diagonal(n)] = alpha
        values = {"learning": True, "exact": exact, "every": every, "start": start, "stop": stop}
        for name, value in values.items():
            self.state[name][0] = value

    def __getattr__(self, name):
        return self.__dict__["state"][name]

    def step(self, step, r, target):
        """The readout, then the rule; returns the fault's code."""
        s = self.state
        s["step"][0] = step
        s["r"][:], s["target"][:] = r, target
        s["z"][:] = s["phi"].reshape(len(s["z"]), -1) @ r
        return self.form(**s)

    def follow(self, r, target):
        """Learn along a trajectory (steps x n) towards a target (steps x m); the errors."""
        errors = []
        for step, (rates, wanted) in enumerate(zip(r, target, strict=True)):
            assert not self.step(step, rates, wanted)
            errors.append(self.error.copy())
        return np.array(errors)

    @property
    def P(self):
        n = len(self.k)
        P = np.zeros((n, n))
        P[np.tril_indices(n)] = self.P_packed
        P += np.tril(P, -1).T
        return P - self.pending[0] * np.outer(self.k, self.k)


def trajectory(n, m, steps, seed):
    random = np.random.default_rng(seed)
    return random.gamma(1.0, size=(steps, n)), random.normal(size=(steps, m))


def close(a, b, tolerance):
    scale = max(np.abs(b).max(), 1e-300)
    return np.abs(np.asarray(a) - b).max() <= tolerance * scale


def equals_least_squares(form, n=21, m=2, steps=60, alpha=0.5):
    """Whether the decoders and P are those of the closed form, to 1e-10."""
    r, target = trajectory(n, m, steps, seed=1)
    learner = Learner(form, n, m, alpha=alpha)
    learner.follow(r, target)
    phi, P = oracles.regularised_least_squares(r, target, alpha)
    return close(learner.phi.reshape(m, n), phi, 1e-10) and close(learner.P, P, 1e-10)


def equals_rewrite(form, gain="published", n=21, m=2, steps=12, alpha=0.01):
    """Whether errors, decoders and P are those of the NumPy rewrite, to 1e-11."""
    r, target = trajectory(n, m, steps, seed=2)
    learner = Learner(form, n, m, alpha=alpha, exact=gain == "exact")
    errors = learner.follow(r, target)
    phi, P, expected, q = oracles.rls(r, target, alpha, gain=gain)
    return (
        close(errors, expected, 1e-11)
        and close(learner.phi.reshape(m, n), phi, 1e-11)
        and close(learner.P, P, 1e-11)
        and close(learner.q, q[-1], 1e-11)
    )


def keeps_to_window(form):
    """Whether updates fall on multiples of ``every``, strictly inside the window."""
    learner = Learner(form, 5, every=3, start=6, stop=15)
    r, target = trajectory(5, 1, 20, seed=3)
    updated = []
    for step in range(20):
        before = learner.phi.copy()
        learner.step(step, r[step], target[step])
        if np.any(before != learner.phi):
            updated.append(step)
    return updated == [9, 12]


def test_least_squares(form):
    assert equals_least_squares(form)


@pytest.mark.parametrize("gain", ["exact", "published"])
def test_numpy_rewrite(form, gain):
    assert equals_rewrite(form, gain)


def test_window(form):
    assert keeps_to_window(form)


def test_switched_off(form):
    learner = Learner(form, 5)
    learner.learning[0] = False
    learner.step(1, np.ones(5), 1.0)
    assert not learner.phi.any()
    assert learner.updates[0] == 0
    assert learner.error[0] == -1


@settings(deadline=None, max_examples=60)
@given(
    n=st.integers(1, 45),
    m=st.integers(1, 3),
    steps=st.integers(1, 8),
    seed=st.integers(0, 2**31),
    exact=st.booleans(),
)
def test_forms_agree(cpp, n, m, steps, seed, exact):
    """Every size around the blocks of 8 rows and 8 columns; norms of P as well."""
    r, target = trajectory(n, m, steps, seed)
    learners = [Learner(form, n, m, alpha=0.01, exact=exact) for form in (python_form(), cpp)]
    errors = [learner.follow(r, target) for learner in learners]
    assert close(errors[1], errors[0], 1e-10)
    for name in ("phi", "q", "P_trace", "P_norm"):
        assert close(learners[1].state[name], learners[0].state[name], 1e-10), name
    assert close(learners[1].P, learners[0].P, 1e-10)


@pytest.fixture(scope="module")
def cpp():
    return cpp_form()


def test_norms(form):
    """Trace and Frobenius norm are those of P as the last update found it."""
    learner = Learner(form, 13)
    r, target = trajectory(13, 1, 6, seed=4)
    learner.follow(r[:-1], target[:-1])
    P = learner.P
    learner.step(5, r[-1], target[-1])
    assert learner.P_trace[0] == pytest.approx(np.trace(P), rel=1e-12)
    assert learner.P_norm[0] == pytest.approx(np.linalg.norm(P), rel=1e-12)


def test_faults(form):
    rates = np.ones(5)
    learner = Learner(form, 5)
    assert learner.step(1, rates, np.nan) == rls.TARGET_NOT_A_NUMBER
    learner.phi[0] = np.inf
    assert learner.step(2, rates, 0.0) == rls.OUTPUT_NOT_A_NUMBER
    learner = Learner(form, 5, alpha=-1.0)
    assert learner.step(1, rates, 0.0) == rls.INDEFINITE


def test_runaway(form):
    """The published step diverges while q stays above 2, and is stopped; the exact one is not."""
    n = 60
    r, target = trajectory(n, 1, 50, seed=5)
    codes = []
    for exact in (False, True):
        learner = Learner(form, n, alpha=10.0, exact=exact)
        codes.append([learner.step(k, r[k], target[k]) for k in range(50)])
    assert rls.RUNAWAY in codes[0]
    assert not any(codes[1])


_DIVIDE = "for (size_t i = 0; i < n; i++) product[i] /= 1 + q[0];"  # P is updated first

MUTANTS = {
    "wrong gain": (
        equals_least_squares,
        ("error / (1 + q[0]) if exact[0] else error", "error"),
        ("exact[0] ? error[o] * pending[0] : error[o]", "error[o]"),
    ),
    "published gain divided": (
        equals_rewrite,
        ("error / (1 + q[0]) if exact[0] else error", "error / (1 + q[0])"),
        ("exact[0] ? error[o] * pending[0] : error[o]", "error[o] * pending[0]"),
    ),
    "wrong sign of P": (
        equals_least_squares,
        ("pending[0] = 1 / (1 + q[0])", "pending[0] = -1 / (1 + q[0])"),
        ("factor[q] = -c * g", "factor[q] = c * g"),
    ),
    "missing row of P": (
        equals_least_squares,
        ("dspmv(len(r), 1, P_packed, r)", "dspmv(len(r), 1, P_packed, r) * (r != r[0])"),
        ("for (size_t i = 0; i < n; i += ROWS)", "for (size_t i = ROWS; i < n; i += ROWS)"),
    ),
    "order swapped": (
        equals_rewrite,
        ("length = error", "k /= 1 + q[0]\n    length = error"),
        ("    pending[0] = 1 / (1 + q[0]);", f"{_DIVIDE}\n    pending[0] = 1 / (1 + q[0]);"),
    ),
    "window ignored": (
        keeps_to_window,
        (" and start[0] < step[0] < stop[0]", ""),
        (" || step[0] <= start[0] || step[0] >= stop[0]", ""),
    ),
}  # fmt: skip


@pytest.mark.parametrize("language", ["python", "cpp"])
@pytest.mark.parametrize("mutant", MUTANTS)
def test_mutant_is_killed(mutant, language):
    oracle, in_python, in_cpp = MUTANTS[mutant]
    source = getsource(rls.recursive_least_squares) if language == "python" else HEADER
    old, new = in_python if language == "python" else in_cpp
    assert source.count(old) == 1
    mutated = source.replace(old, new)
    with np.errstate(all="ignore"):
        try:
            passed = oracle((python_form if language == "python" else cpp_form)(mutated))
        except AssertionError:  # a fault's code: noticed as well
            passed = False
    assert not passed
