"""Delays that learn: where they go, where they stop, what is kept of them, and what is refused."""

from types import SimpleNamespace

import numpy as np
import pytest
from brian2 import Hz, Network, defaultclock, ms

import delay_oracle as oracle
from brianlearn import (
    Adam,
    BestSoFar,
    DelayError,
    DelayLearning,
    DivergenceError,
    FiringRate,
    MeanSquaredError,
    Phase,
    Projection,
    SpikeInput,
    Training,
    Trial,
    Trials,
    simulate,
)
from brianlearn.models import delay_dendrite
from conftest import COMPILED_LATER


def small(rule, raster=None, labels=(0, 1), with_first=None, **options):
    """Two somas that hear two inputs, one of them after a delay that learns; and its training."""
    defaultclock.dt = 1 * ms
    inputs = SpikeInput(2, 2, name="inputs")
    somas = delay_dendrite().neurons(4, tau_m=5 * ms, name="somas")
    options = {"delay": np.array([[4.0, 6.0]]) * ms, "max_delay": 12 * ms} | options
    first = Projection(
        inputs, somas, [[1, 1], [0, 0]], variable="x_1", name="first", delay=(with_first or 5) * ms
    )
    second = Projection(inputs, somas, [[0, 0], [1, 1]], variable="x_2", name="second", **options)
    trials = Trials(30 * ms, inputs, [somas, first, second], readout=somas, name="trials")
    learner = rule.attach(trials, somas, [first, second] if with_first else [second])
    if raster is None:
        raster = np.zeros((2, 30, 2))
        raster[:, 3] = 1
    trial = Trial.from_raster(raster, labels=list(labels))
    return SimpleNamespace(
        trial=trial, trials=trials, learner=learner, second=second, somas=somas,
        network=Network(inputs, somas, first, second, trials),
    )  # fmt: skip


@pytest.mark.parametrize("target", COMPILED_LATER, indirect=True)
def test_delays_meet_and_stay_in_bounds(target):
    """Spikes that are emitted together come to arrive together; a bound is where a delay ends."""
    built = small(
        DelayLearning(loss=BestSoFar(aspiration=0.5), delay_optimizer=Adam(0.5)),
        delay=np.array([[2.0, 11.5]]) * ms,
    )
    built.trials.present(built.trial)
    simulate(40 * 30 * ms, built.network, progress=False)
    assert np.abs(built.second.delays / ms - 5).max() <= 0.5
    fleeing = small(
        DelayLearning(loss=MeanSquaredError(), delay_optimizer=Adam(1.0)),
    )
    assert fleeing.learner.plastic["second.delays"].optimizer.upper[:] == 12


@pytest.mark.parametrize("interpolate", [False, True])
def test_at_the_bound_the_derivative_is_known(numpy_target, interpolate):
    """A delay of max_delay looks one step further: d = 12 here, and the spike arrives in time."""
    case = SimpleNamespace(delay=np.array([[12.0, 0.0]]) * ms, interpolate=interpolate)
    built = small(
        DelayLearning(loss=MeanSquaredError(), trials_per_update=2), labels=(1, 0),
        delay=case.delay, interpolate=interpolate,
    )  # fmt: skip
    built.trials.present(built.trial)
    simulate(30 * ms, built.network, progress=False)
    gradient = np.asarray(getattr(*built.learner.plastic["second.delays"].gradient))
    spikes = np.zeros((2, 30, 2))
    spikes[:, 3] = 1
    delays = np.array([[5.0, 5.0], [12.0, 0.0]])
    arguments = spikes, np.ones((2, 2)), delays, [0, 1], 5.0
    error = oracle.dendrite_outputs(*arguments)[:, -1] - np.eye(2)[[1, 0]]
    expected = oracle.dendrite_gradients(*arguments, error, interpolate=interpolate)["delays"]
    assert np.allclose(gradient, expected.sum(axis=0)[1], rtol=1e-12)
    assert gradient[0] < 0 < gradient[1] or gradient[0] > 0 > gradient[1]


def test_gradient_of_the_first_factor(numpy_target):
    """A plastic input that is the first of a pair has the gradient of one that is the second."""
    gradients = {}
    for plastic in ("x_1", "x_2"):
        defaultclock.dt = 1 * ms
        inputs = SpikeInput(2, name="inputs")
        somas = delay_dendrite().neurons(1, tau_m=5 * ms, name="somas")
        fixed = "x_2" if plastic == "x_1" else "x_1"
        still = Projection(inputs, somas, [[1], [0]], variable=fixed, name="still", delay=5 * ms)
        moves = Projection(
            inputs, somas, [[0], [1]], variable=plastic, name="moves", delay=7.5 * ms,
            interpolate=True,
        )  # fmt: skip
        trials = Trials(30 * ms, inputs, [somas, still, moves], readout=somas)
        raster = np.zeros((1, 30, 2))
        raster[0, 3] = 1
        trials.present(Trial.from_raster(raster, targets=np.full((1, 30, 1), 9.0)))
        learner = DelayLearning(trials_per_update=2).attach(trials, somas, [moves])
        simulate(30 * ms, Network(inputs, somas, still, moves, trials), progress=False)
        gradients[plastic] = np.asarray(getattr(*learner.plastic["moves.delays"].gradient))
    assert gradients["x_1"] == gradients["x_2"] > 0  # a longer delay lowers the output: 7.5 > 5


def test_resume_with_another_max_delay(numpy_target, tmp_path):
    path = tmp_path / "delays.npz"
    rule = DelayLearning(loss=BestSoFar(0.1))
    built = small(rule)
    training = Training(built.learner, built.network, checkpoint=path, progress=False)
    training.run(Phase("train", built.trial, 3))
    assert np.all(training.state["eprop_loss/best"] > 0)
    other = small(rule, max_delay=14 * ms)
    with pytest.raises(ValueError, match=r"second\.max_delay"):
        Training(other.learner, other.network, checkpoint=path, resume=True, progress=False)
    again = small(rule)
    resumed = Training(again.learner, again.network, checkpoint=path, resume=True, progress=False)
    resumed.run(Phase("train", again.trial, 3))
    whole = small(rule)
    uninterrupted = Training(whole.learner, whole.network, progress=False)
    uninterrupted.run(Phase("train", whole.trial, 6))
    assert np.array_equal(
        resumed.weights()["second.delays"], uninterrupted.weights()["second.delays"]
    )
    assert np.array_equal(
        resumed.histories["train"]["loss"], uninterrupted.histories["train"]["loss"]
    )


def test_gradient_that_is_no_number_ends_the_run(numpy_target):
    built = small(DelayLearning(loss=MeanSquaredError()))
    gradient = built.learner.plastic["second.delays"].gradient
    gradient[0].set_array(gradient[1], np.array([np.nan, 0.0]))
    built.trials.present(built.trial)
    with pytest.raises(DivergenceError, match="second_delay_optimizer': a gradient is not a finit"):
        simulate(30 * ms, built.network, progress=False)


def test_best_so_far():
    """By hand: the best of all readouts and batches; the error is that of the label's own."""
    own = {"best": np.full(2, -1e300), "aspiration": 0.1}
    state = {"total": np.zeros(1), "loss": np.zeros(1), "accuracy": np.zeros(1)}
    state |= {"output_sum": np.zeros(4), "target_sum": np.zeros(4), "output": np.zeros(4)}
    error = np.zeros(4)
    for v, losses, errors in (
        ([1.0, 3.0, 2.0, 4.0], ((1 - 3) ** 2 + 0) / 2, [2 * (1 - 3.3), 0, 0, 2 * (4 - 4.4)]),
        ([2.0, 1.0, 9.0, 2.0], ((2 - 3) ** 2 + (2 - 9) ** 2) / 2,
         [2 * (2 - 3.3), 0, 0, 2 * (2 - 9.9)]),
    ):  # fmt: skip
        BestSoFar.form(
            step=np.array([0]), steps=np.array([1]), window=np.array([1.0]),
            open_steps=np.array([1]), recording=np.array([False]), samples=np.array([2]),
            v=np.array(v),
            target=np.array([1.0, 0, 0, 1]), error=error, best=own["best"],
            learning=np.array([True]),
            aspiration=np.array([own["aspiration"]]), **state,
        )  # fmt: skip
        assert state["loss"][0] == pytest.approx(losses)
        assert error == pytest.approx(errors)
    with pytest.raises(ValueError, match="aspiration is -1, but must be"):
        BestSoFar(-1)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"inputs": 1}, "inputs is 1, but a comparison needs 2 or more"),
        ({"pairs": "some"}, "pairs is 'some', but must be"),
        ({"soma": "sum"}, "soma is 'sum', but must be one of product, difference"),
    ],
)
def test_dendrites_that_cannot_be(options, words):
    with pytest.raises(ValueError, match=words):
        delay_dendrite(**options)


def test_a_test_leaves_no_trace(numpy_target):
    """What is said in trials that do not learn is no best that training has to reach."""
    ends = []
    for tested in (False, True):
        built = small(DelayLearning(loss=BestSoFar(0.1), delay_optimizer=Adam(0.5)))
        training = Training(built.learner, built.network, progress=False)
        training.run(Phase("train", built.trial, 2))
        loud = np.zeros((2, 30, 2))
        loud[:, 2:12] = 1
        if tested:
            other = Trial.from_raster(loud, labels=[0, 1])
            training.run(Phase("test", other, 1, learning=False))
        training.run(Phase("train", built.trial, 3))
        ends.append(training.weights()["second.delays"])
    assert np.array_equal(*ends)


def test_bounds_of_the_optimizer_count(numpy_target):
    rule = DelayLearning(loss=MeanSquaredError(), delay_optimizer=Adam(5.0, lower=3.5, upper=6.5))
    built = small(rule)
    built.trials.present(built.trial)
    simulate(10 * 30 * ms, built.network, progress=False)
    delays = built.second.delays / ms
    assert delays.min() >= 3.5
    assert delays.max() <= 6.5
    with pytest.raises(ValueError, match=r"'second\.delays' starts with a weight of 4, outside"):
        small(DelayLearning(delay_optimizer=Adam(5.0, lower=4.5)))


def test_delays_that_cannot_move_do_not_learn(numpy_target):
    with pytest.raises(DelayError, match="No connection has delays|has no delays that could"):
        small(DelayLearning(), delay=0 * ms, max_delay=None)


def test_resume_with_other_fixed_delays(numpy_target, tmp_path):
    """What does not learn must be what it was, too."""
    path = tmp_path / "kept.npz"
    for delay, known in ((5, True), (5, True), (6, False)):
        built = small(DelayLearning(learn={"second": ("delays",), "first": ()}), with_first=delay)
        options = {"checkpoint": path, "resume": True, "progress": False}
        if not known:
            with pytest.raises(ValueError, match=r"first\.fixed_delays"):
                Training(built.learner, built.network, **options)
            return
        Training(built.learner, built.network, **options).run(Phase("train", built.trial, 1))


def test_files_with_more_than_is_learned(numpy_target, tmp_path):
    built = small(DelayLearning(learn=("weights", "delays")))
    built.learner.save(tmp_path / "both.npz")
    alone = small(DelayLearning(learn=("weights",)))
    with pytest.raises(ValueError, match=r"also holds second\.delays, which nothing here would"):
        alone.learner.load(tmp_path / "both.npz")


def test_rates_of_what_never_spikes(numpy_target):
    rule = DelayLearning(regularizer=FiringRate(1.0, 10 * Hz))
    with pytest.raises(ValueError, match="'somas' never spikes, so that no firing rate"):
        small(rule)


def test_delays_that_were_set_are_those_that_are_fixed(numpy_target, tmp_path):
    """A checkpoint tells the present delays of a connection from those that it was made with."""
    rule = DelayLearning(learn={"second": ("delays",), "first": ()})
    descriptions = []
    for moved in (False, True):
        built = small(rule, with_first=5)
        first = built.learner.connections[0]
        if moved:
            first.set_delays(np.array([[4.0]]) * ms)
        descriptions.append(built.learner.description()["first.fixed_delays"])
    assert descriptions[0] != descriptions[1]
