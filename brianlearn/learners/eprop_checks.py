"""What `EProp` refuses at the door: wishes, connections and networks that it cannot train."""

import numpy as np
from brian2.groups.subgroup import Subgroup

from brianlearn import schedule
from brianlearn.checks import find_array
from brianlearn.decay import check_decay
from brianlearn.errors import LearnerConflictError
from brianlearn.graded import Graded
from brianlearn.kernel import Steps
from brianlearn.learners.eligibility import EligibilitySynapses
from brianlearn.learners.eprop_parts import surrogate_of
from brianlearn.learners.eprop_step import check_step
from brianlearn.optimizers import Adam, GradientDescent
from brianlearn.projection import Projection

__all__ = ["check_connection", "check_network", "check_update"]


def check_update(rule) -> None:
    """Refuse wishes that do not go with the time of the updates."""
    if rule.update not in ("trial", "spike"):
        raise ValueError(f"update is {rule.update!r}, but must be 'trial' or 'spike'.")
    if rule.kappa is not None:
        check_decay(rule.kappa, "kappa")
    if rule.cutoff is not None:
        Steps(rule.cutoff, "cutoff")
    if rule.update == "trial":
        if rule.cutoff is not None or rule.each_step:
            raise ValueError('cutoff and each_step need update="spike".')
        return
    if type(rule.optimizer) not in (GradientDescent, Adam):  # whose forms the spike's kernel has
        raise TypeError(
            f'optimizer is {rule.optimizer!r}, but update="spike" knows the steps of '
            'GradientDescent and Adam alone: use one of these, or update="trial".'
        )
    if rule.trials_per_update > 1 or rule.average:
        raise ValueError(
            'trials_per_update and average need update="trial": with "spike", weights change '
            "with every spike."
        )
    if isinstance(rule.learn, dict) or {*rule.learn} != {"weights"}:
        raise ValueError(
            'With update="spike", all connections that are attached learn their weights, not '
            'delays: learn=("weights",).'
        )
    if rule.regularizer.c_reg and rule.regularizer.kappa is None:
        raise ValueError(
            'With update="spike", the rate is regularized in every step: give FiringRate a '
            "kappa, such as 0.97."
        )


def check_connection(connection, trials, rule) -> None:
    """Refuse a connection that e-prop cannot train, or that learns already."""
    if not isinstance(connection, Projection | Graded | EligibilitySynapses):
        raise TypeError(
            f"{connection!r} cannot learn by e-prop: make it a Projection or EligibilitySynapses "
            "(or, of what does not spike, Graded)."
        )
    if isinstance(connection.target, Subgroup):
        raise TypeError(
            f"'{connection.name}' leads to a subgroup, but e-prop trains whole groups: make one "
            "of its own, or leave the other neurons out by a mask."
        )
    if connection.samples != trials.samples:
        raise ValueError(
            f"'{connection.name}' connects {connection.samples} sample(s), but the trials have a "
            f"batch of {trials.samples}."
        )
    if find_array(connection.target, connection.variable).conditional_write is not None:
        raise ValueError(
            f"'{connection.name}' leads to '{connection.variable}' of '{connection.target.name}', "
            "which is (unless refractory): what arrives at a refractory neuron is lost, but the "
            "gradient of e-prop knows nothing of that. Leave the flag out, as eprop_lif does."
        )
    if isinstance(connection, Projection):
        _check_emission(connection)
    if getattr(connection, "learner", None) is not None:
        raise LearnerConflictError(f"'{connection.name}' learns already.")
    if rule.learns(connection)[0]:
        rule.optimizer.check(np.asarray(connection.matrix)[connection.mask], connection.name)


def _check_emission(projection):
    """Spikes are read at a step's end, and must be those that it has propagated."""
    source = projection.source
    spiking = source.source if isinstance(source, Subgroup) else source
    emits = getattr(spiking, "thresholder", {}).get("spike", spiking)
    if schedule.before((projection.when, projection.order), (emits.when, emits.order)):
        raise ValueError(
            f"'{source.name}' spikes in slot '{emits.when}', after '{projection.name}' has "
            "propagated the spikes of the time step, which e-prop would take for those that come "
            "later: leave its slot 'thresholds' as it is."
        )


def check_network(connections, trials, readout) -> None:
    """Refuse trials without the readout, missing or doubled connections, and unknown readouts."""
    if trials.readout is not readout:
        raise ValueError(
            f"'{trials.name}' sets no target of '{readout.name}': give it readout={readout.name}."
        )
    names = [connection.name for connection in connections]
    if twice := {name for name in names if names.count(name) > 1}:
        raise LearnerConflictError(f"{', '.join(sorted(twice))} would learn twice.")
    if not names:
        raise ValueError("No connection was given that could learn.")
    spiking = [c for c in connections if c.target is readout and not isinstance(c, Graded)]
    for variable in sorted({connection.variable for connection in spiking}):
        if surrogate_of(readout, variable) not in readout.variables:  # else see check_neurons
            check_step(readout, variable)
