"""The C++ compiler: which one, with which flags, and what it says about a piece of code."""

import functools
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys

import brian2.synapses
from brian2.codegen.cpp_prefs import get_compiler_and_args
from brian2.core.preferences import prefs

from brianlearn import cache
from brianlearn.errors import CompilationError, CompilerNotFoundError
from brianlearn.kernel.headers import include_precompiled

__all__ = [
    "check_syntax",
    "command",
    "exact_flags",
    "fingerprint",
    "include_flags",
    "link_flags",
    "make_flags",
]

_INEXACT = {"-ffast-math", "-fno-finite-math-only"}


def command() -> list[str]:
    """The compiler as a command: ``$CXX``, else ``g++``.

    Raises
    ------
    CompilerNotFoundError
        If it is not on the path.
    """
    words = shlex.split(os.environ.get("CXX") or "g++")
    if shutil.which(words[0]) is None:
        raise CompilerNotFoundError(
            f"No C++ compiler: '{words[0]}' is not on the path. Install one (on Debian and Ubuntu: "
            "apt install g++ make), name yours in the environment variable CXX, or use the target "
            "'numpy', which needs none."
        )
    return words


def exact_flags() -> list[str]:
    """Brian2's flags for GCC, changed so that all compiled targets give the same bits.

    Without ``-ffast-math`` and without fused multiply-add, no sum is reordered or rounded
    differently. What is added changes no value, but lets GCC vectorise Brian2's loops: errno and
    floating-point traps are never read, and a state updater touches more arrays than GCC checks
    for overlap by default. ``-g0``: extension modules are not described to debuggers.
    """
    default = prefs.pref_register["codegen.cpp"][0]["extra_compile_args_gcc"].default
    flags = [flag for flag in default if flag not in _INEXACT] + ["-ffp-contract=off"]
    if "clang" not in version():
        flags += ["-g0", "-fno-math-errno", "-fno-trapping-math", "-funroll-loops"]
        flags += ["--param=vect-max-version-for-alias-checks=1000"]
        if platform.machine() in ("x86_64", "AMD64"):
            flags += ["-mprefer-vector-width=512"]
    return flags


def make_flags() -> list[str]:
    """For make, with GCC: headers are read once; what no time step runs is not optimized."""
    if sys.platform != "linux" or "clang" in version():
        return []
    compiler = [*command(), *include_precompiled(command(), get_compiler_and_args()[1])]
    return [f"CXX={shlex.join(compiler)}", "--eval=objects.o main.o: CXXFLAGS += -O0"]


def link_flags() -> list[str]:
    """Brian2's flags for the linker, and threads."""
    default = prefs.pref_register["codegen.cpp"][0]["extra_link_args"].default
    return [*default, "-pthread"]


def include_flags() -> list[str]:
    """Where Brian2's own headers are, that of the spike queue among them."""
    return ["-I", os.path.dirname(brian2.synapses.__file__)]


def version() -> str:
    """What the compiler says of itself."""
    return _output(tuple(command()), "--version")


def fingerprint() -> str:
    """A short name of the compiler, the flags in force and this CPU (``-march=native``)."""
    compiler, flags = tuple(command()), tuple(get_compiler_and_args()[1])
    target = _output(compiler, *flags, "-Q", "--help=target") if "clang" not in version() else ""
    return hashlib.sha256(repr((version(), flags, target)).encode()).hexdigest()[:16]


@functools.lru_cache
def _output(compiler: tuple[str, ...], *arguments: str) -> str:
    return subprocess.run([*compiler, *arguments], capture_output=True, text=True).stdout


def check_syntax(text: str, kernel: str) -> None:
    """Let the compiler read ``text`` once; what it accepted is remembered in the cache.

    Brian2 hides the compiler's messages (and skips Cython code that does not compile without a
    word), so a kernel asks before it hands its text over.

    Raises
    ------
    CompilationError
        With the kernel's name and the compiler's messages.
    """
    flags = [flag for flag in get_compiler_and_args()[1] if flag != "-w"]
    flags += ["-Werror=return-type"]  # what a function without return gives is anything at all
    flags += include_flags()
    digest = hashlib.sha256(repr((text, flags, version())).encode()).hexdigest()
    accepted = cache.directory("accepted") / digest
    if accepted.exists():
        return
    check = subprocess.run(
        [*command(), *flags, "-fsyntax-only", "-x", "c++", "-"],
        input=text,
        capture_output=True,
        text=True,
    )
    if check.returncode:
        raise CompilationError(f"The C++ form of '{kernel}' does not compile:\n{check.stderr}")
    accepted.touch()
