"""Standalone projects compile fast: headers are precompiled, setting up is not optimized."""

import subprocess

import pytest
from brian2 import Network, NeuronGroup, ms, prefs
from brian2.devices.device import get_device

from brianlearn import cache, set_target
from brianlearn.kernel import compiler
from brianlearn.kernel.headers import include_precompiled


@pytest.fixture(autouse=True)
def gcc():
    if "clang" in compiler.version():
        pytest.skip("headers are precompiled for GCC alone")


@pytest.fixture
def cached_here(tmp_path, monkeypatch):
    monkeypatch.setenv("BRIANLEARN_CACHE", str(tmp_path / "a place with spaces"))


def read(arguments, tmp_path):
    """The files that GCC reads, as it names them, for a source that needs none."""
    source = tmp_path / "empty.cpp"
    source.write_text("std::vector<double> x; const double y = std::sqrt(2.0);")
    command = [*compiler.command(), *arguments, "-H", "-c", str(source), "-o"]
    done = subprocess.run([*command, str(tmp_path / "o")], capture_output=True, text=True)
    assert not done.returncode, done.stderr
    return done.stderr.splitlines()


def test_precompiled_header_is_taken(cached_here, tmp_path):
    """Where the flags are the same; else the text is."""
    flags = ["-O1", "-std=c++11"]
    include = include_precompiled(compiler.command(), flags)
    assert read([*flags, *include], tmp_path)[0].startswith("! ")
    assert read(["-O0", *include], tmp_path)[0].startswith(("x ", ". "))
    assert include_precompiled(compiler.command(), flags) == include
    cache.clear()
    assert not any(line.startswith("! ") for line in read([*flags, *include], tmp_path))


@pytest.mark.parametrize("command", [["false"], ["no such compiler"]])
def test_header_does_without_precompilation(cached_here, tmp_path, command):
    include = include_precompiled(command, [])
    assert read(include, tmp_path)


def test_makefile_understands(cached_here, tmp_path, target_restored):
    """What Brian2's makefile does with the flags for make: all is compiled with the header."""
    set_target("cpp_standalone")
    group = NeuronGroup(1, "v : 1")
    Network(group).run(1 * ms)
    get_device().build(directory=str(tmp_path / "project"), compile=False, run=False)
    make = " ".join(["make", "-n", *prefs.devices.cpp_standalone.extra_make_args_unix])
    said = subprocess.run(
        make, cwd=tmp_path / "project", shell=True, capture_output=True, text=True, check=True
    )
    compiled = [line.split() for line in said.stdout.splitlines() if " -c " in f"{line} "]
    objects = {line[-1]: line for line in compiled if line[-1].endswith(".o")}
    assert {"main.o", "objects.o", "network.o"} <= objects.keys()
    for name, line in objects.items():
        assert "-include" in line
        last = [word for word in line if word.startswith("-O")][-1]
        assert last == {"objects.o": "-O0", "main.o": "-Og"}.get(name, "-O3")
