"""`EligibilitySynapses`: the eligibility traces of e-prop as Brian2 equations on `Synapses`.

What a user of networks of their own takes and changes: every line below is Brian2's language, and
Brian2 compiles it for every target. `EligibilitySynapses` puts the lines together.
"""

import numpy as np
from brian2.synapses.synapses import Synapses
from brian2.units.allunits import second
from brian2.units.fundamentalunits import Quantity
from brian2.utils.stringtools import word_substitute

from brianlearn import schedule
from brianlearn.delays import Delays
from brianlearn.learners.eprop_parts import (
    adapts,
    check_readout,
    find_constant,
    is_emptied,
    surrogate_of,
)
from brianlearn.plastic_delay import PlasticDelay

__all__ = ["EligibilitySynapses"]

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

# Delays: a spike arrives in two parts, after the whole time steps of its delay and one step later.
# How zbar changes with the delay takes the place of zbar in the delay's own traces.

DELAY_MODEL = """
    delay_steps : 1
    lead : second                   # the whole time steps of the delay
    rest = delay_steps - floor(delay_steps) : 1
    slope : 1                       # how zbar changes with the delay
    delay_gradient : 1
"""

SHARE = {True: "later = rest : 1", False: "later = int(rest >= 0.5) : 1"}  # interpolated or rounded

DELAY_ON_PRE = {
    "early": """
    x_post += w*(1 - later)
    zbar += jump*(1 - later)
    slope -= jump
""",
    "late": """
    x_post += w*later
    zbar += jump*later
    slope += jump
""",
}

_OF_DELAYS = {name: f"delay_{name}" for name in ("e", *NEURON_TRACES, "gradient")} | {
    "zbar": "slope"
}


def _of_delays(text: str) -> str:
    """The recursions of the weights' traces for those of the delays."""
    lines = word_substitute(text, _OF_DELAYS)
    return lines.replace("(slope", "(w*slope").replace("error_post*slope", "error_post*w*slope")


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
    variable : str
        The target's variable that spikes add to.
    delay, max_delay, interpolate
        As for a `Projection`; each synapse has a delay of its own.
    on_pre, update, model : str, optional
        In place of what is described above; ``model`` is added to it.
    name : str

    Attributes
    ----------
    w, zbar, ebar, gradient, delay_steps
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

    def __init__(self, source, target, weights, readout, *, samples=1, mask=None, variable="x",
                 delay=None, max_delay=None, interpolate=False, model="", on_pre=None, update=None,
                 name="synapses*"):  # fmt: skip
        weights = np.asarray(weights, dtype=float)
        expected = len(source) // samples, len(target) // samples
        if weights.shape != expected or (len(source) % samples or len(target) % samples):
            raise ValueError(f"weights is {weights.shape}, but must be {expected}.")
        self.samples, self.shape, self._drawn = samples, weights.shape, weights
        self.variable = variable
        self.mask = weights != 0 if mask is None else np.asarray(mask, dtype=bool)
        if self.mask.shape != weights.shape or np.any(weights[~self.mask]):
            raise ValueError(
                f"mask is {self.mask.shape}, but must be {weights.shape}, and True wherever a "
                "weight is not 0."
            )
        check_readout(readout)
        self.layout = None
        if delay is not None:
            self.layout = self._delays(delay, max_delay, interpolate, target.clock.dt)
        surrogate = surrogate_of(target, variable)
        is_readout = target is readout and surrogate not in target.variables
        texts = _Texts(target, readout, is_readout, variable, surrogate, self.layout)
        self.traces = texts.traces
        super().__init__(
            source,
            target,
            texts.finish(texts.model + model),
            on_pre=texts.on_pre if on_pre is None else texts.finish(on_pre),
            namespace=texts.namespace,
            name=name,
        )
        emits = getattr(source, "emits", schedule.THRESHOLD)
        moment = schedule.PROPAGATE if is_readout else schedule.ARRIVES_NEXT_STEP
        if schedule.before(emits, schedule.INTEGRATE):
            moment = schedule.INPUT_ARRIVES
        for pathway in self._pathways:
            pathway.when, pathway.order = moment
        traces = schedule.TRACES
        update = texts.finish(texts.update if update is None else update)
        self.run_regularly(update, when=traces.when, order=traces.order)
        i, j = np.nonzero(self.mask)
        sample = np.repeat(np.arange(samples), len(i))
        self.connect(
            i=sample * weights.shape[0] + np.tile(i, samples),
            j=sample * weights.shape[1] + np.tile(j, samples),
        )
        self.w = np.tile(weights[self.mask], samples)
        if self.layout:
            self._move_delays()

    def _delays(self, delay, max_delay, interpolate, dt):
        """Delays, each connection's own."""
        pairs = np.nonzero(self.mask)
        given = Delays.of(delay, max_delay, interpolate, dt, pairs, self.shape, True)
        whole = np.broadcast_to(given.steps.reshape(given.shape), self.shape)
        times = Quantity(whole * float(dt), dim=second.dim)
        longest = given.maximum * dt
        return Delays.of(times, longest, interpolate, dt, pairs, self.shape, False)

    def _move_delays(self):
        """Let both parts of a spike follow the delay."""
        self.delay_steps = np.tile(self.layout.steps, self.samples)
        self.run_regularly("lead = floor(delay_steps)*dt", **schedule.DELAYS._asdict())
        longest = self.layout.maximum * self.target.clock.dt
        for shift, part in enumerate(DELAY_ON_PRE):
            options = {"pathway": part, "max_delay": longest, "shift": shift}
            plastic = PlasticDelay(self, "lead", name=f"{self.name}_{part}_delay", **options)
            self.contained_objects.append(plastic)

    def set_delay_steps(self, steps) -> None:
        """Set all delays, in time steps, given as sources x targets."""
        self.delay_steps = np.tile(
            self.layout.stored(steps, self.mask, self.target.clock.dt), self.samples
        )

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


class _Texts:
    """The equations for one target: with its constants, and without what it has not got."""

    def __init__(self, target, readout, is_readout, variable, surrogate, layout):
        adapting = adapts(target)
        integrates = not is_readout and (
            "tau_m" not in (readout.namespace or {}) or target is readout
        )
        constants = ["tau_m", "spread", *(["tau_adapt", "beta"] if adapting else [])]
        found = {key: find_constant(target, key) for key in constants}
        self.renamed = {key: f"{key}_post" for key in constants if isinstance(found[key], tuple)}
        given = target.namespace or {}
        self.namespace = {
            key: given.get(key, float(found[key][0]))
            for key in constants
            if key not in self.renamed
        }
        self.renamed |= {"x_post": f"{variable}_post", "psi_post": f"{surrogate}_post"}
        update = READOUT_UPDATE if is_readout else NEURON_UPDATE
        if not adapting:
            update = update.replace("(zbar - beta*eps)", "(zbar)")
            update = update.replace("    eps = exp(-dt/tau_adapt)*eps + e\n", "")
        if integrates:  # the readout adds up what it is given
            filtered = "exp(-dt/tau_out)*ebar + (1 - exp(-dt/tau_out))*e"
            update = update.replace(filtered, "ebar + e").replace(
                "error_post", "learning_signal_post"
            )
        else:
            find_constant(readout, "tau_m")
            self.namespace["tau_out"] = readout.namespace["tau_m"]
        if is_emptied(target):
            update = update.replace("zbar *= exp(-dt/tau_m)", "zbar *= exp(-dt/tau_m)*(1 - z_post)")
        self.model = MODEL + ("" if is_readout else NEURON_MODEL)
        self.traces = ("zbar", "gradient", *(() if is_readout else NEURON_TRACES))
        self.update, self.on_pre = update, self.finish(ON_PRE)
        if layout:
            self.update += _of_delays(update)
            self.model += DELAY_MODEL + SHARE[layout.interpolates]
            self.model += "" if is_readout else word_substitute(NEURON_MODEL, _OF_DELAYS)
            self.traces += tuple(_OF_DELAYS[name] for name in self.traces)
            self.on_pre = {part: self.finish(text) for part, text in DELAY_ON_PRE.items()}

    def finish(self, text):
        """Equations with the names that the groups have for what they use."""
        return word_substitute(text, self.renamed)
