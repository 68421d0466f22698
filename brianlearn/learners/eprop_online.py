"""The kernels of `EligibilitySynapses`: learning signals, and the sum of all samples' gradients."""

from importlib.resources import files

import numpy as np

from brianlearn import schedule
from brianlearn.checks import find_array
from brianlearn.kernel import Kernel
from brianlearn.learners.eligibility import EligibilitySynapses
from brianlearn.learners.eprop_parts import spikes_of

__all__ = ["check_reset", "collect_gradient", "tell_neurons"]

_HEADER = files("brianlearn.learners") / "eprop_online.h"


def check_reset(synapses: EligibilitySynapses, trials) -> None:
    """Refuse traces that would go on from one trial to the next.

    Raises
    ------
    ValueError
        Naming those that are missing in the ``reset`` of the trials.
    """
    missing = [name for name in synapses.traces if (synapses.name, name) not in trials.reset]
    if missing:
        raise ValueError(
            f"'{synapses.name}' would carry {', '.join(missing)} over from trial to trial: add "
            f"{synapses.name} to the reset of '{trials.name}'."
        )


def tell(step, samples, spiking, error, feedback, learning_signal, spike_counts):
    """The Python form: what the readouts' error means to each neuron, and a count of spikes."""
    if step[0] == 0:
        spike_counts[:] = 0
    spike_counts[spiking[: spiking[-1]]] += 1
    errors = error.reshape(samples[0], -1)
    n = len(learning_signal) // samples[0]
    learning_signal[:] = (errors @ feedback.reshape(-1, errors.shape[1])[:n].T).ravel()


def collect(step, steps, interval, learning, samples, c_reg, rate, spike_counts, post, by_synapse,
            eligibility_sum, gradient):  # fmt: skip
    """The Python form: the gradients of all samples, with what the firing rates ask for."""
    if step[0] < steps[0] - 1 or not learning[0]:
        return
    deviation = spike_counts.reshape(samples[0], -1) / steps[0] - rate[0] * interval[0]
    reg = (c_reg[0] * deviation / steps[0])[:, post]
    shape = samples[0], len(gradient)
    gradient += (by_synapse.reshape(shape) + reg * eligibility_sum.reshape(shape)).sum(axis=0)


def tell_neurons(neurons, readout, feedback, trials, name) -> Kernel:
    """The kernel that sets the neurons' ``learning_signal`` in each step."""
    return Kernel(
        tell,
        _HEADER,
        {
            "step": (trials, "step"),
            "samples": np.int64(trials.samples),
            "spiking": spikes_of(neurons),
            "error": (readout, "error"),
            "feedback": feedback,
            "learning_signal": (neurons, "learning_signal"),
            "spike_counts": np.zeros(len(neurons), dtype=np.int64),
        },
        clock=trials.clock,
        when=schedule.SIGNAL.when,
        order=schedule.SIGNAL.order,
        name=name,
    )


def collect_gradient(synapses, rule, teller, trials, name, of="") -> Kernel:
    """The kernel with the gradient of all samples; ``teller`` is None for readouts' synapses.

    ``of`` is ``"delay_"`` for the gradient of the delays.
    """
    find_array(synapses, f"{of}gradient")
    sums = f"{of}gradient" if teller is None else f"{of}eligibility_sum"
    nothing = np.zeros(trials.samples, dtype=np.int64)
    post = np.nonzero(synapses.mask)[1]
    return Kernel(
        collect,
        _HEADER,
        {
            "step": (trials, "step"),
            "steps": (trials, "steps"),
            "interval": (trials.clock, "dt"),
            "learning": (trials, "learning"),
            "samples": np.int64(trials.samples),
            "c_reg": float(rule.regularizer.c_reg) if teller else 0.0,
            "rate": float(rule.regularizer.rate),
            "spike_counts": (teller, "spike_counts") if teller else nothing,
            "post": (post if teller else 0 * post).astype(np.int32),
            "by_synapse": (synapses, f"{of}gradient"),
            "eligibility_sum": (synapses, sums),
            "gradient": np.zeros(len(post)),
        },
        clock=trials.clock,
        when=schedule.GRADIENT.when,
        order=schedule.GRADIENT.order,
        name=name,
    )
