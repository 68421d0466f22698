"""`Phase`: a stretch of training, such as learning, validation or a test."""

from collections.abc import Callable
from dataclasses import dataclass

from brianlearn.checks import check_flag, check_whole
from brianlearn.trial import Trial

__all__ = ["Phase"]


@dataclass(frozen=True, eq=False)
class Phase:
    """Iterations of one kind, which go on where the last phase of that name ended.

    Parameters
    ----------
    name : str
        Such as ``"train"``, ``"validate"``, ``"test"``.
    source : callable or Trial
        What gives the phase's trial number k, from 0 on over all phases of this name (and over
        interruptions: so it must depend on k alone); a `Trial` is presented again and again.
    iterations : int
    learning : bool
        Whether the weights change.
    recording : bool
        Whether a `Recorder` writes down each step.
    """

    name: str
    source: Callable[[int], Trial] | Trial
    iterations: int
    learning: bool = True
    recording: bool = False

    def __post_init__(self):
        if not (callable(self.source) or isinstance(self.source, Trial)):
            raise TypeError(
                f"The source of phase '{self.name}' is {self.source!r}, but must be a Trial, or a "
                "function that gives the trial number k."
            )
        check_whole("iterations", self.iterations, 0)
        check_flag("learning", self.learning)
        check_flag("recording", self.recording)

    def trial(self, k: int) -> Trial:
        """What the source gives for trial number k."""
        trial = self.source(k)
        if not isinstance(trial, Trial):
            raise TypeError(
                f"The source of phase '{self.name}' gave {trial!r} for trial {k}: no Trial."
            )
        return trial
