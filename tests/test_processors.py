"""Every kernel's C++ form is its Python form, whichever compiler made it for whichever processor.

Small networks run once, on numpy; what their kernels did is done again by each C++ form, compiled
for processors with narrower vectors than this one's, or by an emulator's. See `replay`.
"""

import functools
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from brianlearn.kernel import compiler
from brianlearn.kernel.source import self_contained
from conftest import slow
from noting import Notes
from replay import compiled, replay
from replay_networks import all_notes

pytestmark = pytest.mark.usefixtures("numpy_target")

ROOT = Path(__file__).parents[1] / "brianlearn"
OF_QUEUES = {"empty", "move_delays"}  # spike queues are objects, which no file could hand over


class Processor(NamedTuple):
    """Which compiler makes code for what, how it runs, and a macro that says whether it can."""

    compiler: str
    name: str
    macro: str = ""
    flags: tuple = ()
    emulator: tuple = ()


PROCESSORS = [
    Processor("g++", "x86-64-v2", "__SSE4_2__"),
    Processor("g++", "x86-64-v3", "__AVX2__"),
    Processor("g++", "x86-64-v4", "__AVX512VL__"),
    Processor("clang++", "native"),
    # static: no library of that processor's has to be found
    Processor("aarch64-linux-gnu-g++", "armv8-a", "", ("-static",), ("qemu-aarch64",)),
]


@functools.cache
def notes() -> Notes:
    return all_notes()


def name_of(processor):
    return f"{processor.compiler}-{processor.name}"


def choose(processor, monkeypatch):
    """Make code for it, where it is at hand."""
    for program in (processor.compiler, *processor.emulator):
        if not shutil.which(program):
            pytest.skip(f"no {program}")
    asked = [processor.compiler, "-march=native", "-dM", "-E", "-x", "c++", os.devnull]
    if processor.macro not in subprocess.run(asked, capture_output=True, text=True).stdout:
        pytest.skip(f"this is no {processor.name}")
    monkeypatch.setenv("CXX", processor.compiler)
    monkeypatch.setenv("BRIANLEARN_PROCESSOR", processor.name)


# our vectors are types of their own, which any optimization makes registers of; -O3, as everywhere
# else, would take most of the time to compile
@pytest.mark.parametrize("optimization", ["-O1", slow("-O3")])
@pytest.mark.parametrize("processor", PROCESSORS, ids=name_of)
def test_forms_agree(processor, optimization, monkeypatch, tmp_path):
    """To 1e-11, and whole numbers exactly."""
    choose(processor, monkeypatch)
    flags = [*compiler.exact_flags(), optimization, *processor.flags]
    program = compiled(notes(), [*compiler.command(), *flags], tmp_path)
    assert replay(notes(), [*processor.emulator, str(program)], tmp_path) == []


@pytest.mark.parametrize("processor", PROCESSORS[3:], ids=name_of)
def test_forms_of_queues_compile(processor, monkeypatch):
    """Beside Brian2's own header, by other compilers than GCC for this machine."""
    choose(processor, monkeypatch)
    for header in ("move_delays.h", "learners/empty_queues.h"):
        command = [*compiler.command(), *compiler.exact_flags(), *compiler.include_flags()]
        text = self_contained(ROOT / header, "queues.h")
        subprocess.run([*command, "-fsyntax-only", "-xc++", "-"], input=text, text=True, check=True)


def test_no_form_is_forgotten():
    """All that headers define is replayed, or takes queues."""
    replayed = {call.form.function for call in notes()}
    defined = {}
    for header in ROOT.glob("**/*.h"):
        for name, parameters in re.findall(r"^int (\w+)\(([^)]*)\)", header.read_text(), re.M):
            defined[name] = parameters
    assert {name for name, taken in defined.items() if "Queues" in taken} == OF_QUEUES
    assert replayed == defined.keys() - OF_QUEUES
