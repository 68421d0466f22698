"""What learning at every spike refuses, each in a sentence; and filters that cannot be."""

from dataclasses import dataclass

import numpy as np
import pytest
from brian2 import DimensionMismatchError, Hz, NeuronGroup, defaultclock, ms, mV

from brianlearn import (
    EligibilitySynapses,
    EProp,
    FiringRate,
    Graded,
    GradientDescent,
    Projection,
    Random,
    SpikeInput,
    Trials,
)
from brianlearn.errors import LearnerConflictError
from brianlearn.models import eprop_iaf, eprop_iaf_adapt, eprop_iaf_readout, eprop_readout
from brianlearn.optimizers import Optimizer

ONES = {"w_in": np.ones((3, 4)), "w_rec": np.ones((4, 4)), "w_out": np.ones((4, 2))}


class Network:
    """Three inputs, four neurons and two readouts, by which to try a rule."""

    def __init__(self, samples=1, model=eprop_iaf, readout=eprop_iaf_readout, **of_w_in):
        defaultclock.dt = 1 * ms
        self.inputs = SpikeInput(3, samples, name="inputs")
        self.neurons = model.neurons(4 * samples, name="neurons")
        self.readout = readout.neurons(2 * samples, name="readout")
        ends = {
            "w_in": (self.inputs, self.neurons),
            "w_rec": (self.neurons, self.neurons),
            "w_out": (self.neurons, self.readout),
        }
        self.connections = [
            Projection(*ends[name], ONES[name], variable="x", name=name,
                       **(of_w_in if name == "w_in" else {}))
            for name in ends
        ]  # fmt: skip
        reset = [self.neurons, self.readout] if samples > 1 else None
        self.trials = Trials(10 * ms, self.inputs, reset, readout=self.readout, name="trials")

    def attach(self, connections=None, **parts):
        rule = EProp(**{"update": "spike"} | parts)
        return rule.attach(self.trials, self.readout, connections or self.connections)


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"update": "spikes"}, "update is 'spikes', but must be 'trial' or 'spike'"),
        ({"update": None}, "update is None, but must be"),
        ({"cutoff": 10 * ms}, 'cutoff and each_step need update="spike"'),
        ({"each_step": True}, 'cutoff and each_step need update="spike"'),
        ({"update": "spike", "trials_per_update": 2}, 'need update="trial": with "spike"'),
        ({"update": "spike", "average": True}, 'need update="trial": with "spike"'),
        ({"update": "spike", "learn": ("delays",)}, "learn their weights, not delays"),
        ({"update": "spike", "learn": {"w_in": ("weights",)}}, "learn their weights, not delays"),
        (
            {"update": "spike", "regularizer": FiringRate(1.0, 10 * Hz)},
            "regularized in every step: give FiringRate a kappa",
        ),
    ],
)
def test_rule(parts, words):
    with pytest.raises(ValueError, match=words):
        EProp(**parts)


@dataclass(frozen=True)
class Momentum(GradientDescent):
    """An optimizer of a user's own, with a state."""

    moments = ("m",)


@dataclass(frozen=True)
class SignDescent(GradientDescent):
    """And one without."""


@pytest.mark.parametrize("kind", [Momentum, SignDescent, Optimizer])
def test_optimizer_of_ones_own(kind):
    """The kernel of a spike would never ask it."""
    EProp(optimizer=kind())
    with pytest.raises(TypeError, match=f"optimizer is {kind.__name__}.* GradientDescent and Adam"):
        EProp(optimizer=kind(), update="spike")


def test_what_is_learned_may_be_a_list():
    assert EProp(update="spike", learn=["weights"], regularizer=FiringRate(0)).learn == ["weights"]


@pytest.mark.parametrize("value", [10, 3 * mV])
def test_cutoff_is_a_time(value):
    with pytest.raises(DimensionMismatchError, match="cutoff"):
        EProp(update="spike", cutoff=value)


@pytest.mark.parametrize(
    "kind", [lambda kappa: EProp(kappa=kappa), lambda kappa: FiringRate(1.0, kappa=kappa)]
)
@pytest.mark.parametrize(
    ("kappa", "words"),
    [
        (1.5, "is 1.5, but must be a factor per time step from 0 to 1, or a time constant"),
        (-0.1, "is -0.1, but must be a factor per time step"),
        (np.nan, "is nan, but must be a factor per time step"),
        ("slow", "is 'slow', but must be a factor per time step"),
        (np.ones(2), "must be a factor per time step"),
        (0 * ms, "is 0. s, but a time constant is one number above 0"),
        (-3 * ms, "is -3. ms, but a time constant is one number above 0"),
        (np.ones(2) * ms, "but a time constant is one number above 0"),
    ],
)  # fmt: skip
def test_kappa(kind, kappa, words):
    with pytest.raises(ValueError, match=words):
        kind(kappa)


@pytest.mark.parametrize("rule", [EProp, FiringRate])
def test_kappa_in_volts(rule):
    with pytest.raises(DimensionMismatchError, match="kappa"):
        rule(kappa=3 * mV)


def test_firing_rate_without_strength_needs_no_kappa(numpy_target):
    Network().attach(regularizer=FiringRate(0.0, 10 * Hz))


@pytest.mark.parametrize(
    ("window", "words"),
    [
        (np.ones(9), r"window has shape \(9,\), but must be a time, or 10 finite factors"),
        (np.ones((10, 1)), r"window has shape \(10, 1\), but must be a time"),
        (np.full(10, np.inf), "10 finite factors"),
        (np.zeros(10), "that are not all 0"),
        (11 * ms, "window of 11 steps does not fit"),
    ],
)
@pytest.mark.parametrize("update", ["trial", "spike"])
def test_window(numpy_target, update, window, words):
    with pytest.raises(ValueError, match=words):
        Network().attach(update=update, window=window)


@pytest.mark.parametrize("cutoff", [0 * ms, 1 * ms])
def test_cutoff_is_two_time_steps_or_more(numpy_target, cutoff):
    """A spike's trace begins a step after the steps between two spikes do."""
    Network().attach(cutoff=2 * ms)
    with pytest.raises(ValueError, match="cutoff is .* but a spike needs two time steps of 1"):
        Network().attach(cutoff=cutoff)


def test_batch(numpy_target):
    with pytest.raises(ValueError, match="a batch of 2 samples, but weights that change with eve"):
        Network(samples=2).attach()


def test_readout_of_the_other_kind(numpy_target):
    with pytest.raises(
        ValueError, match="'readout' hears spikes in their own time step; .* use ep"
    ):
        Network(readout=eprop_readout).attach()


def test_delays(numpy_target):
    with pytest.raises(TypeError, match="'w_in' cannot learn at every spike: make it a Proj"):
        Network(delay=0 * ms).attach()


def test_other_connections(numpy_target):
    network = Network()
    w_in, w_rec, w_out = network.connections
    synapses = EligibilitySynapses(
        network.inputs, network.neurons, ONES["w_in"], network.readout, name="traces"
    )
    with pytest.raises(TypeError, match="'traces' cannot learn at every spike"):
        network.attach([synapses, w_rec, w_out])
    graded = Graded(network.neurons, network.readout, ONES["w_out"], name="graded")
    with pytest.raises(TypeError, match="'graded' cannot learn at every spike"):
        network.attach([w_in, w_rec, graded])
    with pytest.raises(ValueError, match="No connection leads from 'neurons' to the readouts"):
        network.attach([w_in, w_rec])
    twin = Projection(network.neurons, network.readout, ONES["w_out"], variable="x", name="twin")
    with pytest.raises(ValueError, match="More than one connection leads from 'neurons'"):
        network.attach([w_in, w_out, twin])
    network.attach([w_in, w_out, twin], feedback=Random(1))
    with pytest.raises(LearnerConflictError, match="'w_in' learns already"):
        network.attach()


@pytest.mark.parametrize("name", ["tau_m", "tau_adapt"])
def test_time_constants_of_each_neuron(numpy_target, name):
    each = eprop_iaf_adapt.with_equations(f"{name} : second (constant)", name="each")
    with pytest.raises(TypeError, match=f"'neurons' has a {name} for each neuron, but learning at"):
        Network(model=each).attach()


def test_neurons_note_what_is_needed(numpy_target):
    network = Network()
    plain = NeuronGroup(4, "x : 1", threshold="x > 1", name="plain")
    onto = Projection(network.inputs, plain, ONES["w_in"], variable="x", name="onto")
    out = Projection(plain, network.readout, ONES["w_out"], variable="x", name="out")
    with pytest.raises(KeyError, match="'plain' has no variable 'psi', which e-prop needs"):
        network.attach([onto, out])


@pytest.mark.parametrize(
    ("parts", "readout"),
    [
        ({"kappa": 0.5}, eprop_readout),
        ({"regularizer": FiringRate(1.0, 10 * Hz, kappa=0.9)}, eprop_readout),
        ({}, eprop_iaf_readout),
    ],
)
def test_what_the_online_form_cannot_do(numpy_target, parts, readout):
    network = Network(samples=2, readout=readout)
    ends = {"w_in": (network.inputs, network.neurons), "w_out": (network.neurons, network.readout)}
    made = [
        EligibilitySynapses(*pair, ONES[name], network.readout, samples=2, name=f"{name}_traces")
        for name, pair in ends.items()
    ]
    network.trials.reset |= {(one.name, key) for one in made for key in one.traces}
    with pytest.raises((TypeError, ValueError), match="are EligibilitySynapses, whose equations"):
        network.attach(made, update="trial", **parts)
