"""What trials and training rely on inside Brian2: each test fails when Brian2 changes it."""

import inspect
from importlib.resources import files

import numpy as np
import pytest
from brian2 import Network, NeuronGroup, StateMonitor, Synapses, defaultclock, ms
from brian2.devices.cpp_standalone.device import CPPStandaloneDevice
from brian2.groups.neurongroup import Thresholder
from brian2.stateupdaters.base import StateUpdateMethod

from brianlearn import SpikeInput, simulate
from brianlearn.schedule import Moment
from brianlearn.surrogates import piecewise_linear
from brianlearn.template import Parameter, Template


def test_integration_methods_are_callables():
    """`NeuronGroup(method=callable)` gets equations, variables and options; gives code."""
    parameters = inspect.signature(StateUpdateMethod.apply_stateupdater).parameters
    assert [*parameters][:4] == ["equations", "variables", "method", "method_options"]


@pytest.mark.parametrize(
    "target",
    ["numpy", "cpp_standalone", pytest.param("cython", marks=pytest.mark.slow)],
    indirect=True,
)
def test_update_follows_integration_at_its_moment(target):
    """The model's own lines run after Brian2's integration, in the slot that was asked for."""
    model = Template(
        name="model",
        equations="dv/dt = 1/ms : 1\nw : 1\ntwice : 1",
        update="twice = 2*v\nw = w + 1",
        moment=Moment("end", 5),
        method="euler",
        parameters={},
    )
    defaultclock.dt = 1 * ms
    group = model.neurons(2)
    early = StateMonitor(group, "twice", record=[0], when="resets", name="early")
    late = StateMonitor(group, "twice", record=[0], when="end", order=6, name="late")
    simulate(3 * ms, Network(group, early, late), progress=False)
    np.testing.assert_array_equal(early.twice[0], [0, 2, 4])
    np.testing.assert_array_equal(late.twice[0], [2, 4, 6])
    np.testing.assert_array_equal(group.w, [3, 3])


@pytest.mark.parametrize(
    "target",
    ["numpy", "cpp_standalone", pytest.param("cython", marks=pytest.mark.slow)],
    indirect=True,
)
def test_thresholder_can_be_replaced(target):
    """`contained_objects` holds the thresholder, and `_spikespace` is all that it writes."""
    plain = NeuronGroup(3, "v : 1", threshold="v > 0")
    assert isinstance(plain.thresholder["spike"], Thresholder)
    assert plain.thresholder["spike"] in plain.contained_objects
    model = Template(
        name="model",
        equations="dv/dt = 0/ms : 1\nz : 1",
        update="z = int(i == 1)",
        threshold="z > 0",
        reset="v += 1",
        method="euler",
        parameters={"unused": Parameter(1.0, "nothing")},
    )
    group = model.neurons(20)
    simulate(3 * defaultclock.dt, Network(group), progress=False)
    np.testing.assert_array_equal(group.v, 3.0 * (np.arange(20) == 1))


def test_update_needs_an_integration():
    """Brian2 has no state update at all where nothing is integrated."""
    with pytest.raises(ValueError, match="no equation is integrated"):
        Template(name="model", equations="v : 1", update="v = 1")


def test_input_is_a_source_of_synapses_and_pathways_can_be_moved(numpy_target):
    """`Synapses` take any `SpikeSource`; a pathway's `when` and `order` can be set."""
    inputs = SpikeInput(3, name="inputs")
    heard = NeuronGroup(3, "x : 1", name="heard")
    synapses = Synapses(inputs, heard, on_pre="x_post += 1", name="synapses")
    synapses.connect(j="i")
    synapses.pre.when, synapses.pre.order = "start", -10
    inputs.variables["_spikespace"].set_value(np.array([2, 0, 0, 1], dtype=np.int32))
    seen = StateMonitor(heard, "x", record=True, when="start")
    simulate(defaultclock.dt, Network(inputs, heard, synapses, seen), progress=False)
    np.testing.assert_array_equal(seen.x[:, 0], [0, 0, 1])


def test_binaries_take_values_from_files():
    """`device.run(run_args=["group.variable=file"])`, in the three versions of Brian2."""
    assert "run_args" in inspect.signature(CPPStandaloneDevice.run).parameters
    templates = files("brian2.devices.cpp_standalone") / "templates"
    text = (templates / "objects.cpp").read_text()
    assert "void set_variable_by_name(std::string name, std::string s_value)" in text
    assert 'name == "{{var.owner.name}}.{{var.name}}"' in text
    assert "set_from_command_line" in (templates / "main.cpp").read_text()


def test_surrogate_fragments_are_brians_language():
    """`word_substitute` replaces whole words only."""
    text = piecewise_linear.of("v - threshold", height="h", width="d2")
    assert text == "h*clip(1 - abs((v - threshold))/d2, 0, inf)"
    with pytest.raises(ValueError, match="does not depend on d"):
        type(piecewise_linear)("height*exp(-x)")
