"""The exceptions that are brianlearn's own; everything else is a built-in one."""

__all__ = [
    "CompilationError",
    "CompilerNotFoundError",
    "DelayError",
    "DerivationError",
    "DivergenceError",
    "LearnerConflictError",
    "NotAttachedError",
]


class CompilerNotFoundError(RuntimeError):
    """A compiled target was asked for on a machine without a C++ compiler or make."""


class CompilationError(RuntimeError):
    """A kernel's C++ form, or a standalone project, did not compile; with the compiler's words."""


class DelayError(ValueError):
    """A delay that cannot be: negative, no number, too long, or written where it cannot move."""


class DerivationError(ValueError):
    """Equations that cannot be differentiated, or are not those that a rule was made for."""


class DivergenceError(ArithmeticError):
    """Learning left the realm of numbers: the message names the time, the variable and a cause."""


class NotAttachedError(RuntimeError):
    """A learner was declared, but nothing of it would run."""


class LearnerConflictError(RuntimeError):
    """Two learners would change the same weights."""
