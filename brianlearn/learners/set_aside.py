"""A trial that does not learn leaves no trace: what a learner holds is set aside, then put back."""

from importlib.resources import files

import numpy as np

from brianlearn import schedule
from brianlearn.checks import find_array
from brianlearn.kernel import Kernel

__all__ = ["set_aside"]

_HEADER = files("brianlearn.learners") / "set_aside.h"


def keep(step, learning, numbers, counts, kept_numbers, kept_counts):
    """Before a test's first step, copy all states."""
    if step[0] == 0 and not learning[0]:
        kept_numbers[:] = np.concatenate(numbers)
        kept_counts[:] = np.concatenate(counts)


def put_back(step, steps, learning, numbers, counts, kept_numbers, kept_counts):
    """After a test's last step, copy them back."""
    if step[0] < steps[0] - 1 or learning[0]:
        return
    for arrays, kept in ((numbers, kept_numbers), (counts, kept_counts)):
        ends = np.cumsum([len(array) for array in arrays])
        for array, values in zip(arrays, np.split(kept, ends[:-1]), strict=True):
            array[:] = values


def set_aside(states: list[tuple], trials, name: str) -> list[Kernel]:
    """The two kernels that let states be, after a trial that does not learn, what they were.

    Parameters
    ----------
    states : list of (group, variable)
        Of real numbers, or of integers of eight bytes.
    trials : Trials
    name : str
    """
    numbers = [state for state in states if find_array(*state).dtype == np.float64]
    counts = [state for state in states if state not in numbers]
    lists = {"numbers": numbers, "counts": counts or [np.zeros(1, dtype=np.int64)]}
    sizes = [sum(find_array(*state).size for state in one) for one in (numbers, counts)]
    arguments = {"step": (trials, "step"), "learning": (trials, "learning"), **lists}
    moment = schedule.SET_ASIDE
    first = Kernel(
        keep,
        _HEADER,
        arguments
        | {
            "kept_numbers": np.zeros(sizes[0]),
            "kept_counts": np.zeros(max(1, sizes[1]), dtype=np.int64),
        },
        clock=trials.clock,
        when=moment.when,
        order=moment.order,
        name=f"{name}_keep",
    )
    moment = schedule.PUT_BACK
    last = Kernel(
        put_back,
        _HEADER,
        arguments
        | {"steps": (trials, "steps")}
        | {key: (first, key) for key in ("kept_numbers", "kept_counts")},
        clock=trials.clock,
        when=moment.when,
        order=moment.order,
        name=f"{name}_put_back",
    )
    return [first, last]
