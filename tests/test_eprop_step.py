"""E-prop reads the equations: a neuron that its kernels were not written for is refused by name."""

from dataclasses import replace

import pytest
from brian2 import ms

from brianlearn import EProp, Projection, SpikeInput, Trials, models
from brianlearn.errors import DerivationError
from brianlearn.learners.eprop_parts import adapts, is_emptied
from brianlearn.learners.eprop_step import check_step
from brianlearn.template import Parameter

LIF, ALIF = models.eprop_lif, models.eprop_alif
SYNAPTIC = LIF.with_equations(
    """dv/dt = (-v + I + I_syn)/tau_m : 1
       dI_syn/dt = -I_syn/(5*ms) : 1"""
)


def with_update(template, old, new, equations=""):
    assert template.update.count(old) == 1
    return template.with_equations(equations, update=template.update.replace(old, new))


def checked(group, variable="x", **options):
    check_step(
        group, variable, adapts=adapts(group), empties=is_emptied(group), **options
    )  # fmt: skip


KNOWN = {
    "a constant of the scope": (LIF.with_equations("dv/dt = (-v + I + E_L)/tau_m : 1"), "x"),
    "a TimedArray": (with_update(LIF, "zeta*x", "zeta*x + drive(t)"), "x"),
    "noise": (with_update(LIF, "zeta*x", "zeta*x + 0.1*randn()"), "x"),
    "a name of the reset's own": (
        LIF.with_equations("", reset=LIF.reset + "; until = t + t_ref; t_free = until"), "x",
    ),
    **{name: (getattr(models, name), "x") for name in (
        "eprop_lif", "eprop_alif", "eprop_readout", "eprop_iaf", "eprop_iaf_adapt",
        "eprop_iaf_psc_delta", "eprop_iaf_psc_delta_adapt", "eprop_iaf_readout",
    )},
    "frozen by refractoriness": (
        replace(models.eprop_iaf_psc_delta_adapt, parameters={
            **models.eprop_iaf_psc_delta_adapt.parameters,
            "t_ref": Parameter(3 * ms, "refractory period"),
            "frozen_by_refractoriness": Parameter(True, "as in NEST"),
        }),
        "x",
    ),
    "dendrites that spike": (models.delay_dendrite(3, pairs="all", spiking=True), "x_3"),
    "a current from elsewhere": (SYNAPTIC, "x"),
    "a threshold that moves by itself": (
        with_update(LIF, "v >= v_th", "v >= v_th + theta", "dtheta/dt = -theta/(9*ms) : 1"), "x",
    ),
    "(unless refractory)": (
        replace(LIF.with_equations("dv/dt = (-v + I)/tau_m : 1 (unless refractory)"),
                refractory="2*ms"),
        "x",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", KNOWN)
def test_neurons_that_are_known(name, numpy_target):
    template, variable = KNOWN[name]
    checked(template.neurons(3), variable)


def test_at_a_bound(numpy_target):
    """Which counts as given."""
    checked(LIF.neurons(3, v_min=0.5))


def test_constants_of_each_neuron(numpy_target):
    checked(ALIF.neurons(3, tau_m=[10, 20, 30] * ms, tau_adapt=[1, 2, 3] * ms))


@pytest.mark.parametrize("soma", ["product", "difference"])
def test_dendrites_that_are_added_up(soma, numpy_target):
    checked(models.delay_dendrite(3, pairs="all", soma=soma).neurons(3), "x_1", sums=True)


REFUSED = {
    "other dynamics": (
        LIF.with_equations("dv/dt = (-v + 20*v**2)/tau_m : 1", method="euler"), "x",
        "'v' keeps of itself .* takes that for exp",
    ),
    "another integration": (replace(LIF, method="euler"), "x", "'v' keeps of itself 0.9"),
    "a synaptic current": (SYNAPTIC, "I_syn", "'I_syn' is still there a step later"),
    "a function without a derivative": (
        with_update(LIF, "zeta*x", "zeta*mystery(x)"), "x", "'mystery' has no derivative",
    ),
    "another charge": (
        with_update(LIF, "zeta*x", "0.9*zeta*x"), "x", "'v' takes up of an input .* 1 - spread",
    ),
    "two membranes": (
        with_update(LIF, "x = 0", "u = 0.9*u + x\nx = 0", "u : 1"), "x", "reaches 'u', 'v'",
    ),
    "a membrane that moves another": (
        with_update(LIF, "x = 0", "u = 0.9*u + v\nx = 0", "u : 1"), "x", "reaches 'u', 'v'",
    ),
    "input that is never read": (LIF.with_equations("y : 1"), "y", "'y' is never read"),
    "an adaptation by other names": (
        with_update(LIF, "z = free*int(v >= v_th)",
                    "b = 0.99*b + z\nz = free*int(v >= v_th + b)", "b : 1"),
        "x", "by way of 'b', but .* does not",
    ),
    "an adaptation by the reset": (
        with_update(LIF, "v >= v_th", "v >= v_th + b", "b : 1").with_equations(
            "", reset=LIF.reset + "; b += 1"
        ),
        "x", "by way of 'b'",
    ),
    "a threshold that a spike sets back": (
        with_update(LIF, "v >= v_th", "v >= v_th + b", "b : 1").with_equations(
            "", reset=LIF.reset + "; b = 0"
        ),
        "x", "by way of 'b'",
    ),
    "an adaptation in the spike's own step": (
        with_update(with_update(ALIF, "a = rho*a + z", ""), "z = free*int(v >= A)",
                    "z = free*int(v >= A)\na = rho*a + z"),
        "x", "adds to 'a' a step later 0",
    ),
    "an adaptation that decays faster": (
        with_update(ALIF, "rho*a", "rho*rho*a"), "x", "'a' keeps of itself",
    ),
    "an adaptation that never jumps": (
        with_update(ALIF, "a + z", "a"), "x", "by way of nothing",
    ),
    "twice the jump": (with_update(ALIF, "a + z", "a + 2*z"), "x", "adds to 'a' a step later 2"),
    "another strength": (
        ALIF.with_equations("A = v_th + 2*beta*a : 1"), "x", "changes with 'a' by .* -beta",
    ),
    "two comparisons": (
        with_update(LIF, "int(v >= v_th)", "int(v >= v_th)*int(v < 3)"), "x", "2 comparisons",
    ),
    "emptied only by name": (
        models.delay_dendrite(spiking=True).with_equations("", reset="u_2 = 0"), "x_1",
        "does not empty 'u_1'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_other_neurons_are_refused(name, numpy_target):
    template, variable, message = REFUSED[name]
    group = template.neurons(3, name="mine")
    with pytest.raises(DerivationError, match=f"'mine': .*{message}"):
        checked(group, variable)


@pytest.mark.parametrize("update", ["trial", "spike"])
@pytest.mark.parametrize("wrong", ["neurons", "readout"])
def test_at_the_door(update, wrong, numpy_target):
    """`EProp.attach` refuses both, and attaches nothing."""
    lif = models.eprop_iaf if update == "spike" else LIF
    out = models.eprop_iaf_readout if update == "spike" else models.eprop_readout
    templates = {"neurons": lif, "readout": out}
    templates[wrong] = replace(templates[wrong], method="euler")
    inputs = SpikeInput(2)
    neurons, readout = (templates[name].neurons(3, name=name) for name in ("neurons", "readout"))
    w_in, w_out = (
        Projection(source, target, [[0.1] * 3] * len(source), variable="x", name=name)
        for source, target, name in ((inputs, neurons, "w_in"), (neurons, readout, "w_out"))
    )
    trials = Trials(20 * ms, inputs, [neurons, readout], readout=readout)
    with pytest.raises(DerivationError, match=f"'{wrong}': 'v' keeps of itself"):
        EProp(update=update).attach(trials, readout, [w_in, w_out])
    assert not trials.contained_objects
