"""The C++ compiler: which one, with which flags, and what it says about a piece of code."""

import functools
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import brian2.synapses
from brian2.codegen.cpp_prefs import get_compiler_and_args
from brian2.core.preferences import prefs

from brianlearn import cache
from brianlearn.errors import CompilationError, CompilerNotFoundError
from brianlearn.kernel.headers import include_precompiled
from brianlearn.preferences import preferred

__all__ = [
    "check_syntax",
    "command",
    "exact_flags",
    "fingerprint",
    "include_flags",
    "link_flags",
    "make_flags",
    "processor",
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


def processor() -> str:
    """What code is compiled for: ``native``, or what the preference or environment names.

    Raises
    ------
    ValueError
        If the compiler knows no such processor.
    """
    chosen = preferred("processor", "BRIANLEARN_PROCESSOR") or "native"
    if chosen == "native":  # Brian2 leaves it out where the compiler does not know it
        return chosen
    check = _run(tuple(command()), f"-march={chosen}", "-E", "-x", "c++", os.devnull)
    if check.returncode:
        raise ValueError(
            f"The compiler '{command()[0]}' makes no code for the processor '{chosen}'. Set the "
            "environment variable BRIANLEARN_PROCESSOR or prefs.brianlearn.processor to one that "
            "-march= knows, such as x86-64-v3, or leave them empty for this machine's:\n"
            + check.stderr
        )
    return chosen


def exact_flags() -> list[str]:
    """Brian2's flags for GCC, changed so that all compiled targets give the same bits.

    Without ``-ffast-math`` and without fused multiply-add, no sum is reordered or rounded
    differently. What is added changes no value, but lets compilers vectorise Brian2's loops: errno
    and floating-point traps are never read, and a state updater touches more arrays than GCC checks
    for overlap by default. ``-g0``: extension modules are not described to debuggers. Clang (which
    on macOS is called ``g++``, too) gets what it knows.
    """
    default = prefs.pref_register["codegen.cpp"][0]["extra_compile_args_gcc"].default
    flags = [flag for flag in default if flag not in _INEXACT] + ["-ffp-contract=off"]
    flags = [f"-march={processor()}" if flag == "-march=native" else flag for flag in flags]
    flags += ["-g0", "-fno-math-errno"]
    if "clang" not in version():
        flags += ["-fno-trapping-math", "-funroll-loops"]
        flags += ["--param=vect-max-version-for-alias-checks=1000"]
    if prefs.brianlearn.vector_functions:
        flags += [f"--include={_vector_functions()}"]
    return flags


def _vector_functions() -> Path:
    """The header that declares them, if they exist here."""
    header = Path(str(files("brianlearn.kernel") / "vector_functions.h"))
    macros = _output(
        tuple(command()), "-dM", "-E", "-x", "c++", "-include", "features.h", os.devnull
    )
    needed = "__GLIBC__", "__x86_64__", "__GNUC__"
    if "clang" in version() or not all(f"#define {name} " in macros for name in needed):
        raise ValueError(
            "prefs.brianlearn.vector_functions needs GCC and the GNU C library on x86-64: set it "
            "to False here."
        )
    return header


def make_flags() -> list[str]:
    """For make, with GCC: headers are read once; what no time step runs is hardly optimized."""
    if not (headers := _headers_read_once()):
        return []
    return [
        f"CXX={shlex.join([*command(), *headers])}",
        "--eval=objects.o: CXXFLAGS += -O0",
        "--eval=main.o process.o: CXXFLAGS += -Og",
    ]


def _headers_read_once() -> list[str]:
    """Arguments for GCC, where it is known to take precompiled headers."""
    if sys.platform != "linux" or "clang" in version():
        return []
    return include_precompiled(command(), get_compiler_and_args()[1])


def link_flags() -> list[str]:
    """Brian2's flags for the linker, and threads."""
    default = prefs.pref_register["codegen.cpp"][0]["extra_link_args"].default
    return [*default, "-pthread", *(["-lm"] if prefs.brianlearn.vector_functions else [])]


def include_flags() -> list[str]:
    """Where Brian2's own headers are, that of the spike queue among them."""
    return ["-I", os.path.dirname(brian2.synapses.__file__)]


def version() -> str:
    """What the compiler says of itself."""
    return _output(tuple(command()), "--version")


def fingerprint() -> str:
    """A short name of the compiler, the flags in force and the processor that they mean."""
    compiler, flags = tuple(command()), tuple(get_compiler_and_args()[1])
    asked = ["-dM", "-E", "-x", "c++", os.devnull]  # the macros that are defined for it
    if "clang" not in version():
        asked = ["-Q", "--help=target"]
    described = _output(compiler, *flags, *asked)
    return hashlib.sha256(repr((version(), flags, described)).encode()).hexdigest()[:16]


def _output(compiler: tuple[str, ...], *arguments: str) -> str:
    return _run(compiler, *arguments).stdout


@functools.lru_cache
def _run(compiler: tuple[str, ...], *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([*compiler, *arguments], capture_output=True, text=True)


def check_syntax(text: str, kernel: str, *, standalone: bool) -> None:
    """Let the compiler read ``text`` once; what it accepted is remembered in the cache.

    For C++ standalone mode it is read as make lets it be read, below the precompiled headers.

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
    headers = _headers_read_once() if standalone else []
    digest = hashlib.sha256(repr((text, headers, flags, version())).encode()).hexdigest()
    accepted = cache.directory("accepted") / digest
    if accepted.exists():
        return
    check = subprocess.run(
        [*command(), *headers, *flags, "-fsyntax-only", "-x", "c++", "-"],
        input=text,
        capture_output=True,
        text=True,
    )
    if check.returncode:
        raise CompilationError(f"The C++ form of '{kernel}' does not compile:\n{check.stderr}")
    accepted.touch()
