"""Which kernels compute the gradients of a network: by the form of its connections, by groups."""

from dataclasses import dataclass, field

import numpy as np

from brianlearn.errors import DelayError
from brianlearn.feedback import Symmetric, by_name
from brianlearn.graded import Graded
from brianlearn.learners import eprop_adjoint, eprop_online
from brianlearn.learners.eligibility import EligibilitySynapses
from brianlearn.learners.empty_queues import empty_queues
from brianlearn.learners.eprop_parts import (
    check_history,
    check_is_reset,
    check_neurons,
    surrogate_of,
)
from brianlearn.learners.graded_gradient import gradient_of_graded
from brianlearn.losses import hears_later
from brianlearn.projection import Projection

__all__ = ["Gradients"]


@dataclass(eq=False)
class Gradients:
    """The kernels that compute gradients, made group by group.

    Attributes
    ----------
    kernels : list of Kernel
    where : dict of str to (Kernel, str)
        For each connection's name, where its gradient lies.
    where_of_delays : dict of str to (Kernel, str)
        The same for the gradient of its delays.
    state : dict of str to (Kernel, str)
        What else learning goes on from.
    """

    rule: object
    trials: object
    readout: object
    window: np.ndarray
    name: str
    kernels: list = field(default_factory=list)
    where: dict = field(default_factory=dict)
    where_of_delays: dict = field(default_factory=dict)
    state: dict = field(default_factory=dict)

    def add(self, connections: list) -> None:
        """Make the kernels of all connections that learn.

        Raises
        ------
        KeyError, TypeError, ValueError, MemoryError
            As `EProp.attach` says.
        """
        populations = _by_target(connections)
        onto_readouts = populations.pop(self.readout.name, (self.readout, []))[1]
        sums, to_readouts = _split(onto_readouts, self.readout)
        histories = [group for group, _ in populations.values()]
        check_history(self.trials, histories + [self.readout] * bool(sums))
        self.rule.feedback.check([group for group, _ in populations.values()])
        first = 0
        for group in by_name(group for group, _ in populations.values()):
            onto = populations[group.name][1]
            carrier = _carrier(group, to_readouts, self.rule.feedback)
            feedback = self.rule.feedback.weights(carrier, first)
            first += carrier.shape[0]
            self._add_neurons(group, onto, feedback, isinstance(carrier, Graded))
        check_is_reset(self.readout, self.trials)
        if sums:
            own = np.eye(len(self.readout) // self.trials.samples)
            self._add_neurons(self.readout, sums, own, True)
        self._add_readouts(to_readouts)

    def _add_neurons(self, group, onto, feedback, integrates):
        """For each variable by which the neurons hear, a kernel."""
        label = f"{self.name}_{group.name}"
        variables = sorted({connection.variable for connection in onto})
        for variable in variables:
            check_neurons(group, variable)
        check_is_reset(group, self.trials)
        if self.rule.regularizer.c_reg and "_spikespace" not in group.variables:
            raise ValueError(
                f"'{group.name}' never spikes, so that no firing rate can be regularized: leave "
                "the regularizer out."
            )
        rates = self._rates(group, label)
        for variable in variables:
            heard = [connection for connection in onto if connection.variable == variable]
            if isinstance(heard[0], Projection):
                kernel = eprop_adjoint.gradient_of_neurons(
                    group, heard, self.rule, self.readout, feedback, integrates, rates, self.trials,
                    self.open_steps, label if len(variables) == 1 else f"{label}_{variable}",
                )  # fmt: skip
                self._note(kernel, heard)
        if not isinstance(onto[0], Projection):
            later = not integrates and hears_later(self.readout)
            self._check_online(onto[0], rates or later)
            teller = eprop_online.tell_neurons(group, self.readout, feedback, self.trials, label)
            self.kernels.append(teller)
            self._collect(onto, teller)

    def _check_online(self, synapses, unknown):
        if self.rule.kappa is not None or unknown:
            raise TypeError(
                f"'{synapses.name}' are EligibilitySynapses, whose equations filter with the "
                "readouts' time constant, regularize per trial, and want readouts that hear spikes "
                "in their own step: leave kappa out and use eprop_readout, or use a Projection."
            )

    @property
    def open_steps(self) -> int:
        """From the first step in the learning window to the trial's end."""
        return len(self.window) - int(np.nonzero(self.window)[0][0])

    def _rates(self, group, label):
        """The kernel of a rate that is regularized in every step, if it is."""
        rates = self.rule.regularizer.attach(group, f"{label}_rates")
        if rates:
            self.kernels.append(rates)
            self.state[f"{rates.name}.filtered"] = (rates, "filtered")
        return rates

    def _add_readouts(self, onto):
        _check_graded(onto, self.readout)
        for connection in onto:
            if isinstance(connection, Graded):
                label = f"{self.name}_{connection.name}_gradient"
                kernel = gradient_of_graded(connection, self.readout, self.trials, label)
                self.kernels.append(kernel)
                self.where[connection.name] = (kernel, "gradient")
        spiking = [connection for connection in onto if isinstance(connection, Projection)]
        if spiking:
            label = f"{self.name}_{self.readout.name}"
            kernel = eprop_adjoint.gradient_of_readouts(
                self.readout, spiking, self.rule, self.trials, self.open_steps, label
            )
            self._note(kernel, spiking)
        self._collect([c for c in onto if isinstance(c, EligibilitySynapses)], None)

    def _note(self, kernel, onto):
        self.kernels.append(kernel)
        for k, connection in enumerate(onto):
            self.where[connection.name] = (kernel, f"gradient_{k}")
            self.where_of_delays[connection.name] = (kernel, f"delay_gradient_{k}")

    def _collect(self, onto, teller):
        for synapses in onto:
            eprop_online.check_reset(synapses, self.trials)
            label = f"{self.name}_{synapses.name}_gradient"
            kernel = eprop_online.collect_gradient(synapses, self.rule, teller, self.trials, label)
            self.kernels.append(kernel)
            self.where[synapses.name] = (kernel, "gradient")
            if synapses.layout:
                self._collect_delays(synapses, teller)

    def _collect_delays(self, synapses, teller):
        label = f"{self.name}_{synapses.name}_delay_gradient"
        options = (synapses, self.rule, teller, self.trials, label, "delay_")
        kernel = eprop_online.collect_gradient(*options)
        self.kernels += [kernel, empty_queues(synapses, self.trials)]
        self.where_of_delays[synapses.name] = (kernel, "gradient")


def _by_target(connections):
    """Connections by the name of the group they lead to: the group, and those onto it."""
    populations = {}
    for connection in connections:
        target = connection.target
        populations.setdefault(target.name, (target, []))[1].append(connection)
    for group, onto in populations.values():
        kinds = {type(connection) for connection in onto}
        if {Projection, EligibilitySynapses} <= kinds:
            raise TypeError(
                f"Projections and EligibilitySynapses lead to '{group.name}': use one kind for all."
            )
    return populations


def _split(connections, readout):
    """Connections to readouts that sum up what they hear themselves, and to all others."""
    own = {c.name for c in connections if surrogate_of(readout, c.variable) in readout.variables}
    sums = [connection for connection in connections if connection.name in own]
    return sums, [connection for connection in connections if connection.name not in own]


def _check_graded(connections, readout):
    """A graded connection sets a readout, so that it is the only one, and reads sums."""
    graded = [connection for connection in connections if isinstance(connection, Graded)]
    if graded and len(connections) > 1:
        raise ValueError(
            f"'{graded[0].name}' sets what '{readout.name}' holds, whatever "
            f"{', '.join(repr(c.name) for c in connections if c is not graded[0])} adds: use one."
        )
    for one in graded:
        if (one.reads, one.variable) != ("v", "v") or "tau_m" in (readout.namespace or {}):
            raise ValueError(
                f"'{one.name}' can learn if it reads 'v', and sets 'v' of a readout that does "
                "nothing else, such as linear_readout."
            )


def _carrier(group, to_readouts, feedback):
    """The connection by which neurons reach the readouts, whose shape the feedback has."""
    carriers = [one for one in to_readouts if one.source.name == group.name]
    names = ", ".join(f"'{one.name}'" for one in carriers)
    if len(carriers) > 1 and isinstance(feedback, Symmetric):
        raise ValueError(
            f"{names} all lead from '{group.name}' to the readouts, but symmetric feedback is that "
            "of one connection: make one of them, or use Random or Given feedback."
        )
    for connection in carriers:
        if connection.layout is not None:
            raise DelayError(
                f"{names} has delays, but learning signals of e-prop know of none on the way to "
                "the readouts: leave them out, or let the connections before it not learn."
            )
        if isinstance(connection, Graded) and "_spikespace" in group.variables:
            raise TypeError(
                f"{names} reads a variable of '{group.name}', whose gradient is that of its "
                "spikes: connect it by a Projection."
            )
    if carriers:
        return carriers[0]
    raise ValueError(
        f"No connection among those that learn leads from '{group.name}' to the readouts: its "
        "neurons have no learning signal. Add that connection."
    )
