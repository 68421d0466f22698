"""The learning rules: readable Python beside C++, and equations beside both."""

from brianlearn.learners.delay_learning import DelayLearning
from brianlearn.learners.delay_wta import DelayCompetition, WinnerTakeAllDelays
from brianlearn.learners.eligibility import EligibilitySynapses
from brianlearn.learners.eprop import EProp
from brianlearn.learners.eprop_learner import EPropLearner
from brianlearn.learners.rls import RLS, RLSLearner

__all__ = [
    "RLS",
    "DelayCompetition",
    "DelayLearning",
    "EProp",
    "EPropLearner",
    "EligibilitySynapses",
    "RLSLearner",
    "WinnerTakeAllDelays",
]
