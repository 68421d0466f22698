"""Parameters with a value for each neuron: in every template, and in what e-prop learns by them."""

import numpy as np
import pytest
from brian2 import Network, Quantity, StateMonitor, defaultclock, get_dimensions, ms

from brianlearn import (
    EligibilitySynapses,
    EProp,
    GradientDescent,
    Projection,
    SpikeInput,
    Trial,
    Trials,
    models,
    simulate,
)
from brianlearn.models import delay_dendrite, eprop_alif, eprop_lif, eprop_readout
from brianlearn.states import dynamic_states
from conftest import COMPILED_LATER

TEMPLATES = {name: getattr(models, name) for name in models.__all__} | {
    "delay_dendrite": delay_dendrite(),
    "delay_dendrite that spikes": delay_dendrite(spiking=True),
}
PARAMETERS = {name: template for name, template in TEMPLATES.items() if template.parameters}


@pytest.mark.parametrize("name", PARAMETERS)
def test_one_value_for_each_is_one_for_all(numpy_target, name):
    """Where all values are the same, so is every state; Brian2 may order a product otherwise."""
    template = PARAMETERS[name]
    each = {
        key: Quantity(np.full(3, float(one.value)), dim=get_dimensions(one.value))
        for key, one in template.parameters.items()
    }
    groups = [template.neurons(3, name="all"), template.neurons(3, name="each", **each)]
    assert not groups[1].namespace
    heard = next(one for one in ("x", "x_1", "h") if one in groups[0].variables)
    for group in groups:
        group.variables[heard].set_value(np.array([0.1, 3.0, 30.0]))
    monitors = [
        StateMonitor(group, dynamic_states(groups[0]), record=True, name=f"{group.name}_monitor")
        for group in groups
    ]
    simulate(3 * ms, Network(*groups, *monitors), progress=False)
    for variable in dynamic_states(groups[0]):
        ours, theirs = (np.asarray(getattr(one, f"{variable}_")) for one in monitors)
        np.testing.assert_allclose(ours, theirs, rtol=1e-11, atol=1e-13)


N, T = 5, 40
TAU = np.linspace(5, 60, N)


def reference(raster, targets, w_in, w_rec, w_out, tau, tau_out):
    """E-prop with eligibility traces in plain NumPy: the gradients of one trial."""
    alpha, kappa = np.exp(-1 / tau), np.exp(-1 / tau_out)
    v, z, y, seen = np.zeros(N), np.zeros(N), np.zeros(2), np.zeros(N)
    pre = [np.zeros((len(w), N)) for w in (w_in, w_rec)]
    bar = [np.zeros(one.shape) for one in pre]
    gradients = [np.zeros(w.shape) for w in (w_in, w_rec, w_out)]
    for s, target in zip(raster, targets, strict=True):
        v = alpha * v + (1 - alpha) * (s @ w_in + z @ w_rec) - 0.03 * z
        pre = [alpha * p + (1 - alpha) * e[:, None] for p, e in zip(pre, (s, z), strict=True)]
        z = (v >= 0.03).astype(float)
        psi = 10 * np.maximum(0, 1 - np.abs(v - 0.03) / 0.03)
        y = kappa * y + (1 - kappa) * (z @ w_out)
        seen = kappa * seen + (1 - kappa) * z
        error = y - target
        for k in range(2):
            bar[k] = kappa * bar[k] + (1 - kappa) * psi * pre[k]
            gradients[k] += (w_out @ error) * bar[k]
        gradients[2] += seen[:, None] * error
    np.fill_diagonal(gradients[1], 0)
    return gradients, int(z.sum())


@pytest.mark.parametrize("form", ["adjoint", "online"])
@pytest.mark.parametrize("target", COMPILED_LATER, indirect=True)
def test_gradients_of_neurons_that_differ(target, form):
    defaultclock.dt = 1 * ms
    random = np.random.default_rng(4)
    inputs, readout = SpikeInput(6, name="inputs"), eprop_readout.neurons(2, tau_m=20 * ms)
    neurons = eprop_lif.neurons(N, tau_m=TAU * ms, name="neurons")
    weights = [random.normal(size=shape) * 0.3 for shape in ((6, N), (N, N), (N, 2))]
    np.fill_diagonal(weights[1], 0)
    ends = (inputs, neurons), (neurons, neurons), (neurons, readout)
    connections = [
        Projection(*pair, w, variable="x", name=f"c{k}")
        if form == "adjoint"
        else EligibilitySynapses(*pair, w, readout, name=f"c{k}")
        for k, (pair, w) in enumerate(zip(ends, weights, strict=True))
    ]
    trials = Trials(T * ms, inputs, [neurons, readout, *(c for c in connections if c.states)],
                    readout=readout)  # fmt: skip
    rule = EProp(optimizer=GradientDescent(1e-2))
    learner = rule.attach(trials, readout, connections)
    raster, targets = random.random((T, 6)) < 0.3, random.normal(size=(T, 2))
    trials.present(Trial.from_raster(raster, targets=targets))
    simulate(T * ms, Network(inputs, neurons, readout, trials, *connections), progress=False)
    expected, spikes = reference(raster, targets, *weights, TAU, 20)
    assert spikes
    for ours, before, gradient in zip(learner.weights().values(), weights, expected, strict=True):
        assert np.abs(gradient).max() > 1e-3
        np.testing.assert_allclose((before - ours) / 1e-2, gradient, rtol=1e-9, atol=1e-12)


def test_what_a_learner_cannot_do_is_said(numpy_target):
    """Readouts share a time constant; so do neurons that learn at every spike; `empties` is one."""
    inputs, neurons = SpikeInput(2), eprop_alif.neurons(2)
    readout = eprop_readout.neurons(2, tau_m=[10, 20] * ms, name="readout")
    trials = Trials(5 * ms, inputs, [neurons, readout], readout=readout)
    w_out = Projection(neurons, readout, np.ones((2, 2)), variable="x")
    with pytest.raises(TypeError, match="'readout' has a tau_m for each readout"):
        EProp().attach(trials, readout, [w_out])
    emptied = delay_dendrite(spiking=True).neurons(2, empties=[True, False], name="emptied")
    plain = eprop_readout.neurons(2)
    trials = Trials(5 * ms, inputs, [emptied, plain], readout=plain)
    onto = Projection(inputs, emptied, np.ones((2, 2)), variable="x_1")
    out = Projection(emptied, plain, np.ones((2, 2)), variable="x")
    with pytest.raises(TypeError, match="'emptied' has an 'empties' for each neuron"):
        EProp().attach(trials, plain, [onto, out])
