"""`Kernel`: one operation, written once in Python and once in C++, run on every codegen target.

The only package of ours that touches Brian2's internals; ``tests/test_brian2_internals.py`` names
each of them.
"""

from brianlearn.kernel.arguments import Scratch
from brianlearn.kernel.kernel import Kernel, at_runtime
from brianlearn.kernel.path import FileName
from brianlearn.kernel.queues import Queues, pathways
from brianlearn.kernel.signal import Signal
from brianlearn.kernel.steps import Steps
from brianlearn.kernel.threads import Threads

__all__ = [
    "FileName",
    "Kernel",
    "Queues",
    "Scratch",
    "Signal",
    "Steps",
    "Threads",
    "at_runtime",
    "pathways",
]
