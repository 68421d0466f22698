"""E-prop for delays: both forms are the oracle's sums in whole networks, and delays learn."""

from dataclasses import replace

import numpy as np
import pytest
from brian2 import ms
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import delay_eprop_oracle as oracle
from brianlearn import Adam, DelayError, EProp, GradientDescent, Projection, simulate
from conftest import COMPILED_LATER
from eprop_build import build, gradients_of, random_case

FORMS = ("adjoint", "online")
MAXIMUM = 6
BOTH = ("weights", "delays")


def delays_of(case, seed, interpolate):
    """Delays of "w_in" and "w_rec" in steps, some of them whole or the longest."""
    random = np.random.default_rng(seed)
    drawn = {}
    for name in ("w_in", "w_rec"):
        steps = random.uniform(0, MAXIMUM, getattr(case, name).shape)
        steps[random.random(steps.shape) < 0.2] = MAXIMUM
        whole = random.random(steps.shape) < 0.3
        steps[whole] = np.round(steps[whole])
        drawn[name] = steps
    options = {
        name: {"delay": steps * ms, "max_delay": MAXIMUM * ms, "interpolate": interpolate}
        for name, steps in drawn.items()
    }
    return drawn, options


def network_gradients(case, form, options, **rule):
    """What the learner has summed up after one trial that changed nothing."""
    built = build(case, form, delays=options, learn=BOTH, trials_per_update=2, **rule)
    simulate(built.duration, built.network, progress=False)
    return gradients_of(built)


def expected_gradients(case, steps, interpolate):
    weights = case.w_in, case.w_rec, case.w_out
    d_in, d_rec = steps["w_in"], steps["w_rec"]
    traces = oracle.forward(
        case, *weights, d_in, d_rec, case.raster[0], case.target[0], interpolate
    )  # fmt: skip
    gradients = oracle.gradients(case, traces, *weights[:2], d_in, d_rec, interpolate)
    scale = case.raster.shape[1] * ((case.window or case.raster.shape[2]) if case.average else 1)
    return {
        "w_in": scale * gradients["w_in"],
        "w_rec": scale * gradients["w_rec"],
        "w_in.delays": scale * gradients["d_in"],
        "w_rec.delays": scale * gradients["d_rec"],
    }


def check(ours, theirs, tolerance=1e-10):
    for name, values in theirs.items():
        assert np.ptp(values) > 0
        assert np.abs(ours[name] - values).max() < tolerance * np.abs(values).max(), name


cases = st.builds(
    random_case,
    st.integers(0, 2**31),
    iterations=st.just(1),
    batch=st.integers(1, 3),
    steps=st.integers(30, 50),
    n_in=st.integers(2, 6),
    n_rec=st.integers(2, 6),
    n_out=st.integers(1, 3),
    tau_m=st.floats(2, 60),
    tau_out=st.floats(2, 60),
    tau_adapt=st.floats(5, 2000),
    refractory_steps=st.integers(0, 5),
    regular=st.booleans(),
    current=st.sampled_from([0.0, 0.4]),
    window=st.sampled_from([None, 11]),
)


@settings(
    deadline=None,
    max_examples=6,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(case=cases, beta=st.floats(0, 2), interpolate=st.booleans(), seed=st.integers(0, 2**31))
def test_forms_equal_the_oracle(numpy_target, case, beta, interpolate, seed):
    random = np.random.default_rng(seed)
    case = replace(case, beta=beta * (random.random(case.n_rec) < 0.6))
    steps, options = delays_of(case, seed, interpolate)
    expected = expected_gradients(case, steps, interpolate)
    expected = {name: values for name, values in expected.items() if np.abs(values).max() > 1e-9}
    for form in FORMS:
        check(network_gradients(case, form, options), expected)


FIXED = {
    "LIF": (random_case(2, iterations=1, refractory_steps=2, current=0.3), True),
    "ALIF, rounded": (
        random_case(3, iterations=1, beta=np.full(6, 0.2), tau_adapt=40.0, window=30), False
    ),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("target", "name"),
    [
        *(("numpy", name) for name in FIXED),
        *(pytest.param(t, "LIF", marks=pytest.mark.slow) for t in ("cython", "cpp_standalone")),
    ],
    indirect=["target"],
)
def test_fixed_cases(target, name, form):
    case, interpolate = FIXED[name]
    steps, options = delays_of(case, 7, interpolate)
    expected = expected_gradients(case, steps, interpolate)
    check(network_gradients(case, form, options), expected)


@pytest.mark.parametrize("target", COMPILED_LATER, indirect=True)
def test_weights_and_delays_learn_together(target):
    """Trial after trial, as the oracle says; delays stay within their bounds."""
    case = random_case(5, iterations=3, learning_rate=1e-3, average=True)
    steps, options = delays_of(case, 5, True)
    rate = 60.0
    built = build(
        case, "adjoint", delays=options, learn=BOTH, delay_optimizer=GradientDescent(rate)
    )
    simulate(built.duration, built.network, progress=False)
    weights = {"w_in": case.w_in, "w_rec": case.w_rec}
    w_out = case.w_out
    moved = dict(steps)
    for k in range(3):
        one = replace(
            case, raster=case.raster[[k]], target=case.target[[k]], w_out=w_out, **weights
        )
        traces = oracle.forward(
            one, *weights.values(), w_out, *moved.values(), one.raster[0], one.target[0]
        )
        g = oracle.gradients(one, traces, *weights.values(), *moved.values())
        w_out = w_out - case.learning_rate * readout_gradient(one, traces)
        weights = {n: w - case.learning_rate * g[n] for n, w in weights.items()}
        moved = {n: np.clip(d - rate * g[f"d{n[1:]}"], 0, MAXIMUM) for n, d in moved.items()}
    assert np.abs(moved["w_in"] - steps["w_in"]).max() > 0.1
    for name, expected in moved.items():
        connection = getattr(built, name)
        there = connection.mask
        assert np.abs(connection.delays / ms - expected)[there].max() < 1e-9
        assert np.abs(connection.matrix - weights[name])[there].max() < 1e-9


def readout_gradient(case, traces):
    """The sum of the readouts' error times the filtered spikes."""
    k = oracle.eprop_oracle.constants(case)
    filtered, total = 0, 0
    for s in range(traces["spikes"].shape[1]):
        filtered = k.kappa * filtered + k.zeta_out * traces["spikes"][:, s]
        total = total + np.einsum("bi,bj->bij", filtered, traces["error"][:, s])
    return total.mean(axis=0) / oracle.eprop_oracle.window(case)


@pytest.mark.parametrize("form", FORMS)
def test_saved_delays_are_exact(numpy_target, tmp_path, form):
    case = random_case(5, iterations=2, learning_rate=1e-3)
    _, options = delays_of(case, 5, True)
    built = build(case, form, delays=options, learn=BOTH)
    simulate(built.duration, built.network, progress=False)
    learned = {name: item.matrix() for name, item in built.learner.plastic.items()}
    assert np.any(learned["w_in.delays"] != np.round(learned["w_in.delays"]))
    built.learner.save(tmp_path / "learned.npz")
    fresh = build(case, form, delays=options, learn=BOTH)
    fresh.learner.load(tmp_path / "learned.npz")
    for name, item in fresh.learner.plastic.items():
        assert np.array_equal(item.matrix(), learned[name]), name


def test_what_cannot_move_is_refused(numpy_target):
    case = random_case(1)
    with pytest.raises(DelayError, match="No connection has delays that could learn: make one"):
        build(case, "adjoint", learn=BOTH)
    with pytest.raises(DelayError, match="'w_out' has no delays that could learn: make it with"):
        build(case, "adjoint", learn={"w_out": ("delays",)})
    with pytest.raises(ValueError, match="learn names w_new: no such connection"):
        build(case, "adjoint", learn={"w_new": ("weights",)})
    with pytest.raises(ValueError, match="learn is 'delays', but must be"):
        EProp(learn="delays")
    with pytest.raises(ValueError, match="learn is .*None.*, but must be"):
        EProp(learn={"w_in": None})
    with pytest.raises(ValueError, match="Nothing is to learn"):
        build(case, "adjoint", learn=())


def test_learning_rates_of_weights_and_delays(numpy_target):
    case = random_case(1)
    _, options = delays_of(case, 1, False)
    learner = build(case, "adjoint", delays=options, learn=BOTH, delay_optimizer=Adam(0.3)).learner
    assert (learner.learning_rate, learner.delay_learning_rate) == (case.learning_rate, 0.3)
    learner.delay_learning_rate = 0.1
    learner.learning_rate = 0.0
    rates = {name: float(item.optimizer.learning_rate[:]) for name, item in learner.plastic.items()}
    assert rates == {
        "w_in": 0, "w_rec": 0, "w_out": 0, "w_in.delays": 0.1, "w_rec.delays": 0.1,
    }  # fmt: skip


def test_readouts_that_learning_signals_cannot_reach(numpy_target):
    case = random_case(1)
    with pytest.raises(DelayError, match="'w_out' has delays, but learning signals of e-prop"):
        build(case, "adjoint", delays={"w_out": {"delay": 3 * ms}})


def test_own_lines_beside_delays(numpy_target):
    case = random_case(1)
    own = {"delay": 2 * ms, "update": "zbar *= 0.5"}
    with pytest.raises(ValueError, match="'w_in' has delays and lines of its own"):
        build(case, "online", delays={"w_in": own})


def test_sparse_synapses_whose_copies_are_as_many_as_pairs(numpy_target):
    """6 x 7 pairs, and 14 synapses of 3 samples: as many numbers, but another order."""
    case = random_case(1, n_in=6, n_rec=7, batch=3)
    mask = np.zeros((6, 7), dtype=bool)
    mask.ravel()[::3] = True
    case = replace(case, w_in=case.w_in * mask)
    built = build(case, "online", masks={"w_in": mask})
    weights = built.learner.plastic["w_in"].as_matrix(np.asarray(built.w_in.w))
    assert np.array_equal(weights, case.w_in)


def test_two_ways_to_the_readouts(numpy_target):
    """Symmetric feedback would be that of the first one only."""
    case = random_case(1)
    built = build(case, "adjoint", attach=False)
    more = Projection(built.neurons, built.readout, case.w_out, variable="x", name="w_more")
    with pytest.raises(ValueError, match="'w_out', 'w_more' all lead from 'neurons' to the readou"):
        EProp().attach(built.trials, built.readout, [built.w_in, built.w_out, more])
