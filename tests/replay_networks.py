"""Small networks that use all kernels, for their calls to be noted; see `replay`.

There are 37 or 45 neurons: no multiple of any processor's vectors, and more than two of the widest.
"""

import numpy as np
from brian2 import Hz, Network, NeuronGroup, TimedArray, defaultclock, ms, second

from brianlearn import (
    RLS,
    Adam,
    BestSoFar,
    DelayLearning,
    EProp,
    Graded,
    Projection,
    Readout,
    Recorder,
    SpikeInput,
    Trial,
    Trials,
    simulate,
)
from brianlearn.models import delay_dendrite, eprop_readout, linear_readout
from eprop_build import build, random_case
from noting import Notes, noting
from spike_eprop_build import build as build_spiking
from spike_eprop_cases import random_case as random_spiking

__all__ = ["all_notes"]

STEPS, BATCH = 24, 3  # of a trial
BOTH = ("weights", "delays")


def all_notes() -> Notes:
    """What all of these networks have their kernels do."""
    notes = []
    for network, every in NETWORKS:
        with noting(every) as noted:
            network()
        notes += noted
    return notes


def run(steps, *objects):
    simulate(steps * defaultclock.dt, Network(*objects), progress=False)


def force():
    """Feedback at once, later or not at all, one output or two; a teacher; both steps of RLS."""
    random = np.random.default_rng(1)
    rates = NeuronGroup(
        45,
        "dr/dt = (heard + alone - r)/(2*ms) : Hz\nheard : Hz\nalone : Hz (shared)",
        method="euler",
        name="rates",
    )
    rates.r = random.gamma(1, size=45) * Hz
    both = Readout(
        rates, "r", 2, feedback="heard", encoders=random.normal(size=(45, 2)),
        feedback_delay=3 * defaultclock.dt, name="both",
    )  # fmt: skip
    one = Readout(rates, "r", feedback="alone", name="one")
    pupil = Readout(rates, "r", 2, unit=Hz, name="pupil")
    rule = {"alpha": 0.1 * second**2, "every": 2 * defaultclock.dt}
    RLS(**rule, step="exact").attach(both, target=random.normal(size=(60, 2)) * Hz)
    RLS(**rule, step="published").attach(one, target="sin(2*pi*100*Hz*t)*Hz")
    RLS(**rule).attach(pupil, target=(both, "z"))
    run(60, rates, both, one, pupil)


def projections():
    """Dense and sparse, with and without delays of each kind, onto all or those that may hear."""
    random, shape, step = np.random.default_rng(2), (12, 37), defaultclock.dt
    raster = TimedArray(random.random((40, 24)) < 0.2, dt=step)
    source = NeuronGroup(
        24, "fires = raster(t, i) : 1", threshold="fires > 0.5", reset="", name="source",
        namespace={"raster": raster},
    )  # fmt: skip
    target = NeuronGroup(
        74,
        "dv/dt = 0*v/second : 1 (unless refractory)\nx : 1",
        threshold="v > 1", reset="v = 0", refractory=5 * step, method="euler", name="target",
    )  # fmt: skip
    made = []
    for density in (1, 0.3):
        weights = random.normal(0.1, 0.3, shape) * (random.random(shape) < density)
        options = [{}] + [
            {"delay": random.uniform(0, 6, size) * step, "interpolate": between}
            for size in ((), (12, 1), (1, 37), shape)
            for between in (False, True)
        ]
        made += [
            Projection(source, target, weights, variable=variable, **one)
            for variable in ("v", "x")
            for one in options
        ]
        part = weights[:, :9]
        made.append(Projection(source[5:17], target[20:29], part, variable="x"))
    run(40, source, target, *made)


def eprop(form="adjoint", iterations=2, record="step", delays=None, masks=None, **changes):
    """Batches of trials of e-prop, with a record of what happens; rules as `changes` say."""
    rule = {name: changes.pop(name) for name in ("learn", "delay_optimizer") if name in changes}
    case = random_case(
        3, iterations=iterations, batch=3, steps=STEPS, n_in=13, n_rec=37, n_out=3, **changes
    )
    built = build(case, form, delays=delays, masks=masks, **rule)
    recorded = {"v": (built.readout, "v"), "psi": (built.neurons, "psi")}
    recorder = Recorder(built.trials, recorded, each=record, name="recorder")
    built.trials.write(
        [
            built.trials.encode(
                Trial.from_raster(case.raster[k], targets=case.target[k]), recording=k == 0
            )
            for k in range(iterations)
        ]
    )
    built.network.add(recorder)
    simulate(built.duration, built.network, progress=False)


def eprop_delays():
    """Weights and delays that learn, by Adam; with neurons that adapt."""
    random, between = np.random.default_rng(4), {"interpolate": True, "max_delay": 9 * ms}
    eprop(
        delays={
            "w_in": {"delay": random.uniform(0, 5, (13, 37)) * ms, **between},
            "w_rec": {"delay": random.uniform(1, 5, (1, 37)) * ms, "max_delay": 9 * ms},
        },
        masks={"w_in": random.random((13, 37)) < 0.3},
        learn=("weights", "delays"), delay_optimizer=Adam(0.1), optimizer="adam",
        beta=random.uniform(0, 0.2, 37), tau_adapt=20.0,
    )  # fmt: skip


def readouts():
    """Inputs that reach readouts directly, and later."""
    defaultclock.dt = 1 * ms
    random, inputs = np.random.default_rng(5), SpikeInput(37, 2, name="inputs")
    readout = eprop_readout.neurons(6, tau_m=10 * ms, name="readout")
    delay = random.uniform(0, 5, (37, 3)) * ms
    onto = Projection(
        inputs, readout, random.normal(size=(37, 3)), variable="x", delay=delay, interpolate=True,
        max_delay=7 * ms, name="onto",
    )  # fmt: skip
    trials = Trials(STEPS * ms, inputs, [readout, onto], readout=readout, name="trials")
    raster = random.random((2, STEPS, 37)) < 0.2
    trials.present(Trial.from_raster(raster, targets=random.normal(size=(2, STEPS, 3))))
    EProp(learn=("weights", "delays"), trials_per_update=2).attach(trials, readout, [onto])
    run(2 * STEPS, inputs, readout, onto, trials)


def eprop_classes():
    """Cross-entropy within a window; few connections; a record of what each trial ends with."""
    few = np.random.default_rng(4).random((13, 37)) < 0.3
    eprop(
        loss="cross_entropy", window=9, average=True, bounds=(-20.0, 20.0), record="trial",
        masks={"w_in": few},
    )  # fmt: skip


def eprop_online():
    """`EligibilitySynapses` with and without delays."""
    eprop("online", delays={"w_in": {"delay": 2 * ms}})


def spiking(trial_steps=STEPS, learning=(True, False, True), resets=True, **changes):
    """Learning at every spike in some trials, of which one is a test."""
    drawn = {"n_in": 9, "n_rec": 37, "n_out": 5, "steps": trial_steps * len(learning)} | changes
    rule = {"update": drawn.pop("update")} if "update" in drawn else {}
    built = build_spiking(
        random_spiking(5, **drawn),
        trial_steps=trial_steps, learning=learning, resets=resets, recording=False, **rule,
    )  # fmt: skip
    simulate(built.duration, built.network, progress=False)


def spiking_rules():
    """With sums and step by step, in lists and in dense rows, by gradient descent and Adam."""
    by_spike = {"optimize_each_step": False}
    spiking(density=0.4, kappa_reg=0.9, cutoff=7, w_min=-1.5, w_max=1.5, **by_spike)
    spiking(density=0.8, kappa_reg=0.9, cutoff=7, resets=False, **by_spike)
    spiking(density=1, cutoff=7, **by_spike)
    spiking(density=0.4, c_reg=0, optimizer="adam", **by_spike)
    spiking(density=0.8, optimizer="adam", model="iaf_adapt", cutoff=12)
    spiking(density=0.4, model="psc_delta_adapt", kappa_reg=0.9)
    spiking(update="trial", **by_spike)


def somas_that_add():
    """Delays that learn by the exact gradient, of what graded readouts say."""
    somas = delay_dendrite(2).neurons(37 * BATCH, tau_m=6 * ms, name="somas")
    answers = linear_readout.neurons(5 * BATCH, name="answers")
    weights = np.random.default_rng(6).normal(size=(37, 5))
    graded = Graded(somas, answers, weights, bias=np.ones(5), name="graded")
    dendrites(somas, answers, graded, DelayLearning(loss=BestSoFar(0.5), learn=BOTH))


def somas_that_spike():
    """Delays of dendrites that are empty after a spike."""
    model = delay_dendrite(2, spiking=True)
    somas = model.neurons(37 * BATCH, tau_m=6 * ms, v_th=4.0, psi_width=2.0, name="somas")
    answers = eprop_readout.neurons(5 * BATCH, tau_m=10 * ms, name="answers")
    weights = np.random.default_rng(6).normal(size=(37, 5))
    out = Projection(somas, answers, weights, variable="x", name="out")
    dendrites(somas, answers, out, EProp(learn=BOTH))


def dendrites(somas, answers, out, rule):
    """Inputs onto two dendrites of each soma, with delays; two batches of trials."""
    defaultclock.dt = 1 * ms
    random, shape = np.random.default_rng(7), (10, 37)
    inputs, half = SpikeInput(10, BATCH, name="inputs"), np.arange(10)[:, None] < 5
    onto = [
        Projection(
            inputs, somas, random.normal(1, 0.3, shape) * mask, variable=f"x_{k}",
            delay=random.uniform(0.05, 7.95, shape) * ms, max_delay=9 * ms, interpolate=True,
            name=f"onto_{k}",
        )
        for k, mask in ((1, half), (2, ~half))
    ]  # fmt: skip
    trials = Trials(STEPS * ms, inputs, [somas, answers, *onto], readout=answers, name="trials")
    trials.write(
        [
            trials.encode(
                Trial.from_raster(random.random((BATCH, STEPS, 10)) < 0.25, labels=[0, 1, 2])
            )
            for _ in range(2)
        ]
    )
    rule.attach(trials, answers, [*onto, out])
    run(2 * STEPS, inputs, somas, answers, *onto, out, trials)


NETWORKS = [
    (force, 20), (projections, 40), (eprop_delays, STEPS), (eprop_classes, STEPS),
    (readouts, STEPS), (eprop_online, STEPS), (spiking_rules, 12), (somas_that_add, STEPS),
    (somas_that_spike, STEPS),
]  # fmt: skip
