"""What a group does in a time step, read from its equations, and differentiated.

This room reads Brian2's language and knows no learner: `Step` is a time step as statements, and
`derivative` differentiates an expression by the rules of its nodes.
"""

from brianlearn.derivation.numbers import evaluate
from brianlearn.derivation.rules import derivative, given_calls, parse
from brianlearn.derivation.step import Statement, Step
from brianlearn.derivation.writers import check_writers

__all__ = ["Statement", "Step", "check_writers", "derivative", "evaluate", "given_calls", "parse"]
