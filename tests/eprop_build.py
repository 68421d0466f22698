"""A `Case` of e-prop as a network of ours: to draw one, to build it, to run it."""

from types import SimpleNamespace

import numpy as np
from brian2 import Hz, Network, StateMonitor, defaultclock, ms

from brianlearn import (
    Adam,
    CrossEntropy,
    EligibilitySynapses,
    EProp,
    FiringRate,
    Given,
    GradientDescent,
    MeanSquaredError,
    Projection,
    SpikeInput,
    Trial,
    Trials,
    simulate,
    surrogates,
)
from brianlearn.models import eprop_alif, eprop_lif, eprop_readout
from eprop_cases import Case, Outcome

WEIGHTS = ("w_in", "w_rec", "w_out")
LOSSES = {"mean_squared_error": MeanSquaredError, "cross_entropy": CrossEntropy}


def build(case, form, *, samples=None, feedback=None, masks=None, trials_per_update=None,
          attach=True, learning=True, delays=None, **rule_options):  # fmt: skip
    """The network of a case.

    Parameters
    ----------
    case : Case
    form : {"adjoint", "online"}
    samples : int, optional
        Trials at once; by default the batch. The rest comes one after another.
    feedback : Feedback, optional
        In place of the case's own matrix.
    masks : dict of str to array of bool, optional
        Which pairs "w_in", "w_rec" or "w_out" connect; by default all but autapses.
    trials_per_update : int, optional
        By default, what completes the batch.
    attach, learning : bool
        Whether there is a learner, and whether it may learn.
    delays : dict of str to dict, optional
        For connections, the options that say what their delays are.
    rule_options
        More for the rule.
    """
    defaultclock.dt = 1 * ms
    iterations, batch, steps, _ = case.raster.shape
    samples = samples or batch
    inputs, neurons, readout = groups(case, samples)
    masks = {"w_rec": ~np.eye(case.n_rec, dtype=bool)} | (masks or {})
    connections = {}
    for name, source, target in (
        ("w_in", inputs, neurons),
        ("w_rec", neurons, neurons),
        ("w_out", neurons, readout),
    ):
        weights = getattr(case, name)
        mask = masks.get(name, np.ones(weights.shape, dtype=bool))
        if form == "adjoint":
            made = Projection(
                source, target, weights, variable="x", mask=mask, name=name,
                **(delays or {}).get(name, {}),
            )  # fmt: skip
        else:
            made = EligibilitySynapses(
                source, target, weights, readout, samples=samples, mask=mask, name=name,
                **(delays or {}).get(name, {}),
            )  # fmt: skip
        connections[name] = made
    reset = [neurons, readout, *connections.values()]
    trials = Trials(steps * ms, inputs, reset, readout=readout, name="trials")
    learner = None
    if attach:
        rule = rule_of(case, feedback, trials_per_update or batch // samples, **rule_options)
        learner = rule.attach(trials, readout, connections.values())
    trials.present(presented(case, samples), learning=learning)
    return SimpleNamespace(
        network=Network(inputs, neurons, readout, *connections.values(), trials, name="network"),
        duration=iterations * (batch // samples) * steps * ms,
        learner=learner, trials=trials, neurons=neurons, readout=readout, inputs=inputs,
        **connections,
    )  # fmt: skip


def groups(case, samples):
    """Inputs, neurons and readouts."""
    adapts = case.beta is not None and np.any(case.beta)
    model = (eprop_alif if adapts else eprop_lif).with_surrogate(
        getattr(surrogates, case.surrogate)
    )
    parameters = {"tau_adapt": case.tau_adapt * ms} if adapts else {}
    neurons = model.neurons(
        case.n_rec * samples, name="neurons", tau_m=case.tau_m * ms, v_th=case.v_th,
        v_min=case.v_min, t_ref=case.refractory_steps * ms, spread=not case.regular,
        psi_height=case.height, psi_width=case.width, **parameters,
    )  # fmt: skip
    if adapts:
        neurons.beta = np.tile(case.beta, samples)
    neurons.I = case.current
    readout = eprop_readout.neurons(
        case.n_out * samples, name="readout", tau_m=case.tau_out * ms, spread=not case.regular_out
    )
    return SpikeInput(case.n_in, samples, name="inputs"), neurons, readout


def rule_of(case, feedback, trials_per_update, **options):
    """The case's `EProp`."""
    numbers = {"learning_rate": case.learning_rate}
    numbers |= {"lower": case.bounds[0], "upper": case.bounds[1]}
    if case.optimizer == "adam":
        numbers |= {"beta_1": case.beta_1, "beta_2": case.beta_2, "epsilon": case.epsilon}
    return EProp(
        loss=LOSSES[case.loss](),
        optimizer=(Adam if case.optimizer == "adam" else GradientDescent)(**numbers),
        feedback=feedback or Given(case.feedback),
        regularizer=FiringRate(case.c_reg, case.f_target * Hz),
        window=case.window * ms if case.window else None,
        average=case.average,
        trials_per_update=trials_per_update,
        **options,
    )


def presented(case, samples):
    """The case's trials, ``samples`` at once."""
    iterations, batch = case.raster.shape[:2]
    for k in range(iterations):
        for b in range(0, batch, samples):
            chosen = slice(b, b + samples)
            yield Trial.from_raster(case.raster[k, chosen], targets=case.target[k, chosen])


def train(case, form, *, add=None, **options):
    """Build a case, run it, and say what came of it.

    ``add`` gets what was built and returns more objects for its network; ``options`` are those of
    `build`.
    """
    built = build(case, form, **options)
    judged = StateMonitor(
        built.learner.loss_kernel, ["loss", "accuracy"], record=[0], when="end", order=70,
        name="judged",
    )  # fmt: skip
    built.network.add(judged, *(add(built) if add else ()))
    simulate(built.duration, built.network, progress=False)
    iterations, _, steps, _ = case.raster.shape
    losses, accuracies = (
        np.asarray(values)[0, steps - 1 :: steps].reshape(iterations, -1).mean(axis=1)
        for values in (judged.loss, judged.accuracy)
    )
    return Outcome(losses, accuracies, **weights_of(built))


def weights_of(built):
    """The weights of a network that was built, ``[source, target]``."""
    return {name: np.asarray(getattr(built, name).matrix) for name in WEIGHTS}


def gradients_of(built):
    """The gradients that wait for their update, summed over samples and trials."""
    gradients = {}
    for name, plastic in built.learner.plastic.items():
        group, variable = plastic.gradient
        values, mask = np.asarray(getattr(group, variable)), plastic.connection.mask
        if plastic.is_delays:
            gradients[name] = plastic.as_matrix(values)
            continue
        gradients[name] = np.zeros(mask.shape)
        gradients[name][mask] = values[mask.ravel()] if values.size == mask.size else values
    return gradients


def deviation(case, ours, theirs):
    """The largest deviation of losses, and of weights relative to how far they have moved."""
    losses = np.abs(ours.losses - theirs.losses).max() / max(np.abs(theirs.losses).max(), 1e-4)
    weights = [
        np.abs(getattr(ours, name) - getattr(theirs, name)).max()
        / max(np.abs(getattr(theirs, name) - getattr(case, name)).max(), 1e-4)
        for name in WEIGHTS
    ]
    return max(losses, *weights)


def random_case(seed=1, *, iterations=2, batch=3, steps=60, n_in=7, n_rec=6, n_out=3, **changes):
    """A random network that spikes, with one trial after another of Poisson input."""
    random = np.random.default_rng(seed)
    changes = {"width": 0.5, "height": 0.6, "v_th": 0.5, "tau_m": 8.0, "tau_out": 12.0} | changes
    scale = 0.5 if changes.get("regular") else 4.0
    targets = random.normal(size=(iterations, batch, steps, n_out))
    if changes.get("loss") == "cross_entropy":
        labels = random.integers(n_out, size=(iterations, batch))
        targets = np.repeat(np.eye(n_out)[labels][:, :, None], steps, axis=2)
    return Case(
        w_in=scale * random.normal(0.3, 1, size=(n_in, n_rec)),
        w_rec=scale * random.normal(size=(n_rec, n_rec)) * ~np.eye(n_rec, dtype=bool),
        w_out=random.normal(size=(n_rec, n_out)),
        feedback=random.normal(size=(n_rec, n_out)),
        raster=random.random((iterations, batch, steps, n_in)) < 0.2,
        target=targets,
        **changes,
    )
