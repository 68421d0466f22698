"""Faults put into learning at every spike: networks notice each in Python, and the forms in C++."""

from dataclasses import replace
from inspect import getsource

import numpy as np
import pytest
from test_eprop_mutants import changed

import spike_eprop_oracle as oracle
from brianlearn import MeanSquaredError, losses, models
from spike_eprop_build import deviation, run
from spike_eprop_cases import random_case


def case_of(model="iaf", **changes):
    return random_case(7, steps=60, model=model, **changes)


def equals_oracle(case):
    return deviation(case, run(case), oracle.run(case)) < 1e-10


SUBTRACTED = {  # a step after the spike, as eprop_lif does
    "reset": "wait = t_ref/dt",
    "update": ("v = clip(v + x, v_min, inf)", "v = clip(v + x - v_th*z, v_min, inf)"),
}
SET = {
    "reset": "wait = t_ref/dt",
    "update": ("(1 - free)*v_reset", "(1 - free)*v_reset\n    v = v + z*(v_reset - v)"),
}
LONGER = {"reset": "v -= v_th\nwait = t_ref/dt + 1"}
LEARNS = {"update": ("psi = int(wait < 0.5)*", "psi = int(wait > -1)*")}
TEMPLATES = {
    "iaf: reset a step late": ("eprop_iaf", SUBTRACTED, {}),
    "iaf_adapt: reset a step late": ("eprop_iaf_adapt", SUBTRACTED, {}),
    "psc_delta: reset a step late": ("eprop_iaf_psc_delta", SET, {}),
    "psc_delta_adapt: reset a step late": ("eprop_iaf_psc_delta_adapt", SET, {}),
    "iaf: refractory for a step more": ("eprop_iaf", LONGER, {"t_ref": 2}),
    "iaf: learns while refractory": ("eprop_iaf", LEARNS, {"t_ref": 2}),
    "psc_delta: learns while refractory": ("eprop_iaf_psc_delta", LEARNS, {"t_ref": 2, "width": 1.0}),
    "psc_delta: input to refractory neurons undecayed": (
        "eprop_iaf_psc_delta",
        {"update": ("(1 - free)*alpha*(late", "(1 - free)*(late")},
        {"t_ref": 3, "refractory_input": True},
    ),
    "iaf_adapt: adaptation without its own spike": (
        "eprop_iaf_adapt", {"update": ("a = rho*a + z", "a = rho*(a + z)")}, {}
    ),
}  # fmt: skip


@pytest.mark.parametrize("mutant", TEMPLATES)
def test_mutant_of_a_template_is_killed(numpy_target, monkeypatch, mutant):
    name, changes, options = TEMPLATES[mutant]
    case = case_of(name.replace("eprop_", "").replace("iaf_psc", "psc"), **options)
    assert equals_oracle(case)
    template = getattr(models, name)
    changes = changes | (
        {"update": changed(template.update, changes["update"])} if "update" in changes else {}
    )
    monkeypatch.setattr(models, name, replace(template, **changes))
    assert not equals_oracle(case)


def test_mutant_of_the_loss_is_killed(numpy_target, monkeypatch):
    """The error ignores its window."""
    case = case_of(window=np.repeat([0.0, 1.0, 0.5], 20))
    assert equals_oracle(case)
    namespace = dict(vars(losses))
    replace_form(namespace, MeanSquaredError.form, ("error[:] = window[step[0]] * ", "error[:] = "))
    monkeypatch.setattr(MeanSquaredError, "form", staticmethod(namespace["mean_squared_error"]))
    assert not equals_oracle(case)


def replace_form(namespace, form, *substitutions):
    """Define a changed text of a function among the names that it knows."""
    exec(changed(getsource(form), *substitutions), namespace)
