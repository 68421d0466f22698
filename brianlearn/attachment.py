"""Which learners were declared and which attached, so that none is forgotten or doubled."""

import weakref

from brianlearn.errors import LearnerConflictError, NotAttachedError

__all__ = ["attach", "check_free", "check_nothing_forgotten", "declare"]

_declared = weakref.WeakSet()


def declare(rule) -> None:
    """Remember a rule until it is attached (or deleted)."""
    _declared.add(rule)


def attach(learner, readout) -> None:
    """Let ``learner`` run with ``readout`` in every network that holds it."""
    readout.learner = learner
    readout.contained_objects.append(learner)


def check_free(rule, readout) -> None:
    """Refuse a second learner on one readout; from now on the rule is not a forgotten one.

    Raises
    ------
    LearnerConflictError
        Naming the first.
    """
    _declared.discard(rule)
    if readout.learner is not None:
        raise LearnerConflictError(
            f"'{readout.name}' learns already, by '{readout.learner.name}': two learners cannot "
            "change the same decoders. Make a second Readout for the second learner."
        )


def check_nothing_forgotten(readout) -> None:
    """Before a run: a readout without a learner, while a declared rule waits, is a mistake.

    Raises
    ------
    NotAttachedError
        Naming the rule that waits.
    """
    if readout.learner is None and len(_declared):
        raise NotAttachedError(
            f"{next(iter(_declared))} was declared but never attached, so '{readout.name}' would "
            "not learn: call its attach(readout, target=...), or delete it."
        )
