"""The LIF network that FORCE was first published with (Nicola and Clopath 2017)."""

from dataclasses import dataclass

import numpy as np
from brian2 import NeuronGroup, Synapses, ms, second

from brianlearn.checks import check_whole, is_number
from brianlearn.projection import Projection
from brianlearn.template import Parameter, Template

__all__ = ["force_lif"]


@dataclass(frozen=True)
class Draws:
    """The random numbers of a network, drawn in the order of the published Brian2 script.

    Attributes
    ----------
    encoders, v : arrays of N
        Feedback weights and initial membrane.
    i, j, omega : arrays
        Source, target and weight of each recurrent connection.
    """

    encoders: np.ndarray
    v: np.ndarray
    i: np.ndarray
    j: np.ndarray
    omega: np.ndarray

    @classmethod
    def published(cls, N: int, seed: int, p: float, G: float, Q: float, balanced: bool) -> "Draws":
        """Draw with NumPy's legacy generator, so that a seed means the published network."""
        check_whole("N", N, 1)  # before it is drawn
        check_whole("seed", seed, 0)
        for name, number in {"p": p, "G": G, "Q": Q}.items():
            if not is_number(number):
                raise TypeError(f"{name} is {number!r}, but must be a number without unit.")
        if not 0 < p <= 1:
            raise ValueError(f"p is {p}, but must be a probability above 0.")
        random = np.random.RandomState(seed)
        encoders = (2 * random.uniform(size=N) - 1) * Q
        v = -65 + random.uniform(size=N) * 95
        normal = random.normal(size=(N, N))
        omega = G * (normal * (random.uniform(size=(N, N)) < p)) / (np.sqrt(N) * p)
        i, j = np.nonzero(omega)
        omega = omega[i, j]
        if balanced:  # the mean of what each neuron receives is removed
            incoming = np.bincount(j, minlength=N)
            mean = np.bincount(j, weights=omega, minlength=N) / np.maximum(incoming, 1)
            omega = omega - mean[j]
        return cls(encoders, v, i, j, omega)


class ForceNetwork(Template):
    """A `Template` that also knows its published network."""

    def network(
        self,
        N: int = 2000,
        seed: int = 1,
        *,
        p: float = 0.1,
        G: float = 0.04,
        Q: float = 10,
        balanced: bool = False,
        carrier: str = "projection",
        name: str = "neurons",
        **overrides,
    ) -> tuple[NeuronGroup, Projection | Synapses]:
        """The published network: neurons and their recurrent weights.

        Parameters
        ----------
        N : int
            Number of neurons.
        seed : int
            Seed 1 is the published network.
        p : float
            Probability of a connection; autapses included.
        G : float
            Strength of the recurrent weights: normal, with standard deviation ``G/(p*sqrt(N))``.
        Q : float
            Strength of the feedback: encoders are uniform between ``-Q`` and ``Q``.
        balanced : bool
            Remove the mean of each neuron's nonzero incoming weights, as the MATLAB original does
            and the Brian2 script does not.
        carrier : {"projection", "synapses"}
            What carries the weights: a `Projection` (fast), or Brian2's own `Synapses`.
        name : str
            The group's name.
        **overrides
            Other values of the template's parameters.

        Returns
        -------
        neurons : NeuronGroup
        recurrent : Projection or Synapses

        Raises
        ------
        TypeError
            If ``p``, ``G`` or ``Q`` is no number.
        ValueError
            If ``carrier`` is neither, or ``p`` is no probability above 0.

        Examples
        --------
        >>> neurons, recurrent = force_lif.network(200, seed=1)
        """
        draws = Draws.published(N, seed, p, G, Q, balanced)
        neurons = self.neurons(N, name=name, **overrides)
        neurons.encoder = draws.encoders
        neurons.v = draws.v
        values = self.values(**overrides)
        area = values["tau_rise"] * values["tau_decay"] / second
        weights = draws.omega / (area[draws.j] if np.ndim(area) else area)  # as its target filters
        connections = {"i": draws.i, "j": draws.j}
        if carrier == "projection":
            recurrent = Projection(
                neurons, neurons, weights, variable="h", **connections, name=f"{name}_recurrent"
            )
        elif carrier == "synapses":
            recurrent = Synapses(
                neurons, neurons, "w : Hz", on_pre="h_post += w", name=f"{name}_recurrent"
            )
            recurrent.connect(**connections)
            recurrent.w = weights
        else:
            raise ValueError(f"carrier is '{carrier}', but must be 'projection' or 'synapses'.")
        return neurons, recurrent


force_lif = ForceNetwork(
    name="force_lif",
    equations="""
    dv/dt = int(t >= t_free)*(-v + bias + I + encoder*z)/tau_m : 1
    dI/dt = -I/tau_rise + h : 1                   # recurrent current
    dh/dt = -h/tau_decay : Hz
    dr/dt = -r/tau_rise + h_r : Hz                # own spikes, filtered alike: the rate
    dh_r/dt = -h_r/tau_decay : Hz/second
    encoder : 1 (constant)
    t_free : second                               # until then, refractory: v is frozen
    z : 1 (shared)                                # the readout, fed back
    """,
    threshold="v >= v_peak",
    # Refractoriness is written out: the same 39 frozen steps as refractory=tau_ref, but without
    # Brian2's test of every neuron at the threshold; v stays at v_reset, where none can spike.
    reset="v = v_reset; t_free = t + tau_ref - 0.5*dt; h_r += 1/(tau_rise*tau_decay)",
    method="euler",
    parameters={
        "tau_m": Parameter(10 * ms, "membrane time constant"),
        "tau_ref": Parameter(2 * ms, "refractory period"),
        "tau_rise": Parameter(2 * ms, "rise time of synapses and rate"),
        "tau_decay": Parameter(20 * ms, "decay time of synapses and rate"),
        "v_reset": Parameter(-65, "membrane after a spike (mV, published without unit)"),
        "v_peak": Parameter(-40, "threshold (mV)"),
        "bias": Parameter(-40, "constant input (mV): rest is at threshold"),
    },
    citation=(
        "Nicola and Clopath (2017). Supervised learning in spiking neural networks with FORCE "
        "training. Nature Communications 8:2208. doi:10.1038/s41467-017-01827-3. Rules of the "
        "published Brian2 script: forward Euler, no balancing of weights."
    ),
)
