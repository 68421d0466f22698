"""`EligibilitySynapses`: Brian2 `Synapses` with the eligibility traces of e-prop.

Their lines are those of `eprop_equations`, and Brian2 compiles them for every target.
"""

from dataclasses import replace

import numpy as np
from brian2.synapses.synapses import Synapses
from brian2.units.fundamentalunits import Quantity

from brianlearn import schedule
from brianlearn.checks import check_clocks, is_whole, real_numbers
from brianlearn.connectivity import check_mask, find_heard
from brianlearn.delays import Delays
from brianlearn.learners.eprop_equations import DELAY_ON_PRE, TraceEquations
from brianlearn.learners.eprop_parts import check_readout, surrogate_of
from brianlearn.plastic_delay import PlasticDelay

__all__ = ["EligibilitySynapses"]


class EligibilitySynapses(Synapses):
    """Brian2 `Synapses` with the eligibility traces of e-prop, which `EProp` trains.

    The same numbers as a `Projection`, at the cost of every synapse in every step, and for every
    sample of a batch.

    Parameters
    ----------
    source : Group
        What spikes.
    target : NeuronGroup
        Neurons that note ``psi`` (`eprop_lif`, `eprop_alif`), or readouts.
    weights : array
        Sources x targets of one sample; the nonzero ones become synapses, or those of ``mask``.
    readout : NeuronGroup
        Whose time constant filters the traces; ``target`` itself for its own synapses.
    samples : int
        The size of the batch.
    mask : array of bool, optional
    variable : str
        The target's variable that spikes add to.
    delay, max_delay, interpolate
        As for a `Projection`; each synapse has a delay of its own.
    on_pre, update, model : str, optional
        In place of what is described above; ``model`` is added to it.
    name : str

    Attributes
    ----------
    w, zbar, ebar, gradient, delay_steps
        Variables of the synapses, sample after sample; in each, by source, then target.
    states : list of (EligibilitySynapses, str)
        What `Trials` has to reset.

    Raises
    ------
    TypeError
        If weights are no real numbers, or a view of a group's variable.
    ValueError
        If weights and groups do not fit, delays come with lines of one's own, or the groups take
        different time steps.
    brian2.DimensionMismatchError, brianlearn.errors.DelayError
        If delays are no times, negative, or longer than ``max_delay``.

    Examples
    --------
    >>> from brianlearn import SpikeInput
    >>> from brianlearn.models import eprop_lif, eprop_readout
    >>> inputs, neurons = SpikeInput(10), eprop_lif.neurons(5)
    >>> readout = eprop_readout.neurons(1)
    >>> w_in = EligibilitySynapses(inputs, neurons, np.ones((10, 5)), readout)
    """

    def __init__(self, source, target, weights, readout, *, samples=1, mask=None, variable="x",
                 delay=None, max_delay=None, interpolate=False, model="", on_pre=None, update=None,
                 name="synapses*"):  # fmt: skip
        find_heard(target, variable)
        weights = real_numbers(weights, f"A weight of '{name}'")
        if not is_whole(samples, 1):
            raise ValueError(f"samples is {samples!r}, but must be a whole number above 0.")
        expected = len(source) // samples, len(target) // samples
        if weights.shape != expected or (len(source) % samples or len(target) % samples):
            raise ValueError(f"weights is {weights.shape}, but must be {expected}.")
        self.samples, self.shape, self._drawn = samples, weights.shape, weights
        self.variable = variable
        self.mask = weights != 0 if mask is None else self._checked(mask)
        check_readout(readout)
        check_clocks(f"'{name}'", source, target, readout)
        self.readout = readout
        self.layout = self.present_delay_steps = None
        if delay is not None:
            if on_pre is not None or update is not None:
                raise ValueError(
                    f"'{name}' has delays and lines of its own in on_pre or update, but the traces "
                    "of delays follow those of the weights line by line: leave one of both out."
                )
            self.layout = self._delays(delay, max_delay, interpolate, target.clock.dt)
        surrogate = surrogate_of(target, variable)
        is_readout = target is readout and surrogate not in target.variables
        texts = TraceEquations(target, readout, is_readout, variable, surrogate, self.layout)
        self.traces = texts.traces
        super().__init__(
            source,
            target,
            texts.finish(texts.model + model),
            on_pre=texts.on_pre if on_pre is None else texts.finish(on_pre),
            namespace=texts.namespace,
            clock=target.clock,
            name=name,
        )
        emits = getattr(source, "emits", schedule.THRESHOLD)
        moment = schedule.PROPAGATE if is_readout else schedule.ARRIVES_NEXT_STEP
        if schedule.before(emits, schedule.INTEGRATE):
            moment = schedule.INPUT_ARRIVES
        for pathway in self._pathways:
            pathway.when, pathway.order = moment
        traces = schedule.TRACES
        update = texts.finish(texts.update if update is None else update)
        self.run_regularly(update, when=traces.when, order=traces.order)
        i, j = np.nonzero(self.mask)
        sample = np.repeat(np.arange(samples), len(i))
        self.connect(
            i=sample * weights.shape[0] + np.tile(i, samples),
            j=sample * weights.shape[1] + np.tile(j, samples),
        )
        self.w = np.tile(weights[self.mask], samples)
        if self.layout:
            self._move_delays()

    def _checked(self, mask):
        """A mask of booleans, True wherever there is a weight."""
        if np.shape(mask) == self.shape:
            mask = check_mask(mask, self.shape)
        if np.shape(mask) != self.shape or np.any(self._drawn[~mask]):
            raise ValueError(
                f"mask is {np.shape(mask)}, but must be {self.shape}, and True wherever a weight "
                "is not 0."
            )
        return mask

    def _delays(self, delay, max_delay, interpolate, dt):
        """Delays, each connection's own."""
        pairs = np.nonzero(self.mask)
        given = Delays.of(delay, max_delay, interpolate, dt, pairs, self.shape, True, False)
        each = np.broadcast_to(given.steps.reshape(given.shape), self.shape)[self.mask]
        return replace(given, steps=each, shape=self.shape, strides=np.array([0, 0, 1]))

    def _move_delays(self):
        """Let both parts of a spike follow the delay."""
        self.present_delay_steps = (
            self.layout.steps
        )  # which standalone mode cannot ask before a run
        self.delay_steps = np.tile(self.layout.steps, self.samples)
        self.run_regularly("lead = floor(delay_steps)*dt", **schedule.DELAYS._asdict())
        longest = self.layout.maximum * self.target.clock.dt
        for shift, part in enumerate(DELAY_ON_PRE):
            options = {"pathway": part, "max_delay": longest, "shift": shift}
            PlasticDelay(self, "lead", name=f"{self.name}_{part}_delay", **options)
        self._interval = self.target.clock.dt_

    def before_run(self, run_namespace):
        """Brian2's hook: delays are counted in time steps, which must stay what they were."""
        check_clocks(f"'{self.name}'", self.source, self.target, self.readout)
        if self.layout and self.target.clock.dt_ != self._interval:
            raise ValueError(
                f"The time step has changed to {self.target.clock.dt} since '{self.name}' was "
                "made, which counts its delays in time steps: make it anew."
            )
        super().before_run(run_namespace)

    @property
    def delays(self) -> Quantity:
        """The delays as sources x targets, 0 where there is no synapse."""
        steps = self.layout.matrix(np.array(self.delay_steps), self.mask)
        return steps * self.target.clock.dt

    def set_delay_steps(self, steps) -> None:
        """Set all delays, in time steps, given as sources x targets."""
        stored = self.layout.stored(steps, self.mask, self.target.clock.dt)
        self.present_delay_steps = stored
        self.delay_steps = np.tile(stored, self.samples)

    @property
    def states(self) -> list:
        """What begins at 0 in each trial, for the ``reset`` of `Trials`."""
        return [(self, name) for name in self.traces]

    @property
    def matrix(self):
        """The weights as sources x targets, 0 where there is no synapse."""
        matrix = np.zeros(self.shape)
        try:
            matrix[self.mask] = np.array(self.w)[: self.mask.sum()]
        except NotImplementedError:  # before a standalone run, Brian2 cannot say
            matrix[self.mask] = self._drawn[self.mask]
        return matrix

    def set_matrix(self, weights) -> None:
        """Set all weights, given as sources x targets; those without synapse must be 0."""
        weights = real_numbers(weights, f"A weight of '{self.name}'", finite=False)
        if weights.shape != self.shape or np.any(weights[~self.mask]):
            raise ValueError(
                f"'{self.name}' takes weights of shape {self.shape}, 0 where there is no synapse; "
                f"got {weights.shape}."
            )
        self._drawn = weights
        self.w = np.tile(weights[self.mask], self.samples)

    @property
    def shared_weights(self) -> tuple:
        """Where all weights lie, sources x targets, for a kernel that reads them."""
        if not self.mask.all():
            raise TypeError(f"'{self.name}' does not connect all pairs, so it holds no matrix.")
        return (self, "w")
