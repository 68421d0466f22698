"""What a network says and hears; decoders that outlive their learner; learners that do not fit."""

import gc

import numpy as np
import pytest
from brian2 import (
    DimensionMismatchError,
    Hz,
    Network,
    NeuronGroup,
    StateMonitor,
    TimedArray,
    defaultclock,
    ms,
    second,
)

from brianlearn import (
    RLS,
    DivergenceError,
    LearnerConflictError,
    NotAttachedError,
    Readout,
    simulate,
)
from conftest import COMPILED_LATER, CYTHON_LATER, choose

RULE = {"alpha": 0.1 * second**2, "every": 1 * ms}


def rates(n=7):
    """Rates of constant, different values; two hear, one each, one all together."""
    group = NeuronGroup(n, "r : Hz\nheard : Hz\nz : Hz (shared)", name="group")
    group.r = np.arange(1, n + 1) * Hz
    return group


@pytest.mark.parametrize("target", CYTHON_LATER, indirect=True)
def test_reads_and_feeds(target):
    """Several outputs of a subgroup, and what comes back through encoders, on every target."""
    group = rates(12)
    part = group[2:11]
    encoders = np.arange(18).reshape(9, 2)
    readout = Readout(
        part, "r", 2, feedback="heard", encoders=encoders, unit=Hz, name="two_outputs"
    )
    readout.decoders.phi = "(1 + neuron)*(1 + 9*output)"
    alone = Readout(group, "r", feedback="z", name="one_output")
    alone.decoders.phi = 2
    trace = StateMonitor(readout, "z", record=True, name="trace")
    network = Network(group, readout, alone, trace)
    simulate(3 * defaultclock.dt, network, progress=False)
    base = np.dot(np.arange(1, 10), np.arange(3, 12))
    assert np.allclose(trace.z_, [[base] * 3, [10 * base] * 3])
    heard = np.zeros(12)
    heard[2:11] = encoders @ [base, 10 * base]
    assert np.allclose(group.heard_[:], heard)
    assert np.allclose(group.z_[:], 2 * np.arange(1, 13).sum())


def test_decoders_run_without_their_learner(numpy_target, tmp_path):
    group = rates()
    readout = Readout(group, "r", name="teacher")
    RLS(**RULE).attach(readout, target="3 + 0*t/second")
    simulate(20 * ms, Network(group, readout), progress=False)
    assert readout.z[0] == pytest.approx(3, rel=1e-2)
    readout.save(tmp_path / "decoders.npz")

    group = rates()
    pupil = Readout(group, "r", name="pupil")
    pupil.load(tmp_path / "decoders.npz")
    simulate(1 * ms, Network(group, pupil), progress=False)
    assert pupil.z[0] == readout.z[0]

    with pytest.raises(
        ValueError, match=r"for \(1, 7\) outputs and neurons, but 'two' has \(2, 7\)"
    ):
        Readout(group, "r", 2, name="two").load(tmp_path / "decoders.npz")
    with pytest.raises(DimensionMismatchError, match="A decoder of 'hertz' should be in"):
        Readout(group, "r", unit=Hz, name="hertz").load(tmp_path / "decoders.npz")


def learn(target, duration, folder=None):
    """Decaying rates learn a constant; from the start, or from where another run was saved."""
    choose(target)
    group = NeuronGroup(9, "dr/dt = -r/(i*ms + 1*ms) : Hz", method="euler", name="group")
    group.r = np.arange(1, 10) * Hz
    readout = Readout(group, "r", name="readout")
    rule = RLS(alpha=0.1 * second**2, every=1 * ms, start=-1 * ms)
    learner = rule.attach(readout, target="3 + 0*t/second")
    if folder is not None:
        group.r = np.load(folder / "r.npy") * Hz
        readout.load(folder / "readout.npz")
        learner.load(folder / "learner.npz")
    simulate(duration, Network(group, readout), progress=False)
    return group, readout, learner


@pytest.mark.parametrize("target", COMPILED_LATER, indirect=True)
def test_resumes_where_it_was_saved(target, tmp_path):
    """Half, saved, and another half in a new network: the same as the whole, to the bit."""
    group, readout, learner = learn(target, 4 * ms)
    np.save(tmp_path / "r.npy", group.r_[:])
    readout.save(tmp_path / "readout.npz")
    learner.save(tmp_path / "learner.npz")
    group, readout, learner = learn(target, 4 * ms, tmp_path)
    halves = readout.decoders.phi_[:], learner.P, learner.updates[:]
    group, readout, learner = learn(target, 8 * ms)
    assert np.array_equal(halves[0], readout.decoders.phi_[:])
    assert np.array_equal(halves[1], learner.P)
    assert halves[2] == learner.updates[:] == 8


def test_refuses_the_state_of_another_size(numpy_target, tmp_path):
    _, _, learner = learn("numpy", 1 * ms)
    learner.save(tmp_path / "learner.npz")
    other = RLS(**RULE).attach(Readout(rates(), "r", name="other"), target="sin(5*Hz*t)")
    with pytest.raises(ValueError, match="'other_rls.P_packed' holds 28 values"):
        other.load(tmp_path / "learner.npz")


@pytest.mark.parametrize("target", COMPILED_LATER, indirect=True)
def test_divergence_is_named(target):
    """With the time and the likely cause, from standalone too; the run stops there."""
    group = rates()
    readout = Readout(group, "r", name="readout")
    wanted = np.ones(100)
    wanted[5] = np.nan
    RLS(**RULE).attach(readout, target=TimedArray(wanted, dt=defaultclock.dt, name="wanted"))
    trace = StateMonitor(readout, "z", record=True, name="trace")
    words = "'readout_rls': the target is not a finite number at t = 250. us: check the expression"
    with pytest.raises(DivergenceError, match=words):
        simulate(100 * defaultclock.dt, Network(group, readout, trace), progress=False)
    assert len(trace.t) == 6


@pytest.mark.parametrize("kind", ["one learner too many", "one forgotten"])
def test_refuses_to_run_in_vain(numpy_target, kind):
    group = rates()
    readout = Readout(group, "r", name="readout")
    rule = RLS(**RULE)
    if kind == "one forgotten":
        with pytest.raises(
            NotAttachedError, match=r"RLS\(alpha=.* was declared but never attached"
        ):
            simulate(1 * ms, Network(group, readout), progress=False)
    rule.attach(readout, target="sin(2*pi*5*Hz*t)")
    if kind == "one learner too many":
        with pytest.raises(
            LearnerConflictError, match="'readout' learns already, by 'readout_rls'"
        ):
            RLS(**RULE).attach(readout, target="sin(2*pi*5*Hz*t)")
    gc.collect()
    simulate(1 * ms, Network(group, readout), progress=False)


@pytest.mark.usefixtures("numpy_target")
class TestRefuses:
    def test_unknown_variable(self):
        with pytest.raises(KeyError, match="'group' has no variable 'rate'; it has: .*r"):
            Readout(rates(), "rate")

    def test_feedback_without_encoders(self):
        with pytest.raises(ValueError, match="without encoders needs one output"):
            Readout(rates(), "r", feedback="heard")
        with pytest.raises(ValueError, match="give encoders, 1 x 2"):
            Readout(rates(), "r", 2, feedback="z")

    def test_what_cannot_be_read_or_fed(self):
        group = NeuronGroup(3, "r : Hz\nc : integer\nz : Hz (shared)", name="group")
        with pytest.raises(TypeError, match="'c' of 'group' must be a variable of real numbers"):
            Readout(group, "c")
        with pytest.raises(TypeError, match="'z' of 'group' is shared"):
            Readout(group, "z")
        with pytest.raises(TypeError, match="'i' of 'group' must be a variable of real numbers"):
            Readout(group, "r", feedback="i", encoders=np.ones(3))
        with pytest.raises(ValueError, match="encoders have no effect"):
            Readout(group, "r", encoders=np.ones(3))
        with pytest.raises(ValueError, match="outputs is 0, but must be a whole number"):
            Readout(group, "r", 0)
        first = Readout(group, "r", feedback="z", name="first")
        with pytest.raises(ValueError, match="'z' of 'group' hears 'first' already"):
            Readout(group, "r", feedback="z")
        assert first.learner is None

    def test_failed_attach_is_not_a_forgotten_rule(self):
        group = rates()
        readout = Readout(group, "r", name="readout")
        rule = RLS(alpha=0.1, every=1 * ms)
        with pytest.raises(DimensionMismatchError):
            rule.attach(readout, target="sin(5*Hz*t)")
        simulate(1 * ms, Network(group, readout), progress=False)

    @pytest.mark.parametrize("target", [0.5, None, np.sin])
    def test_target_that_is_no_function_of_time(self, target):
        with pytest.raises(TypeError, match="must be a function of time: an expression such as"):
            RLS(**RULE).attach(Readout(rates(), "r", name="readout"), target=target)

    def test_expression_that_is_none(self):
        with pytest.raises(SyntaxError, match=r"target 'sin\(' is no expression"):
            RLS(**RULE).attach(Readout(rates(), "r", name="readout"), target="sin(")

    def test_tiny_interval(self):
        rule = RLS(alpha=0.1 * second**2, every=1e-11 * second)
        group = rates()
        readout = Readout(group, "r", name="readout")
        rule.attach(readout, target="sin(5*Hz*t)")
        with pytest.raises(ValueError, match="every .* is not a multiple of the time step"):
            simulate(1 * ms, Network(group, readout), progress=False)

    def test_encoders_of_another_shape(self):
        with pytest.raises(ValueError, match=r"shape \(3, 2\), but must be 7 x 2"):
            Readout(rates(), "r", 2, feedback="heard", encoders=np.ones((3, 2)))

    def test_feedback_in_other_units(self):
        with pytest.raises(DimensionMismatchError, match="fed back into 'z' should be in"):
            Readout(rates(), "r", feedback="z", unit=1 * second)

    def test_alpha_in_other_units(self):
        readout = Readout(rates(), "r", name="readout")
        with pytest.raises(DimensionMismatchError, match="alpha of 'readout_rls', one over the"):
            RLS(alpha=0.1, every=1 * ms).attach(readout, target="sin(5*Hz*t)")

    def test_target_in_other_units(self):
        readout = Readout(rates(), "r", name="readout")
        with pytest.raises(DimensionMismatchError, match="target should be in no unit"):
            RLS(**RULE).attach(readout, target="sin(5*Hz*t)*Hz")
        assert readout.learner is None

    @pytest.mark.parametrize(
        ("changes", "error", "words"),
        [
            ({"every": 2.5}, DimensionMismatchError, "every is a time and needs a unit"),
            ({"start": 5}, DimensionMismatchError, "start is a time and needs a unit"),
            ({"every": 0 * ms}, ValueError, "would never update"),
            ({"start": 2 * ms, "stop": 1 * ms}, ValueError, "would never update"),
            ({"alpha": -1 * second**2}, ValueError, "alpha is .* but must be positive"),
            ({"step": "quick"}, ValueError, "must be 'exact' or 'published'"),
        ],
    )
    def test_rule(self, changes, error, words):
        with pytest.raises(error, match=words):
            RLS(**{**RULE, **changes})
