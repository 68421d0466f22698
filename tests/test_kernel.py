"""The mechanism itself: what a kernel can be given, on every target, and how it fails."""

import numpy as np
import pytest
from brian2 import (
    DimensionMismatchError,
    Hz,
    Network,
    NeuronGroup,
    StateMonitor,
    Synapses,
    TimedArray,
    defaultclock,
    linked_var,
    ms,
    mV,
    run,
    set_device,
    volt,
)
from brian2.devices.device import get_device, reset_device
from brian2.units.fundamentalunits import DIMENSIONLESS

from brianlearn import CompilationError, DivergenceError, Kernel, Signal, Steps, simulate


def mix(part, shared, synaptic, wave, table, every, gain, own, count):
    """Touch one argument of each kind."""
    count += 1
    own += count[0]
    part += gain[0] * wave[0] + table[-1]
    shared[0] = every[0] + synaptic.sum()
    return 7 if count[0] == 7 else 0


MIX = """
int mix(Array<double> part, Array<double> shared, Array<double> synaptic, Array<double> wave,
        Array<double> table, Array<int64_t> every, Array<double> gain, Array<double> own,
        Array<int64_t> count)
{
    count[0] += 1;
    for (size_t i = 0; i < own.size; i++) own[i] += count[0];
    for (size_t i = 0; i < part.size; i++) part[i] += gain[0]*wave[0] + table[table.size - 1];
    double sum = 0;
    for (size_t i = 0; i < synaptic.size; i++) sum += synaptic[i];
    shared[0] = every[0] + sum;
    return count[0] == 7 ? 7 : 0;
}
"""


def test_every_kind_of_argument(target):
    """Group, subgroup, shared and synaptic variables, signals, steps, constants, own state."""
    group = NeuronGroup(5, "x : volt\ny : 1 (shared)", name="group")
    group.x = 1 * mV
    synapses = Synapses(group, group, "w : 1", name="some_synapses")
    synapses.connect(i=[0, 1, 2], j=[2, 1, 0])
    synapses.w = [1, 2, 4]
    amplitude = 3 * mV
    samples = np.arange(20).reshape(10, 2) * volt
    kernel = Kernel(
        mix,
        MIX,
        {
            "part": (group[1:3], "x"),
            "shared": (group, "y"),
            "synaptic": (synapses, "w"),
            "wave": Signal.of("amplitude*(1 + t/second + i)", 2, name="wave", dim=volt.dim),
            "table": Signal.of(samples, 2, name="table", dim=volt.dim),
            "every": Steps(0.5 * ms),
            "gain": 2.0,
            "own": np.zeros(11) * Hz,
            "count": 0,
        },
        size=2,
        faults={7: (DivergenceError, "seven at {time}")},
        name="kernel",
    )
    del amplitude  # its value was kept
    waves = StateMonitor(kernel, ["wave", "table"], record=True, name="waves")
    network = Network(group, synapses, kernel, waves)
    steps = 5
    simulate(steps * defaultclock.dt, network, progress=False)
    t = np.arange(steps) * float(defaultclock.dt)
    expected = 3e-3 * (1 + t[np.newaxis] + np.array([[0], [1]]))
    assert np.allclose(waves.wave_, expected, rtol=1e-12)
    assert np.allclose(waves.table_, np.asarray(samples)[:steps].T)
    total = 1e-3 + np.sum(2 * expected[0] + np.asarray(samples)[:steps, 1])
    assert np.allclose(group.x_[:], [1e-3, total, total, 1e-3, 1e-3])
    assert group.y[:] == 10 + 7
    assert np.array_equal(kernel.own, np.full(11, 15.0) * Hz)
    assert kernel.count[:] == steps


def fall(x):
    """Fault at once."""
    return 3


FALL = "int fall(Array<double> x)\n{ return 3; }"


def test_fault_becomes_an_exception(target):
    group = NeuronGroup(1, "x : 1", name="group")
    faults = {3: (DivergenceError, "x fell at t = {time}")}
    kernel = Kernel(fall, FALL, {"x": (group, "x")}, faults=faults, name="faller")
    network = Network(group, kernel)
    with pytest.raises(DivergenceError, match="'faller': x fell at t = 0. s"):
        simulate(10 * defaultclock.dt, network, progress=False)


def test_timed_array_signal(numpy_target):
    group = NeuronGroup(2, "x : 1", name="group")
    values = TimedArray([[1, 2], [3, 4]], dt=defaultclock.dt)
    signal = Signal.of(values, 2, name="target", dim=DIMENSIONLESS)

    def copy(x, s):
        x[:] = s

    kernel = Kernel(copy, "// no C++\n", {"x": (group, "x"), "s": signal}, size=2, name="copy")
    network = Network(group, kernel)
    network.run(defaultclock.dt)
    assert np.array_equal(group.x[:], [1, 2])
    network.run(3 * defaultclock.dt)
    assert np.array_equal(group.x[:], [3, 4])  # the last row holds


def test_set_between_runs(numpy_target):
    group = NeuronGroup(1, "x : 1", name="group")

    def add(x, amount, table):
        x += amount[0] + table[2]

    arguments = {"x": (group, "x"), "amount": 1.0, "table": np.zeros(3)}
    kernel = Kernel(add, "// no C++\n", arguments, name="add")
    network = Network(group, kernel)
    network.run(defaultclock.dt)
    kernel.amount = 10
    kernel.set_array("table", [0, 0, 100])
    network.run(defaultclock.dt)
    assert group.x[:] == 111
    with pytest.raises(ValueError, match=r"holds 3 values, but was given an array of shape \(2,\)"):
        kernel.set_array("table", [1, 2])
    with pytest.raises(
        DimensionMismatchError, match="'add.table' should be in no unit, but is in volt"
    ):
        kernel.set_array("table", [1, 2, 3] * mV)


@pytest.mark.parametrize("target", ["cython", "cpp_standalone"], indirect=True)
def test_compiler_is_heard(target):
    """Text that does not compile is an error that shows the compiler's words."""
    group = NeuronGroup(1, "x : 1", name="group")
    text = "int fall(Array<double> x)\n{ return no_such_name; }"
    kernel = Kernel(fall, text, {"x": (group, "x")}, name="broken")
    with pytest.raises(CompilationError, match=r"(?s)'broken' does not compile.*no_such_name"):
        simulate(1 * ms, Network(group, kernel), progress=False)


@pytest.mark.usefixtures("numpy_target")
class TestRefuses:
    def setup_method(self):
        self.group = NeuronGroup(3, "x : 1\nsub = 2*x : 1", name="group")

    def kernel(self, argument):
        return Kernel(fall, FALL, {"x": argument}, name="faller")

    def test_unknown_variable(self):
        with pytest.raises(KeyError, match="'group' has no variable 'u'; it has: .*x"):
            self.kernel((self.group, "u"))

    def test_subexpression(self):
        with pytest.raises(TypeError, match="'sub' of 'group' is computed where it is used"):
            self.kernel((self.group, "sub"))

    def test_empty_array(self):
        with pytest.raises(ValueError, match="the array 'x' is empty"):
            self.kernel(np.zeros(0))

    def test_other_arguments(self):
        with pytest.raises(TypeError, match="fall takes x, but the arguments given are y"):
            Kernel(fall, FALL, {"y": 1.0}, name="faller")

    def test_header_in_header(self):
        with pytest.raises(ValueError, match="one header: put the text"):
            Kernel(fall, '#include "other.h"\n' + FALL, {"x": 1.0}, name="faller")

    def test_reserved_names(self):
        def fail(t):
            """Take a name that every group has."""

        with pytest.raises(TypeError, match="argument cannot be called t"):
            Kernel(fail, FALL, {"t": 1.0})

    def test_linked_variables(self):
        a, b = NeuronGroup(5, "x : 1", name="a"), NeuronGroup(5, "x : 1 (linked)", name="b")
        b.x = linked_var(a, "x", index=[3, 3, 1, 0, 4])
        with pytest.raises(TypeError, match="'x' of 'b' is linked through an index"):
            Kernel(fall, FALL, {"x": (b, "x")})

    def test_bare_time(self):
        with pytest.raises(DimensionMismatchError, match="every is a time and needs a unit"):
            Steps(2.5, "every")

    def test_time_between_steps(self):
        kernel = self.kernel(Steps(0.07 * ms, "every"))
        with pytest.raises(ValueError, match="every .70. us. is not a multiple of the time step"):
            simulate(1 * ms, Network(self.group, kernel), progress=False)

    @pytest.mark.parametrize(
        ("values", "error", "words"),
        [
            ("sin(2*pi*f*t)", NameError, "uses f, which is not defined"),
            ("t", DimensionMismatchError, "wave should be in no unit, but is in"),
            ([1, 2] * mV, DimensionMismatchError, "wave should be in no unit, but is in"),
            (np.zeros((5, 3)), ValueError, "3 column.s., but 2 output.s."),
            (["1", "2", "3"], ValueError, "3 column.s., but 2 output.s."),
            (np.zeros((2, 2, 2)), ValueError, "one row per time step"),
        ],
    )
    def test_signal(self, values, error, words):
        with pytest.raises(error, match=words):
            Signal.of(values, 2, name="wave", dim=DIMENSIONLESS)


def test_brian2_alone(tmp_path):
    """Without `set_target` and `simulate`: Brian2's own device, flags and run."""
    set_device("cpp_standalone", directory=str(tmp_path / "project"))
    get_device().reinit()  # of what another test has built
    get_device().activate(directory=str(tmp_path / "project"))
    try:
        group = NeuronGroup(1, "x : 1", name="group")
        faults = {3: (DivergenceError, "x fell at t = {time}")}
        kernel = Kernel(fall, FALL, {"x": (group, "x")}, faults=faults, name="faller")
        with pytest.raises(DivergenceError, match="'faller': x fell at t = 0. s"):
            run(1 * ms)
        assert kernel.clock.dt == defaultclock.dt
    finally:
        get_device().reinit()
        reset_device("runtime")


def test_joins_a_magic_network(numpy_target):
    group = NeuronGroup(1, "x : 1", name="group")

    def add(x):
        x += 1

    kernel = Kernel(add, "// no C++\n", {"x": (group, "x")}, dt=0.1 * ms, name="add")
    run(1 * ms)
    assert kernel.clock.dt == 0.1 * ms
    assert group.x[:] == 10


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("int fall(Array<double> y) { return 3; }", TypeError, "takes x in Python, but y in C++"),
        ("int fall(Array<double> x) { x[0] = 1; }", CompilationError, "return-type"),
    ],
)
@pytest.mark.parametrize("target", ["cython"], indirect=True)
def test_forms_that_differ(target, text, error, words):
    """A parameter of another name, or no fault's code: refused before anything runs."""
    group = NeuronGroup(1, "x : 1", name="group")

    def both():
        kernel = Kernel(fall, text, {"x": (group, "x")}, name="faller")
        simulate(1 * ms, Network(group, kernel), progress=False)

    with pytest.raises(error, match=words):
        both()


def test_first_fault_of_several_runs(tmp_path):
    """A standalone project of two runs: the fault of the first is not forgotten."""
    set_device("cpp_standalone", build_on_run=False)
    defaultclock.dt = 0.1 * ms
    try:
        group = NeuronGroup(1, "x : 1", name="group")
        text = "int rise(Array<double> x)\n{ x[0] += 1; return x[0] == 3 ? 3 : 0; }"

        def rise(x):
            x += 1

        faults = {3: (DivergenceError, "x {rose} at t = {time}")}
        network = Network(
            group, Kernel(rise, text, {"x": (group, "x")}, faults=faults, name="riser")
        )
        network.run(1 * ms)
        network.run(1 * ms)
        with pytest.raises(DivergenceError, match="'riser': x {rose} at t = 200. us"):
            get_device().build(directory=str(tmp_path / "project"))
    finally:
        get_device().reinit()
        reset_device("runtime")
