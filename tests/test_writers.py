"""What else writes a trained group's states: given, if it only adds; else refused by name."""

import numpy as np
import pytest
from brian2 import Hz, Network, NeuronGroup, PoissonInput, Synapses, defaultclock, ms

from brianlearn import EProp, Phase, Projection, SpikeInput, Training, Trial, Trials, models
from brianlearn.derivation import check_writers
from brianlearn.errors import DerivationError


def neurons(extra="", template=models.eprop_lif):
    return template.with_equations(extra).neurons(3, name="mine")


def regularly(text):
    def make(group):
        group.run_regularly(text, name="regular")
        return []

    return make


def synapses(model="w : 1", **code):
    def make(group):
        made = Synapses(group, group, model, name="others", **code)
        made.connect()
        return [made]

    return make


GIVEN = {
    "noise": regularly("v += 0.1*rand()"),
    "less": regularly("v -= 0.1"),
    "what the learner does not read": regularly("learning_signal = 0.5*learning_signal"),
    "spikes of others": synapses(on_pre="v_post += w"),
    "spikes with a trace of their own": synapses(
        "dc/dt = -c/(9*ms) : 1 (event-driven)\nw : 1", on_pre="c += 1; v_post += w*c"
    ),
    "pulses": lambda group: [PoissonInput(group, "v", 5, 10 * Hz, weight=0.1)],
    "a current that is told": regularly("I = 0.1*sin(2*pi*Hz*t)"),
    "another group": lambda group: [NeuronGroup(1, "dv/dt = -v/(9*ms) : 1", method="exact")],
}
REFUSED = {
    "a leak": (regularly("v = 0.5*v"), r"'regular' moves 'mine' by v = 0.5\*v"),
    "a product": (regularly("v *= 0.5"), r"'regular' moves 'mine' by v \*= 0.5"),
    "what is added reads": (regularly("v += 0.1*(1 - v)"), r"'regular' moves 'mine' by v \+= 0.1"),
    "synapses that set": (synapses(on_pre="v_post = w"), "'others' moves 'mine' by v_"),
    "conductances": (synapses(on_pre="v_post += w*(1 - v_post)"), "'others' moves 'mine'"),
    "shunting": (synapses(on_pre="v_post *= 0.9"), "'others' moves 'mine' by v_"),
    "by way of the synapses": (
        synapses("w : 1\nc : 1", on_pre="c = v_post; v_post += w*c"), "'others' moves 'mine'",
    ),
    "by way of a parameter": (
        regularly("learning_signal = v\nv += learning_signal"), r"'regular' moves 'mine' by v \+= ",
    ),
    "by way of a name of its own": (
        regularly("held = v\nv += held"), r"'regular' moves 'mine' by v \+= ",
    ),
    "on_post": (synapses(on_post="v_pre = 0"), "'others' moves 'mine' by v_"),
    "graded synapses": (
        synapses("w : 1\ninto_post = w*v_pre : 1 (summed)"), "'others_.*' moves 'mine'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GIVEN)
def test_given(name, numpy_target):
    group = neurons()
    check_writers(group, Network(group, *GIVEN[name](group)))


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name, numpy_target):
    make, message = REFUSED[name]
    group = neurons("dv/dt = (-v + I + into)/tau_m : 1\ninto : 1" if "graded" in name else "")
    with pytest.raises(DerivationError, match=message):
        check_writers(group, Network(group, *make(group)))


def test_summed_over_what_others_hold(numpy_target):
    group = neurons("dv/dt = (-v + I + into)/tau_m : 1\ninto : 1")
    other = NeuronGroup(2, "u : 1")
    summed = Synapses(other, group, "into_post = u_pre : 1 (summed)")
    summed.connect()
    check_writers(group, Network(group, other, summed))


def test_events_of_the_users_own(numpy_target):
    group = NeuronGroup(
        2, "dv/dt = -v/(10*ms) : 1", threshold="v > 1", reset="v = 0", method="exact", name="mine",
        events={"low": "v < -1"},
    )  # fmt: skip
    check_writers(group, Network(group))
    group.run_on_event("low", "v = -1")
    with pytest.raises(DerivationError, match="moves 'mine' by v = -1"):
        check_writers(group, Network(group))


def test_constant_over_dt(numpy_target):
    group = NeuronGroup(
        2, "dv/dt = (-v + s)/(10*ms) : 1\ns = 0.5*v**2 : 1 (constant over dt)", method="euler",
        name="mine",
    )  # fmt: skip
    with pytest.raises(DerivationError, match="moves 'mine' by s = 0.5"):
        check_writers(group, Network(group))


def test_training_asks(numpy_target):
    """Before anything runs; and again before each run."""
    defaultclock.dt = 1 * ms
    inputs, group = SpikeInput(2), neurons()
    readout = models.eprop_readout.neurons(2, name="readout")
    w_in = Projection(inputs, group, np.full((2, 3), 0.1), variable="x", name="w_in")
    w_out = Projection(group, readout, np.full((3, 2), 0.1), variable="x", name="w_out")
    trials = Trials(10 * ms, inputs, [group, readout], readout=readout)
    learner = EProp().attach(trials, readout, [w_in, w_out])
    network = Network(inputs, group, readout, w_in, w_out, trials)
    training = Training(learner, network, progress=False)
    trial = Trial(np.array([1]), np.array([0]), targets=np.zeros((10, 2)))
    training.run(Phase("train", trial, 1))
    network.add(group.run_regularly("v = 0.5*v", name="regular"))
    with pytest.raises(DerivationError, match="'regular' moves 'mine' by v = 0.5"):
        training.run(Phase("train", trial, 1))
    assert training.iterations("train") == 1
