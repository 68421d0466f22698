"""Neurons of event-driven e-prop that subtract their threshold at once (Korcsak-Gorzo et al. 2025).

Unlike `eprop_lif`, whose threshold is subtracted a step after the spike: the membrane that is
recorded at a spike is that after the reset.
"""

from brian2 import ms, second

from brianlearn import surrogates
from brianlearn.models.eprop_lif import EPropNeuron
from brianlearn.template import Parameter

__all__ = ["ADAPTATION", "CITATION", "MEMBRANE", "eprop_iaf", "eprop_iaf_adapt"]

CITATION = (
    "Korcsak-Gorzo et al. (2025). Event-driven eligibility propagation in large sparse networks. "
    "arXiv:2511.21674. After Bellec et al. (2020). Nature Communications 11:3625. "
    "doi:10.1038/s41467-020-17236-y."
)

MEMBRANE = """
    dv/dt = (-v + I)/tau_m : 1                    # membrane, relative to rest
    I : 1 (shared)                                # external current, as the v that it leads to
    x : 1                                         # weights of the spikes that arrive in this step
    z : 1                                         # 1 in the step of a spike, else 0
    psi : 1                                       # surrogate gradient
    learning_signal : 1
    wait : 1                                      # time steps of refractoriness that are left
    """

ADAPTATION = """
    A = v_th + beta*a : 1                         # adaptive threshold
    a : 1                                         # adaptation: own spikes, filtered
    rho = exp(-dt/tau_adapt) : 1
    beta : 1 (constant)                           # strength of the adaptation; 0 leaves it out
    """


def _update(threshold: str, adapt: str = "") -> str:
    """What happens in a time step after v has decayed."""
    return f"""
    wait = clip(wait - 1, 0, inf)
    v = clip(v + x, v_min, inf)
    {adapt}
    x = 0
    free = 1.0*int(wait < 0.5)
    z = free*int(v >= {threshold})
    psi = free*{surrogates.piecewise_linear.of(f"v - {threshold}")}
    """


eprop_iaf = EPropNeuron(
    name="eprop_iaf",
    equations=MEMBRANE,
    update=_update("v_th"),
    threshold="z > 0",
    reset="""
    v -= v_th
    wait = t_ref/dt
    """,
    method="exact",
    parameters={
        "tau_m": Parameter(30 * ms, "membrane time constant"),
        "v_th": Parameter(0.6, "threshold (published without unit)"),
        "v_min": Parameter(float("-inf"), "lower bound of v"),
        "t_ref": Parameter(0 * ms, "refractory period"),
        "psi_height": Parameter(0.5, "height of the surrogate gradient"),
        "psi_width": Parameter(1 / 1.7, "width of the surrogate gradient"),
    },
    citation=CITATION,
)

eprop_iaf_adapt: EPropNeuron = eprop_iaf.with_equations(
    ADAPTATION,
    name="eprop_iaf_adapt",
    update=_update("A", "a = rho*a + z"),
    parameters={"tau_adapt": Parameter(2 * second, "time constant of the adaptation")},
)
