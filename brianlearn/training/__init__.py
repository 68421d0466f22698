"""Running and training a network, the same on every target."""

from brianlearn.training.phase import Phase
from brianlearn.training.simulation import Timing, simulate
from brianlearn.training.training import Training

__all__ = ["Phase", "Timing", "Training", "simulate"]
