"""`Training`: phases of trials, with checkpoints and progress, the same on every target."""

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from brian2.core.namespace import get_local_namespace
from brian2.core.network import Network

from brianlearn.derivation import check_writers
from brianlearn.errors import DivergenceError
from brianlearn.learners.eprop_learner import EPropLearner
from brianlearn.recorder import Recorder
from brianlearn.running.execution import execution_of
from brianlearn.running.state import canonical_names, network_state, set_network_state
from brianlearn.running.visible import visible_network
from brianlearn.training.checkpoint import Checkpoint
from brianlearn.training.display import Display
from brianlearn.training.phase import Phase
from brianlearn.trial import Trial

__all__ = ["Training"]

_CHUNK_SECONDS = 2.0  # of training between two checkpoints
_FIRST_CHUNK = 4  # iterations, until their speed is known
_SAVE_SHARE = 10  # times as long as the last checkpoint took, nothing is saved


class Training:
    """Training of a network by phases, stopped and resumed at will.

    Parameters
    ----------
    learner : EPropLearner
    network : Network, optional
        By default, all objects visible where it is made.
    checkpoint : path, optional
        A file that is written, whole, about every two seconds (less often if that takes long), and
        at the end of each `run`.
    resume : bool
        Go on from the checkpoint, if it exists: a run may have been killed before the first. What
        is set after this counts, and takes the place of what the checkpoint held.
    description : dict, optional
        Named numbers and strings; with what the learner says of itself, what a checkpoint must
        agree with.
    courses : dict of str to array of int, optional
        For connections (by name), the weights whose course over the iterations is kept.
    total : int, optional
        How many learning iterations there will be, for the progress bar; by default it shows those
        of one `run`.
    progress : bool
        Whether to show iteration, loss, accuracy and time left.
    namespace : dict, optional
        For names in the equations of groups that have no namespace of their own; by default, those
        visible where it is made.

    Attributes
    ----------
    histories : dict of str to dict of arrays
        For each phase's name ``loss``, ``accuracy``, ``seconds`` and the courses, a row per
        iteration. What else is put there is kept in the checkpoint, too.
    build_seconds, run_seconds : float
        Generating and compiling code; all runs.
    began : float
        `time.time` at the first step, or None before it.

    Raises
    ------
    FileExistsError
        If the checkpoint exists, but is not to be resumed.
    ValueError
        If it is to be resumed, but is damaged, or is of another training; the message says in
        which fields it differs.

    Notes
    -----
    A checkpoint holds all of the network that Brian2 or brianlearn keep: every variable of every
    object, the spikes under way, the time, the state of the random numbers, what monitors and a
    `Recorder` have seen. It does not hold what Python functions of your own remember (in a
    ``network_operation``), or what kernels of your own keep as `Scratch` or in files. It is resumed
    on the kind of target that wrote it (at runtime, or in C++ standalone mode).

    In standalone mode the network is built before the first run, or when a checkpoint is resumed.
    Its process then stays alive until `set_target` is called, or nothing holds the network any
    more; what it held can be read after that.

    Examples
    --------
    >>> training = Training(learner, network, checkpoint="sine.npz")  # doctest: +SKIP
    >>> training.run(Phase("train", trial, 2000))  # doctest: +SKIP
    >>> training.histories["train"]["loss"]  # doctest: +SKIP
    """

    def __init__(
        self, learner: EPropLearner, network: Network | None = None, *, checkpoint=None,
        resume: bool = False, description: dict | None = None, courses: dict | None = None,
        total: int | None = None, progress: bool = True, namespace: dict | None = None,
    ):  # fmt: skip
        self.learner, self.trials, self.courses = learner, learner.trials, courses or {}
        network = visible_network(level=1) if network is None else network
        namespace = get_local_namespace(level=1) if namespace is None else namespace
        self.log = self._log_in(network)
        self.per_iteration = learner.rule.trials_per_update
        self.display = Display(
            self.log, self.per_iteration, total, self.trials.readouts > 1, progress
        )
        self.execution = execution_of(network, namespace)
        self.histories = {}
        self.build_seconds, self.run_seconds, self.began = 0.0, 0.0, None
        self._seconds = {}  # an iteration takes, by whether it learns
        self._checkpoint, self._unsaved = None, False
        self._saved = 0.0, -np.inf  # seconds that it took, and when
        if resume and checkpoint is None:
            raise ValueError("resume=True needs the checkpoint to go on from.")
        if checkpoint is not None:
            self._checkpoint = Checkpoint(
                checkpoint, learner.description() | (description or {}), canonical_names(network)
            )
            self._open(resume)

    def _log_in(self, network):
        """A record of every trial's loss, accuracy and courses, in the network."""
        if unknown := set(self.courses) - set(self.learner.plastic):
            known = ", ".join(self.learner.plastic)
            raise KeyError(f"courses: {', '.join(unknown)} is none of {known}.")
        kernel = self.learner.loss_kernel
        variables = {name: (kernel, name) for name in ("loss", "accuracy")}
        variables |= {name: self.learner.plastic[name].weights for name in self.courses}
        options = {"each": "trial", "indices": self.courses, "name": "training_log"}
        log = Recorder(self.trials, variables, **options)
        for item in [*network.objects]:
            if item.name == log.name:  # of a Training that was made before this one
                if item.recorded == log.recorded:
                    return item
                network.remove(item)
        network.add(log)
        return log

    def _open(self, resume):
        path = self._checkpoint.path
        if not path.exists():
            return
        if not resume:
            raise FileExistsError(f"{path} exists: resume from it, remove it, or name another.")
        self.state, self.histories = self._checkpoint.load()

    @property
    def network(self) -> Network:
        """The network that is trained."""
        return self.execution.network

    @property
    def state(self) -> dict[str, np.ndarray]:
        """All that the network goes on from, as ``object/variable``; it can be set again."""
        self._prepare()
        return network_state(self.network)

    @state.setter
    def state(self, values: dict[str, np.ndarray]):
        self._prepare()
        set_network_state(self.network, values)

    def iterations(self, name: str) -> int:
        """How many iterations there have been in phases of a name."""
        return len(self.histories.get(name, {"loss": ()})["loss"])

    def set_learning_rate(self, value: float, *, delays: bool = False) -> None:
        """Set the learning rate of all weights (or delays) for the phases to come."""
        if delays:
            self.learner.delay_learning_rate = value
        else:
            self.learner.learning_rate = value

    def weights(self) -> dict[str, np.ndarray]:
        """What learns, as sources x targets: weights, and delays (name.delays) in time steps."""
        return self.learner.weights()

    def run(self, *phases: Phase) -> None:
        """Go through phases, one after another; results are added to ``histories``.

        A checkpoint is written about every two seconds, and at the end. The next trials are drawn
        while the network runs.

        Raises
        ------
        ValueError
            If a trial does not fit the network; the message names it.
        brianlearn.errors.DerivationError
            If something in the network moves a trained group by what the group does, such as
            ``run_regularly("v = 0.5*v")``: its gradient would be that of another network.
        brianlearn.errors.DivergenceError
            If the loss is no number any more; the checkpoint before that stays.
        """
        if not phases:
            return
        for group in self.learner.groups:
            check_writers(group, self.network)
        total = sum(phase.iterations for phase in phases)
        learned = len(self.histories.get("train", {"loss": ()})["loss"])
        iterations = self._iterations(phases)
        with self.display.run(phases[0].name, total, learned), ThreadPoolExecutor(1) as pool:
            self._prepare()
            coming = pool.submit(self._draw, iterations)
            while chunk := coming.result():
                self.trials.write([block for _, blocks in chunk for block in blocks])
                coming = pool.submit(self._draw, iterations)
                self._execute([phase for phase, _ in chunk])
                self.display.advance(len(chunk))
            if self._unsaved:
                self._save()

    def _prepare(self):
        if self.began is not None:
            return
        started = time.time()
        self.trials.write([])
        self.execution.prepare()
        self.began = time.time()
        self.build_seconds = self.began - started

    def _iterations(self, phases):
        """For each iteration its phase, and its trials as blocks of a file."""
        counts = {phase.name: self.iterations(phase.name) for phase in phases}
        for phase in phases:
            flags = {"learning": phase.learning, "recording": phase.recording}
            done = counts[phase.name]
            counts[phase.name] += phase.iterations
            fixed = isinstance(phase.source, Trial)
            block = self.trials.encode(phase.source, **flags) if fixed else None
            for iteration in range(done, done + phase.iterations):
                first = iteration * self.per_iteration
                blocks = [
                    block if fixed else self.trials.encode(phase.trial(k), number=k, **flags)
                    for k in range(first, first + self.per_iteration)
                ]
                yield phase, blocks

    def _draw(self, iterations):
        """The next iterations that take about two seconds together."""
        chunk, seconds = [], 0.0
        for phase, blocks in iterations:
            chunk.append((phase, blocks))
            unknown = _CHUNK_SECONDS / _FIRST_CHUNK
            seconds += self._seconds.get(phase.learning, unknown)
            if seconds >= _CHUNK_SECONDS:
                break
        return chunk

    def _execute(self, phases):
        """Run a chunk; one that fails or is interrupted leaves no trace."""
        self.log.clear()  # of what was simulated in between
        self.trials.begin_anew()
        self.execution.keep()
        started = time.time()
        try:
            self.execution.run(len(phases) * self.per_iteration * self.trials.duration)
            self._check_finite()
        except BaseException:
            self.execution.back()
            self.log.clear()
            raise
        seconds = time.time() - started
        self.run_seconds += seconds
        for learning in {phase.learning for phase in phases}:
            self._seconds[learning] = seconds / len(phases)
        self._note(phases, seconds / len(phases))
        self._unsaved = self._checkpoint is not None
        took, moment = self._saved
        if self._unsaved and time.monotonic() - moment > _SAVE_SHARE * took:
            self._save()

    def _check_finite(self):
        for name, (group, variable) in self.learner.state.items():
            if not np.isfinite(group.variables[variable].get_value()).all():
                raise DivergenceError(
                    f"{name} holds something that is not a finite number after this training. The "
                    "likely cause is a learning rate that is too large."
                )

    def _save(self):
        """Write the checkpoint."""
        started = time.monotonic()
        self._checkpoint.save(self.state, self.histories)
        self._saved = time.monotonic() - started, time.monotonic()
        self._unsaved = False

    def _note(self, phases, seconds):
        """Add the log's rows to the histories: means over an iteration, weights after it."""
        count = len(phases)
        rows = {"seconds": np.full(count, seconds)}
        for name, values in self.log.read().items():
            values = values.reshape(count, self.per_iteration, -1)
            rows[name] = values[:, -1] if name in self.courses else values[..., 0].mean(axis=1)
        for name, values in rows.items():
            for phase in dict.fromkeys(phase.name for phase in phases):
                chosen = values[[one.name == phase for one in phases]]
                columns = self.histories.setdefault(phase, {})
                columns[name] = np.concatenate([columns.get(name, chosen[:0]), chosen])
        self.log.clear()
