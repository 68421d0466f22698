"""`Trial`: what is presented to a network, for how it is checked, and for how it lies in a file."""

from dataclasses import dataclass

import numpy as np
from brian2.units.fundamentalunits import DIMENSIONLESS, get_dimensions

__all__ = ["LEARNING", "RECORDING", "Trial"]

LEARNING, RECORDING = 1, 2  # flags


@dataclass(frozen=True, eq=False)
class Trial:
    """What one trial presents to all samples of a batch.

    Parameters
    ----------
    steps, indices : arrays of int
        Input spikes, sorted by step: the step of the trial, and ``sample*neurons + neuron``. A
        neuron that is listed several times in a step transmits its weights as often; eligibility
        traces see one spike.
    targets : array, optional
        What the readouts should be: steps x (samples*readouts).
    labels : array of int, optional
        Or the class of each sample: its readout's target is 1, the others' 0.
    raster : tuple of int, optional
        Samples, steps and neurons of the raster that it was made from.
    """

    steps: np.ndarray
    indices: np.ndarray
    targets: np.ndarray | None = None
    labels: np.ndarray | None = None
    raster: tuple[int, int, int] | None = None

    @classmethod
    def from_raster(cls, raster, targets=None, labels=None) -> "Trial":
        """A trial from a raster of 0 and 1: steps x neurons, or samples x steps x neurons.

        ``targets`` is then steps x readouts, or samples x steps x readouts.

        Examples
        --------
        >>> trial = Trial.from_raster([[0, 1], [1, 1]], targets=[[0.5], [0.25]])
        >>> trial.steps, trial.indices
        (array([0, 1, 1], dtype=int32), array([1, 0, 1], dtype=int32))
        """
        raster = _per_sample(raster, "raster")
        if not np.isin(raster, (0, 1)).all():
            raise ValueError("raster holds something else than 0 and 1.")
        samples, _, neurons = raster.shape
        steps, sample, neuron = np.nonzero(raster.transpose(1, 0, 2))
        if targets is not None:
            targets = _per_sample(targets, "targets")
            if len(targets) != samples:
                raise ValueError(f"targets has {len(targets)} samples, but raster {samples}.")
            targets = targets.transpose(1, 0, 2).reshape(targets.shape[1], -1)
        indices = sample * neurons + neuron
        steps, indices = steps.astype(np.int32), indices.astype(np.int32)
        return cls(steps, indices, targets, labels, raster.shape)

    @classmethod
    def without_spikes(cls, targets=None, labels=None) -> "Trial":
        """A trial of a network that hears other sources than a `SpikeInput`, or none.

        ``targets`` is steps x readouts, or samples x steps x readouts.

        Examples
        --------
        >>> Trial.without_spikes(targets=[[0.5], [0.25]]).targets
        array([[0.5 ],
               [0.25]])
        """
        if targets is not None:
            targets = _per_sample(targets, "targets")
            targets = targets.transpose(1, 0, 2).reshape(targets.shape[1], -1)
        return cls(np.zeros(0, np.int32), np.zeros(0, np.int32), targets, labels)

    def to_bytes(self, flags: int) -> bytes:
        """The trial as a block of a file: header, spikes, labels, targets; in eights of bytes."""
        events = np.column_stack([self.steps, self.indices]).astype(np.int32)
        labels = np.array([] if self.labels is None else self.labels, dtype=np.int32)
        targets = np.array([] if self.targets is None else self.targets, dtype=float)
        header = np.array([len(events), labels.size, targets.size, flags], dtype=np.int64)
        data = b"".join(part.tobytes() for part in (header, events, labels, targets))
        return data + bytes(-len(data) % 8)

    def check(self, T: int, N: int, samples: int, readouts: int) -> None:
        """Refuse what does not fit T steps, N inputs and a batch of samples with readouts.

        Raises
        ------
        ValueError
            Saying what lies outside, or which shape it should have.
        """
        steps, indices = np.asarray(self.steps), np.asarray(self.indices)
        expected = samples, T, N // samples
        if self.raster is not None and self.raster != expected:
            raise ValueError(
                f"the raster has (samples, steps, neurons) {self.raster}, but the network takes "
                f"{expected}."
            )
        for name, values in (("steps", self.steps), ("indices", self.indices)):
            whole = not np.size(values) or np.issubdtype(np.asarray(values).dtype, np.integer)
            if not whole or get_dimensions(values) is not DIMENSIONLESS:
                raise ValueError(f"{name} must be whole numbers without a unit.")
        if steps.shape != indices.shape or steps.ndim != 1:
            raise ValueError(f"steps and indices differ: {steps.shape} and {indices.shape}.")
        if steps.size and (steps.min() < 0 or steps.max() >= T):
            raise ValueError(
                f"a spike at step {steps.max() if steps.max() >= T else steps.min()} lies outside "
                f"the trial, which has the steps 0 to {T - 1}."
            )
        if steps.size and (indices.min() < 0 or indices.max() >= N):
            wrong = indices.min() if indices.min() < 0 else indices.max()
            raise ValueError(f"a spike of neuron {wrong} lies outside the input's {N}.")
        order = steps.astype(np.int64) * N + indices
        if np.any(np.diff(order) < 0):
            raise ValueError("a spike is out of order: sort them by step, then by neuron.")
        if steps.size and np.bincount(steps).max() > N:
            raise ValueError(f"more than {N} spikes in one step, one for each neuron of the input.")
        if not readouts:
            return
        if (self.targets is None) == (self.labels is None):
            raise ValueError("the readouts need either targets or labels.")
        if self.targets is not None:
            if get_dimensions(self.targets) is not DIMENSIONLESS:
                raise ValueError("targets have a unit, but readouts have none.")
            shape = (T, samples * readouts)
            if np.shape(self.targets) != shape:
                raise ValueError(
                    f"targets has shape {np.shape(self.targets)}, but must be {shape}."
                )
            if not np.isfinite(self.targets).all():
                raise ValueError("targets holds something that is not a finite number.")
            return
        labels = np.asarray(self.labels)
        if labels.shape != (samples,) or not np.issubdtype(labels.dtype, np.integer):
            raise ValueError(
                f"labels is {labels.dtype} {labels.shape}, but must be {samples} integers."
            )
        if labels.min() < 0 or labels.max() >= readouts:
            raise ValueError(
                f"the label {labels.min() if labels.min() < 0 else labels.max()} is none of the "
                f"readouts 0 to {readouts - 1}."
            )


def _per_sample(values, name):
    array = np.asarray(values)
    if array.ndim == 2:
        array = array[np.newaxis]
    if array.ndim != 3:
        raise ValueError(
            f"{name} has shape {array.shape}, but must be steps x units or samples x steps x units."
        )
    return array
