"""`Trials`: a run as a sequence of trials, each with its input spikes and what is wanted of it."""

import tempfile
import weakref
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path

import numpy as np
from brian2.core.clocks import defaultclock
from brian2.units.fundamentalunits import Quantity

from brianlearn import record, schedule
from brianlearn.checks import check_clocks, find_array
from brianlearn.delays import all_trials
from brianlearn.inputs import SpikeInput, batch_of
from brianlearn.kernel import FileName, Kernel, Scratch, Steps
from brianlearn.kernel.path import decode
from brianlearn.states import is_named, reset_states, units_of
from brianlearn.teacher import check_teacher
from brianlearn.trial import LEARNING, RECORDING, Trial

__all__ = ["Trials"]

_HEADER = 4  # int64: events, labels, targets, flags
UNREADABLE, LOST = 1, 2
_FAULTS = {
    UNREADABLE: (
        OSError,
        "the file with the trials could not be read at t = {time}: it was removed or cut short "
        "while the network ran.",
    )
}


def present(step, trial, steps, learning, recording, path, samples,
            spikes, target, reset, unset, header, events, target_values, cursor):  # fmt: skip
    """The Python form: begin a trial if it is time, then present its step."""
    if step[0] < 0:  # before the first trial, a state that is not 0 would be lost
        for k in np.flatnonzero(unset):
            if reset[k].any():
                return LOST + k
    step[0] = (step[0] + 1) % steps[0]
    if step[0] == 0:
        for states in reset:
            states[:] = 0
        target[:] = 0
        try:
            arrays = header, events, target_values, target
            trial[0] = _read(decode(path), trial[0], arrays, samples[0])
        except (OSError, ValueError, IndexError):
            return UNREADABLE
        learning[0] = bool(header[3] & LEARNING)
        recording[0] = bool(header[3] & RECORDING)
        cursor[0] = 0
    count = 0
    while cursor[0] < header[0] and events[2 * cursor[0]] == step[0]:
        spikes[count] = events[2 * cursor[0] + 1]
        count += 1
        cursor += 1
    spikes[-1] = count
    if header[2]:
        target[:] = target_values[step[0] * len(target) : (step[0] + 1) * len(target)]
    return 0


def _read(path, trial, arrays, samples):
    """Read a trial from the file; the number of the one that follows."""
    header, events, target_values, target = arrays
    with open(path, "rb") as file:
        count = int(np.fromfile(file, np.int64, 1)[0])
        trial %= count
        file.seek(8 * (1 + trial))
        file.seek(int(np.fromfile(file, np.int64, 1)[0]))
        header[:] = np.fromfile(file, np.int64, _HEADER)
        events[: 2 * header[0]] = np.fromfile(file, np.int32, 2 * header[0])
        labels = np.fromfile(file, np.int32, header[1])
        target_values[: header[2]] = np.fromfile(file, np.float64, header[2])
    if header[1]:
        target.reshape(samples, -1)[np.arange(samples), labels] = 1
    return (trial + 1) % count


class Trials(Kernel):
    """The structure of a run: trials of one length, for all samples of a batch at once.

    At a trial's start, the states of ``reset`` become 0 (so that no spike, trace or membrane is
    carried over), and the next trial's spikes and targets are read. In a plain ``run``, the trials
    that were given are repeated in turn; `Training` presents as many as it needs.

    Parameters
    ----------
    duration : Quantity
        Of a trial; a multiple of the time step.
    inputs : SpikeInput or other source of spikes, optional
        A `SpikeInput` spikes as the trials say. A `PoissonGroup`, `SpikeGeneratorGroup` or
        `NeuronGroup` spikes as it does; its trials carry no spikes (`Trial.without_spikes`), as
        with None, for a network that hears several such sources or none. Their times are those of
        the run, not of the trial.
    reset : group, or sequence of groups and of (group, variable)
        What begins at 0 in each trial: of neurons and readouts, all variables that are neither
        shared nor constant; of a `Projection` with delays, the spikes under way; the traces of
        `EligibilitySynapses`. Of other Synapses, states have to be named. None: all goes on.
    samples : int, optional
        The size of the batch; that of a `SpikeInput`, or else 1.
    readout : Group, optional
        Whose variable ``target`` is set, to what the trials say.
    target : (group, variable), optional
        What says it in place of the trials, one value for each neuron of ``readout``: a learner
        takes it when it computes a step's loss, at ``end`` (with updates at spikes, at
        ``thresholds``).
    name : str

    Attributes
    ----------
    step : int
        The step within the trial.
    trial : int
        The place of the trial that comes next, among those that were given.
    learning, recording : bool
        What the trial is for.
    reset : set of (str, str)
        The names of groups and their variables that begin at 0 in each trial.
    in_step : list of Group
        All that must take the time steps of the trials; a learner adds what it reads.
    teacher : (group, variable) or None
        The ``target`` that was given.

    Raises
    ------
    brian2.DimensionMismatchError
        If ``duration`` is no time, or ``target`` has other units than the readout's.
    KeyError, TypeError
        If ``inputs`` is no source of spikes, or ``target`` no array of real numbers.
    ValueError
        If a group's size is no multiple of the batch, the trial no whole number of time steps,
        ``target`` of another size, or the groups take different time steps.

    Examples
    --------
    >>> from brian2 import defaultclock, ms
    >>> from brianlearn.models import eprop_lif
    >>> inputs, neurons = SpikeInput(10), eprop_lif.neurons(5)
    >>> trials = Trials(100*ms, inputs, reset=[neurons])
    """

    def __init__(
        self, duration: Quantity, inputs, reset, *, samples=None, readout=None, target=None,
        name: str = "trials*",
    ):  # fmt: skip
        length = Steps(duration, "duration")
        self.duration, self.inputs, self.samples = duration, inputs, batch_of(inputs, samples)
        self.n_in = len(inputs) if isinstance(inputs, SpikeInput) else 0
        self.readout, self.readouts = readout, 0
        if readout is not None:
            self.readouts = units_of(readout, self.samples)
        self.teacher = self._teacher(target)
        self._folder = tempfile.TemporaryDirectory(prefix="brianlearn_trials_")
        weakref.finalize(self, self._folder.cleanup)
        self.path = Path(self._folder.name) / "trials.bin"
        states = reset_states(reset, self.samples)
        self.begun_anew = [group for group, _ in states]
        self.in_step = [one for one in (inputs, *self.begun_anew, readout) if one is not None]
        clock = self.in_step[0].clock if self.in_step else defaultclock
        if self.in_step:
            check_clocks(f"'{name}'", *self.in_step)
        self.steps_per_trial = length.count(clock.dt)
        if self.steps_per_trial < 1 or np.isinf(float(duration)):
            raise ValueError(f"duration is {duration}, but a trial has an end, and a time step.")
        self.in_run = None
        self.reset = {(group.name, variable) for group, variable in states}
        super().__init__(
            present,
            files("brianlearn") / "trials.h",
            self._arguments(length, states, [not is_named(pair, reset) for pair in states]),
            faults=_FAULTS | {LOST + k: _lost(*pair) for k, pair in enumerate(states)},
            clock=clock,
            when=schedule.INPUT.when,
            order=schedule.INPUT.order,
            name=name,
        )
        all_trials.add(self)

    def _arguments(self, length, states, unset):
        """What the kernel presents, and where to."""
        outputs = max(1, self.samples * self.readouts)
        return {
            "step": np.int64(-1),
            "trial": 0,
            "steps": length,
            "learning": False,
            "recording": False,
            "path": FileName(self.path),
            "samples": np.int64(self.samples),
            "spikes": (self.inputs, "_spikespace") if self.n_in else np.zeros(1, np.int32),
            "target": (self.readout, "target") if self.is_told else np.zeros(1),
            "reset": states or [np.zeros(1)],
            "unset": np.array(unset or [False]),
            "header": Scratch(_HEADER, np.int64),
            "events": Scratch(2 * self.steps_per_trial * max(1, self.n_in), np.int32),
            "target_values": Scratch(self.steps_per_trial * outputs),
            "cursor": 0,
        }

    def _teacher(self, target):
        """Refuse what cannot be the target of the readout."""
        if target is None:
            return None
        if self.readout is None:
            raise ValueError("target has no effect without a readout: give that, too.")
        check_teacher(target, self.readout, find_array(self.readout, "target").dim)
        return target

    @property
    def is_told(self) -> bool:
        """Whether trials say what the readout should be, as no other group does."""
        return self.readout is not None and self.teacher is None

    def present(
        self, trials: Trial | Iterable[Trial], *, learning: bool = True, recording: bool = False
    ) -> None:
        """Give the trials that a plain run goes through, again and again.

        Parameters
        ----------
        trials : Trial or iterable of Trial
        learning : bool
            Whether a learner may change weights after them.
        recording : bool
            Whether a `Recorder` writes down what happens in each step of them.

        Raises
        ------
        ValueError
            If spikes lie outside the trial or the input, targets have another shape, or labels
            are no readout's number; the message names the trial.
        """
        trials = [trials] if isinstance(trials, Trial) else list(trials)
        if not trials:
            raise ValueError("No trials were given.")
        flags = {"learning": learning, "recording": recording}
        self.write([self.encode(trial, number=k, **flags) for k, trial in enumerate(trials)])

    def encode(
        self, trial: Trial, *, learning: bool = True, recording: bool = False, number: int = 0
    ) -> bytes:
        """A trial as `write` wants it; the errors are those of `present`."""
        try:
            if np.size(trial.steps) and not self.n_in:
                raise ValueError(
                    f"it has input spikes, but '{self.name}' has no SpikeInput to present them: "
                    "make it by Trial.without_spikes."
                )
            given = trial.targets is not None or trial.labels is not None
            if given and self.teacher is not None:
                raise ValueError(
                    f"it has targets or labels, but '{self.teacher[0].name}' is to say what "
                    f"'{self.readout.name}' should be: leave them out."
                )
            readouts = self.readouts if self.is_told else 0
            trial.check(self.steps_per_trial, self.n_in, self.samples, readouts)
        except ValueError as error:
            raise ValueError(f"Trial {number}: {error}") from None
        return trial.to_bytes(LEARNING * bool(learning) + RECORDING * bool(recording))

    def write(self, blocks: list[bytes]) -> None:
        """Write the file that the network reads, from its first trial on.

        A block that occurs again is written once.
        """
        unique = {id(block): block for block in blocks}
        ends = 8 * (1 + len(blocks)) + np.cumsum([0, *map(len, unique.values())])
        offset = dict(zip(unique, ends[:-1].tolist(), strict=True))
        with record.replacing(self.path) as partial, open(partial, "wb") as file:
            np.array([len(blocks), *(offset[id(block)] for block in blocks)]).tofile(file)
            file.writelines(unique.values())
        self.variables["trial"].set_value(0)

    def begin_anew(self) -> None:
        """Let a trial that is under way end here, so that the next time step begins one."""
        if self.variables["step"].get_value().item() >= 0:
            self.variables["step"].set_value(self.steps_per_trial - 1)

    def before_run(self, run_namespace):
        """Brian2's hook: there must be something to present, step by step."""
        check_clocks(f"'{self.name}'", self, *self.in_step)
        if not self.path.exists():
            raise ValueError(f"'{self.name}' has no trials: call its present(...) before the run.")
        super().before_run(run_namespace)
        if self.variables["steps"].get_value().item() != self.steps_per_trial:
            raise ValueError(
                f"The time step has changed to {self.clock.dt} since '{self.name}' was made: make "
                "it anew."
            )
        self.in_run = id(run_namespace)  # by which others know that they run with these trials


def _lost(group, name):
    """What is wrong with a state that is not 0 before the first trial: perhaps a parameter."""
    return (
        ValueError,
        f"'{name}' of '{group.name}' is not 0, but every trial resets it to 0. If it is a "
        "parameter, declare it (constant); if it is a state, begin at 0, or name what is reset: "
        "(group, 'variable').",
    )
