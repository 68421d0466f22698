"""`Recorder`: what happens in trials, written to a file as it happens, on every target."""

import os
import tempfile
import weakref
from importlib.resources import files
from pathlib import Path

import numpy as np

from brianlearn import schedule
from brianlearn.checks import find_array, whole_numbers
from brianlearn.kernel import FileName, Kernel
from brianlearn.kernel.path import decode
from brianlearn.trials import Trials

__all__ = ["Recorder"]

UNWRITABLE = 1
_FAULTS = {UNWRITABLE: (OSError, "the record cannot be written at t = {time}: is the disk full?")}


def write_down(step, steps, recording, each_step, path, values, indices):
    """The Python form: append the chosen elements of all variables to the file."""
    if not (recording[0] if each_step[0] else step[0] == steps[0] - 1):
        return 0
    row = [array[index] for array, index in zip(values, indices, strict=True)]
    try:
        with open(decode(path), "ab") as file:
            np.concatenate(row).tofile(file)
    except OSError:
        return UNWRITABLE


class Recorder(Kernel):
    """Variables in each step of the trials that are to be recorded, or after every trial.

    Unlike a monitor it takes no memory while the network runs, can be left in while thousands of
    trials are not recorded, and has trials as its first axis. It writes down what a variable holds
    at the end of a step of the trials, whatever the time step of its group.

    Parameters
    ----------
    trials : Trials
    variables : dict of str to (group, variable)
        What to record (numbers, not integers), under which name.
    each : {"step", "trial"}
        Each step of a trial presented with ``recording=True``, or the end of every trial, after
        the weights have changed.
    indices : dict of str to array of int, optional
        Which elements of a variable; by default all.
    name : str

    Attributes
    ----------
    recorded : dict of str to (group, variable, list of int)
        What is recorded, and which elements.

    Raises
    ------
    KeyError, TypeError
        If a group has no such variable, or not as an array of numbers, or an index is no whole
        number.
    ValueError
        If ``each`` is neither, or an index lies outside the variable.

    Examples
    --------
    >>> from brian2 import ms
    >>> from brianlearn import SpikeInput
    >>> from brianlearn.models import eprop_lif
    >>> inputs, neurons = SpikeInput(10), eprop_lif.neurons(5)
    >>> trials = Trials(100*ms, inputs, reset=[neurons])
    >>> recorder = Recorder(trials, {"v": (neurons, "v"), "psi": (neurons, "psi")})
    """

    def __init__(
        self, trials: Trials, variables: dict, *, each="step", indices=None, name="recorder*"
    ):
        if each not in ("step", "trial"):
            raise ValueError(f"each is '{each}', but must be 'step' or 'trial'.")
        if unknown := {*(indices or {})} - {*variables}:
            raise ValueError(f"indices names {', '.join(sorted(unknown))}, which is not recorded.")
        chosen = {}
        for key, (group, variable) in variables.items():
            found = find_array(group, variable)
            if found.dtype != np.float64:
                raise TypeError(f"'{variable}' of '{group.name}' does not hold real numbers.")
            every = np.arange(0 if found.size is None else found.size)
            given = (indices or {}).get(key, every)
            chosen[key] = whole_numbers(given, f"The indices of '{key}'", np.int32).ravel()
            outside = found.size and chosen[key].size and chosen[key].max() >= found.size
            if not chosen[key].size or chosen[key].min() < 0 or outside:
                raise ValueError(f"The indices of '{key}' lie outside '{variable}', or are none.")
        self.each, self.samples = each, trials.samples
        self.recorded = {key: (*where, chosen[key].tolist()) for key, where in variables.items()}
        self.steps_per_trial = trials.steps_per_trial
        self.widths = {key: len(index) for key, index in chosen.items()}
        whole = set(chosen) - set(indices or {})
        self._whole = {key for key in whole if not find_array(*variables[key]).scalar}
        folder = tempfile.TemporaryDirectory(prefix="brianlearn_recorder_")
        weakref.finalize(self, folder.cleanup)
        self.path = Path(folder.name) / "record.bin"
        moment = schedule.RECORD
        super().__init__(
            write_down,
            files("brianlearn") / "recorder.h",
            {
                "step": (trials, "step"),
                "steps": (trials, "steps"),
                "recording": (trials, "recording"),
                "each_step": each == "step",
                "path": FileName(self.path),
                "values": list(variables.values()),
                "indices": list(chosen.values()),
            },
            faults=_FAULTS,
            clock=trials.clock,
            when=moment.when,
            order=moment.order,
            name=name,
        )

    def read(self) -> dict[str, np.ndarray]:
        """What was recorded since the last `clear`, by name.

        Returns
        -------
        dict of arrays
            Trials x steps x elements, or trials x elements; a variable of a whole batch is trials
            x steps x samples x elements. A trial that was not completed is left out.
        """
        width = sum(self.widths.values())
        per_trial = self.steps_per_trial if self.each == "step" else 1
        data = np.fromfile(self.path) if self.path.exists() else np.empty(0)
        trials = len(data) // (width * per_trial)
        data = data[: trials * per_trial * width].reshape(trials, per_trial, width)
        if self.each == "trial":
            data = data[:, 0]
        ends = np.cumsum([*self.widths.values()])
        parts = np.split(data, ends[:-1], axis=-1)
        return {
            name: self._by_sample(name, part) for name, part in zip(self.widths, parts, strict=True)
        }

    def _by_sample(self, name, part):
        if name not in self._whole or part.shape[-1] % self.samples:
            return part
        return part.reshape(*part.shape[:-1], self.samples, part.shape[-1] // self.samples)

    @property
    def record_bytes(self) -> int:
        """How many bytes the file has."""
        return self.path.stat().st_size if self.path.exists() else 0

    def cut_record(self, written: int) -> None:
        """Forget what was recorded since the file had so many bytes."""
        if self.record_bytes > written:
            os.truncate(self.path, written)

    def further_state(self) -> dict[str, np.ndarray]:
        """What was recorded, as a checkpoint keeps it."""
        return {"record": np.fromfile(self.path) if self.path.exists() else np.empty(0)}

    def set_further_state(self, state: dict[str, np.ndarray]) -> None:
        """Go on behind what `further_state` gave."""
        self.clear()
        if state["record"].size:
            state["record"].tofile(self.path)

    def _full_state(self):
        """Brian2's hook, for `Network.store`."""
        return super()._full_state() | {"_further": self.further_state()}

    def _restore_from_full_state(self, state):
        """Brian2's hook, for `Network.restore`."""
        arrays = dict(state)
        self.set_further_state(arrays.pop("_further"))
        super()._restore_from_full_state(arrays)

    def clear(self) -> None:
        """Forget what was recorded."""
        self.path.unlink(missing_ok=True)
