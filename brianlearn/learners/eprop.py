"""`EProp`: eligibility propagation, gradients of recurrent spiking networks without a way back."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from brian2.groups.neurongroup import NeuronGroup
from brian2.units.fundamentalunits import Quantity

from brianlearn import schedule
from brianlearn.checks import check_clocks, check_flag, is_whole, real_numbers
from brianlearn.errors import DelayError
from brianlearn.feedback import Feedback, Symmetric
from brianlearn.graded import Graded
from brianlearn.kernel import Steps
from brianlearn.learners.eligibility import EligibilitySynapses
from brianlearn.learners.eprop_checks import check_connection, check_network, check_update
from brianlearn.learners.eprop_gradients import Gradients
from brianlearn.learners.eprop_learner import EPropLearner, Plastic
from brianlearn.learners.eprop_parts import check_readout
from brianlearn.learners.eprop_spike import learn_at_every_spike
from brianlearn.learners.set_aside import set_aside
from brianlearn.losses import Loss, MeanSquaredError
from brianlearn.optimizers import Adam, GradientDescent, Optimizer
from brianlearn.projection import Projection
from brianlearn.regularizers import FiringRate
from brianlearn.states import lasting_states
from brianlearn.teacher import Teacher
from brianlearn.trials import Trials

__all__ = ["EProp"]

FOREVER = 2**62  # time steps


@dataclass(frozen=True, eq=False)
class EProp:
    """E-prop with updates at the end of a trial, or of a batch of trials.

    The gradient of a weight is the sum over the trial of a learning signal, which the readouts'
    error sends to the neuron, times the synapse's eligibility trace, which is local. This value
    only says what is wanted; `attach` makes the learner.

    Parameters
    ----------
    loss : Loss
        `MeanSquaredError` or `CrossEntropy`.
    optimizer : Optimizer
        `GradientDescent` or `Adam`; with ``update="trial"``, also one of your own.
    feedback : Feedback
        `Symmetric`, `Random` or `Given`.
    regularizer : FiringRate
    window : Quantity or array, optional
        The learning window at the trial's end, outside of which the error is 0; by default the
        whole trial. Or what the error is multiplied by in each time step of a trial.
    average : bool
        Whether the gradient is divided by the window's number of steps.
    trials_per_update : int
        Trials (of all samples of the batch) whose gradients make one update together.
    update : {"trial", "spike"}
        When weights change: at the end of a trial (or of several), or whenever their synapse
        transmits a spike.
    kappa : float or Quantity, optional
        How eligibility traces are filtered: a factor per time step, or a time constant. By default
        as the readouts filter spikes (with a gain of 1 - kappa); with ``update="spike"``, 0.97.
    cutoff : Quantity, optional
        With ``update="spike"``, the time without a spike after which a synapse collects no more
        gradient (2 time steps or more); by default never.
    each_step : bool
        With ``update="spike"``, whether the optimizer acts on the gradient of every time step
        instead of once a spike; the same for gradient descent within the bounds, not for Adam.
    forget_tests : bool
        Whether trials that do not learn leave no trace: what the learner holds (traces, sums,
        moments, filters of rates) is at their end what it was before, and what is learned later is
        the same to the bit. With False, traces and filters go on as the network does, which is what
        NEST does when its learning rate is 0. In a network that goes on from trial to trial
        (``Trials(reset=None)``) nothing is put back.
    learn : tuple of str, or dict of str to tuple of str
        ``"weights"``, ``"delays"`` (of all connections that have them) or both; or, by the names of
        connections, what each learns (those that are not named learn their weights).
    delay_optimizer : Optimizer
        For delays, which it counts in time steps and keeps between 0 and their ``max_delay``, or
        within narrower bounds of its own.

    Raises
    ------
    brian2.DimensionMismatchError
        If ``window`` is one number without a unit of time, or several with a unit.
    TypeError
        If a part is not of its kind.
    ValueError
        If a number lies outside its bounds.

    Notes
    -----
    In the adjoint form the neurons' ``learning_signal`` is only set in trials that are recorded.

    With ``update="spike"``, a spike that arrives at step a transmits weights that have learned from
    all steps up to a - 2, at the learning rate that held when the spike before it arrived; nothing
    that happens in trials that do not learn is ever learned. ``learning_signal`` is that of the
    step before. Of a spike that arrives several times at once, the eligibility trace sees one.

    With ``update="trial"`` and ``kappa``, weights stand still during a trial, and there is no
    cutoff; else it is the same rule. In the published N-MNIST network, what the weights onto
    neurons, among neurons and onto readouts have learned after one recording has a correlation of
    0.95, 0.90 and 0.96 with what they learn at spikes; after ten, 0.91, 0.79 and 0.98.

    References
    ----------
    .. [1] Bellec, Scherr, Subramoney, Hajek, Salaj, Legenstein and Maass (2020). A solution to the
       learning dilemma for recurrent networks of spiking neurons. Nature Communications 11:3625.
       doi:10.1038/s41467-020-17236-y
    .. [2] Korcsak-Gorzo et al. (2025). Event-driven eligibility propagation in large sparse
       networks. arXiv:2511.21674

    Examples
    --------
    >>> from brian2 import Hz, ms
    >>> from brianlearn import SpikeInput, Trials
    >>> from brianlearn.models import eprop_lif, eprop_readout
    >>> inputs, neurons = SpikeInput(10), eprop_lif.neurons(20)
    >>> readout = eprop_readout.neurons(1)
    >>> w_in = Projection(inputs, neurons, np.ones((10, 20)), variable="x")
    >>> w_out = Projection(neurons, readout, np.ones((20, 1)), variable="x")
    >>> trials = Trials(100*ms, inputs, [neurons, readout], readout=readout)
    >>> rule = EProp(optimizer=GradientDescent(1e-3), regularizer=FiringRate(1.0, 10*Hz))
    >>> learner = rule.attach(trials, readout, [w_in, w_out])
    """

    loss: Loss = field(default_factory=MeanSquaredError)
    optimizer: Optimizer = field(default_factory=GradientDescent)
    feedback: Feedback = field(default_factory=Symmetric)
    regularizer: FiringRate = field(default_factory=FiringRate)
    window: Quantity | None = None
    average: bool = False
    trials_per_update: int = 1
    update: str = "trial"
    kappa: float | Quantity | None = None
    cutoff: Quantity | None = None
    each_step: bool = False
    forget_tests: bool = True
    learn: tuple | dict = ("weights",)
    delay_optimizer: Optimizer = field(default_factory=lambda: Adam(0.1))

    def __post_init__(self):
        kinds = {"loss": Loss, "optimizer": Optimizer, "feedback": Feedback}
        kinds |= {"regularizer": FiringRate, "delay_optimizer": Optimizer}
        for name, kind in kinds.items():
            if not isinstance(getattr(self, name), kind):
                raise TypeError(f"{name} is {getattr(self, name)!r}, which is no {kind.__name__}.")
        if self.window is not None and np.ndim(self.window) == 0:
            Steps(self.window, "window")
        elif self.window is not None:
            real_numbers(self.window, "window, if no time,", finite=False, booleans=True)
        if not is_whole(self.trials_per_update, 1):
            raise ValueError(
                f"trials_per_update is {self.trials_per_update!r}, but must be 1 or more."
            )
        for name in ("average", "each_step", "forget_tests"):
            check_flag(name, getattr(self, name))
        listed = [*self.learn.values()] if isinstance(self.learn, dict) else [self.learn]
        for one in listed:
            if not isinstance(one, tuple | list | set) or not set(one) <= {"weights", "delays"}:
                raise ValueError(
                    f'learn is {self.learn!r}, but must be ("weights",), ("delays",) or both, or '
                    "one of these for each connection's name."
                )
        check_update(self)

    def learns(self, connection) -> tuple[bool, bool]:
        """Whether a connection learns its weights, and whether its delays."""
        if isinstance(self.learn, dict):
            learn = self.learn.get(connection.name, ("weights",))
            return "weights" in learn, "delays" in learn
        return "weights" in self.learn, "delays" in self.learn and connection.layout is not None

    def attach(
        self,
        trials: Trials,
        readout: NeuronGroup,
        connections: Sequence[Projection | Graded | EligibilitySynapses],
        *,
        name: str = "eprop",
    ) -> EPropLearner:
        """Make the learner of a network; it runs in every network that ``trials`` is in.

        Parameters
        ----------
        trials : Trials
        readout : NeuronGroup
            Such as `eprop_readout` makes: with ``v``, ``target``, ``output`` and ``error``.
        connections : sequence of Projection, Graded or EligibilitySynapses
            Those that learn: `Projection` by the adjoint form, `EligibilitySynapses` by the online
            form, with the same gradients. At least one must lead to the readouts if others learn,
            be it one whose weights and delays stay as they are (``learn={"w_out": ()}``).
        name : str

        Raises
        ------
        KeyError, TypeError
            If a group lacks a variable or constant that e-prop needs.
        brianlearn.errors.DerivationError
            If the equations of neurons or readouts, read and differentiated, are not those that
            e-prop's kernels were written for: another integration, a synaptic current, a threshold
            that adapts by other names. The message says what differs.
        ValueError
            If the sizes do not fit the batch, the window is longer than the trial, weights lie
            outside the optimizer's bounds, groups take different time steps, a connection leads
            to a variable that is ``(unless refractory)``, or its source spikes too late in a step.
        MemoryError
            If the history of a trial does not fit into memory.
        brianlearn.errors.LearnerConflictError
            If a connection learns already.
        brianlearn.errors.DelayError
            If delays are to learn that cannot move.
        """
        check_readout(readout)
        connections = list(connections)
        for connection in connections:
            check_connection(connection, trials, self)
        check_network(connections, trials, readout)
        groups = [readout, *(group for c in connections for group in (c.source, c.target))]
        check_clocks(f"'{name}'", trials, *groups)
        trials.in_step += groups
        self._check_learn(connections)
        window = self._window(trials)
        moment = schedule.LOSS_AT_ONCE if self.update == "spike" else schedule.LOSS
        loss = self.loss.attach(readout, trials, window, f"{name}_loss", moment)
        if trials.teacher is not None:
            moment = schedule.TARGET_AT_ONCE if self.update == "spike" else schedule.TARGET_OF_LOSS
            teacher = Teacher(trials.teacher, (readout, "target"), moment, f"{name}_target")
            trials.contained_objects.append(teacher)
        if self.update == "spike":
            made = learn_at_every_spike(self, trials, readout, connections, name)
            kernels, plastic, state = made
            held = [*state.values(), *(where for one in plastic for where in one.state.values())]
            kernels = [loss, *kernels, *self._set_aside(held, trials, name)]
            state |= lasting_states(trials, [readout, *(c.target for c in connections)])
            return EPropLearner(self, trials, readout, connections, kernels, plastic, state)
        gradients = Gradients(self, trials, readout, window, name)
        gradients.add(connections)
        scale = 1 / (
            trials.samples
            * self.trials_per_update
            * (np.count_nonzero(window) if self.average else 1)
        )
        plastic = []
        for connection in connections:
            weights, delays = self.learns(connection)
            options = (self, trials, scale, name)
            if weights:
                where = gradients.where[connection.name]
                plastic.append(Plastic.of_weights(connection, where, *options))
            if delays:
                where = gradients.where_of_delays[connection.name]
                plastic.append(Plastic.of_delays(connection, where, *options))
        aside = self._set_aside([*gradients.state.values()], trials, name)
        kernels = [loss, *gradients.kernels, *aside]
        return EPropLearner(self, trials, readout, connections, kernels, plastic, gradients.state)

    def _set_aside(self, states, trials, name):
        """The kernels by which trials that do not learn leave no trace."""
        return (
            set_aside(states, trials, name) if states and self.forget_tests and trials.reset else []
        )

    def _check_learn(self, connections):
        """What is to learn must exist."""
        learns = [self.learns(connection) for connection in connections]
        for connection, (_, delays) in zip(connections, learns, strict=True):
            if delays and (connection.layout is None or not connection.layout.maximum):
                raise DelayError(
                    f"'{connection.name}' has no delays that could learn: make it with delay and "
                    "max_delay."
                )
        if isinstance(self.learn, dict):
            if unknown := set(self.learn) - {connection.name for connection in connections}:
                raise ValueError(f"learn names {', '.join(sorted(unknown))}: no such connection.")
        elif "delays" in self.learn and not any(delays for _, delays in learns):
            raise DelayError(
                "No connection has delays that could learn: make one with delay and max_delay."
            )
        if not any(map(any, learns)):
            raise ValueError("Nothing is to learn: neither weights nor delays of a connection.")

    def cutoff_steps(self, dt) -> int:
        """Time steps without a spike after which a synapse learns no more."""
        return FOREVER if self.cutoff is None else Steps(self.cutoff, "cutoff").count(dt)

    def _window(self, trials) -> np.ndarray:
        """What errors are multiplied by in each step of a trial."""
        T = trials.steps_per_trial
        if self.window is None:
            return np.ones(T)
        if np.ndim(self.window):
            factors = np.array(self.window, dtype=float)
            if factors.shape != (T,) or not np.isfinite(factors).all() or not factors.any():
                raise ValueError(
                    f"window has shape {factors.shape}, but must be a time, or {T} finite factors "
                    "for the trial's time steps that are not all 0."
                )
            return factors
        steps = Steps(self.window, "window").count(trials.clock.dt)
        if not 0 < steps <= T:
            raise ValueError(
                f"The window of {steps} steps does not fit the trial's {trials.duration}."
            )
        return np.repeat([0.0, 1.0], [T - steps, steps])
