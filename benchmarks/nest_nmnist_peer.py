"""N-MNIST by NEST: the tutorial's network, the peer that learning at spikes is measured against.

    python benchmarks/nest_nmnist_peer.py network.npz --threads 2

``network.npz`` is what nmnist.py writes: the weights ``w_in``, ``w_rec``, ``w_out`` (sources x
targets, where 0 is no synapse) and ``feedback`` (neurons x readouts); the events as ``sample``,
``step`` and ``input``; and the ``label`` of each sample, of which the last ``tests`` are not
learned from. Prints one JSON object. ``ms`` holds the milliseconds of each sample after a first one
that does not count; ``right`` whether the readout that said most in the last 10 steps is the
label's. Only the readouts are recorded. Runs in any Python with NEST (``pip install
nest-simulator==3.10.0``) and uses nothing of brianlearn.
"""

import argparse
import json
import os
from statistics import median
from time import perf_counter

import numpy as np

os.environ["PYNEST_QUIET"] = "1"  # keeps NEST's greeting out of the standard output
import nest

STEPS, WINDOW, FIRST = 300, 10, 2  # of a sample; the update of NEST that is the first step
KAPPA = 0.99
SCALE = 1 - KAPPA
NEURON = {
    "C_m": 1.0, "E_L": 0.0, "I_e": 0.0, "V_m": 0.0, "t_ref": 0.0, "tau_m": 30.0, "V_th": 0.6,
    "c_reg": 2 / 300 / SCALE**2, "f_target": 10.0, "kappa": KAPPA, "kappa_reg": KAPPA,
    "eprop_isi_trace_cutoff": 100.0, "flush_event_send_interval": float(STEPS),
    "surrogate_gradient_function": "piecewise_linear", "surrogate_gradient_height": 0.5,
    "surrogate_gradient_width": 1 / 1.7,
}  # fmt: skip
READOUT = {"C_m": 1.0, "E_L": 0.0, "tau_m": 100.0, "eprop_isi_trace_cutoff": 100.0}

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("network", help="file of weights and events")
parser.add_argument("--threads", type=int, default=2, help="of NEST (%(default)s)")


def main(options):
    """Build the network, time the samples, and print them."""
    with np.load(options.network) as file:
        data = {name: file[name] for name in file.files}
    recorder, readouts = build(data, options.threads)
    ms = run(len(data["label"]), int(data["tests"]))
    answers = judge(recorder.events, readouts, len(data["label"]))
    result = {
        "nest": nest.__version__,
        "threads": options.threads,
        "best_ms": min(ms),
        "median_ms": median(ms),
        "ms": ms,
        "right": (answers == data["label"]).tolist(),
    }
    print(json.dumps(result))


def build(data, threads):
    """Make the network; return what records the readouts, and these."""
    nest.ResetKernel()
    nest.verbosity = nest.VerbosityLevel.ERROR
    nest.set(resolution=1.0, local_num_threads=threads)
    descent = {"type": "gradient_descent", "batch_size": 1, "eta": 5e-3 * SCALE**2}
    optimizer = descent | {"optimize_each_step": False, "Wmin": -100.0, "Wmax": 100.0}
    nest.SetDefaults("eprop_synapse", {"weight": 0.0, "optimizer": optimizer})
    n_in, n_rec = data["w_in"].shape
    inputs = nest.Create("parrot_neuron", n_in, {"flush_event_send_interval": float(STEPS)})
    recurrent = nest.Create("eprop_iaf", n_rec, NEURON)
    readouts = nest.Create("eprop_readout", data["w_out"].shape[1], READOUT)
    connect(inputs, recurrent, data["w_in"])
    connect(recurrent, recurrent, data["w_rec"])
    connect(recurrent, readouts, data["w_out"])
    connect(readouts, recurrent, data["feedback"].T, "eprop_learning_signal_connection")
    present(data, inputs, readouts)
    recorder = nest.Create("multimeter", {"interval": 1.0, "record_from": ["V_m", "target_signal"]})
    nest.Connect(recorder, readouts)
    return recorder, readouts


def connect(source, target, weights, model="eprop_synapse"):
    """Connect the pairs whose weight is not 0."""
    i, j = np.nonzero(weights)
    synapse = {"synapse_model": model, "weight": weights[i, j], "delay": np.ones(len(i))}
    nest.Connect(i + source[0].global_id, j + target[0].global_id, {"rule": "one_to_one"}, synapse)


def present(data, inputs, readouts):
    """Make inputs spike, and tell readouts their targets and when they learn."""
    samples, n_out = len(data["label"]), len(readouts)
    spikes = nest.Create("spike_generator", len(inputs))
    time = data["sample"] * STEPS + data["step"] + FIRST - 1
    order = np.lexsort((time, data["input"]))
    ends = np.searchsorted(data["input"][order], np.arange(1, len(inputs)))
    for generator, times in zip(spikes, np.split(time[order], ends), strict=True):
        each, count = np.unique(times, return_counts=True)
        generator.set(spike_times=each.astype(float), spike_multiplicities=count.tolist())
    nest.Connect(spikes, inputs, "one_to_one", {"delay": 1.0})
    begins = np.arange(samples) * STEPS + float(FIRST)
    targets = nest.Create("step_rate_generator", n_out)
    one_hot = (data["label"][:, None] == np.arange(n_out)).astype(float)
    targets.set([{"amplitude_times": begins, "amplitude_values": one} for one in one_hot.T])
    window = nest.Create("step_rate_generator")
    times = np.column_stack([begins, begins + STEPS - WINDOW]).ravel()
    window.set(amplitude_times=times, amplitude_values=np.tile([0.0, 1.0], samples))
    rate = {"synapse_model": "rate_connection_delayed", "delay": 1.0}
    nest.Connect(targets, readouts, "one_to_one", rate | {"receptor_type": 2})
    nest.Connect(window, readouts, "all_to_all", rate | {"receptor_type": 1})


def run(samples, tests):
    """Simulate every sample; return milliseconds of all but the first."""
    nest.Simulate(float(FIRST + STEPS))
    ms = []
    for sample in range(1, samples):
        if sample == samples - tests:
            nest.SetDefaults("eprop_synapse", {"optimizer": {"eta": 0.0}})
        began = perf_counter()
        nest.Simulate(float(STEPS))
        ms.append(1e3 * (perf_counter() - began))
    return ms


def judge(events, readouts, samples):
    """Find the readout that said most in the last steps of each sample."""
    step = np.rint(events["times"]).astype(int) - FIRST - 1
    said = np.zeros((samples * STEPS, len(readouts)))
    kept = (step >= 0) & (step < len(said))
    said[step[kept], events["senders"][kept] - readouts[0].global_id] = events["V_m"][kept]
    return said.reshape(samples, STEPS, -1)[:, -WINDOW:].mean(axis=1).argmax(axis=1)


if __name__ == "__main__":
    main(parser.parse_args())
