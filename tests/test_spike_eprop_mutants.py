"""Faults put into learning at every spike: networks notice each in Python, and the forms in C++."""

import contextlib
from dataclasses import replace
from functools import cache
from inspect import getsource

import pytest
from test_eprop_mutants import changed

import spike_eprop_oracle as oracle
from brianlearn import MeanSquaredError, losses, models
from brianlearn.errors import DerivationError
from brianlearn.learners import eprop_spike, spike_rows, spike_signals, spike_update
from spike_eprop_build import WEIGHTS, deviation, run
from spike_eprop_cases import random_case
from spike_forms import PYTHON, SIGNALS, UPDATE, Drawn, compiled, weights_differ


@cache
def known(options):
    """A case and what the oracle makes of it, which without faults we do, too."""
    options = dict(options)
    case = random_case(7, **{"steps": 60} | options)
    if "w_max" in options:
        case = replace(case, **{name: getattr(case, name).clip(max=case.w_max) for name in WEIGHTS})
    expected = oracle.run(case)
    assert deviation(case, run(case), expected) < 1e-10
    return case, expected


def is_noticed(case, expected):
    return not deviation(case, run(case), expected) < 1e-10


SUBTRACTED = {  # a step after the spike, as eprop_lif does
    "reset": "wait = t_ref/dt",
    "update": ("v = clip(v + x, v_min, inf)", "v = clip(v + x - v_th*z, v_min, inf)"),
}
SET = {
    "reset": "wait = t_ref/dt",
    "update": ("(1 - free)*v_reset", "(1 - free)*v_reset\n    v = v + z*(v_reset - v)"),
}
LONGER = {"reset": "v -= v_th\nwait = t_ref/dt + 1"}
LEARNS = {"update": ("psi = free*", "psi = 1*")}
LEARNS_SET = {"update": ("psi = able*", "psi = 1*")}
TEMPLATES = {
    "iaf: reset a step late": ("eprop_iaf", SUBTRACTED, {}),
    "iaf_adapt: reset a step late": ("eprop_iaf_adapt", SUBTRACTED, {}),
    "psc_delta: reset a step late": ("eprop_iaf_psc_delta", SET, {}),
    "psc_delta_adapt: reset a step late": ("eprop_iaf_psc_delta_adapt", SET, {}),
    "iaf: refractory for a step more": ("eprop_iaf", LONGER, {"t_ref": 2}),
    "iaf: learns while refractory": ("eprop_iaf", LEARNS, {"t_ref": 2}),
    "psc_delta: learns while refractory": (
        "eprop_iaf_psc_delta", LEARNS_SET, {"t_ref": 2, "width": 1.0}
    ),
    "psc_delta: input to refractory neurons undecayed": (
        "eprop_iaf_psc_delta",
        {"update": ("(1 - free)*alpha*(late", "(1 - free)*(late")},
        {"t_ref": 3, "refractory_input": True},
    ),
    "iaf_adapt: adaptation without its own spike": (
        "eprop_iaf_adapt", {"update": ("a = rho*a + z", "a = rho*(a + z)")}, {}
    ),
}  # fmt: skip


def some(names, first):
    """Those of a first list; the others are slow, not for long but for many."""
    return [n if n in first else pytest.param(n, marks=pytest.mark.slow) for n in names]


LATE_RESETS = ("iaf: reset a step late", "psc_delta_adapt: reset a step late")


@pytest.mark.parametrize("mutant", some(TEMPLATES, LATE_RESETS))
def test_mutant_of_a_template_is_killed(numpy_target, monkeypatch, mutant):
    name, changes, options = TEMPLATES[mutant]
    model = name.replace("eprop_", "").replace("iaf_psc", "psc")
    outcomes = known(tuple({"model": model, **options}.items()))
    template = getattr(models, name)
    changes = changes | (
        {"update": changed(template.update, changes["update"])} if "update" in changes else {}
    )
    monkeypatch.setattr(models, name, replace(template, **changes))
    with contextlib.suppress(DerivationError):  # `EProp` reads the equations, and refuses some
        assert is_noticed(*outcomes)


def test_mutant_of_the_loss_is_killed(numpy_target, monkeypatch):
    """The error ignores its window."""
    outcomes = known(())
    namespace = dict(vars(losses))
    replace_form(namespace, MeanSquaredError.form, ("error[:] = window[step[0]] * ", "error[:] = "))
    monkeypatch.setattr(MeanSquaredError, "form", staticmethod(namespace["mean_squared_error"]))
    assert is_noticed(*outcomes)


def replace_form(namespace, form, *substitutions):
    """Define a changed text of a function among the names that it knows."""
    exec(changed(getsource(form), *substitutions), namespace)


STEPS = {"model": "iaf_adapt"}
SUMS = {"optimize_each_step": False}
SLEEP = {"cutoff": 5}
ADAM = {"optimizer": "adam"}

# Of each: what the network is, what the form's neurons are, and faults in Python and in C++.
KERNELS = {
    "1 - kappa": (
        STEPS, {"kind": "adapting"},
        ("rows", "[:, k] + eligibility", "[:, k] + (1 - self.kappas[:, None]) * eligibility"),
        ("update", "by.at(eb + k) + eligibility", "by.at(eb + k) + (1 - kappa) * eligibility"),
    ),
    "another gain, by sums": (
        SUMS, {},
        ("signals", "alpha / kappas * last[0]", "0.1 * alpha / kappas * last[0]"),
        ("signals", "ratio * psi[j]", "0.1 * ratio * psi[j]"),
    ),
    "cutoff a step late": (
        STEPS | SLEEP, {"kind": "adapting"} | SLEEP,
        ("update", "arrived[lively] - 2 + cutoff", "arrived[lively] - 1 + cutoff"),
        ("update", "complete_step + 2 - cutoff", "complete_step + 1 - cutoff"),
    ),
    "catch-up forgotten": (
        STEPS | SLEEP | ADAM, {"kind": "adapting", "adam": True, "each_step": True} | SLEEP,
        ("rows", "while self.adam[0] and (late", "if self.adam[0] and (late"),
        ("update", "for (; counts[i] < until; counts[i]++)", "if (counts[i]++ < until)"),
    ),
    "a spike taken up a step early": (
        STEPS, {"kind": "adapting"},
        ("update", "due[spiking] |= 4", "due[spiking] |= 2"),
        ("update", "due[i] |= 4;", "due[i] |= 2;"),
    ),
    "a spike taken up a step early, by sums": (
        SUMS, {},
        ("rows", "own = 1 / self.power", "own = self.alpha[0] / self.power"),
        ("update", "own = 1 / power(", "own = alpha / power("),
    ),
    "second spike in a row forgotten": (
        STEPS, {"kind": "adapting", "rate": 0.6},
        ("update", "due[spiking] |= 4", "due[spiking] = 4"),
        ("update", "due[i] |= 4;", "due[i] = 4;"),
    ),
    "sums not begun anew at a block": (
        SUMS, {},
        ("signals", "if tau == 1:", "if tau == 0:"),
        ("signals", "if (tau == 1) std::memset", "if (tau == 0) std::memset"),
    ),
    "readouts' sums not begun anew": (
        SUMS | {"tau_out": 3.0}, {"kind": "readouts"},
        ("signals", "(0 if tau == 1 else sums)", "sums"),
        ("signals", "(tau == 1 ? 0 : sums[k])", "sums[k]"),
    ),
    "crossing forgotten": (
        SUMS, {},
        ("rows", "self.leave(rows)\n", "\n"),
        ("update", "if (live[i]) leave(i);", ";"),
    ),
    "leaving forgotten": (
        SUMS | SLEEP, SLEEP,
        ("update", "all_rows.leave(ends)", "pass"),
        ("update", "if (live[i] && block) leave(i);", ""),
    ),
    "decay forgotten": (
        STEPS | SLEEP, {"kind": "adapting"} | SLEEP,
        ("update", "all_rows.decay(asleep)", ""),
        ("update", "decay(i);", ""),
    ),
    "entering forgotten": (
        SUMS | SLEEP, SLEEP,
        ("update", "all_rows.enter(asleep)", "pass"),
        ("update", "if (!live[i] && known && block) enter(i);", ""),
    ),
    "sleep without decay": (
        SUMS | SLEEP | {"kappa_reg": 0.9}, {"kappa_reg": None} | SLEEP,
        ("update", "all_rows.decay(asleep)", ""),
        ("update", "factor * before - c", "before - c"),
    ),
    "the next step's surrogate gradient forgotten": (
        SUMS, {"kappa_reg": None},
        ("rows", "following = powers[0]", "following = 0 * powers[0]"),
        ("update", "+ factor * next[j]", ""),
    ),
    "the next step's error forgotten": (
        SUMS, {"kind": "readouts"},
        ("rows", "following = powers[0]", "following = 0 * powers[0]"),
        ("update", "(c + own) * p + later;", "(c + own) * p;"),
    ),
    "taken up without its share of what is pending": (
        SUMS, {"kappa_reg": None},
        ("rows", "self.pending[k] -= own * (Q - ahead * P).sum(axis=0)", "pass"),
        ("update", "rest = kept * p + (c + own) * q;", "rest = before * p + c * q;"),
    ),
    "rates with the other filter": (
        SUMS, {},
        ("signals", "this[-1] = gain", "this[1] = gain"),
        ("signals", "coming.data + coming.size - n", "coming.data + n"),
    ),
    "learning signal forgotten": (
        STEPS, {"kind": "adapting"},
        ("signals", "last[1] += learning_signal", "last[1] += 0"),
        ("signals", "complete[n + j] += learning_signal[j]", "complete[n + j] += 0"),
    ),
    "adaptation forgotten": (
        STEPS, {"kind": "adapting"},
        ("rows", "self.beta[j] * self.adaptation[k]", "0"),
        ("update", "by.of(beta, j) * adaptation", "0 * adaptation"),
    ),
    "upper bound forgotten": (
        STEPS | {"w_max": 0.6, "eta": 1e-2}, {"kind": "adapting", "upper": 0.5},
        ("rows", "self.lower[0], self.upper[0]", "self.lower[0], 100.0"),
        ("update", "changed > upper ? upper : changed", "changed"),
    ),
    "rate of a test": (
        None, {},
        None,
        ("update", "learning[0] ? learning_rate[0] : 0", "learning_rate[0]"),
    ),
}  # fmt: skip
MODULES = {"rows": spike_rows, "signals": spike_signals, "update": spike_update}


FIRST = (
    "1 - kappa",
    "cutoff a step late",
    "catch-up forgotten",
    "a spike taken up a step early",
    "second spike in a row forgotten",
    "sums not begun anew at a block",
)


@pytest.mark.parametrize("mutant", some([m for m, parts in KERNELS.items() if parts[2]], FIRST))
def test_mutant_in_python_is_killed(numpy_target, monkeypatch, mutant):
    options, _, (where, *substitution), _ = KERNELS[mutant]
    outcomes = known(tuple(options.items()))
    replace_module(monkeypatch, where, changed(getsource(MODULES[where]), substitution))
    assert is_noticed(*outcomes)


def replace_module(monkeypatch, where, text):
    """Let a changed text take the place of a module's forms, wherever they are known."""
    namespace = {"__name__": "mutant"}
    exec(text, namespace)
    if where == "update":
        monkeypatch.setattr(spike_update, "learn_at_spikes", namespace["learn_at_spikes"])
    elif where == "rows":
        for module in (spike_update, eprop_spike):
            monkeypatch.setattr(module, "Rows", namespace["Rows"])
    else:
        for name in ("tell_neurons", "tell_readouts"):
            states = eprop_spike._STATES[getattr(spike_signals, name)]
            monkeypatch.setitem(eprop_spike._STATES, namespace[name], states)
            monkeypatch.setattr(spike_signals, name, namespace[name])


@pytest.mark.parametrize("mutant", some(KERNELS, FIRST))
def test_mutant_in_cpp_is_killed(mutant):
    _, options, _, (where, *substitution) = KERNELS[mutant]
    texts = {"signals": SIGNALS, "update": UPDATE}
    texts = dict.fromkeys(texts) | {where: changed(texts[where], substitution)}
    forms = compiled(**texts, optimized=False)
    assert any(notices(Drawn(seed, **options), forms) for seed in range(8))


def notices(drawn, forms):
    """Whether the forms differ from the Python forms in what matters."""
    return not weights_differ(drawn, drawn.run(forms), drawn.run(PYTHON)) < 1e-6
