"""A case of e-prop run in NEST 3.10, live: the ``bsshslm_2020`` models, single-threaded.

NEST has no trials side by side: a batch is as many update intervals one after the other. Update t
of NEST's clock computes what is recorded with stamp t + 1; step s of the task is update 2 + s of a
recurrent neuron, 3 + s of a readout's voltage and 4 + s of its signal and error.

Where NEST is not the sum that e-prop defines: an input spike at step 1 of a trial applies the
update of the trial before it without that trial's last learning signal, and with a strong
`Case.current` a neuron that fires in step 0 is lost for the trace of its readouts.
"""

import os
import sys
from dataclasses import replace

import numpy as np

from eprop_cases import Case, Outcome

__all__ = ["run"]

# What may be recorded: the group, NEST's name, and the stamp of step 0.
_RECORDABLES = {
    "v": ("recurrent", "V_m", 3),
    "psi": ("recurrent", "surrogate_gradient", 3),
    "learning_signal": ("recurrent", "learning_signal", 6),
    "readout": ("readouts", "V_m", 4),
    "readout_signal": ("readouts", "readout_signal", 5),
    "error": ("readouts", "error_signal", 5),
}
_SPIKES_STAMP = 3
_READOUT_SIGNAL, _TARGET_SIGNAL = 1, 2  # receptors of a readout


def run(case: Case, *, record: tuple[str, ...] = (), every_update: bool = False) -> Outcome:
    """Run a case in NEST.

    Parameters
    ----------
    case : Case
        Step 0 of every trial is silent, and adaptive neurons come after regular ones.
    record : tuple of str
        Traces wanted: "v", "psi", "learning_signal", "spikes", "readout" (the voltage),
        "readout_signal" and "error".
    every_update : bool
        Weights of the outcome get a leading axis: those after each iteration. NEST runs once for
        each, over the first iterations, as reading weights in the midst of a run would need
        spikes that change it.

    Returns
    -------
    Outcome
    """
    _check(case, record)
    outcome = _simulate(case, record)
    if every_update:
        shorter = [_simulate(_first(case, n), ()) for n in range(1, len(case.raster))]
        for name in ("w_in", "w_rec", "w_out"):
            history = [getattr(each, name) for each in [*shorter, outcome]]
            setattr(outcome, name, np.stack(history))
    return outcome


def _check(case, record):
    if case.raster[:, :, 0].any():
        raise ValueError("NEST drops input at step 0 of a trial: raster[:, :, 0] must be silent")
    if np.any(np.diff(_adaptive(case).astype(int)) < 0):
        raise ValueError("adaptive neurons (beta > 0) must come after regular ones")
    unknown = set(record) - {*_RECORDABLES, "spikes"}
    if unknown:
        raise ValueError(f"NEST records {[*_RECORDABLES, 'spikes']}, not {sorted(unknown)}")


def _first(case, iterations):
    return replace(case, raster=case.raster[:iterations], target=case.target[:iterations])


def _adaptive(case):
    beta = np.zeros(case.n_rec) if case.beta is None else case.beta
    return np.broadcast_to(beta, case.n_rec) > 0


def _simulate(case, record):
    iterations, batch, steps, _ = case.raster.shape
    total = iterations * batch * steps
    nest = _kernel(case, steps)
    nodes = _nodes(nest, case)
    _connect(nest, case, nodes)
    _drive(nest, case, nodes, total)
    read = _recorders(nest, nodes, {*record, "readout_signal"}, total)
    # The drive reaches the neurons from step 0 to the task's end, no sooner and no later: spikes
    # before the task would be counted in it, and later ones would come before the forced ones.
    nest.Simulate(1.0)
    nodes["recurrent"].set(I_e=case.current / case.tau_m)
    nest.Simulate(float(total))
    nodes["recurrent"].set(I_e=0.0)
    nest.Simulate(6.0)
    traces = read()
    losses, accuracies = _score(case, traces["readout_signal"])
    weights = {
        "w_in": _weights(nest, nodes["inputs"], nodes["recurrent"]),
        "w_rec": _weights(nest, nodes["recurrent"], nodes["recurrent"]),
        "w_out": _weights(nest, nodes["recurrent"], nodes["readouts"]),
    }
    return Outcome(losses, accuracies, **weights, traces={name: traces[name] for name in record})


def _kernel(case, steps):
    """Import NEST, which takes a second, where it is needed; set up an empty kernel."""
    os.environ.setdefault("PYNEST_QUIET", "1")
    import nest

    nest.verbosity = nest.VerbosityLevel.ERROR
    nest.ResetKernel()
    nest.set(
        resolution=1.0,
        total_num_virtual_procs=1,
        print_time=False,
        eprop_update_interval=float(steps),
        eprop_learning_window=float(case.window or steps),
        eprop_reset_neurons_on_update=True,
    )
    optimizer = {
        "type": case.optimizer,
        "batch_size": case.raster.shape[1],
        "eta": case.learning_rate,
        "Wmin": case.bounds[0],
        "Wmax": case.bounds[1],
    }
    if case.optimizer == "adam":
        optimizer |= {"beta_1": case.beta_1, "beta_2": case.beta_2, "epsilon": case.epsilon}
    nest.SetDefaults(
        "eprop_synapse_bsshslm_2020",
        {"optimizer": optimizer, "average_gradient": case.average},
    )
    return nest


def _nodes(nest, case):
    """Create the neurons: in NEST inputs to a neuron are summed in the order of creation."""
    membrane = {"C_m": 1.0, "E_L": 0.0, "V_m": 0.0}
    neuron = membrane | {
        "tau_m": case.tau_m,
        "V_th": case.v_th,
        "V_min": max(case.v_min, -sys.float_info.max),
        "t_ref": float(case.refractory_steps),
        "regular_spike_arrival": case.regular,
        "surrogate_gradient_function": case.surrogate,
        "surrogate_gradient_height": case.height,
        "surrogate_gradient_width": case.width,
        "c_reg": case.c_reg,
        "f_target": case.f_target,
    }
    readout = membrane | {
        "tau_m": case.tau_out,
        "regular_spike_arrival": case.regular_out,
        "loss": case.loss,
    }
    adaptive = _adaptive(case)
    inputs = nest.Create("parrot_neuron", case.n_in)
    recurrent = nest.NodeCollection()
    if not adaptive.all():
        recurrent += nest.Create("eprop_iaf_bsshslm_2020", int((~adaptive).sum()), neuron)
    if adaptive.any():
        neuron |= {"adapt_tau": case.tau_adapt}
        group = nest.Create("eprop_iaf_adapt_bsshslm_2020", int(adaptive.sum()), neuron)
        group.set(adapt_beta=np.broadcast_to(case.beta, case.n_rec)[adaptive].tolist())
        recurrent += group
    readouts = nest.Create("eprop_readout_bsshslm_2020", case.n_out, readout)
    return {"inputs": inputs, "recurrent": recurrent, "readouts": readouts}


def _connect(nest, case, nodes):
    """Connect neurons; NEST wants matrices of weights as ``[target, source]``."""

    def connect(source, target, model, weights, **parameters):
        rule = {"rule": "all_to_all", "allow_autapses": False}
        synapse = {"synapse_model": model, "weight": weights, **parameters}
        nest.Connect(nodes[source], nodes[target], rule, synapse)

    plastic = {"model": "eprop_synapse_bsshslm_2020", "tau_m_readout": case.tau_out}
    connect("inputs", "recurrent", weights=case.w_in.T, **plastic)
    connect("recurrent", "recurrent", weights=case.w_rec.T, **plastic)
    connect("recurrent", "readouts", weights=case.w_out.T, **plastic)
    signal = "eprop_learning_signal_connection_bsshslm_2020"
    connect("readouts", "recurrent", signal, case.feedback)
    if case.loss == "cross_entropy":
        rate = "rate_connection_delayed"
        connect("readouts", "readouts", rate, 1.0, receptor_type=_READOUT_SIGNAL)


def _drive(nest, case, nodes, total):
    """Connect input, targets and, after the task, one spike of every neuron with outgoing weights.

    Weights change in NEST only when a presynaptic spike arrives; a spike with stamp ``total + 4``
    is the first one that finds every learning signal.
    """
    raster = case.raster.reshape(total, case.n_in)
    spikes = nest.Create("spike_generator", case.n_in)
    spikes.set([{"spike_times": 1.0 + np.flatnonzero(column)} for column in raster.T])
    nest.Connect(spikes, nodes["inputs"], "one_to_one")

    # A readout sees an amplitude in time only if its generator was created after it.
    target = case.target.reshape(total, case.n_out).astype(float)
    rates = nest.Create("step_rate_generator", case.n_out)
    times = 4.0 + np.arange(total)
    rates.set([{"amplitude_times": times, "amplitude_values": column} for column in target.T])
    synapse = {"synapse_model": "rate_connection_delayed", "receptor_type": _TARGET_SIGNAL}
    nest.Connect(rates, nodes["readouts"], "one_to_one", synapse)

    final = nest.Create("spike_generator", params={"spike_times": [total + 3.0]})
    for group in ("inputs", "recurrent"):
        nest.Connect(final, nodes[group], syn_spec={"weight": 1e6})


def _recorders(nest, nodes, names, total):
    """Record what is named; the function returned reads it as arrays (total, neurons)."""
    devices = {}
    for name in names - {"spikes"}:
        group, variable, _ = _RECORDABLES[name]
        devices[name] = nest.Create("multimeter", params={"record_from": [variable]})
        nest.Connect(devices[name], nodes[group])
    if "spikes" in names:
        devices["spikes"] = nest.Create("spike_recorder")
        nest.Connect(nodes["recurrent"], devices["spikes"])

    def read():
        return {name: _trace(name, device, nodes, total) for name, device in devices.items()}

    return read


def _trace(name, device, nodes, total):
    """Sort a recorder's events into an array by step of the task and neuron."""
    events = device.events
    if name == "spikes":
        neurons, start, values = nodes["recurrent"], _SPIKES_STAMP, True
    else:
        group, variable, start = _RECORDABLES[name]
        neurons, values = nodes[group], events[variable]
    step = np.rint(events["times"]).astype(int) - start
    column = events["senders"] - neurons[0].global_id
    within = (step >= 0) & (step < total)
    trace = np.zeros((total, len(neurons)), dtype=bool if name == "spikes" else float)
    trace[step[within], column[within]] = values if name == "spikes" else values[within]
    return trace


def _score(case, signal):
    """Losses of the iterations, and accuracies if readouts are probabilities."""
    window = slice(case.raster.shape[2] - (case.window or case.raster.shape[2]), None)
    signal = signal.reshape(case.target.shape)[:, :, window]
    target = case.target[:, :, window]
    if case.loss == "mean_squared_error":
        return 0.5 * ((signal - target) ** 2).sum(axis=(2, 3)).mean(axis=1), None
    losses = -np.log((signal * target).sum(axis=3)).mean(axis=(1, 2))
    right = signal.mean(axis=2).argmax(axis=2) == target[:, :, -1].argmax(axis=2)
    return losses, right.mean(axis=1)


def _weights(nest, source, target):
    """Read plastic weights as ``[source, target]``; where there is no synapse, 0."""
    synapses = nest.GetConnections(source, target, "eprop_synapse_bsshslm_2020")
    values = synapses.get(["source", "target", "weight"])
    matrix = np.zeros((len(source), len(target)))
    row = np.array(values["source"]) - source[0].global_id
    column = np.array(values["target"]) - target[0].global_id
    matrix[row, column] = values["weight"]
    return matrix
