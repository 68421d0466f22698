"""Which kernels compute the gradients of a network: by the form of its connections, by groups."""

from dataclasses import dataclass, field

from brianlearn.learners import eprop_adjoint, eprop_online
from brianlearn.learners.eprop_parts import check_history, check_is_reset, check_neurons
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
    """

    rule: object
    trials: object
    readout: object
    window: int
    name: str
    kernels: list = field(default_factory=list)
    where: dict = field(default_factory=dict)

    def add(self, connections: list) -> None:
        """Make the kernels of all connections that learn.

        Raises
        ------
        KeyError, TypeError, ValueError, MemoryError
            As `EProp.attach` says.
        """
        populations = _by_target(connections)
        to_readouts = populations.pop(self.readout.name, (self.readout, []))[1]
        check_history(self.trials, [group for group, _ in populations.values()])
        first = 0
        for group, onto in populations.values():
            check_neurons(group)
            check_is_reset(group, self.trials)
            carrier = _carrier(group, to_readouts)
            feedback = self.rule.feedback.weights(carrier, first)
            first += carrier.shape[0]
            self._add_neurons(group, onto, feedback)
        check_is_reset(self.readout, self.trials)
        if to_readouts:
            self._add_readouts(to_readouts)

    def _add_neurons(self, group, onto, feedback):
        label = f"{self.name}_{group.name}"
        if isinstance(onto[0], Projection):
            kernel = eprop_adjoint.gradient_of_neurons(
                group, onto, self.rule, self.readout, feedback, self.trials, self.window, label
            )
            self._note(kernel, onto)
        else:
            teller = eprop_online.tell_neurons(group, self.readout, feedback, self.trials, label)
            self.kernels.append(teller)
            self._collect(onto, teller)

    def _add_readouts(self, onto):
        if isinstance(onto[0], Projection):
            label = f"{self.name}_{self.readout.name}"
            kernel = eprop_adjoint.gradient_of_readouts(
                self.readout, onto, self.trials, self.window, label
            )
            self._note(kernel, onto)
        else:
            self._collect(onto, None)

    def _note(self, kernel, onto):
        self.kernels.append(kernel)
        for k, connection in enumerate(onto):
            self.where[connection.name] = (kernel, f"gradient_{k}")

    def _collect(self, onto, teller):
        for synapses in onto:
            eprop_online.check_reset(synapses, self.trials)
            label = f"{self.name}_{synapses.name}_gradient"
            kernel = eprop_online.collect_gradient(synapses, self.rule, teller, self.trials, label)
            self.kernels.append(kernel)
            self.where[synapses.name] = (kernel, "gradient")


def _by_target(connections):
    """Connections by the name of the group they lead to: the group, and those onto it."""
    populations = {}
    for connection in connections:
        target = connection.target
        populations.setdefault(target.name, (target, []))[1].append(connection)
    for group, onto in populations.values():
        if len({type(connection) for connection in onto}) > 1:
            raise TypeError(
                f"Projections and EligibilitySynapses lead to '{group.name}': use one kind for all."
            )
    return populations


def _carrier(group, to_readouts):
    """The connection by which neurons reach the readouts, whose shape the feedback has."""
    for connection in to_readouts:
        if connection.source.name == group.name:
            return connection
    raise ValueError(
        f"No connection among those that learn leads from '{group.name}' to the readouts: its "
        "neurons have no learning signal. Add that connection."
    )
