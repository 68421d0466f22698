"""Templates give real groups, refuse what does not fit, and compose."""

import numpy as np
import pytest
from brian2 import DimensionMismatchError, Network, NeuronGroup, Synapses, ms, mV

import oracles
from brianlearn import Parameter, Projection, Template, simulate
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


EACH = np.array([10, 20, 30]) * ms


def test_a_value_for_each_neuron():
    """The parameter becomes a variable; in whatever way it is one, the neurons are the same."""
    declared = LEAKY.with_equations("tau_m : second (constant)")
    shared = LEAKY.with_equations("tau_m : second (shared, constant)")
    for group, expected in (
        (LEAKY.neurons(3, tau_m=EACH), EACH),
        (LEAKY.neurons(3, tau_m=[10, 20, 30] * ms), EACH),
        (declared.neurons(3, tau_m=EACH), EACH),
        (declared.neurons(3, tau_m=20 * ms), 20 * ms),
        (declared.neurons(3), 10 * ms),
        (shared.neurons(3, tau_m=20 * ms), 20 * ms),
        (shared.neurons(3), 10 * ms),
    ):
        assert np.all(group.tau_m[:] == expected)
        assert "tau_m" not in group.namespace
        assert group.variables["tau_m"].constant


def test_neurons_with_time_constants_of_their_own_decay_so(target):
    """On every target, also where a project is built after the values were set."""
    groups = [
        LEAKY.neurons(3, tau_m=EACH, name="given"),
        LEAKY.with_equations("tau_m : second (constant)").neurons(
            3, tau_m=20 * ms, name="declared"
        ),
    ]
    for group in groups:
        group.v = 10 * mV
    simulate(1 * ms, Network(groups), progress=False)
    dt = 0.05
    steps = [(1 - dt / np.array(tau)) ** 20 for tau in ([10, 20, 30], [20, 20, 20])]
    for group, factor in zip(groups, steps, strict=True):
        np.testing.assert_allclose(group.v_, 10e-3 * factor, rtol=1e-12)


FLAG = {"parameters": {"on": Parameter(True, "a switch"), "n": Parameter(2, "a count")}}


@pytest.mark.parametrize(
    ("line", "values", "error", "words"),
    [
        ("", {"tau_m": EACH[:2]}, ValueError, "leaky: tau_m has 2 values for 3 neurons"),
        ("", {"tau_m": EACH[:1]}, ValueError, "leaky: tau_m has 1 values for 3 neurons"),
        (
            "",
            {"tau_m": EACH[:, None]},
            ValueError,
            r"tau_m .* is \(3, 1\), but must be one value, or",
        ),
        ("", {"tau_m": EACH * [1, 1, np.nan]}, ValueError, "something that is not a number"),
        ("", {"tau_m": np.nan * ms}, ValueError, "something that is not a number"),
        ("", {"tau_m": [1, 2, 3] * mV}, DimensionMismatchError, "tau_m .* should be in second"),
        ("", {"tau_m": [1, 2, 3]}, DimensionMismatchError, "tau_m .* should be in second"),
        ("", {"tau_m": "3*ms"}, TypeError, "tau_m .* holds <U4, but must be real numbers"),
        ("", {"n": 1j}, TypeError, "n .* holds complex128"),
        ("", {"n": True}, TypeError, "n .* holds bool"),
        ("", {"on": 0.5}, ValueError, "on .a switch. is 0.5, but must be True or False"),
        ("tau_m = 3*ms : second", {"tau_m": 5 * ms}, TypeError, "tau_m is computed by 'tau_m = 3"),
        ("tau_m : second (shared)", {"tau_m": EACH}, ValueError, "3 values, but is shared"),
        ("n : integer", {"n": 2.5}, ValueError, "n is 2.5, but is declared integer"),
    ],
)
def test_values_that_parameters_cannot_have(line, values, error, words):
    with pytest.raises(error, match=words):
        LEAKY.with_equations(line, **FLAG).neurons(3, **values)


def test_what_an_equation_computes_keeps_its_equation():
    computed = LEAKY.with_equations("tau_m = 3*ms : second").neurons(2)
    assert np.all(computed.tau_m[:] == 3 * ms)


@pytest.mark.parametrize("value", ["10*ms", None, [1, 2], np.nan, 1j])
def test_a_parameter_is_one_number(value):
    with pytest.raises((TypeError, ValueError), match="The value of a Parameter .some. "):
        Parameter(value, "some")


def test_force_network_with_time_constants_of_each_neuron():
    """The weights count on how their target filters them."""
    tau = np.linspace(15, 25, 30) * ms
    varied, recurrent = force_lif.network(30, seed=2, tau_decay=tau)
    _, plain = force_lif.network(30, seed=2, name="plain")
    ratio = np.asarray(plain.matrix) * 20e-3 / np.asarray(tau)
    np.testing.assert_allclose(np.asarray(recurrent.matrix), ratio, rtol=1e-12)
    assert np.all(varied.tau_decay[:] == tau)


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
