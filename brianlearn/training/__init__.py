"""Running and training a network, the same on every target."""

from brianlearn.training.simulation import Timing, simulate
from brianlearn.training.training import Phase, Training

__all__ = ["Phase", "Timing", "Training", "simulate"]
