"""`Trial`: what is presented to a network, for how it is checked, and for how it lies in a file."""

from dataclasses import dataclass

import numpy as np
from brian2.units.fundamentalunits import DimensionMismatchError

from brianlearn.checks import plain_array, real_numbers, whole_numbers

__all__ = ["LEARNING", "RECORDING", "Trial"]

LEARNING, RECORDING = 1, 2  # flags
_SPIKES = ("steps", "indices")


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

        Raises
        ------
        ValueError
            If the raster holds something else than 0 and 1, targets are no finite numbers, or the
            shapes do not fit.
        TypeError
            If they are no numbers, or views of a group's variable.
        brian2.DimensionMismatchError
            If they have a unit.

        Examples
        --------
        >>> trial = Trial.from_raster([[0, 1], [1, 1]], targets=[[0.5], [0.25]])
        >>> trial.steps, trial.indices
        (array([0, 1, 1], dtype=int32), array([1, 0, 1], dtype=int32))
        """
        raster = _per_sample(plain_array(raster, "raster", booleans=True), "raster")
        if not np.isin(raster, (0, 1)).all():
            raise ValueError("raster holds something else than 0 and 1.")
        samples, _, neurons = raster.shape
        steps, sample, neuron = np.nonzero(raster.transpose(1, 0, 2))
        if targets is not None:
            targets = _per_sample(real_numbers(targets, "targets", booleans=True), "targets")
            if len(targets) != samples:
                raise ValueError(f"targets has {len(targets)} samples, but raster {samples}.")
            targets = targets.transpose(1, 0, 2).reshape(targets.shape[1], -1)
        indices = whole_numbers(sample * neurons + neuron, "The raster's spikes", np.int32)
        return cls(steps.astype(np.int32), indices, targets, labels, raster.shape)

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
        spikes = [whole_numbers(getattr(self, name), name, np.int32) for name in _SPIKES]
        events = np.column_stack(spikes)
        labels = whole_numbers([] if self.labels is None else self.labels, "labels", np.int32)
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
        expected = samples, T, N // samples
        if self.raster is not None and self.raster != expected:
            raise ValueError(
                f"the raster has (samples, steps, neurons) {self.raster}, but the network takes "
                f"{expected}."
            )
        try:
            steps, indices = (whole_numbers(getattr(self, name), name) for name in _SPIKES)
        except (TypeError, DimensionMismatchError) as error:
            raise ValueError(
                f"steps and indices must be whole numbers without a unit: {error}"
            ) from None
        self._check_spikes(steps, indices, T, N)
        self._check_wanted(T, samples, readouts)

    @staticmethod
    def _check_spikes(steps, indices, T, N):
        """Refuse spikes outside of the trial or the input, or out of order."""
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

    def _check_wanted(self, T, samples, readouts):
        """Refuse targets and labels that are not those of the readouts."""
        if not readouts:
            if self.targets is not None or self.labels is not None:
                raise ValueError(
                    "it has targets or labels, but there is no readout: leave them out, or make "
                    "the Trials with a readout."
                )
            return
        if (self.targets is None) == (self.labels is None):
            raise ValueError("the readouts need either targets or labels.")
        if self.targets is not None:
            shape = (T, samples * readouts)
            if np.shape(self.targets) != shape:
                raise ValueError(
                    f"targets has shape {np.shape(self.targets)}, but must be {shape}."
                )
            try:
                real_numbers(self.targets, "targets", booleans=True)
            except (TypeError, DimensionMismatchError) as error:
                raise ValueError(f"targets must be numbers without a unit: {error}") from None
            return
        labels = np.asarray(self.labels)
        try:
            whole_numbers(self.labels, "labels")
        except (TypeError, DimensionMismatchError) as error:
            raise ValueError(
                f"labels is {labels.dtype} {labels.shape}, but must be {samples} integers: {error}"
            ) from None
        if labels.shape != (samples,):
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
