"""Learning for Brian2: equations in, trained spiking networks out, on every codegen target."""

from brianlearn.errors import (
    CompilationError,
    CompilerNotFoundError,
    DivergenceError,
    LearnerConflictError,
    NotAttachedError,
)
from brianlearn.kernel import Kernel, Signal, Steps
from brianlearn.learners import RLS
from brianlearn.projection import Projection
from brianlearn.readout import Readout
from brianlearn.targets import set_target
from brianlearn.template import Parameter, Template
from brianlearn.training import simulate

__version__ = "0.1.0"

__all__ = [
    "RLS",
    "CompilationError",
    "CompilerNotFoundError",
    "DivergenceError",
    "Kernel",
    "LearnerConflictError",
    "NotAttachedError",
    "Parameter",
    "Projection",
    "Readout",
    "Signal",
    "Steps",
    "Template",
    "set_target",
    "simulate",
]
