"""The two networks of eprop_ours.py, which are those of nest_peer.py: nothing is measured here."""

from dataclasses import dataclass

import numpy as np
from brian2 import Hz, Network, ms, second

from brianlearn import (
    Adam,
    CrossEntropy,
    EligibilitySynapses,
    EProp,
    FiringRate,
    Given,
    GradientDescent,
    Projection,
    Recorder,
    SpikeInput,
    Trial,
    Trials,
)
from brianlearn.models import eprop_alif, eprop_lif, eprop_readout
from brianlearn.tasks import waves
from brianlearn.tasks.evidence import Evidence, generator

PROBED = 8  # samples whose spikes are counted, at most


@dataclass(frozen=True, eq=False)
class Task:
    """Groups, weights, and what is presented; `silent` is a trial without input."""

    draw: waves.Weights
    inputs: SpikeInput
    neurons: object
    readout: object
    steps: int
    rule: EProp
    source: object
    silent: Trial


def sine(options):
    """The regression of NEST's tests."""
    draw = waves.draw(1, n_rec=options.neurons, steps=options.steps)
    empty = np.empty(0, np.int32)
    return Task(
        draw=draw,
        inputs=SpikeInput(100, name="inputs"),
        neurons=eprop_lif.neurons(options.neurons, name="neurons"),
        readout=eprop_readout.neurons(1, name="readout"),
        steps=options.steps,
        rule=EProp(
            optimizer=GradientDescent(1e-4),
            feedback=Given(draw.feedback),
            regularizer=FiringRate(300, 10 * Hz),
        ),
        source=Trial.from_raster(draw.raster, draw.target),
        silent=Trial(empty, empty, targets=draw.target),
    )


def evidence(options):
    """Evidence accumulation, each part of a batch drawn when its turn comes."""
    task, samples = Evidence(), options.samples
    draw = task.weights(np.random.RandomState(1), options.neurons)
    neurons = eprop_alif.neurons(
        options.neurons * samples, name="neurons", tau_m=20 * ms, v_th=0.6, t_ref=5 * ms,
        spread=False, tau_adapt=2 * second, psi_height=0.3 / 0.6, psi_width=0.6,
    )  # fmt: skip
    beta = 1.7 * (1 - np.exp(-1 / 2000)) / (1 - np.exp(-1 / 20))
    neurons.beta = np.tile(np.repeat([0, beta], options.neurons // 2), samples)

    def source(k):
        batch = task.sample(generator(1, k), samples)
        return Trial(batch.step, batch.sample * task.inputs + batch.neuron, labels=batch.label)

    empty = np.empty(0, np.int32)
    return Task(
        draw=draw,
        inputs=SpikeInput(task.inputs, samples, name="inputs"),
        neurons=neurons,
        readout=eprop_readout.neurons(2 * samples, name="readout", tau_m=20 * ms),
        steps=task.steps,
        rule=EProp(
            loss=CrossEntropy(),
            optimizer=Adam(5e-3),
            feedback=Given(draw.feedback),
            regularizer=FiringRate(300, 10 * Hz),
            window=task.window * ms,
            average=True,
            trials_per_update=max(1, options.batch // samples),
        ),
        source=source,
        silent=Trial(empty, empty, labels=np.zeros(samples, np.int32)),
    )


def network(task, form):
    """The network, its learner, and what counts spikes."""
    ends = {
        "w_in": (task.inputs, task.neurons),
        "w_rec": (task.neurons, task.neurons),
        "w_out": (task.neurons, task.readout),
    }
    connections = {}
    for name, (source, target) in ends.items():
        weights = getattr(task.draw, name)
        if form == "adjoint":
            autapses = source is not target
            made = Projection(source, target, weights, variable="x", autapses=autapses, name=name)
        else:
            made = EligibilitySynapses(
                source, target, weights, task.readout, samples=task.inputs.samples, name=name
            )
        connections[name] = made
    reset = [task.neurons, task.readout]
    if form == "online":
        traces = ("zbar", "eps", "ebar", "eligibility_sum", "gradient")
        reset += [(c, t) for c in connections.values() for t in traces if t in c.variables]
    trials = Trials(task.steps * ms, task.inputs, reset, readout=task.readout, name="trials")
    learner = task.rule.attach(trials, task.readout, connections.values())
    some = np.arange(min(task.inputs.samples, PROBED) * task.draw.w_rec.shape[0])
    recorder = Recorder(trials, {"z": (task.neurons, "z")}, indices={"z": some}, name="recorder")
    objects = (task.inputs, task.neurons, task.readout, *connections.values(), trials, recorder)
    return Network(*objects), learner, recorder
