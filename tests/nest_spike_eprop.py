"""A case of e-prop that learns at every spike run in NEST 3.10, live and single-threaded.

Update t of NEST's clock computes what is recorded with stamp t + 1, and step s of a case is update
s + 2 of recurrent neurons and readouts. NEST shows the weights that synapses had when they last
transmitted a spike; therefore every input and every neuron is made to spike once, such that it
arrives one step after the case.
"""

import os
import sys

import numpy as np

from spike_eprop_cases import SpikeCase, SpikeOutcome

__all__ = ["run"]

_FIRST = 2  # the update that is step 0
_OPTIMIZERS = {"gd": "gradient_descent", "adam": "adam"}
_RECORDABLES = {  # the group, and NEST's name
    "v": ("recurrent", "V_m"),
    "psi": ("recurrent", "surrogate_gradient"),
    "readout": ("readouts", "V_m"),
    "error": ("readouts", "error_signal"),
}
_LEARNING_WINDOW, _TARGET_SIGNAL = 1, 2  # receptors of a readout


def run(case: SpikeCase, *, record: tuple[str, ...] = ("z", "v", "readout", "error")):
    """Run a case in NEST.

    Parameters
    ----------
    case : SpikeCase
        With ``nest_quirks`` where they matter, to be compared with. A learning rate that changes
        must not start with 1e-4, which NEST takes for a rate that was never set.
    record : tuple of str
        Traces wanted: "z", "v", "psi", "readout" and "error". In the last step, every neuron is
        made to spike: the last row of "z" and "v" shows that. (Learning signals cannot be recorded:
        NEST forgets those that no synapse waits for, and then shows others.)

    Returns
    -------
    SpikeOutcome
    """
    _check(case, record)
    nest = _kernel(case)
    nodes = _nodes(nest, case)
    _connect(nest, case, nodes)
    _drive(nest, case, nodes)
    read = _recorders(nest, case, nodes, record)
    _simulate(nest, case, nodes)
    plastic = {
        "w_in": _weights(nest, nodes["inputs"], nodes["recurrent"]),
        "w_rec": _weights(nest, nodes["recurrent"], nodes["recurrent"]),
        "w_out": _weights(nest, nodes["recurrent"], nodes["readouts"]),
    }
    return SpikeOutcome(**plastic, **read())


def _check(case, record):
    unknown = set(record) - {*_RECORDABLES, "z"}
    if unknown:
        raise ValueError(f"NEST records {[*_RECORDABLES, 'z']}, not {sorted(unknown)}")
    if case.etas[0] == 1e-4 and np.any(case.etas != 1e-4):
        raise ValueError("a learning rate of 1e-4 that changes: NEST starts with the one after it")


def _kernel(case):
    """Import NEST, which takes a second, where it is needed; set up an empty kernel."""
    os.environ.setdefault("PYNEST_QUIET", "1")
    import nest

    nest.verbosity = nest.VerbosityLevel.ERROR
    nest.ResetKernel()
    nest.set(resolution=case.h, total_num_virtual_procs=1, print_time=False)
    optimizer = {
        "type": _OPTIMIZERS[case.optimizer],
        "batch_size": 1,
        "eta": case.etas[0],
        "optimize_each_step": case.optimize_each_step,
        "Wmin": case.w_min,
        "Wmax": case.w_max,
    }
    if case.optimizer == "adam":
        optimizer |= {"beta_1": case.beta_1, "beta_2": case.beta_2, "epsilon": case.epsilon}
    weight = float(np.clip(0.0, case.w_min, case.w_max))  # the default is within the bounds too
    nest.SetDefaults("eprop_synapse", {"weight": weight})
    nest.SetDefaults("eprop_synapse", {"optimizer": optimizer})
    return nest


def _nodes(nest, case):
    """Create the neurons: in NEST inputs to a neuron are summed in the order of creation."""
    common = {
        "C_m": 1.0,
        "E_L": 0.0,
        "V_m": 0.0,
        "eprop_isi_trace_cutoff": min(case.cutoff * case.h, sys.float_info.max),
    }
    neuron = common | {
        "I_e": 0.0,
        "tau_m": case.tau_m,
        "V_th": case.v_th,
        "t_ref": case.t_ref * case.h,
        "c_reg": case.c_reg,
        "f_target": case.f_target,
        "kappa": case.kappa,
        "kappa_reg": case.kappa_reg,
        "surrogate_gradient_function": case.surrogate,
        "surrogate_gradient_height": case.height,
        "surrogate_gradient_width": case.width,
    }
    if case.model.startswith("psc_delta"):
        neuron |= {"V_reset": case.v_reset, "refractory_input": case.refractory_input}
    if case.model.endswith("adapt"):
        neuron |= {"adapt_beta": case.adapt_beta, "adapt_tau": case.adapt_tau, "adaptation": 0.0}
    model = "eprop_iaf_" + case.model if case.model.startswith("psc") else "eprop_" + case.model
    return {
        "inputs": nest.Create("parrot_neuron", case.n_in),
        "recurrent": nest.Create(model, case.n_rec, neuron),
        "readouts": nest.Create("eprop_readout", case.n_out, common | {"tau_m": case.tau_out}),
    }


def _connect(nest, case, nodes):
    """Connect neurons, synapse by synapse as the masks say."""

    def connect(source, target, model, weights, exists):
        row, column = np.nonzero(exists)
        if not row.size:
            return
        nest.Connect(
            row + nodes[source][0].global_id,
            column + nodes[target][0].global_id,
            "one_to_one",
            {
                "synapse_model": model,
                "weight": np.array(weights[row, column], float),
                "delay": np.full(row.size, case.h),
            },
        )

    exists = case.exists
    connect("inputs", "recurrent", "eprop_synapse", case.w_in, exists["w_in"])
    connect("recurrent", "recurrent", "eprop_synapse", case.w_rec, exists["w_rec"])
    connect("recurrent", "readouts", "eprop_synapse", case.w_out, exists["w_out"])
    signal = "eprop_learning_signal_connection"
    connect("readouts", "recurrent", signal, case.feedback.T, exists["feedback"].T)


def _drive(nest, case, nodes):
    """Connect input, targets and window; and the spikes of the inputs after the case."""
    spikes = nest.Create("spike_generator", case.n_in)
    counts = np.concatenate([case.counts, np.ones((1, case.n_in), int)])
    for generator, column in zip(spikes, counts.T, strict=True):
        step = np.flatnonzero(column)
        times = (_FIRST - 1 + step) * case.h
        generator.set(spike_times=times, spike_multiplicities=column[step])
    nest.Connect(spikes, nodes["inputs"], "one_to_one", {"delay": case.h})

    # A readout sees an amplitude in time only if its generator was created after it.
    times = (_FIRST + np.arange(case.steps)) * case.h
    rates = nest.Create("step_rate_generator", case.n_out)
    targets = np.asarray(case.target, float).T
    rates.set([{"amplitude_times": times, "amplitude_values": column} for column in targets])
    window = nest.Create("step_rate_generator")
    window.set(amplitude_times=times, amplitude_values=case.windows)
    synapse = {"synapse_model": "rate_connection_delayed", "delay": case.h}
    receptors = [{"receptor_type": _TARGET_SIGNAL}, {"receptor_type": _LEARNING_WINDOW}]
    nest.Connect(rates, nodes["readouts"], "one_to_one", synapse | receptors[0])
    nest.Connect(window, nodes["readouts"], "all_to_all", synapse | receptors[1])


def _simulate(nest, case, nodes):
    """Run the case, with every change of the learning rate, and the spikes after it."""
    etas = case.etas
    changes = np.flatnonzero(np.diff(etas)) + 1
    updates = 0
    for step in changes:
        nest.Simulate((_FIRST + step - updates) * case.h)
        updates = _FIRST + step
        nest.SetDefaults("eprop_synapse", {"optimizer": {"eta": etas[step]}})
    nest.Simulate((_FIRST + case.steps - 1 - updates) * case.h)
    # Neurons spike in the last step of the case, refractory or not.
    forced = {"ignore_and_spike_offset": case.h, "ignore_and_spike_interval": 1000 * case.h}
    nodes["recurrent"].set(ignore_and_spike=True, **forced)
    nest.Simulate(2 * case.h)


def _recorders(nest, case, nodes, names):
    """Record what is named; the function returned reads it as arrays ``[step, neuron]``."""
    devices = {}
    for name in names:
        if name == "z":
            devices[name] = nest.Create("spike_recorder")
            nest.Connect(nodes["recurrent"], devices[name], syn_spec={"delay": case.h})
            continue
        group, variable = _RECORDABLES[name]
        parameters = {"record_from": [variable], "interval": case.h}
        devices[name] = nest.Create("multimeter", params=parameters)
        nest.Connect(devices[name], nodes[group], syn_spec={"delay": case.h})

    def read():
        return {name: _trace(name, device, case, nodes) for name, device in devices.items()}

    return read


def _trace(name, device, case, nodes):
    """Sort a recorder's events into an array by step of the case and neuron."""
    events = device.events
    if name == "z":
        neurons, values = nodes["recurrent"], np.ones(len(events["times"]), bool)
    else:
        group, variable = _RECORDABLES[name]
        neurons, values = nodes[group], events[variable]
    step = np.rint(events["times"] / case.h).astype(int) - (_FIRST + 1)
    column = events["senders"] - neurons[0].global_id
    within = (step >= 0) & (step < case.steps)
    trace = np.zeros((case.steps, len(neurons)), values.dtype)
    trace[step[within], column[within]] = values[within]
    return trace


def _weights(nest, source, target):
    """Read plastic weights as ``[source, target]``; where there is no synapse, 0."""
    matrix = np.zeros((len(source), len(target)))
    synapses = nest.GetConnections(source, target, "eprop_synapse")
    if len(synapses):
        values = synapses.get(["source", "target", "weight"])
        row = np.array(values["source"]) - source[0].global_id
        column = np.array(values["target"]) - target[0].global_id
        matrix[row, column] = values["weight"]
    return matrix
