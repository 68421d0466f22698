"""Multiplicative dendrites: outputs, gradients, and what they learn, against the plain oracle."""

from types import SimpleNamespace

import numpy as np
import pytest
from brian2 import Network, SpikeMonitor, StateMonitor, defaultclock, ms
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import delay_oracle as oracle
from brianlearn import (
    CrossEntropy,
    DelayLearning,
    EligibilitySynapses,
    EProp,
    Given,
    Graded,
    Projection,
    SpikeInput,
    Trial,
    Trials,
    simulate,
    surrogates,
)
from brianlearn.models import delay_dendrite, eprop_readout, linear_readout
from differences import check_slopes

DENDRITE = np.array([0, 0, 1, 2, 2])  # which of three each of five inputs drives
MAXIMUM, STEPS, NEURONS, TAU = 8, 40, 3, 6.0
FORMS = {"adjoint": Projection, "online": EligibilitySynapses}


def drawn(seed, batch=2):
    """Spikes of five inputs, weights and delays (in steps, none of them whole)."""
    random = np.random.default_rng(seed)
    shape = len(DENDRITE), NEURONS
    return SimpleNamespace(
        raster=random.random((batch, STEPS, len(DENDRITE))) < 0.25,
        weights=random.normal(1, 0.3, shape),
        delays=random.integers(0, MAXIMUM, shape) + random.uniform(0.05, 0.95, shape),
        targets=random.normal(5, 3, (batch, NEURONS)),
        labels=random.integers(NEURONS, size=batch),
        random=random,
        batch=batch,
    )


def connect(case, inputs, group, readout, form, interpolate):
    """A connection onto each dendrite."""
    connections = []
    for k in range(3):
        mask = np.tile((k == DENDRITE)[:, None], NEURONS)
        options = {
            "variable": f"x_{k + 1}", "mask": mask, "name": f"onto_{k + 1}",
            "delay": case.delays * mask * ms, "max_delay": MAXIMUM * ms, "interpolate": interpolate,
        }  # fmt: skip
        weights = case.weights * mask
        if form == "online":
            options["samples"] = case.batch
            connection = EligibilitySynapses(inputs, group, weights, readout, **options)
        else:
            connection = Projection(inputs, group, weights, **options)
        connections.append(connection)
    return connections


def run(case, rule, trial, group, readout, connections, inputs, more=()):
    """One trial; the gradients of all weights and delays as sources x neurons, and the learner."""
    trials = Trials(
        STEPS * ms, inputs, [*{id(g): g for g in (group, readout)}.values(), *connections, *more],
        readout=readout, name="trials",
    )  # fmt: skip
    trials.present(trial)
    learner = rule.attach(trials, readout, [*connections, *more])
    output = StateMonitor(group, "v", record=True, when="end", order=50, name="sums")
    objects = [inputs, group, readout, *connections, *more, trials, output]
    spikes = None
    if "z" in group.variables:
        spikes = SpikeMonitor(group, name="spikes")
        objects.append(spikes)
    simulate(STEPS * ms, Network(objects), progress=False)
    gradients = {"weights": np.zeros(case.weights.shape), "delays": np.zeros(case.weights.shape)}
    for connection in connections:
        for kind, name in (("weights", connection.name), ("delays", f"{connection.name}.delays")):
            values = np.asarray(getattr(*learner.plastic[name].gradient))
            there = connection.mask
            gradients[kind][there] += values[there.ravel()] if values.size == there.size else values
    return SimpleNamespace(
        gradients=gradients, learner=learner, output=np.asarray(output.v).T, spikes=spikes
    )


def rule_of(kind=DelayLearning, **options):
    """A rule that sums gradients up, and changes nothing."""
    return kind(learn=("weights", "delays"), trials_per_update=2, **options)


def agree(ours, theirs, tolerance=1e-10):
    for name, values in theirs.items():
        assert np.abs(values).max() > 0
        assert np.abs(ours[name] - values).max() < tolerance * np.abs(values).max(), name


@pytest.mark.parametrize("form", FORMS)
@settings(
    deadline=None, max_examples=6, phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(
    seed=st.integers(0, 2**31),
    pairs=st.sampled_from(["first", "all"]),
    soma=st.sampled_from(["product", "difference"]),
    interpolate=st.booleans(),
)
def test_integrating_soma_equals_the_oracle(numpy_target, form, seed, pairs, soma, interpolate):
    check_integrating_soma(form, drawn(seed), pairs, soma, interpolate)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "target", [pytest.param(t, marks=pytest.mark.slow) for t in ("cython", "cpp_standalone")],
    indirect=True,
)  # fmt: skip
def test_integrating_soma_compiled(target, form):
    check_integrating_soma(form, drawn(3), "all", "product", True)


def check_integrating_soma(form, case, pairs, soma, interpolate):
    defaultclock.dt = 1 * ms
    inputs = SpikeInput(len(DENDRITE), case.batch, name="inputs")
    model = delay_dendrite(3, pairs=pairs, soma=soma)
    group = model.neurons(NEURONS * case.batch, tau_m=TAU * ms, name="somas")
    connections = connect(case, inputs, group, group, form, interpolate)
    targets = np.repeat(case.targets[:, None], STEPS, axis=1)
    trial = Trial.from_raster(case.raster, targets=targets)
    result = run(case, rule_of(), trial, group, group, connections, inputs)
    arguments = (
        case.raster.astype(float), case.weights, case.delays, DENDRITE, TAU,
    )  # fmt: skip
    options = {"pairs": pairs, "soma": soma, "interpolate": interpolate}
    outputs = oracle.dendrite_outputs(*arguments, **options)
    assert np.allclose(result.output, outputs.swapaxes(0, 1).reshape(STEPS, -1), rtol=1e-11)
    error = outputs[:, -1] - case.targets
    expected = oracle.dendrite_gradients(*arguments, error, **options)
    agree(result.gradients, {name: values.sum(axis=0) for name, values in expected.items()})
    assert result.learner.loss == pytest.approx(0.5 * np.sum(error**2) / case.batch, rel=1e-10)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("soma", ["product", "difference"])
def test_gradient_is_that_of_finite_differences(numpy_target, form, soma):
    """Of the network's own loss, with interpolated delays: no oracle in between."""
    case = drawn(4)

    def loss(weights, delays):
        return 0.5 * np.sum(
            (
                oracle.dendrite_outputs(
                    case.raster.astype(float), weights, delays, DENDRITE, TAU, soma=soma
                )[:, -1]
                - case.targets
            )
            ** 2
        )

    defaultclock.dt = 1 * ms
    inputs = SpikeInput(len(DENDRITE), case.batch, name="inputs")
    group = delay_dendrite(3, soma=soma).neurons(NEURONS * case.batch, tau_m=TAU * ms)
    connections = connect(case, inputs, group, group, form, True)
    targets = np.repeat(case.targets[:, None], STEPS, axis=1)
    trial = Trial.from_raster(case.raster, targets=targets)
    ours = run(case, rule_of(), trial, group, group, connections, inputs).gradients
    check_slopes(lambda w: loss(w, case.delays), case.weights, ours["weights"])
    check_slopes(lambda d: loss(case.weights, d), case.delays, ours["delays"])


@pytest.mark.parametrize("form", FORMS)
def test_graded_readout(numpy_target, form):
    """Cross-entropy of a linear readout with bias: its own gradient, and that of the delays."""
    case = drawn(6)
    defaultclock.dt = 1 * ms
    inputs = SpikeInput(len(DENDRITE), case.batch, name="inputs")
    group = delay_dendrite(3).neurons(NEURONS * case.batch, tau_m=TAU * ms, name="somas")
    classes = 4
    readout = linear_readout.neurons(classes * case.batch, name="readout")
    matrix, bias = case.random.normal(size=(NEURONS, classes)) / 9, case.random.normal(size=classes)
    connections = connect(case, inputs, group, readout, form, True)
    graded = Graded(group, readout, matrix, bias=bias, name="graded")
    trial = Trial.from_raster(case.raster, labels=case.labels)
    rule = rule_of(loss=CrossEntropy())
    result = run(case, rule, trial, group, readout, connections, inputs, [graded])
    arguments = case.raster.astype(float), case.weights, case.delays, DENDRITE, TAU
    sums = oracle.dendrite_outputs(*arguments)[:, -1]
    exponent = sums @ matrix + bias
    softmax = np.exp(exponent - exponent.max(axis=1, keepdims=True))
    softmax /= softmax.sum(axis=1, keepdims=True)
    error = softmax - np.eye(classes)[case.labels]
    expected = oracle.dendrite_gradients(*arguments, error @ matrix.T)
    agree(result.gradients, {name: values.sum(axis=0) for name, values in expected.items()})
    mine = np.asarray(getattr(*result.learner.plastic["graded"].gradient)).reshape(-1, classes)
    assert np.allclose(mine, np.vstack([sums.T @ error, error.sum(axis=0)]), rtol=1e-10)
    chosen = softmax[np.arange(case.batch), case.labels]
    assert result.learner.loss == pytest.approx(-np.log(chosen).mean(), rel=1e-10)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("target", "interpolate"),
    [
        ("numpy", False),
        ("numpy", True),
        pytest.param("cython", True, marks=pytest.mark.slow),
        pytest.param("cpp_standalone", True, marks=pytest.mark.slow),
    ],
    indirect=["target"],
)
def test_spiking_dendrites_equal_the_oracle(target, form, interpolate):
    """Eligibility through spikes that empty the dendrites, filtered by leaky readouts."""
    case = drawn(8)
    defaultclock.dt = 1 * ms
    inputs = SpikeInput(len(DENDRITE), case.batch, name="inputs")
    model = delay_dendrite(3, spiking=True, surrogate=surrogates.fast_sigmoid_derivative)
    parameters = {"v_th": 4.0, "psi_height": 0.4, "psi_width": 2.0}
    group = model.neurons(NEURONS * case.batch, tau_m=TAU * ms, name="somas", **parameters)
    readout = eprop_readout.neurons(2 * case.batch, name="readout", tau_m=10 * ms, spread=False)
    connections = connect(case, inputs, group, readout, form, interpolate)
    w_out, feedback = case.random.normal(size=(2, NEURONS, 2))
    options = {"variable": "x", "name": "w_out"}
    if form == "online":
        options = {"readout": readout, "samples": case.batch, "name": "w_out"}
    out = FORMS[form](group, readout, w_out, **options)
    targets = case.random.normal(size=(case.batch, STEPS, 2))
    trial = Trial.from_raster(case.raster, targets=targets)
    rule = rule_of(EProp, feedback=Given(feedback))
    result = run(case, rule, trial, group, readout, connections, inputs, [out])
    theirs = oracle.spiking_forward(
        case.raster.astype(float), case.weights, case.delays, DENDRITE, TAU, parameters["v_th"],
        lambda p: 0.4 * (1 + np.abs(p) / 2) ** -2, interpolate=interpolate,
    )  # fmt: skip
    spikes = np.zeros((STEPS, case.batch * NEURONS))
    spikes[np.rint(result.spikes.t / ms).astype(int), result.spikes.i] = 1
    assert np.array_equal(spikes, theirs["z"].swapaxes(0, 1).reshape(STEPS, -1))
    assert 5 < spikes.sum() < spikes.size / 2
    kappa = np.exp(-1 / 10)
    error = oracle.readout(theirs["z"], w_out, kappa, 1) - targets
    expected = oracle.spiking_gradients(theirs, error, feedback, kappa)
    agree(result.gradients, {name: values.sum(axis=0) for name, values in expected.items()})
