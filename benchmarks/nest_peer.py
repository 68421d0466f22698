"""E-prop by NEST on two published tasks: the peer that brianlearn's e-prop is measured against.

    python benchmarks/nest_peer.py sine --iterations 20
    python benchmarks/nest_peer.py evidence --iterations 10 --threads 2

``sine`` is the regression of NEST's tests: 100 inputs, 100 LIF neurons and a readout learn four
sines in trials of 1,000 steps. ``evidence`` is evidence accumulation: 40 inputs, 50 LIF and 50
adaptive neurons and two readouts decide in trials of 2,250 steps; an iteration is one sample,
and Adam steps after every one. Both run on NEST's ``*_bsshslm_2020`` models, with the random
numbers of NEST's tests, so that their losses are the published ones: ``losses`` begins with
101.964356999041 (sine) and 0.741152550006 (evidence).

Prints one JSON object. ``ms`` holds the milliseconds of each iteration, simulation with learning
and nothing else, after a warm-up iteration that does not count (its loss is the first of
``losses``); ``setup_seconds`` is building the network. Only the readouts are recorded. Runs
in any Python with NEST (``pip install nest-simulator==3.10.0``) and uses nothing of brianlearn.

References
----------
Bellec, G. et al. (2020). A solution to the learning dilemma for recurrent networks of spiking
neurons. Nature Communications 11, 3625. doi:10.1038/s41467-020-17236-y
"""

import argparse
import json
import os
from dataclasses import dataclass
from statistics import median
from time import perf_counter

import numpy as np

os.environ["PYNEST_QUIET"] = "1"  # keeps NEST's greeting out of the standard output
import nest

EDGE = 5  # steps from an input's generator to the record of the readout's answer to it

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("task", choices=("sine", "evidence"))
parser.add_argument("--iterations", type=int, default=10, help="that are timed (%(default)s)")
parser.add_argument("--threads", type=int, default=1, help="of NEST (%(default)s)")


@dataclass
class Task:
    """A network and its data, in plain arrays; times in ms, which are steps.

    Weights are ``[target, source]``; ``raster`` is (iterations, steps, inputs) and ``target``
    (iterations, steps, readouts). ``models`` are (number, NEST's name, parameters).
    """

    models: list
    readout: dict
    synapse: dict
    w_in: np.ndarray
    w_rec: np.ndarray
    w_out: np.ndarray
    feedback: np.ndarray
    raster: np.ndarray
    target: np.ndarray
    window: int

    @property
    def steps(self):
        return self.raster.shape[1]


def main(options):
    """Time the iterations and print them."""
    if min(options.iterations, options.threads) < 1:
        parser.error("it takes at least one iteration and one thread.")
    task = {"sine": sine, "evidence": evidence}[options.task](options.iterations + 1)
    began = perf_counter()
    recorder = build(task, options.threads)
    setup_seconds = perf_counter() - began
    ms = run(task)
    result = {
        "task": options.task,
        "nest": nest.__version__,
        "threads": options.threads,
        "steps": task.steps,
        "setup_seconds": setup_seconds,
        "best_ms": min(ms),
        "median_ms": median(ms),
        "ms": ms,
        "losses": losses(task, recorder.events).tolist(),
    }
    print(json.dumps(result))


def run(task):
    """Simulate every iteration; return milliseconds of all but the first."""
    nest.Prepare()
    nest.Run(EDGE + task.steps)
    ms = []
    for _ in task.raster[1:]:
        began = perf_counter()
        nest.Run(task.steps)
        ms.append(1e3 * (perf_counter() - began))
    nest.Cleanup()
    return ms


def sine(iterations):
    """Return the regression of NEST's tests."""
    np.random.seed(1)
    n_in, n_rec, n_out, steps = 100, 100, 1, 1000
    w_in, w_rec = recurrent_weights(n_in, n_rec)
    w_out = single(np.random.randn(n_rec, n_out).T / np.sqrt(n_rec))
    feedback = single(np.random.randn(n_rec, n_out) / np.sqrt(n_rec))
    raster = np.random.rand(steps, n_in) < 0.05
    raster[0] = False
    target = np.repeat([four_sines(steps)[:, np.newaxis]], iterations, axis=0)
    lif = neuron(tau_m=30.0, V_th=0.03, t_ref=0.0, regular=False, steps=steps)
    return Task(
        models=[(n_rec, "eprop_iaf_bsshslm_2020", lif)],
        readout={"tau_m": 30.0, "loss": "mean_squared_error"},
        synapse={
            "average_gradient": False,
            "optimizer": {"type": "gradient_descent", "eta": 1e-4, "batch_size": 1},
        },
        w_in=w_in, w_rec=w_rec, w_out=w_out, feedback=feedback,
        raster=np.repeat(raster[np.newaxis], iterations, axis=0), target=target, window=steps,
    )  # fmt: skip


def evidence(iterations):
    """Return evidence accumulation as in NEST's tests, in batches of one."""
    np.random.seed(1)
    n_in, n_each, n_out = 40, 50, 2
    n_rec = 2 * n_each
    w_in, w_rec = recurrent_weights(n_in, n_rec)
    limit = np.sqrt(3 / ((n_rec + n_out) / 2))  # Glorot and Bengio's
    w_out = single(np.random.uniform(-limit, limit, (n_rec, n_out)).T)
    feedback = single(np.random.randn(n_rec, n_out))
    samples = [cues(n_in) for _ in range(iterations)]
    raster = np.array([raster for raster, _ in samples])
    steps = raster.shape[1]
    target = np.zeros((iterations, steps, n_out))
    for sample, (_, label) in zip(target, samples, strict=True):
        sample[:, label] = 1
    lif = neuron(tau_m=20.0, V_th=0.6, t_ref=5.0, regular=True, steps=steps)
    beta = 1.7 * (1 - np.exp(-1 / 2000)) / (1 - np.exp(-1 / 20))
    adaptation = {"adapt_tau": 2000.0, "adapt_beta": beta}
    adam = {"type": "adam", "eta": 5e-3, "epsilon": 1e-8, "beta_1": 0.9, "beta_2": 0.999}
    return Task(
        models=[
            (n_each, "eprop_iaf_bsshslm_2020", lif),
            (n_each, "eprop_iaf_adapt_bsshslm_2020", lif | adaptation),
        ],
        readout={"tau_m": 20.0, "loss": "cross_entropy"},
        synapse={"average_gradient": True, "optimizer": adam | {"batch_size": 1}},
        w_in=w_in, w_rec=w_rec, w_out=w_out, feedback=feedback,
        raster=raster, target=target, window=150,
    )  # fmt: skip


def recurrent_weights(n_in, n_rec):
    """Draw the weights onto recurrent neurons, without autapses."""
    w_in = single(np.random.randn(n_in, n_rec).T / np.sqrt(n_in))
    w_rec = single(np.random.randn(n_rec, n_rec).T / np.sqrt(n_rec))
    np.fill_diagonal(w_rec, 0)
    return w_in, w_rec


def single(weights):
    """Round to single precision, as NEST's tests do after TensorFlow."""
    return weights.astype(np.float32)


def four_sines(steps):
    """Draw the signal of the regression."""
    amplitudes, phases = np.random.uniform(0.5, 2, 4), np.random.uniform(0, 2 * np.pi, 4)
    signal = np.zeros(steps)
    for period, amplitude, phase in zip((1000, 500, 333, 200), amplitudes, phases, strict=True):
        end = phase + 2 * np.pi * (steps // period)
        signal += amplitude * np.sin(np.linspace(phase, end, steps))
    signal -= signal[0]
    return signal / np.abs(signal).max()


def cues(n_in, n_cues=7, cue=100, spacing=50, background=1050, recall=150):
    """Draw one sample: its raster, and the side on which more cues lay."""
    odds = single(np.array([[0.3, 0.7], [0.7, 0.3]]))[np.random.choice([0, 1], 1)[0]]
    sides = np.random.choice([0, 1], n_cues, p=odds / odds.sum())
    steps = n_cues * (cue + spacing) + background + recall
    probability = np.zeros((steps, 4, n_in // 4), dtype=np.float32)
    for number, side in enumerate(sides):
        start = number * (cue + spacing) + spacing
        probability[start : start + cue, side] = 0.04
    probability[-recall:, 2] = 0.04
    probability[:, 3] = 0.01
    raster = probability.reshape(steps, n_in) > np.random.rand(steps * n_in).reshape(steps, n_in)
    raster[0] = False
    return raster, int(sides.sum() > n_cues // 2)


def neuron(tau_m, V_th, t_ref, regular, steps):
    """Return what the recurrent neurons of a task share."""
    return {
        "C_m": 1.0,
        "c_reg": 300.0,
        "E_L": 0.0,
        "f_target": 10.0,
        "flush_event_send_interval": float(steps),
        "regular_spike_arrival": regular,
        "surrogate_gradient_function": "piecewise_linear",
        "surrogate_gradient_height": 0.3 / V_th,
        "surrogate_gradient_width": V_th,
        "t_ref": t_ref,
        "tau_m": tau_m,
        "V_m": 0.0,
        "V_th": V_th,
    }


def build(task, threads):
    """Make the network in NEST; return what records the readouts.

    Nodes are made in this order since NEST updates them by their numbers, and synapses after
    the kernel's update interval is set since they copy it.
    """
    nest.ResetKernel()
    nest.verbosity = nest.VerbosityLevel.ERROR
    nest.set(
        resolution=1.0,
        local_num_threads=threads,
        eprop_update_interval=float(task.steps),
        eprop_learning_window=float(task.window),
        eprop_reset_neurons_on_update=True,
    )
    n_in, n_out = task.raster.shape[2], task.target.shape[2]
    generators = nest.Create("spike_generator", n_in)
    inputs = nest.Create("parrot_neuron", n_in)
    recurrent = [nest.Create(name, number, values) for number, name, values in task.models]
    recurrent = sum(recurrent[1:], start=recurrent[0])
    common = {"C_m": 1.0, "E_L": 0.0, "regular_spike_arrival": False}
    readouts = nest.Create("eprop_readout_bsshslm_2020", n_out, common | task.readout)
    targets = nest.Create("step_rate_generator", n_out)
    record = {"interval": 1.0, "record_from": ["readout_signal", "target_signal"]}
    recorder = nest.Create("multimeter", record | {"start": EDGE - 1.0})
    generators.set(spike_trains(task.raster))
    targets.set(rates(task.target))
    nest.Connect(generators, inputs, "one_to_one")
    connect_plastic(task, inputs, recurrent, readouts)
    to_target = {"synapse_model": "rate_connection_delayed", "delay": 1.0, "receptor_type": 2}
    nest.Connect(targets, readouts, "one_to_one", to_target)
    nest.Connect(recorder, readouts)
    return recorder


def connect_plastic(task, inputs, recurrent, readouts):
    """Connect what learns, the feedback, and what the softmax needs."""
    nest.SetDefaults("eprop_synapse_bsshslm_2020", task.synapse)
    dense = {"rule": "all_to_all", "allow_autapses": False}
    plastic = {"synapse_model": "eprop_synapse_bsshslm_2020", "delay": 1.0}
    plastic["tau_m_readout"] = task.readout["tau_m"]
    nest.Connect(inputs, recurrent, dense, plastic | {"weight": task.w_in})
    nest.Connect(recurrent, recurrent, dense, plastic | {"weight": task.w_rec})
    nest.Connect(recurrent, readouts, dense, plastic | {"weight": task.w_out})
    back = {"synapse_model": "eprop_learning_signal_connection_bsshslm_2020", "delay": 1.0}
    nest.Connect(readouts, recurrent, dense, back | {"weight": task.feedback})
    if task.readout["loss"] == "cross_entropy":
        normalise = {"synapse_model": "rate_connection_delayed", "delay": 1.0, "receptor_type": 1}
        nest.Connect(readouts, readouts, dense, normalise | {"weight": 1.0})


def spike_trains(raster):
    """Return the parameters of one generator an input: step s of the task is time s + 1."""
    everything = raster.reshape(-1, raster.shape[2])
    return [{"spike_times": 1.0 + np.flatnonzero(train)} for train in everything.T]


def rates(target):
    """Return the parameters of one generator a readout, which see step s at time s + 4."""
    everything = target.reshape(-1, target.shape[2])
    changes = [np.flatnonzero(np.diff(signal, prepend=np.nan)) for signal in everything.T]
    return [
        {"amplitude_times": at + EDGE - 1.0, "amplitude_values": signal[at]}
        for at, signal in zip(changes, everything.T, strict=True)
    ]


def losses(task, events):
    """Return the loss of every iteration from what was recorded."""
    shape = (len(task.raster), task.steps, -1)
    order = np.lexsort((events["senders"], events["times"]))
    y, target = (events[name][order].reshape(shape) for name in ("readout_signal", "target_signal"))
    if task.readout["loss"] == "mean_squared_error":
        return 0.5 * ((y - target) ** 2).sum(axis=(1, 2))
    window = slice(-task.window, None)
    return -(target[:, window] * np.log(y[:, window])).sum(axis=2).mean(axis=1)


if __name__ == "__main__":
    main(parser.parse_args())
