"""A target that is a variable of another group, the teacher: what it holds in each time step."""

from importlib.resources import files

import numpy as np
from brian2.groups.group import Group

from brianlearn.checks import check_clocks, check_unit, find_array
from brianlearn.kernel import Kernel

__all__ = ["Teacher", "check_teacher", "is_teacher"]


def follow(said, target):
    """The Python form: the target is what the teacher holds just now."""
    target[:] = said


def is_teacher(target) -> bool:
    """Whether a target is given as (group, "variable")."""
    pair = isinstance(target, tuple) and len(target) == 2
    return pair and isinstance(target[0], Group) and isinstance(target[1], str)


def check_teacher(teacher, pupil, dim) -> None:
    """Refuse a variable that is no target of all units of a readout, step by step.

    Parameters
    ----------
    teacher : (group, variable)
    pupil : Group
        The readout.
    dim : Dimension
        Of its target.

    Raises
    ------
    KeyError, TypeError
        If the group has no such variable, or not as an array of real numbers.
    brian2.DimensionMismatchError
        If it has other units.
    ValueError
        If it has another number of values, or the groups take different time steps.
    """
    if not is_teacher(teacher):
        raise TypeError(f"target is {teacher!r}, but must be (group, 'variable').")
    group, name = teacher
    variable, what = find_array(group, name), f"target ('{name}' of '{group.name}')"
    check_unit(variable.dim, dim, what)
    if variable.dtype != np.float64:
        raise TypeError(f"{what} does not hold real numbers.")
    size = 1 if variable.scalar else len(group)
    if size != len(pupil):
        raise ValueError(f"{what} has {size} value(s), but '{pupil.name}' has {len(pupil)}.")
    check_clocks(f"target of '{pupil.name}'", group, pupil)


class Teacher(Kernel):
    """What sets a target in each time step, to what a variable holds then.

    Parameters
    ----------
    teacher, pupil : (group, variable)
        What is copied, and where to; `check_teacher` says what fits.
    moment : Moment
    name : str
    """

    def __init__(self, teacher, pupil, moment, name):
        self.groups = teacher[0], pupil[0]
        super().__init__(
            follow,
            files("brianlearn") / "teacher.h",
            {"said": teacher, "target": pupil},
            clock=pupil[0].clock,
            when=moment.when,
            order=moment.order,
            name=name,
        )

    def before_run(self, run_namespace):
        """Brian2's hook: the groups still take the same time steps."""
        check_clocks(f"'{self.name}'", *self.groups)
        super().before_run(run_namespace)
