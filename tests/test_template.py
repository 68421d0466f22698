"""Templates give real groups, refuse what does not fit, and compose."""

import numpy as np
import pytest
from brian2 import DimensionMismatchError, NeuronGroup, Synapses, ms, mV

import oracles
from brianlearn import Parameter, Projection, Template
from brianlearn.models import force_lif

pytestmark = pytest.mark.usefixtures("numpy_target")

LEAKY = Template(
    name="leaky",
    equations="dv/dt = -v/tau_m : volt (unless refractory)",
    threshold="v > v_th",
    reset="v = 0*mV",
    refractory="tau_ref",
    parameters={
        "tau_m": Parameter(10 * ms, "membrane time constant"),
        "tau_ref": Parameter(2 * ms, "refractory period"),
        "v_th": Parameter(15 * mV, "threshold"),
    },
)


def test_neurons():
    group = LEAKY.neurons(4, tau_m=20 * ms)
    assert isinstance(group, NeuronGroup)
    assert group.namespace["tau_m"] == 20 * ms
    assert group.namespace["v_th"] == 15 * mV


def test_is_frozen():
    with pytest.raises(AttributeError):
        LEAKY.threshold = "v > 1"
    with pytest.raises(TypeError):
        LEAKY.parameters["v_th"] = None


def test_refuses_unknown_parameters():
    with pytest.raises(TypeError, match=r"no parameter tau_x; it has:\n  tau_m = 10. ms: membrane"):
        LEAKY.neurons(4, tau_x=3 * ms)


def test_refuses_other_dimensions():
    with pytest.raises(DimensionMismatchError, match="tau_m .membrane time constant. should be in"):
        LEAKY.neurons(4, tau_m=20)


def test_with_equations():
    noisy = LEAKY.with_equations(
        "dv/dt = (I - v)/tau_m : volt\nI : volt",
        name="driven",
        parameters={"extra": Parameter(1.0, "unused")},
    )
    assert set(noisy.equations.names) == {"v", "I"}
    assert set(noisy.parameters) == {*LEAKY.parameters, "extra"}
    assert "I" not in LEAKY.equations
    noisy.neurons(2).I = 3 * mV


def test_renamed():
    other = LEAKY.renamed(v="V_m", tau_m="tau_V")
    group = other.neurons(2)
    assert "V_m" in group.variables
    assert group.events["spike"] == "V_m > v_th"
    assert "tau_V" in group.namespace
    with pytest.raises(TypeError, match="has no u"):
        LEAKY.renamed(u="w")
    with pytest.raises(TypeError, match="uses the name v_th already"):
        LEAKY.renamed(v="v_th")


def test_published_draws():
    """Weights, encoders and membranes are those of an independent drawing."""
    drawn = oracles.draw_force_network(100, 3)
    neurons, recurrent = force_lif.network(100, seed=3)
    assert isinstance(recurrent, Projection)
    assert np.array_equal(neurons.v[:], drawn.v)
    assert np.array_equal(neurons.encoder[:], drawn.encoders)
    dense = np.zeros((100, 100))
    source = np.repeat(np.arange(100), np.diff(recurrent.rows))
    dense[source, recurrent.columns] = np.asarray(recurrent.weights)
    assert np.allclose(dense, drawn.omega / (2e-3 * 20e-3), rtol=1e-15)


def test_carriers():
    _, synapses = force_lif.network(50, seed=2, carrier="synapses")
    _, projection = force_lif.network(50, seed=2, name="others")
    assert isinstance(synapses, Synapses)
    assert np.array_equal(synapses.w_[:], np.asarray(projection.weights))
    with pytest.raises(ValueError, match="'projection' or 'synapses'"):
        force_lif.network(50, carrier="pigeon")


def test_balanced():
    """The mean of each neuron's nonzero incoming weights is removed; the mask stays."""
    _, recurrent = force_lif.network(80, seed=2, balanced=True)
    incoming = np.bincount(recurrent.columns, weights=np.asarray(recurrent.weights), minlength=80)
    assert np.abs(incoming).max() < 1e-9 * np.abs(np.asarray(recurrent.weights)).max()
    _, plain = force_lif.network(80, seed=2, name="plain")
    assert np.array_equal(plain.columns, recurrent.columns)


def test_says_what_it_is():
    assert "Nicola and Clopath (2017)" in str(force_lif)
    assert "tau_decay = 20. ms" in force_lif.describe()
