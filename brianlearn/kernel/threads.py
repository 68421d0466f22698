"""How many threads a kernel may use, as one of its arguments."""

import os

from brianlearn.preferences import preferred

__all__ = ["Threads", "threads_at_hand"]


class Threads:
    """The number of threads that a kernel may use: told when its code is made, and no state.

    Its C++ form gets ``brianlearn::in_parallel`` as well. A kernel keeps to one rule: work is cut
    into parts whose number does not depend on the threads, and what they give is added in order, so
    that any number of threads gives the same numbers.
    """


def threads_at_hand() -> int:
    """The most threads that a kernel should use now: ``prefs.brianlearn.threads``, or its default.

    Raises
    ------
    ValueError
        If the preference or the environment variable is no positive whole number.
    """
    chosen = preferred("threads", "BRIANLEARN_THREADS", "OMP_NUM_THREADS")
    chosen = chosen.partition(",")[0].strip()  # OpenMP's may have one for each level
    if chosen:
        if not chosen.isdecimal() or int(chosen) < 1:
            raise ValueError(
                f"The number of threads is '{chosen}', but must be 1 or more: set "
                "prefs.brianlearn.threads, BRIANLEARN_THREADS or OMP_NUM_THREADS to such a number."
            )
        return int(chosen)
    if "PYTEST_XDIST_WORKER" in os.environ:
        return 1
    at_hand = getattr(os, "sched_getaffinity", None)  # Linux: those that this process may use
    return len(at_hand(0)) if at_hand else os.cpu_count() or 1
