"""Faults put into the equations of the online form and into the trials: the oracle notices each.

Those of the adjoint form are in `test_eprop_adjoint`.
"""

from inspect import getsource

import numpy as np
import pytest

import brianlearn.trials
import eprop_oracle as oracle
from brianlearn.learners import eprop_equations, eprop_online
from eprop_build import deviation, random_case, train

CASE = random_case(
    2, batch=2, steps=40, beta=np.array([0, 0.3, 0, 0.1, 0.3, 0.05]), tau_adapt=40.0, window=30,
    learning_rate=1e-3, refractory_steps=3,
)  # fmt: skip


@pytest.fixture(scope="module")
def expected():
    return oracle.train(CASE)


def equals_oracle(form, expected):
    return deviation(CASE, train(CASE, form), expected) < 1e-10


def changed(text, *substitutions):
    for old, new in substitutions:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


@pytest.mark.parametrize("form", ["adjoint", "online"])
def test_equals_the_oracle(numpy_target, form, expected):
    assert equals_oracle(form, expected)


FILTERED = "    ebar = exp(-dt/tau_out)*ebar + (1 - exp(-dt/tau_out))*e\n"
TOLD = "    gradient += learning_signal_post*ebar\n"

EQUATIONS = {
    "without 1 - kappa": ("NEURON_UPDATE", ("(1 - exp(-dt/tau_out))*e", "e")),
    "learning signal a step late": ("NEURON_UPDATE", (FILTERED + TOLD, TOLD + FILTERED)),
    "adaptation forgotten": ("NEURON_UPDATE", ("(zbar - beta*eps)", "zbar")),
    "adaptation without the new e": ("NEURON_UPDATE", ("*eps + e", "*eps")),
    "regularized by the filtered trace": ("NEURON_UPDATE", ("sum += e", "sum += ebar")),
    "trace of another arrival": ("ON_PRE", ("zbar += jump", "zbar += 1")),
    "readout trace not filtered": ("READOUT_UPDATE", ("zbar *= exp(-dt/tau_m)", "zbar = 0")),
}


@pytest.mark.parametrize("mutant", EQUATIONS)
def test_mutant_of_the_equations_is_killed(numpy_target, monkeypatch, mutant, expected):
    name, substitution = EQUATIONS[mutant]
    text = changed(getattr(eprop_equations, name), substitution)
    monkeypatch.setattr(eprop_equations, name, text)
    assert not equals_oracle("online", expected)


KERNELS = {
    "rates of another trial": ("tell", ("step[0] == 0", "False")),
    "not regularized": ("collect", ("(shape) + reg *", "(shape) + 0 *")),
    "feedback of another neuron": ("tell", ("[:n].T", "[:n][::-1].T")),
}  # fmt: skip


@pytest.mark.parametrize("mutant", KERNELS)
def test_mutant_of_the_kernels_is_killed(numpy_target, monkeypatch, mutant, expected):
    name, substitution = KERNELS[mutant]
    replace_function(monkeypatch, eprop_online, name, substitution)
    assert not equals_oracle("online", expected)


def replace_function(monkeypatch, module, name, *substitutions):
    """Put a changed text in a function's place."""
    namespace = dict(getattr(module, name).__globals__)
    exec(changed(getsource(getattr(module, name)), *substitutions), namespace)
    monkeypatch.setattr(module, name, namespace[name])


def kept(variable):
    """A change by which a variable is carried over the trials' borders."""
    return "return pairs", f'return [pair for pair in pairs if pair[1] != "{variable}"]'


TRIALS = {
    "a spike on its way is carried over": ("reset_states", kept("x")),
    "the membrane is carried over": ("reset_states", kept("v")),
    "the reset of a last spike is carried over": ("reset_states", kept("z")),
    "the adaptation is carried over": ("reset_states", kept("a")),
    "the refractory period is carried over": ("reset_states", kept("t_free")),
    "inputs come a step late": ("present", ("cursor[0]] == step[0]", "cursor[0]] == step[0] - 1")),
}
TRACES = {
    f"the trace {name} is carried over": ("reset_states", kept(name))
    for name in ("zbar", "eps", "ebar", "eligibility_sum")
}


@pytest.mark.parametrize(
    ("form", "mutant"),
    [(form, mutant) for form in ("adjoint", "online") for mutant in TRIALS]
    + [("online", mutant) for mutant in TRACES],
)
def test_mutant_of_the_trials_is_killed(numpy_target, monkeypatch, form, mutant, expected):
    name, substitution = (TRIALS | TRACES)[mutant]
    monkeypatch.setattr(eprop_online, "check_reset", lambda *_: None)  # which would notice
    replace_function(monkeypatch, brianlearn.trials, name, substitution)
    assert not equals_oracle(form, expected)
