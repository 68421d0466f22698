"""What else in a network writes the states of a group whose step has been read."""

from brian2.groups.group import CodeRunner
from brian2.groups.neurongroup import Resetter, StateUpdater
from brian2.synapses.synapses import SummedVariableUpdater, SynapticPathway
from brian2.utils.stringtools import get_identifiers

from brianlearn.derivation.step import Step, assignments
from brianlearn.errors import DerivationError

__all__ = ["check_writers"]


def check_writers(group, network) -> None:
    """Refuse a network in which something else moves a group by what the group does.

    What adds to a state, or sets a parameter, and follows from no state of the group, is given:
    noise, currents, other neurons' spikes. All else is part of the step, of which a learner would
    know nothing: ``run_regularly``, synapses, summed variables, events of the user's own,
    subexpressions that are ``(constant over dt)``. Spikes count as given. Kernels and network
    operations are not looked into.

    Parameters
    ----------
    group : NeuronGroup
    network : Network

    Raises
    ------
    brianlearn.errors.DerivationError
        Naming the object, what it does, and the remedy.
    """
    step = Step(group)
    own = {name: id(variable) for name, variable in group.variables.items()}
    states = {own[name] for name in {*step.first, *step.last} & own.keys()}
    heard = {own[name] for name in step.names & own.keys()}
    statements = [
        _Statement(item, *assignment)
        for item in network.sorted_objects
        for assignment in _assignments(item, group)
    ]
    moved = _moved_by(states, statements)
    for one in statements:
        if one.variable in states | heard:
            one.check(group, moved, may_set=one.variable not in states)


def _moved_by(states, statements):
    """The variables that follow what the group does, by way of whatever they are told of."""
    moved = set(states)
    while new := {one.variable for one in statements if one.reads(moved)} - moved:
        moved |= new
    return moved


def _assignments(item, group):
    """What an object runs, but the group's own step: name, operator and right side of each."""
    if isinstance(item, SynapticPathway):
        return assignments(_text(item.code))
    if isinstance(item, SummedVariableUpdater):
        return [(item.target_varname, "", _text(item.expression))]
    if isinstance(item, Resetter):
        own = item.group.name == group.name and item.event == "spike"
        return [] if own else assignments(item.group.event_codes[item.event])
    if isinstance(item, StateUpdater) or not isinstance(item, CodeRunner):
        return []
    if item.template == "stateupdate":  # run_regularly, PoissonInput, (constant over dt)
        return assignments(_text(item.abstract_code))
    return []


def _text(code):
    return getattr(code, "code", code) or ""  # Brian2 2.11 has it in an object


class _Statement:
    """A statement of an object, with the variables that it means (by identity)."""

    def __init__(self, item, name, operator, right):
        self.item, self.text = item, f"{name} {operator}= {right}"
        self.variable, self.added = self._variable(name), operator in ("+", "-")
        read = get_identifiers(right) | ({name} if operator and not self.added else set())
        self.read = {self._variable(one) for one in read}

    def _variable(self, name):
        item = self.item
        for variables in (getattr(item, "variables", {}), getattr(item.group, "variables", {})):
            if name in variables:
                return id(variables[name])
        return id(item), name  # known to its own code alone

    def reads(self, variables):
        """Whether it reads one of these."""
        return not variables.isdisjoint(self.read)

    def check(self, group, moved, may_set):
        """Refuse it unless it only adds (or sets, where nothing is kept) what is given."""
        if (self.added or may_set) and not self.reads(moved):
            return
        item = self.item
        owner = item.synapses.name if isinstance(item, SynapticPathway) else item.name
        raise DerivationError(
            f"'{owner}' moves '{group.name}' by {self.text}, of which its learner would know "
            "nothing: the gradient would be that of another network. Put it into the "
            "group's equations or reset, let it only add what does not follow from the group's own "
            "states, or leave it out."
        )
