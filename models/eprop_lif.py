"""The leaky integrate-and-fire neuron that e-prop was published with (Bellec et al. 2020)."""

import re

from brian2 import ms

from brianlearn import surrogates
from brianlearn.surrogates import Surrogate
from brianlearn.template import Parameter, Template

__all__ = ["CITATION", "EPropNeuron", "eprop_lif"]

CITATION = (
    "Bellec, Scherr, Subramoney, Hajek, Salaj, Legenstein and Maass (2020). A solution to the "
    "learning dilemma for recurrent networks of spiking neurons. Nature Communications 11:3625. "
    "doi:10.1038/s41467-020-17236-y."
)


class EPropNeuron(Template):
    """A `Template` of a neuron that e-prop can train: it notes its surrogate gradient ``psi``."""

    def with_surrogate(self, surrogate: Surrogate) -> "EPropNeuron":
        """This model with another surrogate gradient, of the distance from its threshold.

        Raises
        ------
        ValueError
            If ``update`` does not say by one line each what a spike is, ``z = ...int(v >= v_th)``,
            and what its surrogate gradient, ``psi = free*...``.

        Examples
        --------
        >>> smooth = eprop_lif.with_surrogate(surrogates.exponential)
        """
        spikes = re.findall(r"^ *z *=.*\bint\((\w+) *>= *(\w+)\) *$", self.update, re.M)
        gradients = re.findall(r"^ *psi *= *\w+ *\*.*$", self.update, re.M)
        if len(spikes) != 1 or len(gradients) != 1:
            raise ValueError(
                f"{self.name}: the update has {len(spikes)} lines such as 'z = int(v >= v_th)' and "
                f"{len(gradients)} such as 'psi = free*height', but must have one of each: write "
                "the surrogate gradient into the update yourself."
            )
        factor = gradients[0].partition("*")[0]
        membrane, threshold = spikes[0]
        psi = f"{factor}*{surrogate.of(f'{membrane} - {threshold}')}"
        before, _, after = self.update.partition(gradients[0])
        return self.with_equations("", update=before + psi + after)


def _update(threshold: str) -> str:
    """What happens in a time step after v has decayed; everything is published in this order.

    Here and in other templates, 1.0* makes a number of what would be an integer, by which compilers
    vectorize the code: it is six times as fast.
    """
    adapt = "a = rho*a + z\n" if threshold == "A" else ""
    return f"""
    v = clip(v + zeta*x - v_th*z, v_min, inf)
    {adapt}
    x = 0
    free = 1.0*int(t >= t_free)
    z = free*int(v >= {threshold})
    psi = free*{surrogates.piecewise_linear.of(f"v - {threshold}")}
    """


eprop_lif = EPropNeuron(
    name="eprop_lif",
    equations="""
    dv/dt = (-v + I)/tau_m : 1                    # membrane, relative to rest
    I : 1 (shared)                                # external current, as the v that it leads to
    zeta = 1 - int(spread)*exp(-dt/tau_m) : 1     # what a spike of weight 1 adds to v
    x : 1                                         # weights of the spikes that arrive in this step
    z : 1                                         # 1 in the step of a spike, else 0
    psi : 1                                       # surrogate gradient
    learning_signal : 1
    t_free : second                               # until then, refractory: no spike, psi is 0
    """,
    update=_update("v_th"),
    threshold="z > 0",
    reset="t_free = t + t_ref - 0.5*dt",  # v_th is subtracted in the next step
    method="exact",
    parameters={
        "tau_m": Parameter(30 * ms, "membrane time constant"),
        "v_th": Parameter(0.03, "threshold (published without unit)"),
        "v_min": Parameter(float("-inf"), "lower bound of v"),
        "t_ref": Parameter(0 * ms, "refractory period"),
        "spread": Parameter(
            True,
            "a spike's charge is spread over its time step (zeta = 1 - exp(-dt/tau_m)) or, if "
            "False, arrives at its end (zeta = 1)",
        ),
        "psi_height": Parameter(10.0, "height of the surrogate gradient; published: 0.3/v_th"),
        "psi_width": Parameter(0.03, "width of the surrogate gradient; published: v_th"),
    },
    citation=CITATION,
)
