"""The learning rules: one pair of files each, readable Python beside C++."""

from brianlearn.learners.rls import RLS, RLSLearner

__all__ = ["RLS", "RLSLearner"]
