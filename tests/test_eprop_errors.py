"""What e-prop refuses, each in a sentence that says what is wrong, and with what."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
from brian2 import DimensionMismatchError, NeuronGroup, defaultclock, ms, mV

from brianlearn import (
    Adam,
    DivergenceError,
    EligibilitySynapses,
    EProp,
    FiringRate,
    Given,
    GradientDescent,
    Parameter,
    Projection,
    Random,
    SpikeInput,
    Symmetric,
    Trials,
    simulate,
    surrogates,
)
from brianlearn.errors import LearnerConflictError
from brianlearn.learners.eprop_online import check_reset
from brianlearn.learners.eprop_parts import adapts
from brianlearn.models import eprop_alif, eprop_iaf_psc_delta_adapt, eprop_lif, eprop_readout
from eprop_build import build, random_case

ONES = {"w_in": np.ones((3, 4)), "w_rec": np.ones((4, 4)), "w_out": np.ones((4, 2))}


class Network:
    """Three inputs, four neurons and two readouts, by which to try an `EProp`."""

    def __init__(self, samples=1, batch=None, **weights):
        defaultclock.dt = 1 * ms
        self.inputs = SpikeInput(3, samples)
        self.neurons = eprop_lif.neurons(4 * samples, name="neurons")
        self.readout = eprop_readout.neurons(2 * samples, name="readout")
        weights = ONES | weights
        pairs = {
            "w_in": (self.inputs, self.neurons),
            "w_rec": (self.neurons, self.neurons),
            "w_out": (self.neurons, self.readout),
        }
        self.connections = [
            Projection(*pairs[name], weights[name], variable="x", name=name) for name in weights
        ]
        whose = self.inputs if batch is None else SpikeInput(3, batch)
        self.trials = Trials(10 * ms, whose, [self.neurons, self.readout], readout=self.readout)

    def attach(self, connections=None, **parts):
        return EProp(**parts).attach(self.trials, self.readout, connections or self.connections)


@pytest.fixture
def network(numpy_target):
    return Network()


@pytest.mark.parametrize(
    ("parts", "error", "words"),
    [
        ({"loss": "mse"}, TypeError, "loss is 'mse', which is no Loss"),
        ({"optimizer": Adam}, TypeError, "optimizer is .*, which is no Optimizer"),
        ({"feedback": np.ones(3)}, TypeError, "feedback is .*, which is no Feedback"),
        ({"regularizer": 300}, TypeError, "regularizer is 300, which is no FiringRate"),
        ({"window": 10}, DimensionMismatchError, "window"),
        ({"window": 3 * mV}, DimensionMismatchError, "window"),
        ({"trials_per_update": 0}, ValueError, "trials_per_update is 0, but must be 1 or more"),
        ({"trials_per_update": 1.5}, ValueError, "trials_per_update is 1.5"),
    ],
)
def test_rule(parts, error, words):
    with pytest.raises(error, match=words):
        EProp(**parts)


@pytest.mark.parametrize("optimizer", [GradientDescent, Adam])
@pytest.mark.parametrize(
    ("numbers", "error", "words"),
    [
        (
            {"learning_rate": -1.0},
            ValueError,
            "learning_rate is -1.0, but must be a number from 0 on",
        ),
        ({"learning_rate": np.nan}, ValueError, "learning_rate is not a number"),
        ({"learning_rate": 1 * ms}, TypeError, "learning_rate is .*, but must be a number"),
        ({"lower": 2.0, "upper": 1.0}, ValueError, "No weight lies between 2.0 and 1.0"),
    ],
)
def test_optimizer(optimizer, numbers, error, words):
    with pytest.raises(error, match=words):
        optimizer(**numbers)


@pytest.mark.parametrize("numbers", [{"beta_1": 1.0}, {"beta_2": -0.1}, {"epsilon": 0.0}])
def test_adam(numbers):
    with pytest.raises(ValueError, match=r"beta_1 and beta_2 lie in \[0, 1\), epsilon above 0"):
        Adam(**numbers)


def test_regularizer():
    with pytest.raises(DimensionMismatchError, match="rate of FiringRate"):
        FiringRate(1.0, 10)


def test_surrogate():
    with pytest.raises(ValueError, match="'height' does not depend on d"):
        surrogates.Surrogate("height")


@pytest.mark.parametrize(
    ("matrix", "words"),
    [
        (np.ones((4, 3)), r"feedback is \(4, 3\), but must be .* at least \(4, 2\)"),
        (np.ones((3, 2)), r"feedback is \(3, 2\), but must be .* at least \(4, 2\)"),
        (np.ones(8), r"feedback is \(8,\), but must be neurons x readouts"),
        (np.full((4, 2), np.inf), "feedback holds something that is not a finite number"),
    ],
)
def test_feedback(network, matrix, words):
    with pytest.raises(ValueError, match=words):
        network.attach(feedback=Given(matrix))


def test_random_feedback_is_drawn_by_its_seed(network):
    carrier = network.connections[2]
    drawn = [Random(seed, 2.0).weights(carrier, 0) for seed in (1, 1, 2)]
    assert np.array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2])
    assert drawn[0].shape == (4, 2)


def test_symmetric_feedback_needs_a_matrix(numpy_target):
    sparse = np.zeros((4, 2))
    sparse[0, 0] = 1
    with pytest.raises(TypeError, match="'w_out' stores its few connections as lists"):
        Network(w_out=sparse).attach(feedback=Symmetric())


def test_weights_within_their_bounds(network):
    with pytest.raises(
        ValueError, match="'w_in' starts with a weight of 1, outside .* -0.5 and 0.5"
    ):
        network.attach(optimizer=GradientDescent(lower=-0.5, upper=0.5))


@pytest.mark.parametrize("window", [11 * ms, 0 * ms])
def test_window_fits_the_trial(network, window):
    with pytest.raises(ValueError, match="The window of .* steps does not fit the trial's 10"):
        network.attach(window=window)


def test_batches_match(numpy_target):
    network = Network(samples=2, batch=1)
    with pytest.raises(ValueError, match=r"'w_in' connects 2 sample\(s\), .* a batch of 1"):
        network.attach()


def test_what_can_learn(network):
    with pytest.raises(TypeError, match="cannot learn by e-prop: make it a Projection or"):
        network.attach([network.neurons])
    with pytest.raises(ValueError, match="leads from 'neurons' to the readouts"):
        network.attach(network.connections[:2])
    synapses = EligibilitySynapses(network.inputs, network.neurons, ONES["w_in"], network.readout)
    with pytest.raises(TypeError, match="Projections and EligibilitySynapses lead to 'neurons'"):
        network.attach([*network.connections, synapses])


def test_learns_once(network):
    network.attach()
    with pytest.raises(LearnerConflictError, match="'w_in' learns already"):
        network.attach()


def test_readouts_share_a_time_constant(network):
    text = "v : 1\ntarget : 1\noutput : 1\nerror : 1\nx : 1\ntau_m : second"
    readout = NeuronGroup(2, text, name="varied")
    with pytest.raises(TypeError, match="'varied' has a tau_m for each readout"):
        EProp().attach(network.trials, readout, network.connections)


def test_neurons_note_what_is_needed(network):
    plain = NeuronGroup(4, "x : 1", threshold="x > 1", name="plain")
    onto = Projection(network.inputs, plain, ONES["w_in"], variable="x", name="onto")
    out = Projection(plain, network.readout, ONES["w_out"], variable="x", name="out")
    with pytest.raises(KeyError, match="'plain' has no variable 'psi', which e-prop needs"):
        network.attach([onto, out])
    with pytest.raises(KeyError, match="'neurons' has no variable 'target', which e-prop needs"):
        EProp().attach(network.trials, network.neurons, network.connections)


NOT_ADAPTING = {"beta": 0.7, "tau_adapt": 30 * ms}


def test_bounds_are_those_of_weights_that_learn(network):
    """Others stay where they are, wherever that is."""
    names = [one.name for one in network.connections]
    optimizer = GradientDescent(1e-3, lower=2.0)  # above all of them
    with pytest.raises(ValueError, match="outside the optimizer's bounds"):
        network.attach(optimizer=optimizer, learn={names[0]: (), names[1]: ()})
    network.connections[2].set_matrix(3 * ONES["w_out"])
    network.attach(optimizer=optimizer, learn={names[0]: (), names[1]: ()})


def test_a_namespace_does_not_make_neurons_adapt(numpy_target):
    """What many groups share says nothing of one; what the group itself uses, does."""
    plain = eprop_lif.neurons(4)
    plain.namespace.update(NOT_ADAPTING)
    assert not adapts(plain)
    assert adapts(eprop_alif.neurons(4))
    assert adapts(eprop_iaf_psc_delta_adapt.neurons(4))
    bounded = NeuronGroup(
        4, "v : 1", threshold="v > 1 + beta*exp(-t/tau_adapt)", namespace=NOT_ADAPTING
    )
    assert adapts(bounded)


def test_neurons_without_adaptation_learn_the_same_beside_such_names(numpy_target):
    """To the bit, whatever the namespace holds."""
    case, learned = random_case(1), []
    for extra in ({}, NOT_ADAPTING):
        made = build(case, "adjoint", attach=False)
        made.neurons.namespace.update(extra)
        connections = [made.w_in, made.w_rec, made.w_out]
        rule = EProp(optimizer=GradientDescent(1e-2))
        rule.attach(made.trials, made.readout, connections)
        simulate(made.duration, made.network, progress=False)
        learned.append(made.w_in.matrix)
        traces = EligibilitySynapses(made.inputs, made.neurons, case.w_in, made.readout, samples=3)
        assert "beta" not in traces.namespace
    assert np.array_equal(*learned)
    assert not np.array_equal(learned[0], case.w_in)


@pytest.mark.parametrize(
    ("line", "used", "other"),
    [
        ("sharp = beta : 1", "beta", "tau_adapt"),
        ("slow = exp(-dt/tau_adapt) : 1", "tau_adapt", "beta"),
    ],
)
def test_one_of_the_names_alone_is_refused(network, line, used, other):
    model = eprop_lif.with_equations(
        line, parameters={key: Parameter(value, key) for key, value in NOT_ADAPTING.items()}
    )
    neurons = model.neurons(4, name="sharp_ones")
    onto = Projection(network.inputs, neurons, ONES["w_in"], variable="x", name="onto")
    out = Projection(neurons, network.readout, ONES["w_out"], variable="x", name="out")
    with pytest.raises(
        KeyError, match=f"'sharp_ones' uses '{used}' but no '{other}': .* another name"
    ):
        network.attach([onto, out])


def test_history_fits_into_memory(network, monkeypatch):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=4))
    with pytest.raises(MemoryError, match="history takes .* GiB, .* use a smaller batch"):
        network.attach()


def test_learning_rate_is_a_number(network):
    learner = network.attach()
    learner.learning_rate = 0.5
    assert learner.learning_rate == 0.5
    for wrong in (-1, np.nan, [1.0]):
        with pytest.raises(ValueError, match="learning_rate is .*, but must be a number from 0 on"):
            learner.learning_rate = wrong


def test_learning_rate_is_no_word(network):
    with pytest.raises((TypeError, ValueError), match="learning_rate is 'fast', but must be"):
        network.attach().learning_rate = "fast"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"mask": np.ones((2, 2), dtype=bool)},
            r"mask is bool \(2, 2\), but must be bool \(4, 4\)",
        ),
        ({"mask": np.ones((4, 4))}, r"mask is float64 \(4, 4\), but must be bool"),
        ({"mask": np.zeros((4, 4), dtype=bool)}, "no connections"),
        (
            {"weights": np.ones((4, 2))},
            r"weights is \(4, 2\), but must be \(4, 4\), or for a batch",
        ),
        ({"weights": np.ones(4)}, r"shape \(4,\), but must be sources x targets"),
        ({"weights": np.full((4, 4), np.nan)}, "not a finite number"),
    ],
)
def test_projection(network, changes, words):
    arguments = {"weights": ONES["w_rec"]} | changes
    with pytest.raises(ValueError, match=words):
        Projection(network.neurons, network.neurons, variable="x", **arguments)


def test_projection_of_a_batch(numpy_target):
    neurons, readout = eprop_lif.neurons(8), eprop_readout.neurons(4)
    with pytest.raises(ValueError, match="autapses need as many sources as targets"):
        Projection(neurons, readout, ONES["w_out"], variable="x", autapses=False)
    with pytest.raises(ValueError, match="needs whole groups, not subgroups"):
        Projection(neurons[:4], readout, np.ones((2, 2)), variable="x")
    ours = Projection(neurons, neurons, ONES["w_rec"], variable="x", autapses=False)
    assert ours.samples == 2
    assert not ours.matrix.diagonal().any()
    with pytest.raises(ValueError, match="has no connection where a weight was given"):
        ours.set_matrix(ONES["w_rec"])
    with pytest.raises(ValueError, match=r"weights is \(2, 2\), but must be \(4, 4\)"):
        ours.set_matrix(np.ones((2, 2)))


def test_eligibility_synapses(network):
    with pytest.raises(ValueError, match=r"weights is \(3, 3\), but must be \(3, 4\)"):
        EligibilitySynapses(network.inputs, network.neurons, np.ones((3, 3)), network.readout)


@pytest.mark.parametrize(
    "target",
    ["numpy", *(pytest.param(t, marks=pytest.mark.slow) for t in ("cython", "cpp_standalone"))],
    indirect=True,
)
def test_divergence(target):
    """A learning rate that is far too large ends the run with a sentence, on every target."""
    case = replace(random_case(1, iterations=4), learning_rate=1e200, bounds=(-1e300, 1e300))
    built = build(case, "adjoint")
    message = "the loss is not a finite number at t = .*: lower it"
    with np.errstate(all="ignore"), pytest.raises(DivergenceError, match=message):
        simulate(built.duration, built.network, progress=False)


def test_traces_that_would_be_carried_over(numpy_target):
    """Synapses whose traces the trials do not reset would learn wrongly without a word."""
    w_in = build(random_case(1), "online").w_in
    trials = SimpleNamespace(name="trials", reset={("w_in", "gradient")})
    with pytest.raises(ValueError, match=r"'w_in' would carry zbar, .* add w_in to"):
        check_reset(w_in, trials)


def test_a_subgroup_is_not_trained(numpy_target):
    """Its name, history and readout weights would be those of a group that does not exist."""
    made = build(random_case(1, batch=1), "adjoint", attach=False)
    part = Projection(made.inputs, made.neurons[:4], np.ones((7, 4)), variable="x", name="part")
    with pytest.raises(TypeError, match="'part' leads to a subgroup"):
        EProp().attach(made.trials, made.readout, [part])


def test_mask_of_synapses(numpy_target):
    made = build(random_case(1, batch=1), "adjoint", attach=False)
    ends = made.inputs, made.neurons, np.ones((7, 6)), made.readout
    for mask in (np.ones((2, 2), dtype=bool), np.zeros((7, 6), dtype=bool)):
        with pytest.raises(ValueError, match=r"but must be \(7, 6\), and True wherever"):
            EligibilitySynapses(*ends, mask=mask)
