"""E-prop that learns at every spike: its kernels for a network, and what each connection keeps."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from brianlearn.decay import decay_in
from brianlearn.feedback import Symmetric, by_name
from brianlearn.kernel import Kernel
from brianlearn.learners.eprop_learner import Plastic
from brianlearn.learners.eprop_parts import adapts, check_neurons, find_constant
from brianlearn.learners.spike_rows import NEVER, Rows
from brianlearn.learners.spike_signals import (
    Filters,
    signals_of_neurons,
    signals_of_readouts,
    tell_neurons,
    tell_readouts,
)
from brianlearn.learners.spike_update import ROW_STATES, kernel_at_spikes
from brianlearn.losses import hears_later
from brianlearn.optimizers import GradientDescent
from brianlearn.projection import Projection
from brianlearn.regularizers import filter_rates

__all__ = ["SpikePlastic", "learn_at_every_spike"]

_KAPPA = 0.97  # as published
_STATES = {
    filter_rates: ("filtered", "deviation"),
    tell_neurons: ("now", "complete", "coming", "sums"),
    tell_readouts: ("now", "complete", "coming", "sums"),
}
_DIRECT = {"direct": 1, "adapts": 0, "beta": np.zeros(1), "rho": 0.0}


@dataclass(frozen=True, eq=False)
class SpikePlastic(Plastic):
    """A connection whose weights are brought up to date when their synapses transmit a spike.

    Attributes
    ----------
    signals : Kernel
        What the neurons that it leads to tell of each step.
    """

    signals: object = None

    def matrix(self) -> np.ndarray:
        """The weights that a spike in the next time step would transmit, as sources x targets."""
        return np.asarray(self.connection.matrix)

    def stored(self) -> np.ndarray:
        """The same as they are stored."""
        return self._caught_up()["weights"]

    def settle(self) -> None:
        """Let synapses learn what they have collected, so that new weights start afresh."""
        arrays = self._caught_up()
        for group, name in self.state.values():
            group.variables[name].set_value(arrays[name])

    def _caught_up(self):
        """Copies of all arguments of `learn_at_spikes`, when all synapses have learned."""
        arrays = {name: np.array(array) for name, array in self.optimizer.arrays().items()}
        _catch_up(arrays)
        return arrays


def _catch_up(arrays):
    """As if a spike of every source arrived in the next time step, as of some one does already."""
    rows = Rows(arrays)
    if not rows.block[0] and rows.done[0] < rows.complete_step:
        rows.step(np.nonzero(rows.live)[0])
        rows.done[0] = rows.complete_step
    rows.learn(np.nonzero((rows.arrived != NEVER) & (rows.arrived <= rows.now[0]))[0])


class Told(NamedTuple):
    """What a group of targets tells the synapses onto it, and how these are to use it."""

    kernels: list
    signals: Kernel
    filters: Filters
    neurons: dict


def learn_at_every_spike(rule, trials, readout, connections, name: str):
    """The kernels of a network, what learns of each connection, and what else is kept.

    Returns
    -------
    kernels : list of Kernel
    plastic : list of SpikePlastic
    state : dict of (group, variable)

    Raises
    ------
    KeyError, TypeError, ValueError
        As `EProp.attach` says.
    """
    _check(rule, trials, readout, connections)
    groups = {c.target.name: c.target for c in connections if c.target is not readout}
    told = {readout.name: _tell_of_readouts(rule, trials, readout, name)}
    rule.feedback.check([*groups.values()])
    first = 0
    for group in by_name(groups.values()):
        carrier = _carrier(group, readout, connections, rule)
        feedback = rule.feedback.weights(carrier, first)
        first += carrier.shape[0]
        told[group.name] = _tell_of_neurons(rule, trials, group, readout, feedback, name)
    plastic = [_plastic(c, told[c.target.name], rule, trials, name) for c in connections]
    kernels = [kernel for one in told.values() for kernel in one.kernels]
    state = {
        f"{kernel.name}.{key}": (kernel, key)
        for kernel in kernels
        for key in _STATES[kernel.python]
    }
    return kernels, plastic, state


def _tell_of_readouts(rule, trials, readout, name):
    kappa_out = _decay(readout, "tau_m", trials)
    filters = Filters.of(kappa_out, kappa_out, None, _by_sums(rule))
    signals = signals_of_readouts(readout, filters, trials, f"{name}_{readout.name}_signals")
    return Told([signals], signals, filters, _DIRECT)


def _by_sums(rule):
    """Whether sums are exact enough: Adam makes large steps of small gradients, so of rounding."""
    return not rule.each_step and isinstance(rule.optimizer, GradientDescent)


def _tell_of_neurons(rule, trials, group, readout, feedback, name):
    label = f"{name}_{group.name}"
    neurons = _neurons(group, trials)
    filters = _filters(rule, group, trials, _by_sums(rule) and not neurons["adapts"])
    rates = rule.regularizer.attach(group, f"{label}_rates")
    signals = signals_of_neurons(
        group, readout, feedback, filters, rates, trials, f"{label}_signals"
    )
    return Told([rates, signals] if rates else [signals], signals, filters, neurons)


def _plastic(connection, told, rule, trials, name):
    label = f"{name}_{connection.name}_spikes"
    kernel = kernel_at_spikes(
        connection, told.signals, told.filters, told.neurons, rule, trials, label
    )
    weights = (connection, "weights")
    state = {"weights": weights} | {key: (kernel, key) for key in ROW_STATES}
    connection.lazy = SpikePlastic(
        connection.name, connection, weights, (kernel, "pending"), kernel, state, told.signals
    )
    return connection.lazy


def _check(rule, trials, readout, connections):
    if trials.samples > 1:
        raise ValueError(
            f"The trials have a batch of {trials.samples} samples, but weights that change with "
            'every spike cannot be shared: use samples=1, or update="trial".'
        )
    if rule.cutoff_steps(trials.clock.dt) < 2:
        raise ValueError(
            f"cutoff is {rule.cutoff}, but a spike needs two time steps of {trials.clock.dt} to be "
            "taken up by its synapses."
        )
    if not hears_later(readout):
        raise ValueError(
            f"'{readout.name}' hears spikes in their own time step; learning at every spike is "
            "defined for readouts that hear them in the next: use eprop_iaf_readout."
        )
    for connection in connections:
        if not isinstance(connection, Projection) or connection.layout is not None:
            raise TypeError(
                f"'{connection.name}' cannot learn at every spike: make it a Projection without "
                "delay."
            )
        if connection.target is not readout:
            check_neurons(connection.target, connection.variable)


def _decay(group, name, trials):
    value = find_constant(group, name)
    if isinstance(value, tuple):
        raise TypeError(
            f"'{group.name}' has a {name} for each neuron, but learning at every spike needs one "
            "for all: give it in the namespace."
        )
    return decay_in(value[0] * trials.clock.dt / float(trials.clock.dt), trials.clock.dt)


def _neurons(group, trials):
    if not adapts(group):
        return _DIRECT | {"direct": 0}
    rho, beta = _decay(group, "tau_adapt", trials), find_constant(group, "beta")
    if not isinstance(beta, tuple):
        beta = np.repeat(beta, len(group))
    return {"direct": 0, "adapts": 1, "beta": beta, "rho": rho}


def _filters(rule, group, trials, by_sums):
    dt, regularizer = trials.clock.dt, rule.regularizer
    kappa = decay_in(_KAPPA if rule.kappa is None else rule.kappa, dt)
    kappa_reg = decay_in(regularizer.kappa, dt) if regularizer.c_reg else None
    return Filters.of(_decay(group, "tau_m", trials), kappa, kappa_reg, by_sums)


def _carrier(group, readout, connections, rule):
    """The connection by which neurons reach the readouts, whose shape the feedback has."""
    carriers = [c for c in connections if c.target is readout and c.source.name == group.name]
    if not carriers or (len(carriers) > 1 and isinstance(rule.feedback, Symmetric)):
        raise ValueError(
            f"{'No' if not carriers else 'More than one'} connection leads from '{group.name}' to "
            "the readouts, but learning signals need one: give `attach` that connection."
        )
    return carriers[0]
