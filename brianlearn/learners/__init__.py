"""The learning rules: readable Python beside C++, and equations beside both."""

from brianlearn.learners.eprop import EProp
from brianlearn.learners.eprop_learner import EPropLearner
from brianlearn.learners.eprop_online import EligibilitySynapses
from brianlearn.learners.rls import RLS, RLSLearner

__all__ = ["RLS", "EProp", "EPropLearner", "EligibilitySynapses", "RLSLearner"]
