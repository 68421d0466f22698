"""The adjoint rule itself, both forms called directly: the oracle's sums, and mutants."""

from dataclasses import replace
from inspect import getsource

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import eprop_oracle as oracle
from adjoint_forms import HEADER, PYTHON, compiled, differ, follow, learn, mutated
from brianlearn.learners import eprop_adjoint
from eprop_build import random_case


@pytest.fixture(scope="module")
def cpp():
    return compiled()


@pytest.fixture(scope="module", params=["python", "cpp"])
def forms(request):
    return PYTHON if request.param == "python" else request.getfixturevalue("cpp")


def equals_oracle(forms, masks=None, case=None):
    """Whether the gradients of a case's trials add up to the oracle's."""
    case = case or random_case(
        beta=np.array([0, 0.3, 0, 0.1, 0.3, 0.05]), tau_adapt=40.0, refractory_steps=2, window=40
    )
    traces = follow(case)
    batch = case.raster.shape[1]
    single = [oracle.gradients(case, each) for each in traces]
    expected = {name: batch * sum(each[name] for each in single) for name in oracle.WEIGHTS}
    for name, mask in (masks or {}).items():
        expected[name] = expected[name] * mask
    return differ(learn(forms, case, traces, masks), expected) < 1e-10


def test_equals_the_sums_over_eligibility_traces(forms):
    assert equals_oracle(forms)


def test_equals_the_sums_on_sparse_connections(forms):
    random = np.random.default_rng(1)
    masks = {"w_in": random.random((7, 6)) < 0.3, "w_rec": random.random((6, 6)) < 0.4}
    np.fill_diagonal(masks["w_rec"], False)
    assert equals_oracle(forms, masks)


cases = st.builds(
    random_case,
    st.integers(0, 2**31),
    batch=st.integers(1, 4),
    steps=st.integers(1, 40),
    n_in=st.integers(1, 9),
    n_rec=st.integers(1, 19),
    n_out=st.integers(1, 3),
    tau_m=st.floats(1, 60),
    tau_out=st.floats(1, 60),
    tau_adapt=st.floats(5, 2000),
    refractory_steps=st.integers(0, 5),
    regular=st.booleans(),
    regular_out=st.booleans(),
    current=st.sampled_from([0.0, 0.4]),
)


@settings(deadline=None, max_examples=80)
@given(
    case=cases,
    beta=st.floats(0, 2),
    sparse=st.booleans(),
    varied=st.booleans(),
    seed=st.integers(0, 2**31),
)
def test_forms_agree(cpp, case, beta, sparse, varied, seed):
    """Python, C++ and the oracle: all sizes and constants, sparse rows, constants per neuron."""
    random = np.random.default_rng(seed)
    case = replace(
        case,
        beta=beta * (random.random(case.n_rec) < 0.7),
        window=int(random.integers(1, case.raster.shape[2] + 1)),
    )
    masks = None
    if sparse:
        masks = {
            "w_in": random.random(case.w_in.shape) < 0.3,
            "w_rec": random.random(case.w_rec.shape) < 0.3,
        }
    neurons = {"tau_m": random.uniform(2e-3, 4e-2, case.n_rec)} if varied else {}
    traces = follow(case)
    python, compiled = (learn(forms, case, traces, masks, **neurons) for forms in (PYTHON, cpp))
    assert differ(compiled, python) < 1e-10
    assert varied or equals_oracle(cpp, masks, case)


@pytest.mark.parametrize("later", [0, 1])
def test_errors_before_the_window_are_not_learned_from(forms, later):
    """By neurons and by readouts, whoever left them there: as if they were 0."""
    traces = follow(random_case(beta=np.full(6, 0.2), tau_adapt=40.0))
    steps = traces[0]["error"].shape[1]
    closed = [each | {"error": np.array(each["error"])} for each in traces]
    for each in closed:
        each["error"][:, : steps - 25] = 0
    case = random_case(beta=np.full(6, 0.2), tau_adapt=40.0)
    whole, windowed, zeroed = (
        learn(forms, case, errors, later=later, window=window)
        for errors, window in ((traces, steps), (traces, 25), (closed, steps))
    )
    assert differ(windowed, zeroed) < 1e-12
    assert differ(windowed, whole) > 1e-2


MUTANTS = {
    "without 1 - kappa": (
        [("(gain[0] * q +", "(q +")],
        [("gain * filtered", "filtered")],
    ),
    "learning signal a step late": (
        [("kept_errors[t + told_later[0]]", "kept_errors[max(t - 1, 0)]")],
        [("told * error.size", "(told ? told - 1 : 0) * error.size")],
    ),
    "adaptation forgotten": (
        [("rho * lam - beta * g", "rho * lam")],
        [(" - b_[j] * g", "")],
    ),
    "regularized by the filtered trace": (
        [("back.T\n        if", "back.T + reg\n        if"), ("* q + reg + lam", "* q + lam")],
        [
            ("L[j] : kappa * q_[j];", "L[j] + reg_[j] : kappa * q_[j] + reg_[j];"),
            ("gain * filtered + reg_[j]", "gain * filtered"),
        ],
    ),
    "spikes of the trial's last step kept": (
        [
            ("if step + lag[0] >= steps:", "if False:"),
            ("= step + lag[0], new", "= min(step + lag[0], steps - 1), new"),
        ],
        [
            ("if (step + lag >= steps) return;", ""),
            ("(int32_t)(step + lag)", "(int32_t)(step + lag < steps ? step + lag : steps - 1)"),
        ],
    ),
    "recurrent spikes arrive a step early": (
        [("= step + lag[0], new", "= step, new")],
        [("(int32_t)(step + lag)", "(int32_t)step")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("language", ["python", "cpp"])
@pytest.mark.parametrize("mutant", MUTANTS)
def test_mutant_is_killed(mutant, language):
    text = getsource(eprop_adjoint) if language == "python" else HEADER
    for old, new in MUTANTS[mutant][language == "cpp"]:
        assert text.count(old) == 1
        text = text.replace(old, new)
    assert not equals_oracle(mutated(text, language))
