"""Our loops give Brian2's numbers to the bit, and the compiler vectorises them."""

import platform
import re
import subprocess
import sysconfig
from pathlib import Path

import brian2
import numpy as np
import pytest
from brian2 import Function, Network, NeuronGroup, Synapses, TimedArray, ms, prefs, seed
from brian2.codegen.generators import cython_generator
from brian2.codegen.runtime.cython_rt.cython_rt import CythonCodeObject
from brian2.core.functions import DEFAULT_FUNCTIONS
from brian2.devices.cpp_standalone.codeobject import CPPStandaloneCodeObject
from brian2.devices.device import get_device

from brianlearn import simulate
from brianlearn.kernel import compiler
from conftest import COMPILED, choose

N = 37  # no multiple of what fits into a vector


def network():
    """Whatever state updates may contain: shared and whole numbers, truth, functions, chance."""
    drive = TimedArray(np.linspace(-1, 2, 50), dt=1 * ms, name="drive")
    neurons = NeuronGroup(
        N,
        """
        dv/dt = (drive(t) + shared + a - v)/tau : 1 (unless refractory)
        da/dt = -a/(20*ms) + 0.1*xi/sqrt(ms) : 1
        level = clip(v, -0.5, 1.5)*sign(a) : 1
        tau : second
        shared : 1 (shared)
        count : integer
        above : boolean
        noise : 1
        """,
        threshold="v > 0.8",
        reset="v = 0",
        refractory=0.3 * ms,
        method="euler",
        namespace={"drive": drive},
        name="neurons",
    )
    neurons.tau = np.arange(1, N + 1) * ms
    code = "shared += 0.01\ncount += 1\nabove = level > 0.2\nnoise = rand()*exprel(v)"
    neurons.run_regularly(code, when="end", name="noting")
    synapses = Synapses(
        neurons,
        neurons,
        """
        dtrace/dt = (v_pre*int(above_post) - trace)/(10*ms) : 1 (clock-driven)
        w : 1
        """,
        on_pre="a_post += 0.01*w",
        method="euler",
        namespace={},
        name="synapses",
    )
    synapses.connect(i=np.repeat(np.arange(N), 3), j=np.arange(3 * N) % N)
    synapses.run_regularly("w += 0.1*trace*a_post", when="end", order=1, name="learning")
    synapses.run_regularly("noise_post += 0.001*w", when="end", order=2, name="scattering")
    return Network(neurons, synapses), neurons, synapses


def run(target):
    """The variables of all groups after a while."""
    choose(target)
    seed(1)
    net, *groups = network()
    simulate(30 * ms, net, progress=False)
    names = {"neurons": ("v", "a", "shared", "count", "above", "noise"), "synapses": ("trace", "w")}
    return {
        f"{group.name}.{name}": np.array(group.variables[name].get_value())
        for group in groups
        for name in names[group.name]
    }


def use_their_loops():
    """Undo what `use_our_loops` does."""
    for code_object in (CythonCodeObject, CPPStandaloneCodeObject):
        code_object.templater.templates._templates.pop("stateupdate", None)
    for name in ("clip", "sign"):
        text = getattr(cython_generator, f"{name}_code")
        DEFAULT_FUNCTIONS[name].implementations.add_implementation(
            cython_generator.CythonCodeGenerator, text, name=f"_{name}"
        )


@pytest.mark.parametrize("target", COMPILED)
def test_same_numbers_as_brian2s(target, target_restored, monkeypatch):
    ours = run(target)
    monkeypatch.setattr("brianlearn.targets.use_our_loops", use_their_loops)
    theirs = run(target)
    for name, values in theirs.items():
        np.testing.assert_array_equal(ours[name], values, err_msg=name)
        assert np.any(values), name


def learning(target):
    """Run synapses whose weights follow a variable of their targets."""
    choose(target)
    neurons = NeuronGroup(N, "a : 1", name="heard")
    synapses = Synapses(neurons, neurons, "w : 1\ntrace : 1", name="synapses")
    synapses.connect(i=np.arange(N), j=np.arange(N))
    synapses.run_regularly("w += 0.1*trace*a_post", name="learning")
    simulate(1 * ms, Network(neurons, synapses), progress=False)


def source_in_cython(folder, monkeypatch):
    """The C++ that Cython makes of it, and where its headers are."""
    monkeypatch.setattr("brianlearn.cache.directory", lambda *parts: folder)
    prefs.codegen.runtime.cython.delete_source_files = False
    try:
        learning("cython")
    finally:
        prefs.codegen.runtime.cython.delete_source_files = True
    (path,) = [one for one in folder.glob("*.cpp") if "_array_heard_a" in one.read_text()]
    brianlib = Path(brian2.__file__).parent / "devices" / "cpp_standalone" / "brianlib"
    folders = sysconfig.get_paths()["include"], np.get_include(), brianlib
    return path, [f"-I{one}" for one in folders]


def source_in_standalone(folder, monkeypatch):
    """Its C++, and where its headers are."""
    learning("cpp_standalone")
    project = Path(get_device().project_dir)
    return project / "code_objects" / "learning_codeobject.cpp", [f"-I{project}"]


@pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64") or "clang" in compiler.version(),
    reason="what GCC says on x86",
)
@pytest.mark.parametrize("source", [source_in_cython, source_in_standalone])
def test_what_reads_through_indices_is_vectorised(source, target_restored, tmp_path, monkeypatch):
    path, includes = source(tmp_path, monkeypatch)
    command = [*compiler.command(), *compiler.exact_flags(), *compiler.include_flags(), *includes]
    command += ["-w", "-fPIC", "-fopt-info-vec-optimized", "-c", str(path), "-o", "/dev/null"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    lines = path.read_text().split("\n")
    reads = [k for k, line in enumerate(lines) if re.search(r"= \(?\w+_array_heard_a\[", line)]
    loop = max(k for k in range(reads[0]) if re.match(r" +for ?\(", lines[k])) + 1
    assert f"{path.name}:{loop}:" in said, said


def test_code_that_cython_rejects_is_an_error(target_restored):
    """Brian2 alone runs on without it."""
    choose("cython")
    wrong = Function(lambda x: x, arg_units=[1], return_unit=1)
    wrong.implementations.add_implementation("cython", "cdef double wrong(double x):\n    return y")
    group = NeuronGroup(1, "x : 1", namespace={"wrong": wrong}, name="group")
    group.run_regularly("x = wrong(x)", name="rejected")
    with pytest.raises(RuntimeError, match="could not compile 'rejected'"):
        simulate(1 * ms, Network(group), progress=False)
