"""One call that chooses a codegen target and makes every target give the same numbers."""

import gc
import shlex
import shutil

from brian2 import defaultclock, prefs
from brian2.devices.device import get_device, reset_device, set_device

from brianlearn import cache
from brianlearn.errors import CompilerNotFoundError
from brianlearn.kernel import compiler
from brianlearn.kernel.loops import use_our_loops
from brianlearn.running.device import end_life

__all__ = ["TARGETS", "set_target"]

TARGETS = ("cpp_standalone", "cython", "numpy")


def set_target(name: str = "cpp_standalone") -> None:
    """Choose where the network runs, with exact flags and a cache of compiled code of our own.

    What it sets: the device; ``prefs.codegen.target``; ``prefs.codegen.cpp.extra_compile_args_gcc``
    (Brian2's without ``-ffast-math``: Cython and standalone then agree to the bit) and
    ``extra_link_args`` (``-pthread``, for kernels that use two processors);
    ``prefs.devices.cpp_standalone.extra_make_args_unix`` (for shorter compilation); the Cython
    cache, one folder per compiler, flags and CPU; and how Brian2 writes the loops of equations and
    ``run_regularly``, which can then be vectorised, with the same results. A standalone network
    that was built before ends, as after ``device.reinit()``; what it held can still be read.
    ``defaultclock.dt`` stays.

    Parameters
    ----------
    name : {"cpp_standalone", "cython", "numpy"}

    Raises
    ------
    ValueError
        If ``name`` is none of these.
    brianlearn.errors.CompilerNotFoundError
        If the machine lacks a C++ compiler, or make for standalone.

    Examples
    --------
    >>> set_target("numpy")
    """
    if name not in TARGETS:
        raise ValueError(f"target is '{name}', but must be one of {', '.join(TARGETS)}.")
    end_life()
    dt = defaultclock.dt
    if name != "numpy":
        compiler.command()
        prefs.codegen.cpp.extra_compile_args_gcc = compiler.exact_flags()
        prefs.codegen.cpp.extra_link_args = compiler.link_flags()
        folder = cache.directory("cython", compiler.fingerprint())
        prefs.codegen.runtime.cython.cache_dir = str(folder)
        use_our_loops()
    if name == "cpp_standalone":
        if shutil.which("make") is None:
            raise CompilerNotFoundError(
                "C++ standalone mode needs 'make', which is not on the path (on Debian and Ubuntu: "
                "apt install make). Without it, use the target 'cython' or 'numpy'."
            )
        quoted = [shlex.quote(flag) for flag in compiler.make_flags()]
        prefs.devices.cpp_standalone.extra_make_args_unix = ["-j", *quoted]
        set_device("cpp_standalone", build_on_run=False)
        get_device().reinit()
        gc.collect()  # code that is named as if its like still existed is not in the cache
        get_device().activate(build_on_run=False)
    else:
        reset_device("runtime")
        prefs.codegen.target = name
    if defaultclock.dt != dt:
        defaultclock.dt = dt
