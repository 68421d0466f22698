"""Time steps read from equations: what Brian2 runs, and derivatives that equal differences."""

import numpy as np
import pytest
import sympy as sp
from brian2 import Network, NeuronGroup, defaultclock, ms

from brianlearn import models
from brianlearn.derivation import Step, derivative, evaluate, parse
from brianlearn.derivation.rules import RULES
from brianlearn.errors import DerivationError

X, Y = sp.symbols("x y", real=True)
TEXTS = [
    "exp(x*y)", "log(1 + x**2)", "sin(x)*cos(y*x)", "tan(x/2)", "sinh(x) + cosh(x)*tanh(y*x)",
    "arcsin(x/4)", "arccos(x/4)", "arctan(x*y)", "sqrt(2 + x*y)", "log10(3 + x)", "log1p(x**2)",
    "expm1(x)", "exprel(x)", "exprel(x**2*y)", "abs(x - 0.3)", "clip(x, -0.5, 0.7*y)", "x % 0.4",
    "x**3.5*int(x > 0)", "floor(3*x)*x", "ceil(x) - sign(x)*x", "x**y", "int(x > 0.1 and y > x)*x",
    "x*timestep(y, 0.1)", "7.3 % (x + 2)",
]  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_derivative_equals_differences(text):
    """At places where no step lies within the difference."""
    expression = parse(text)
    slope = derivative(expression, X)
    for x in (0.21, 0.633, 1.07) if "**3.5" in text or "**y" in text else (-0.83, 0.0, 0.21, 1.07):
        if x == 0 and any(step in text for step in ("floor", "ceil", "sign", "%")):
            continue
        h = 1e-6
        up, down = (_value(expression, x + step) for step in (h, -h))
        assert _value(slope, x) == pytest.approx((up - down) / (2 * h), rel=1e-7, abs=1e-8)


def _value(expression, x):
    return float(evaluate(expression, {X: x, Y: 1.3}))


def test_every_rule_is_tested():
    used = {e.func.__name__ for text in TEXTS for e in parse(text).atoms(sp.Function, sp.Mod)}
    assert {name for name in RULES if name not in used} <= {"int_"}


def test_slope_of_exprel():
    """Against 50 digits: near 0, it is a small difference of large numbers."""
    x = sp.Symbol("x")
    exact = ((x - 1) * sp.exp(x) + 1) / x**2
    for at in (-0.8, -0.011, -0.009, 1e-5, 0.004, 0.0099, 0.0101, 2.0):
        expected = float(exact.subs(x, sp.Rational(at)).evalf(50))
        assert _value(derivative(parse("exprel(x)"), X), at) == pytest.approx(expected, rel=1e-11)


def test_unknown_function_is_named():
    with pytest.raises(DerivationError, match="'mystery' has no derivative"):
        derivative(parse("x*mystery(x)"), X)
    assert derivative(parse("x*mystery(y)"), X) == parse("mystery(y)")


NEURONS = {
    "leaky, exact": ("dv/dt = (1.3 - v)/(10*ms) : 1", "v > 1", "v = 0", "exact"),
    "exponential": ("dv/dt = (-v + exp((v - 1)*3))/(10*ms) : 1", "v > 1.4", "v = 0.1", "euler"),
    "quadratic": ("dv/dt = (v**2 + 0.3)/(10*ms) : 1", "v >= 1", "v = -1", "rk2"),
    "izhikevich": (
        """dv/dt = (0.04*v**2 + 5*v + 140 - u + 10)/ms : 1
           du/dt = 0.02*(0.2*v - u)/ms : 1""",
        "v > 30", "v = -65; u += 8", "euler",
    ),
    "adex": (
        """dv/dt = (-v + 0.2*exp((v - 1)/0.2) - w + I)/(10*ms) : 1
           dw/dt = (0.3*v - w)/(100*ms) : 1
           dI/dt = -I/(5*ms) : 1""",
        "v > 1.5", "v = 0; w += 0.1", "exponential_euler",
    ),
    "two afterspike currents": (
        """dv/dt = (-v + a - b)/tau : 1
           da/dt = -a/(3*ms) : 1
           db/dt = -b/(30*ms) : 1
           tau : second""",
        "v > theta", "v -= 0.5; a = 0.7*a + 0.1; b += 0.2", "rk4",
    ),
    "gates": (
        """dv/dt = (0.1*(0.2 - v) + 0.5*m**3*h*(1 - v))/ms : 1
           dm/dt = (alpha*(1 - m) - 0.3*m)/ms : 1
           dh/dt = (0.1*(1 - h) - 0.05*exprel(3*v)*h)/ms : 1
           alpha = 0.4*exprel(-(v - 0.4)/0.1) : 1""",
        "v > 0.9", "", "exponential_euler",
    ),
}  # fmt: skip


def group_of(name):
    equations, threshold, reset, method = NEURONS[name]
    return NeuronGroup(
        40, equations, threshold=threshold, reset=reset, method=method, namespace={"theta": 0.6}
    )


def states_of(group):
    """The arrays of what is integrated, and of parameters."""
    names = set(group.equations.names) - group.equations.subexpr_names
    return {name: group.variables[name].get_value() for name in sorted(names)}


def evaluated(step, group, start):
    """All symbols of a step that begins with these states."""
    values = {}
    for name in step.names | {"dt"}:
        symbol = step.first.get(name, sp.Symbol(name, real=True))
        if name in start:
            values[symbol] = start[name]
        elif name == "dt":
            values[symbol] = float(group.clock.dt)
        else:
            values[symbol] = float(group.resolve_all({name}, {})[name].get_value())
    for statement in step.statements:
        values[statement.symbol] = evaluate(statement.expression, values) + np.zeros(len(group))
    return values


@pytest.mark.parametrize("name", NEURONS)
def test_step_is_what_brian2_runs(name, numpy_target):
    defaultclock.dt = 0.1 * ms
    group = group_of(name)
    random = np.random.default_rng(1)
    scale = 40 if name == "izhikevich" else 1
    for variable, values in states_of(group).items():
        low, high = (0.005, 0.02) if variable == "tau" else (0, 1.6 * scale)
        values[:] = random.uniform(low, high, values.size)
    start = {n: values.copy() for n, values in states_of(group).items()}
    values = evaluated(Step(group), group, start)
    Network(group).run(defaultclock.dt)
    spikes = values[Step(group).spikes]
    assert 0 < spikes.sum() < len(group)
    for n, after in states_of(group).items():
        symbol = Step(group).last.get(n)
        np.testing.assert_allclose(values[symbol] if symbol else start[n], after, rtol=1e-12)


def test_refractory_neurons_do_not_spike(numpy_target):
    """Every second one is refractory at the step's start."""
    defaultclock.dt = 0.1 * ms
    group = NeuronGroup(
        10, "dv/dt = (5 - v)/(10*ms) : 1 (unless refractory)", threshold="v > 1", reset="v = 0.5",
        refractory=3 * ms, method="exponential_euler",
    )  # fmt: skip
    group.v = 2
    group.lastspike = [-1, -9] * 5 * ms
    start = {"v": group.v[:].copy(), "not_refractory": np.array([False, True] * 5)}
    step = Step(group)
    values = evaluated(step, group, start)
    Network(group).run(defaultclock.dt)
    np.testing.assert_array_equal(values[step.spikes], [0, 1] * 5)
    np.testing.assert_allclose(values[step.last["v"]], group.v[:], rtol=1e-12)


@pytest.mark.parametrize("name", NEURONS)
def test_derivatives_equal_differences(name, numpy_target):
    """Of all states at the step's end by all at its start, while nobody spikes."""
    defaultclock.dt = 0.1 * ms
    group = group_of(name)
    step, random = Step(group), np.random.default_rng(2)
    start = {
        n: random.uniform(0.005, 0.02, 40) if n == "tau" else random.uniform(0.1, 0.5, 40)
        for n in states_of(group)
    }
    values = evaluated(step, group, start)
    assert not values[step.spikes].any()
    for n, symbol in step.first.items():
        up, down = (evaluated(step, group, start | {n: start[n] + h}) for h in (1e-6, -1e-6))
        slopes = step.derivatives(symbol, given=[step.spikes])
        for end in step.last.values():
            expected = (up[end] - down[end]) / 2e-6
            got = evaluate(slopes.get(end, sp.S.Zero), values)
            np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-7)


def test_methods_without_statements_are_refused(numpy_target):
    group = NeuronGroup(1, "dv/dt = -v/(10*ms) : 1", method="gsl_rkf45", name="mine")
    with pytest.raises(DerivationError, match="'mine' is integrated by gsl_rkf45"):
        Step(group)


def test_a_name_of_the_reset_alone(numpy_target):
    group = NeuronGroup(
        1, "dv/dt = -v/(10*ms) : 1", threshold="v > 1", reset="over = v - 1; v = 0.5*over",
        method="exact",
    )  # fmt: skip
    assert "over__1 = v__1 - 1" in str(Step(group))
    assert Step(group).first.keys() == {"v"}


def test_a_template_is_read_with_its_update():
    step = Step(models.eprop_alif.neurons(1), "z")
    assert step.first.keys() == {"v", "x", "z", "a", "t_free"}
    assert (
        step.last["x"]
        == step.statements[[s.symbol.name for s in step.statements].index("x__1")].symbol
    )
    assert "z__1 = free__1*indicator(v__2 >= a__1*beta + v_th)" in str(step)


def test_what_is_given_and_bounds():
    """The published rule: spikes are given, and a bound is passed as if it were not there."""
    step = Step(models.eprop_lif.neurons(1), "z")
    x, v, z = step.first["x"], step.last["v"], step.first["z"]
    assert "v_min" not in str(step.derivatives(x, past_bounds=True)[v])
    assert "indicator((v_min <=" in str(step.derivatives(x)[v])
    assert v in step.derivatives(z)
    assert v not in step.derivatives(step.first["t_free"], given=[step.spikes])
