"""What a user sets once for a machine: ``prefs.brianlearn``, or environment variables."""

import os

from brian2.core.preferences import BrianPreference, prefs

__all__ = ["preferred"]

prefs.register_preferences(
    "brianlearn",
    "Preferences of brianlearn",
    cache_dir=BrianPreference(
        default="",
        docs="""
        The folder for compiled code. If empty, the environment variable ``BRIANLEARN_CACHE``,
        else the platform's cache folder.
        """,
    ),
    cache_size=BrianPreference(
        default=256 * 2**20,
        docs="The most bytes that cached standalone binaries may take; the oldest go first.",
    ),
    processor=BrianPreference(
        default="",
        docs="""
        The processor that code is compiled for, as the compiler's ``-march=`` has it: with
        ``x86-64-v3``, say, it runs on all machines of a mixed cluster that have AVX2. If empty, the
        environment variable ``BRIANLEARN_PROCESSOR``, else ``native``: this machine's. It takes
        effect with the next `set_target`.
        """,
    ),
    vector_functions=BrianPreference(
        default=False,
        docs="""
        Whether loops over neurons compute exp, log, pow, sin and cos of several at once, by glibc's
        vector library (Linux on x86-64, GCC): AdEx neurons then take a third to 0.6 of the time.
        The functions are right to 4 units in the last place instead of 1, and not to the same bit
        for each place in a group, so that Cython and standalone agree to rounding only. It takes
        effect with the next `set_target`.
        """,
    ),
    threads=BrianPreference(
        default=0,
        docs="""
        The most threads that a kernel may use; how many there are changes no number. If 0, the
        environment variable ``BRIANLEARN_THREADS`` or ``OMP_NUM_THREADS`` (which Dask and joblib
        set for their workers), else 1 in a worker of pytest-xdist, else the cores at hand.
        """,
    ),
)


def preferred(name: str, *variables: str) -> str:
    """A preference as text, or the first of these environment variables that is set, or ``""``."""
    values = [prefs[f"brianlearn.{name}"], *map(os.environ.get, variables)]
    return str(next(filter(None, values), ""))
