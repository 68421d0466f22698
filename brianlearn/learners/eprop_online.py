"""The online form of e-prop: eligibility traces as Brian2 equations on `Synapses`.

What a user of networks of their own takes and changes: every line below is Brian2's language, and
Brian2 compiles it for every target. `EligibilitySynapses` puts the lines together; the two kernels
only tell neurons what the readouts' error means to them, and add the samples' gradients up.
"""

from importlib.resources import files

import numpy as np
from brian2.synapses.synapses import Synapses
from brian2.utils.stringtools import word_substitute

from brianlearn import schedule
from brianlearn.checks import find_array
from brianlearn.kernel import Kernel
from brianlearn.learners.eprop_parts import adapts, check_readout, find_constant

__all__ = ["EligibilitySynapses", "check_reset", "collect_gradient", "tell_neurons"]

_HEADER = files("brianlearn.learners") / "eprop_online.h"

MODEL = """
    w : 1
    jump = 1 - int(spread)*exp(-dt/tau_m) : 1     # the zeta of the target: what a spike adds
    zbar : 1                        # presynaptic spikes, filtered by the membrane
    gradient : 1                    # of this sample's loss, so far in the trial
"""

ON_PRE = """
    x_post += w
    zbar += jump
"""

NEURON_MODEL = """
    eps : 1                         # zbar's part in the adaptation of the threshold
    ebar : 1                        # eligibility, filtered as the readout filters spikes
    eligibility_sum : 1
"""

NEURON_TRACES = ("eps", "ebar", "eligibility_sum")

NEURON_UPDATE = """
    e = psi_post*(zbar - beta*eps)
    eps = exp(-dt/tau_adapt)*eps + e
    ebar = exp(-dt/tau_out)*ebar + (1 - exp(-dt/tau_out))*e
    gradient += learning_signal_post*ebar
    eligibility_sum += e
    zbar *= exp(-dt/tau_m)
"""

READOUT_UPDATE = """
    gradient += error_post*zbar
    zbar *= exp(-dt/tau_m)
"""

_WITHOUT_ADAPTATION = NEURON_UPDATE.replace(
    "(zbar - beta*eps)\n    eps = exp(-dt/tau_adapt)*eps + e", "zbar"
)


class EligibilitySynapses(Synapses):
    """Brian2 `Synapses` with the eligibility traces of e-prop, which `EProp` trains.

    The same numbers as a `Projection`, at the cost of every synapse in every step, and for every
    sample of a batch.

    Parameters
    ----------
    source : Group
        What spikes.
    target : NeuronGroup
        Neurons that note ``psi`` (`eprop_lif`, `eprop_alif`), or readouts.
    weights : array
        Sources x targets of one sample; the nonzero ones become synapses, or those of ``mask``.
    readout : NeuronGroup
        Whose time constant filters the traces; ``target`` itself for its own synapses.
    samples : int
        The size of the batch.
    mask : array of bool, optional
    on_pre, update, model : str, optional
        In place of what is described above; ``model`` is added to it.
    name : str

    Attributes
    ----------
    w, zbar, ebar, gradient
        Variables of the synapses, sample after sample; in each, by source, then target.
    states : list of (EligibilitySynapses, str)
        What `Trials` has to reset.

    Raises
    ------
    ValueError
        If weights and groups do not fit.

    Examples
    --------
    >>> from brianlearn import SpikeInput
    >>> from brianlearn.models import eprop_lif, eprop_readout
    >>> inputs, neurons = SpikeInput(10), eprop_lif.neurons(5)
    >>> readout = eprop_readout.neurons(1)
    >>> w_in = EligibilitySynapses(inputs, neurons, np.ones((10, 5)), readout)
    """

    def __init__(self, source, target, weights, readout, *, samples=1, mask=None, model="",
                 on_pre=ON_PRE, update=None, name="synapses*"):  # fmt: skip
        weights = np.asarray(weights, dtype=float)
        expected = len(source) // samples, len(target) // samples
        if weights.shape != expected or (len(source) % samples or len(target) % samples):
            raise ValueError(f"weights is {weights.shape}, but must be {expected}.")
        self.samples, self.shape, self._drawn = samples, weights.shape, weights
        self.mask = weights != 0 if mask is None else np.asarray(mask, dtype=bool)
        if self.mask.shape != weights.shape or np.any(weights[~self.mask]):
            raise ValueError(
                f"mask is {self.mask.shape}, but must be {weights.shape}, and True wherever a "
                "weight is not 0."
            )
        check_readout(readout)
        find_constant(readout, "tau_m")
        is_readout = target is readout
        self.traces = ("zbar", "gradient", *(() if is_readout else NEURON_TRACES))
        if update is None:
            update = NEURON_UPDATE if adapts(target) else _WITHOUT_ADAPTATION
            update = READOUT_UPDATE if is_readout else update
        names = ["tau_m", "spread", *(["tau_adapt", "beta"] if adapts(target) else [])]
        for constant in names:
            find_constant(target, constant)
        varied = {key: f"{key}_post" for key in names if key in target.variables}
        fixed = {key: target.namespace[key] for key in names if key not in varied}
        fixed["tau_out"] = readout.namespace["tau_m"]
        super().__init__(
            source,
            target,
            word_substitute(MODEL + ("" if is_readout else NEURON_MODEL) + model, varied),
            on_pre=word_substitute(on_pre, varied),
            namespace=fixed,
            name=name,
        )
        emits = getattr(source, "emits", schedule.THRESHOLD)
        moment = schedule.PROPAGATE if is_readout else schedule.ARRIVES_NEXT_STEP
        if schedule.before(emits, schedule.INTEGRATE):
            moment = schedule.INPUT_ARRIVES
        self.pre.when, self.pre.order = moment
        traces = schedule.TRACES
        self.run_regularly(word_substitute(update, varied), when=traces.when, order=traces.order)
        i, j = np.nonzero(self.mask)
        sample = np.repeat(np.arange(samples), len(i))
        self.connect(
            i=sample * weights.shape[0] + np.tile(i, samples),
            j=sample * weights.shape[1] + np.tile(j, samples),
        )
        self.w = np.tile(weights[self.mask], samples)

    @property
    def states(self) -> list:
        """What begins at 0 in each trial, for the ``reset`` of `Trials`."""
        return [(self, name) for name in self.traces]

    @property
    def matrix(self):
        """The weights as sources x targets, 0 where there is no synapse."""
        matrix = np.zeros(self.shape)
        try:
            matrix[self.mask] = np.array(self.w)[: self.mask.sum()]
        except NotImplementedError:  # before a standalone run, Brian2 cannot say
            matrix[self.mask] = self._drawn[self.mask]
        return matrix

    def set_matrix(self, weights) -> None:
        """Set all weights, given as sources x targets; those without synapse must be 0."""
        weights = np.asarray(weights, dtype=float)
        if weights.shape != self.shape or np.any(weights[~self.mask]):
            raise ValueError(
                f"'{self.name}' takes weights of shape {self.shape}, 0 where there is no synapse; "
                f"got {weights.shape}."
            )
        self._drawn = weights
        self.w = np.tile(weights[self.mask], self.samples)

    @property
    def shared_weights(self) -> tuple:
        """Where all weights lie, sources x targets, for a kernel that reads them."""
        if not self.mask.all():
            raise TypeError(f"'{self.name}' does not connect all pairs, so it holds no matrix.")
        return (self, "w")


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
            f"{synapses.name}.states to the reset of '{trials.name}'."
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
            "spiking": (neurons, "_spikespace"),
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


def collect_gradient(synapses, rule, teller, trials, name) -> Kernel:
    """The kernel with the gradient of all samples; ``teller`` is None for readouts' synapses."""
    find_array(synapses, "gradient")
    sums = "gradient" if teller is None else "eligibility_sum"
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
            "by_synapse": (synapses, "gradient"),
            "eligibility_sum": (synapses, sums),
            "gradient": np.zeros(len(post)),
        },
        clock=trials.clock,
        when=schedule.GRADIENT.when,
        order=schedule.GRADIENT.order,
        name=name,
    )
