"""What we rely on inside Brian2: each test names one thing, and fails when Brian2 changes it."""

import contextlib
import inspect
import re

import numpy as np
import pytest
from brian2 import (
    Equations,
    Network,
    NeuronGroup,
    SpikeMonitor,
    Synapses,
    defaultclock,
    ms,
    network_operation,
    prefs,
    seed,
)
from brian2.codegen.generators import cython_generator
from brian2.codegen.runtime.cython_rt.cython_rt import CythonCodeObject
from brian2.codegen.runtime.numpy_rt.numpy_rt import NumpyCodeObject
from brian2.core import variables
from brian2.core.base import BrianObject
from brian2.core.functions import DEFAULT_FUNCTIONS
from brian2.core.variables import VariableView
from brian2.devices.cpp_standalone.codeobject import CPPStandaloneCodeObject
from brian2.devices.cpp_standalone.device import CPPStandaloneDevice
from brian2.devices.device import get_device
from brian2.groups.group import CodeRunner, Group

from brianlearn.kernel import Queues  # which registers the templates that are looked up below
from brianlearn.running.state import network_state, set_network_state
from native import native

SUFFIX = {CythonCodeObject: ".pyx", CPPStandaloneCodeObject: ".cpp", NumpyCodeObject: ".py_"}


def template(code_object, name):
    """The text of a template, ours or Brian2's."""
    environment = code_object.templater.env
    return environment.loader.get_source(environment, name + SUFFIX[code_object])[0]


@pytest.mark.parametrize("code_object", SUFFIX)
def test_templater_takes_our_templates(code_object):
    """`templater.env.loader.loaders`: a list that a loader can be added to, seen at once."""
    assert "Kernel" in template(code_object, "brianlearn_kernel")


@pytest.mark.parametrize(
    ("code_object", "blocks"),
    [
        (CythonCodeObject, ["template_support_code", "maincode"]),
        (CPPStandaloneCodeObject, ["extra_headers", "maincode"]),
        (NumpyCodeObject, ["maincode"]),
    ],
)
def test_template_blocks(code_object, blocks):
    """The blocks of `common_group` that our templates fill."""
    text = template(code_object, "common_group")
    for block in blocks:
        assert f"block {block}" in text


def test_template_functions():
    """`constant_or_scalar` and `get_array_name`, which our templates call."""
    for code_object in (CythonCodeObject, CPPStandaloneCodeObject):
        assert "constant_or_scalar" in code_object.templater.env.globals
        assert "get_array_name" in template(code_object, "spikemonitor")


@pytest.mark.parametrize("code_object", [CythonCodeObject, CPPStandaloneCodeObject])
def test_template_of_loops(code_object, target_restored):
    """Brian2's `stateupdate`, all of which ours says too, and where a templater keeps templates."""
    from conftest import choose

    def lines(name):
        text = re.sub(r"{#.*?#}|^ *(#|//).*?$", "", template(code_object, name), flags=re.M | re.S)
        return {re.sub(r"\s", "", line) for line in text.split("\n")}

    assert lines("stateupdate") <= lines("brianlearn_stateupdate")
    templater = code_object.templater
    templater.templates._templates.pop("stateupdate", None)
    theirs = templater.stateupdate
    choose("cython")
    ours = templater.stateupdate
    assert ours is templater.brianlearn_stateupdate is not theirs
    for specified in ("variables", "iterate_all", "writes_read_only", "allows_scalar_write"):
        assert getattr(ours, specified) == getattr(theirs, specified)


def test_declarations_for_loops(target_restored):
    """`load_namespace` and `pointers_lines`: what our loops are given is declared as we read it."""
    from conftest import choose

    choose("cython")
    neurons = NeuronGroup(2, "x : 1\nb : boolean\ns : 1 (shared)", name="neurons")
    synapses = Synapses(neurons, neurons, "w : 1\nk : integer", name="synapses")
    synapses.connect(i=[0, 1], j=[1, 0])
    code = "w += s*x_post*int(b_post) + k"
    runner = synapses.run_regularly(code, name="runner")
    Network(neurons, synapses).run(0 * ms)
    found = re.search(r"cdef int _update\((.*?)\)", str(runner.codeobj.code.run), flags=re.S)
    given = {tuple(line.split()) for line in found[1].strip().strip(",").split(",\n")}
    assert {
        ("int32_t", "N"),
        ("_double_array", "_array_neurons_s"),
        ("_double_array", "_array_neurons_x"),
        ("_double_array", "_array_synapses_w"),
        ("_int32_t_array", "_array_synapses_k"),
        ("_int32_t_array", "_array_synapses__synaptic_post"),
    } <= given
    assert ("_array_neurons_b",) in {each[1:] for each in given}
    choose("cpp_standalone")
    again = NeuronGroup(2, "x : 1\ny : 1", name="again")
    runner = again.run_regularly("x += y", name="runner")
    Network(again).run(0 * ms)
    text = str(runner.codeobj.code)
    pointers = [f"double* __restrict _ptr_array_again_{name}" for name in "xy"]
    assert f"const auto _update = [=]({', '.join(pointers)})" in text


def test_functions_that_never_raise():
    """Brian2's `clip` and `sign` in Cython, declared as functions that might."""
    for name in ("clip", "sign"):
        text = getattr(cython_generator, f"{name}_code")
        assert len(re.findall(rf"^cdef \w+ _{name}\(.*\):$", text, flags=re.M)) == 1
        assert DEFAULT_FUNCTIONS[name].implementations[CythonCodeObject].name == f"_{name}"


def test_code_runner_keywords():
    parameters = inspect.signature(CodeRunner.__init__).parameters
    assert {"group", "template", "check_units", "dt", "clock", "when", "order", "name"} <= set(
        parameters
    )


def test_hooks_of_objects():
    """The methods that a `Kernel` and a `Readout` override."""
    for hook in ("before_run", "update_abstract_code", "create_code_objects", "run"):
        assert hasattr(CodeRunner, hook)
    assert hasattr(Group, "_check_for_invalid_states")
    assert list(inspect.signature(BrianObject.before_run).parameters) == ["self", "run_namespace"]
    assert list(inspect.signature(Group.state).parameters)[1:] == ["name", "use_units", "level"]


def test_states_are_checked_after_every_run(target, monkeypatch):
    """`_check_for_invalid_states` is called when a run has ended, on every target."""
    calls = []
    monkeypatch.setattr(Group, "_check_for_invalid_states", lambda self: calls.append(self.name))
    group = NeuronGroup(1, "x : 1", name="group")
    from brianlearn import simulate

    simulate(1 * ms, Network(group), progress=False)
    assert "group" in calls
    assert get_device()._last_run_completed_fraction == 1


def test_cython_code_object():
    """`compiled_code` and `namespace`: a module with `main`, and what it is given."""
    from conftest import _restore, choose

    choose("cython")
    try:
        group = NeuronGroup(1, "dx/dt = 1/ms : 1", name="group", method="euler")
        network = Network(group)
        network.run(0 * ms)
        updater = next(item for item in network.sorted_objects if "stateupdater" in item.name)
        module = updater.codeobj.compiled_code["run"]
        module.main(updater.codeobj.namespace)
        assert group.x[0] == pytest.approx(0.05)
    finally:
        _restore()


def test_standalone_can_be_stopped():
    """`Network::_globally_stopped` ends a standalone run after the time step."""
    text = template(CPPStandaloneCodeObject, "network")
    assert "static bool _globally_stopped" in text
    assert "!Network::_globally_stopped" in text


def test_standalone_device():
    """`build` without compiling, then `run` of the binary `main` made by the makefile."""
    build = inspect.signature(CPPStandaloneDevice.build).parameters
    assert {"directory", "compile", "run"} <= set(build)
    assert "directory" in inspect.signature(CPPStandaloneDevice.run).parameters
    templater = CPPStandaloneCodeObject.templater
    assert "PROGRAM = main" in templater.env.loader.get_source(templater.env, "makefile")[0]


def test_default_flags_are_registered():
    """`prefs.pref_register`: from where the exact flags start."""
    default = prefs.pref_register["codegen.cpp"][0]["extra_compile_args_gcc"].default
    assert "-O3" in default


def test_spike_space(numpy_target):
    """`_spikespace`: the indices of the neurons that spiked, and last, how many they are."""
    group = NeuronGroup(4, "x : 1", threshold="x > 1", reset="", name="group")
    group.x = [0, 2, 0, 2]
    seen = []

    @network_operation(when="end")
    def look():
        seen.append(group.variables["_spikespace"].get_value().copy())

    Network(group, look).run(defaultclock.dt)
    (space,) = seen
    assert space.dtype == np.int32
    assert space.size == 5
    assert list(space[: space[-1]]) == [1, 3]


def test_clock_and_subgroup(numpy_target):
    """A clock's `timestep` and a subgroup's `start` and `source`."""
    group = NeuronGroup(4, "x : 1", name="group")
    assert defaultclock.variables["timestep"].dtype == np.int64
    assert (group[1:3].start, len(group[1:3]), group[1:3].source.name) == (1, 2, "group")


def test_equations_substitute():
    """`Equations.substitute` renames in place of text."""
    assert "u" in Equations("dv/dt = -v/tau : 1").substitute(v="u")


def test_shortcut():
    """`code_objects`, `nonconstant_values` and `BrianObject.run`: the same without detours."""
    from brianlearn.kernel.shortcut import shortcut
    from conftest import _restore, choose

    choose("cython")
    try:
        spikes = []
        for context in (contextlib.nullcontext, shortcut):
            group = NeuronGroup(
                3, "dx/dt = (1 + i)/ms : 1", threshold="x > 1", reset="x = 0", method="euler",
                name="group",
            )  # fmt: skip
            monitor = SpikeMonitor(group, name="monitor")
            synapses = Synapses(group, group, on_pre="x_post += 0.1", delay=1 * ms, name="synapses")
            synapses.connect(i=[0, 1, 2], j=[1, 2, 0])
            network = Network(group, monitor, synapses)
            with context(network):
                network.run(5 * ms)
                taken = [item.name for item in network.sorted_objects if "run" in vars(item)]
            spikes.append((list(monitor.i), list(monitor.t_)))
        assert spikes[0] == spikes[1]
        assert len(spikes[0][0]) > 10
        assert {"group_stateupdater", "group_spike_thresholder", "synapses_pre"} <= set(taken)
        assert not any("run" in vars(item) for item in network.sorted_objects)
        network.run(1 * ms)
    finally:
        _restore()


# -- spike queues --------------------------------------------------------------------------------


def connected(**options):
    """Neurons 1 to 3 of five, each connected to itself."""
    group = NeuronGroup(5, "x : 1\nfires : 1", threshold="fires > 0", reset="fires = 0")
    synapses = Synapses(group[1:4], group, "d : second", on_pre="x_post += 1", **options)
    synapses.connect(i=[0, 1, 2], j=[1, 2, 3])
    return group, synapses


def test_pathways(numpy_target):
    """`_pathways` of Synapses, and what we read of each: name, code, moment, source, queue."""
    _, synapses = connected()
    (pathway,) = synapses._pathways
    assert (pathway.objname, pathway.code) == ("pre", "x_post += 1")
    assert (pathway.when, pathway.order) == ("synapses", -1)
    assert pathway.source.clock.dt_ == pathway.clock.dt_ == defaultclock.dt_
    assert (pathway.queue._state_tuple[:2], len(pathway.synapse_sources.get_value())) == ((1, 4), 3)
    regular = synapses.run_regularly("d += 1*ms")
    assert regular in synapses.contained_objects
    assert regular.abstract_code == "d += 1*ms"


def test_spike_queue_prepared_within_a_run(numpy_target):
    """`prepare(delays, dt, sources)` of a queue: spikes under way arrive when they would have."""
    group, synapses = connected(delay=1 * ms)
    group.fires[1] = 1  # at the first step: under way for 20
    arrived = []

    @network_operation(when="end")
    def look():
        step = len(arrived)
        arrived.append(group.x[1:4])
        if step == 4:
            sources = synapses.pre.synapse_sources.get_value()
            delays = np.array([0.1, 2, 0.15]) * 1e-3
            synapses.pre.queue.prepare(delays, defaultclock.dt_, sources)
            group.fires[1] = group.fires[2] = group.fires[3] = 1  # in step 5

    Network(group, synapses, look).run(3 * ms)
    steps = [np.flatnonzero(np.diff(x, prepend=0)).tolist() for x in np.array(arrived).T]
    assert steps == [[7, 20], [45], [8]]


LOOK = """
int look(Array<int64_t> address, Array<double> seen)
{
    CSpikeQueue& queue = *(CSpikeQueue*)address[0];
    seen[0] = queue.source_start;
    seen[1] = queue.source_end;
    seen[2] = queue.dt;
    seen[3] = queue.delays[2];
    seen[4] = queue.scalar_delay;
    seen[5] = queue.openmp_padding;
    seen[6] = queue.queue.size();
    queue.ensure_delay(99);
    seen[7] = queue.queue.size();
    delete[] queue.delays;
    queue.delays = new int[3]();
    return 0;
}
"""


def test_spike_queue_from_within(numpy_target):
    """The C++ object behind Brian2's: where it lies, and the members that a kernel uses."""
    group, synapses = connected()
    synapses.pre.delay = [0, 1, 2] * ms
    Network(group, synapses).run(defaultclock.dt)
    look = native(LOOK, "look", headers=["queues.h"], address="i8", seen="f")
    seen = np.zeros(8)
    look(address=Queues(synapses, "pre").addresses(), seen=seen)
    assert seen.tolist() == [1, 4, defaultclock.dt_, 40, 0, 0, 41, 100]


def test_spike_queues_in_standalone():
    """A pathway's `queue` in the project: a vector of pointers, filled before the first step."""
    text = template(CPPStandaloneCodeObject, "synapses_classes")
    assert "std::vector< CSpikeQueue * > queue;" in text
    assert '#include "brianlib/spikequeue.h"' in text
    assert "#ifndef _BRIAN_SYNAPSES_H" in text
    push = template(CPPStandaloneCodeObject, "synapses_push_spikes")
    assert push.index("block before_code") < push.index(".prepare(") < push.index(".push(")


def test_delay_is_no_name_for_a_variable():
    """So code of synapses that assigns to `delay` can mean Brian2's own alone."""
    group = NeuronGroup(1, "x : 1", threshold="x > 1", reset="")
    with pytest.raises(SyntaxError, match="reserved name"):
        Synapses(group, group, "delay : second")


def test_standalone_project_can_be_kept_alive():
    """What `process.cpp` is compiled with, and where Brian2 puts what it is told before a build."""
    objects = template(CPPStandaloneCodeObject, "objects")
    assert "std::vector< RandomGenerator > _random_generators;" in objects
    assert "void seed(unsigned long seed)" in objects
    assert "extern DynamicArray2D<" in objects
    network = template(CPPStandaloneCodeObject, "network")
    for member in ("static bool _globally_stopped;", "double t;", "void run(const double duration"):
        assert member in network
    device = CPPStandaloneDevice()
    held = ("arrays", "dynamic_arrays", "array_cache", "main_queue", "networks", "synapses",
            "code_objects", "run_environment_variables", "has_been_run")  # fmt: skip
    for name in held:
        assert hasattr(device, name), name
    assert "additional_source_files" in inspect.signature(device.build).parameters
    runs = inspect.getsource(CPPStandaloneDevice.network_run)
    assert 'run_lines = [f"{net.name}.clear();"]' in runs, "networks have their own names in C++"


@pytest.mark.parametrize(
    "name",
    ["variableview_set_with_index_array", "variableview_set_with_expression",
     "variableview_set_with_expression_conditional"],
)  # fmt: skip
def test_device_is_asked_when_a_variable_is_set(name):
    """By methods of these names; what they override is `original_function`."""
    overridden = getattr(VariableView, name.removeprefix("variableview_"))
    assert callable(overridden.original_function)
    assert f'@device_override("{name}")' in inspect.getsource(variables)


def test_numbers_drawn_ahead(target_restored):
    """Cython's: an array, or up to 2.10 the address of memory; a state gives them back."""
    from conftest import choose

    choose("cython")
    seed(1)  # nothing is drawn ahead from tests before
    noise = NeuronGroup(50, "dx/dt = xi/sqrt(ms) : 1", method="euler", name="noise")
    network = Network(noise)
    network.run(20 * defaultclock.dt)
    kept = network_state(network)
    assert kept["0_random/randn_index"] == 1000
    assert kept["0_random/randn_drawn"].shape == (20000,)
    drawn = []
    for steps in (500, 500):  # the memory is used up, freed and drawn anew
        network.run(steps * defaultclock.dt)
        drawn.append(np.array(noise.x))
        set_network_state(network, kept)
    np.testing.assert_array_equal(*drawn)


def test_delays_are_nobodys_own():
    """`Network.store` of 2.9 knows nothing of a pathway's delays, whose owner is the synapses."""
    group = NeuronGroup(2, "x : 1", threshold="x > 1", reset="")
    synapses = Synapses(group, group, on_pre="x += 1", name="delayed")
    assert synapses.pre.variables["delay"].owner.name == "delayed"
