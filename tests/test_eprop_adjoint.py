"""The adjoint rule itself, both forms called directly: the oracle's sums, and mutants."""

from dataclasses import replace
from importlib.resources import files
from inspect import getsource

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import eprop_oracle as oracle
from brianlearn.learners import eprop_adjoint
from eprop_build import random_case
from native import empty, native

HEADER = (files("brianlearn.learners") / "eprop_adjoint.h").read_text()
LISTS = {
    "spikes": "i4", "first": "i8", "sources": "i8", "lag": "i8", "rows": "i4", "columns": "i4",
    "weights": "f", "delay_steps": "f", "strides": "i8", "interpolates": "i8", "reach": "i8",
    "learns": "i8", "arrivals": "i4", "origins": "i4", "counts": "i8", "gradient": "f",
    "delay_gradient": "f",
}  # fmt: skip
TIMES = {"step": "i8", "steps": "i8", "interval": "f", "window": "i8", "learning": "b"}
NEURONS = TIMES | {
    "recording": "b", "samples": "i8", "psi": "f", "spiking": "i4", "empties": "i8", "error": "f",
    "feedback": "f", "learning_signal": "f", "tau_m": "f", "spread": "f", "beta": "f",
    "tau_adapt": "f", "tau_out": "f", "integrates": "i8", "c_reg": "f", "rate": "f",
    "psi_history": "f", "error_history": "f", "spike_counts": "i8", "spike_times": "b",
}  # fmt: skip
NEURONS |= {name: f"{code}*2" for name, code in LISTS.items()}
READOUTS = TIMES | {
    "samples": "i8", "error": "f", "tau_m": "f", "spread": "f", "error_history": "f",
}  # fmt: skip
READOUTS |= {name: f"{code}*1" for name, code in LISTS.items()}


PYTHON = eprop_adjoint.adjoint, eprop_adjoint.adjoint_readout


@pytest.fixture(scope="module")
def cpp():
    return native(HEADER, "adjoint", **NEURONS), native(HEADER, "adjoint_readout", **READOUTS)


@pytest.fixture(scope="module", params=["python", "cpp"])
def forms(request):
    return PYTHON if request.param == "python" else request.getfixturevalue("cpp")


def mutated(text, language):
    """The form for neurons as a changed text defines it, and the one for readouts unchanged."""
    if language == "cpp":
        return native(text, "adjoint", **NEURONS), PYTHON[1]
    namespace = {"__name__": "mutant"}
    exec(text, namespace)
    return namespace["adjoint"], PYTHON[1]


def listing(spikes):
    """Who spikes, as Brian2 keeps it: indices, and their number at the end."""
    listed = np.zeros(spikes.size + 1, dtype=np.int32)
    indices = np.flatnonzero(spikes)
    listed[: len(indices)] = indices
    listed[-1] = len(indices)
    return listed


def arguments(parameters, **values):
    """Arrays for all parameters: those given, as what the rule declares, and zeros."""
    arrays = {}
    for name, code in parameters.items():
        kind, _, count = code.partition("*")
        given_ = values.get(name, [0] * int(count) if count else 0)
        made = [
            np.array(value, dtype=empty(1, kind).dtype).reshape(-1)
            for value in (given_ if count else [given_])
        ]
        arrays[name] = made if count else made[0]
    return arrays


def of_connections(masks, lags, batch, steps):
    """The arguments that exist for each connection; a dense one has no rows and columns."""
    sizes = [(mask.size if mask.all() else mask.sum()) for mask in masks]
    capacity = [batch * steps * len(mask) for mask in masks]
    ends = [np.concatenate([[0], np.cumsum(mask.sum(axis=1))]) for mask in masks]
    return {
        "sources": [len(mask) for mask in masks],
        "lag": lags,
        "rows": [-1 if mask.all() else end for mask, end in zip(masks, ends, strict=True)],
        "columns": [-1 if mask.all() else np.nonzero(mask)[1] for mask in masks],
        "learns": [3 for _ in masks],
        "strides": [np.zeros(3) for _ in masks],
        "arrivals": [np.zeros(n) for n in capacity],
        "origins": [np.zeros(n) for n in capacity],
        "counts": [np.zeros(1) for _ in masks],
        "gradient": [np.zeros(n) for n in sizes],
    }


def learn(forms, case, traces, masks=None, **neurons):
    """Drive the forms along the traces of several batches; the gradients of each connection.

    ``masks`` of "w_in" and "w_rec" make these connections sparse; ``neurons`` replaces constants.
    """
    batch, steps, n_rec = traces[0]["psi"].shape
    k = oracle.constants(case)
    masks = [
        (masks or {}).get(name, np.ones(getattr(case, name).shape, dtype=bool))
        for name in oracle.WEIGHTS
    ]
    common = {"steps": steps, "interval": 1e-3, "window": case.window or steps, "samples": batch}
    common |= {"learning": True, "error_history": np.zeros(batch * steps * case.n_out)}
    constants = {
        "tau_m": 1e-3 * case.tau_m, "spread": not case.regular, "beta": np.tile(k.beta, batch),
        "tau_adapt": 1e-3 * case.tau_adapt, "tau_out": 1e-3 * case.tau_out, "c_reg": case.c_reg,
        "rate": case.f_target, "feedback": case.feedback,
        "psi_history": np.zeros(batch * steps * n_rec), "spike_counts": np.zeros(batch * n_rec),
        "learning_signal": np.zeros(batch * n_rec), "psi": np.zeros(batch * n_rec),
        "spiking": np.zeros(batch * n_rec + 1), "error": np.zeros(batch * case.n_out),
    }  # fmt: skip
    hidden = arguments(
        NEURONS,
        **common,
        **constants | neurons,
        **of_connections(masks[:2], [0, 1], batch, steps),
    )
    out = arguments(
        READOUTS, **common, tau_m=1e-3 * case.tau_out, spread=not case.regular_out,
        error=constants["error"], **of_connections(masks[2:], [0], batch, steps),
    )  # fmt: skip
    for each in traces:
        for s in range(steps):
            spikes = listing(each["spikes"][:, s])
            for state in (hidden, out):
                state["step"][:] = s
                state["error"][:] = each["error"][:, s].ravel()
            hidden["psi"][:] = each["psi"][:, s].ravel()
            hidden["spiking"] = spikes
            hidden["spikes"] = [listing(each["raster"][:, s]), spikes]
            out["spikes"] = [spikes]
            forms[0](**hidden)
            forms[1](**out)
    sums = [*hidden["gradient"], *out["gradient"]]
    gradients = {}
    for name, mask, total in zip(oracle.WEIGHTS, masks, sums, strict=True):
        gradients[name] = np.zeros(mask.shape)
        gradients[name][mask] = total
    np.fill_diagonal(gradients["w_rec"], 0)
    return gradients


def follow(case):
    """The oracle's traces of all batches of a case, weights as they are."""
    weights = {name: getattr(case, name) for name in oracle.WEIGHTS}
    return [
        oracle.forward(case, **weights, raster=raster, target=target)
        for raster, target in zip(case.raster, case.target, strict=True)
    ]


def differ(ours, theirs):
    """The largest deviation of gradients, each relative to its largest element."""
    return max(
        np.abs(ours[name] - theirs[name]).max() / max(np.abs(theirs[name]).max(), 1e-300)
        for name in oracle.WEIGHTS
    )


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


MUTANTS = {
    "without 1 - kappa": (
        [("(gain * q +", "(q +")],
        [("gain = integrates[0] ? 1 : 1 - kappa;", "gain = 1;")],
    ),
    "learning signal a step late": (
        [("kept_errors[t] @", "kept_errors[max(t - 1, 0)] @")],
        [("+ t * error.size", "+ (t ? t - 1 : 0) * error.size")],
    ),
    "adaptation forgotten": (
        [("rho * lam - beta * g", "rho * lam")],
        [(" - b_[j] * g", "")],
    ),
    "regularized by the filtered trace": (
        [("back.T  # the", "back.T + reg  # the"), ("* q + reg + lam", "* q + lam")],
        [
            ("L[j] : kappa * q_[j];", "L[j] + reg_[j] : kappa * q_[j] + reg_[j];"),
            ("gain * filtered + reg_[j]", "gain * filtered"),
        ],
    ),
    "spikes of the trial's last step kept": (
        [
            ("if step + lag[0] >= steps:", "if False:"),
            ("= step + lag[0], origin", "= min(step + lag[0], steps - 1), origin"),
        ],
        [
            ("if (step + lag >= steps) return;", ""),
            ("(int32_t)(step + lag)", "(int32_t)(step + lag < steps ? step + lag : steps - 1)"),
        ],
    ),
    "recurrent spikes arrive a step early": (
        [("= step + lag[0], origin", "= step, origin")],
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
