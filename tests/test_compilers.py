"""Compilers other than GCC: Clang, Apple's under the name g++, and processors that none knows."""

import re
import shutil
import stat
import subprocess
from importlib.resources import files

import numpy as np
import pytest
from brian2 import Network, NeuronGroup, SpikeMonitor, defaultclock, ms, prefs, second

from brianlearn import RLS, Projection, Readout, simulate
from brianlearn.kernel import compiler
from conftest import choose, slow

needs_clang = pytest.mark.skipif(not shutil.which("clang++"), reason="no clang++")

# What it says of itself, and refuses: what only GCC knows, and what it knows of Intel's alone.
APPLE = """#!/bin/sh
for word in "$@"; do
  case "$word" in
    --version) echo "Apple clang version 15.0.0 (clang-1500.3.9.4)"; exit;;
    -dumpmachine) echo arm64-apple-darwin23.0.0; exit;;
    --param*|-mprefer*|-march=x86*) echo "error: unsupported '$word'" >&2; exit 1;;
  esac
done
"""


@pytest.fixture
def apple(tmp_path, monkeypatch):
    """Apple's compiler, as ``g++``."""
    fake = tmp_path / "g++"
    fake.write_text(APPLE)
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("CXX", str(fake))
    return fake


def test_apple_gets_what_brian2_passes(apple):
    """Nothing that it does not know, and all of Brian2's flags that are exact."""
    flags = compiler.exact_flags()
    default = prefs.pref_register["codegen.cpp"][0]["extra_compile_args_gcc"].default
    assert {"-ffast-math", "-fno-finite-math-only"} == set(default) - set(flags)
    assert set(flags) - set(default) == {"-ffp-contract=off", "-g0", "-fno-math-errno"}
    assert not subprocess.run([apple, *flags]).returncode
    assert compiler.make_flags() == []
    assert compiler.link_flags() == ["-pthread"]


@pytest.mark.parametrize("command", ["g++", "clang++"])
def test_unknown_processor(command, monkeypatch):
    """Refused with what the compiler says, and what can be done."""
    if not shutil.which(command):
        pytest.skip(f"no {command}")
    monkeypatch.setenv("CXX", command)
    monkeypatch.setenv("BRIANLEARN_PROCESSOR", "z80")
    words = (
        rf"'{re.escape(command)}' makes no code for the processor 'z80'. Set .*PROCESSOR.*error:"
    )
    with pytest.raises(ValueError, match=re.compile(words, re.DOTALL)):
        compiler.exact_flags()


def test_processor_that_apple_does_not_know(apple, monkeypatch):
    monkeypatch.setenv("BRIANLEARN_PROCESSOR", "x86-64-v3")
    with pytest.raises(ValueError, match="makes no code for the processor 'x86-64-v3'"):
        compiler.exact_flags()


@needs_clang
def test_fingerprint_says_what_native_means(monkeypatch, target_restored):
    """A cache that several machines share holds code for each."""
    monkeypatch.setenv("CXX", "clang++")
    choose("cython")
    here = compiler.fingerprint()
    monkeypatch.setenv("CXX", "clang++ -mno-sse4.2")  # as on a machine that lacks it
    assert compiler.fingerprint() != here


@needs_clang
@pytest.mark.parametrize("target", ["arm64-apple-darwin23", "x86_64-apple-darwin23"])
def test_vectors_on_macos(target, tmp_path):
    """Where int64_t is another type than on Linux, as far as it goes without Apple's headers."""
    (tmp_path / "cstddef").write_text("#include <stddef.h>\nnamespace std { using ::size_t; }\n")
    (tmp_path / "cstdint").write_text("#include <stdint.h>\n")
    header = (files("brianlearn.kernel") / "lanes.h").read_text()
    options = ["-std=c++11", "-Wall", "-Werror", "-Wno-unused-function", "-ffreestanding"]
    command = ["clang++", f"--target={target}", *options, "-nostdinc++", f"-I{tmp_path}"]
    command += ["-fsyntax-only", "-x", "c++", "-"]
    checked = subprocess.run(command, input=header, capture_output=True, text=True)
    assert not checked.returncode, checked.stderr


def run(target):
    """Spiking neurons whose output learns, and what came of them."""
    choose(target)
    random = np.random.default_rng(1)
    neurons = NeuronGroup(
        37,
        """dv/dt = (1.1 + sqrt(r/(100*Hz) + 0.01)/4 + z/(20*Hz) - v)/(10*ms) : 1
           dr/dt = -r/(20*ms) : Hz
           z : Hz (shared)""",
        threshold="v > 1", reset="v = 0; r += 50*Hz", method="euler", name="neurons",
    )  # fmt: skip
    neurons.v = random.random(37)
    recurrent = Projection(
        neurons, neurons, random.normal(0, 0.1, (37, 37)), variable="v", name="recurrent"
    )
    readout = Readout(neurons, "r", feedback="z", name="readout")
    rule = RLS(alpha=1e-4 * second**2, every=10 * defaultclock.dt)
    rule.attach(readout, target="5*sin(2*pi*50*Hz*t)*Hz")
    spikes = SpikeMonitor(neurons, name="spikes")
    simulate(40 * ms, Network(neurons, recurrent, readout, spikes), progress=False)
    return np.array(spikes.i), np.array(neurons.v), np.array(readout.decoders.phi)


@needs_clang
@pytest.mark.parametrize(
    "targets", [("numpy", "cpp_standalone"), slow(("cpp_standalone", "cython"))]
)
def test_clang(targets, monkeypatch, target_restored):
    """The compiled targets agree to the bit, and with numpy to rounding."""
    monkeypatch.setenv("CXX", "clang++")
    (spikes, *expected), (same_spikes, *ours) = map(run, targets)
    assert len(spikes) > 50
    assert np.array_equal(spikes, same_spikes)
    rounding = 1e-11 if "numpy" in targets else 0
    for mine, theirs in zip(ours, expected, strict=True):
        assert np.ptp(theirs) > 0
        assert np.allclose(mine, theirs, rtol=rounding, atol=rounding)
