"""Learning for Brian2: equations in, trained spiking networks out, on every codegen target."""

from brianlearn.delay_checks import check_delays
from brianlearn.errors import (
    CompilationError,
    CompilerNotFoundError,
    DelayError,
    DivergenceError,
    LearnerConflictError,
    NotAttachedError,
)
from brianlearn.feedback import Given, Random, Symmetric
from brianlearn.graded import Graded
from brianlearn.inputs import SpikeInput
from brianlearn.kernel import Kernel, Scratch, Signal, Steps
from brianlearn.learners import (
    RLS,
    DelayLearning,
    EligibilitySynapses,
    EProp,
    WinnerTakeAllDelays,
)
from brianlearn.losses import BestSoFar, CrossEntropy, MeanSquaredError
from brianlearn.optimizers import Adam, GradientDescent
from brianlearn.plastic_delay import PlasticDelay
from brianlearn.projection import Projection
from brianlearn.readout import Readout
from brianlearn.recorder import Recorder
from brianlearn.regularizers import FiringRate
from brianlearn.surrogates import Surrogate
from brianlearn.targets import set_target
from brianlearn.template import Parameter, Template
from brianlearn.training import Phase, Training, simulate
from brianlearn.trial import Trial
from brianlearn.trials import Trials

__version__ = "0.1.0"

__all__ = [
    "RLS",
    "Adam",
    "BestSoFar",
    "CompilationError",
    "CompilerNotFoundError",
    "CrossEntropy",
    "DelayError",
    "DelayLearning",
    "DivergenceError",
    "EProp",
    "EligibilitySynapses",
    "FiringRate",
    "Given",
    "Graded",
    "GradientDescent",
    "Kernel",
    "LearnerConflictError",
    "MeanSquaredError",
    "NotAttachedError",
    "Parameter",
    "Phase",
    "PlasticDelay",
    "Projection",
    "Random",
    "Readout",
    "Recorder",
    "Scratch",
    "Signal",
    "SpikeInput",
    "Steps",
    "Surrogate",
    "Symmetric",
    "Template",
    "Training",
    "Trial",
    "Trials",
    "WinnerTakeAllDelays",
    "check_delays",
    "set_target",
    "simulate",
]
