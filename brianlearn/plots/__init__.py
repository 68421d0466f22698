"""Figures from plain arrays; nothing here knows how they were simulated."""

from brianlearn.plots.answers import evidence
from brianlearn.plots.confusions import confusion
from brianlearn.plots.curves import losses
from brianlearn.plots.delay_wta import competition
from brianlearn.plots.delays import alignment, sequence
from brianlearn.plots.eprop import snapshot
from brianlearn.plots.force import force
from brianlearn.plots.frames import event_frames
from brianlearn.plots.localization import localization
from brianlearn.plots.weights import weight_courses, weight_matrices

__all__ = [
    "alignment",
    "competition",
    "confusion",
    "event_frames",
    "evidence",
    "force",
    "localization",
    "losses",
    "sequence",
    "snapshot",
    "weight_courses",
    "weight_matrices",
]
