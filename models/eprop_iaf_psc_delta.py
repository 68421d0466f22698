"""Neurons of event-driven e-prop with a hard reset (Korcsak-Gorzo et al. 2025).

A spike sets the membrane to ``v_reset``, where it stays while the neuron is refractory. What
arrives meanwhile is lost, or, with ``refractory_input``, kept, and added when the neuron is free
again, less what the membrane would have lost of it.
"""

from brian2 import second

from brianlearn import surrogates
from brianlearn.models.eprop_iaf import ADAPTATION, MEMBRANE, eprop_iaf
from brianlearn.models.eprop_lif import EPropNeuron
from brianlearn.template import Parameter

__all__ = ["eprop_iaf_psc_delta", "eprop_iaf_psc_delta_adapt"]


def _update(threshold: str, adapt: str = "") -> str:
    """What happens in a time step after v has decayed."""
    return f"""
    free = 1.0*int(wait < 0.5)
    v = free*clip(v + x + late, v_min, inf) + (1 - free)*v_reset
    late = (1 - free)*alpha*(late + int(refractory_input)*x)
    {adapt}
    wait = clip(wait - 1, 0, inf)
    x = 0
    able = 1.0*int(wait < 0.5)
    z = int(v >= {threshold})
    psi = able*{surrogates.piecewise_linear.of(f"v - {threshold}")}
    """


eprop_iaf_psc_delta: EPropNeuron = eprop_iaf.with_equations(
    MEMBRANE
    + """
    late : 1                                      # what arrived while refractory, if it is kept
    alpha = exp(-dt/tau_m) : 1
    """,
    name="eprop_iaf_psc_delta",
    update=_update("v_th"),
    reset="""
    v = v_reset
    wait = t_ref/dt
    """,
    parameters={
        "v_reset": Parameter(-0.5, "where a spike sets v, below the threshold"),
        "refractory_input": Parameter(False, "whether input to a refractory neuron is kept"),
    },
)

_FROZEN = "(1 - int(frozen_by_refractoriness)*int(t_ref > 0.5*dt))"

eprop_iaf_psc_delta_adapt: EPropNeuron = eprop_iaf_psc_delta.with_equations(
    ADAPTATION,
    name="eprop_iaf_psc_delta_adapt",
    update=_update("A", f"a = rho*a + z*{_FROZEN}"),
    parameters={
        "tau_adapt": Parameter(2 * second, "time constant of the adaptation"),
        "frozen_by_refractoriness": Parameter(
            False, "as in NEST 3.10, where a neuron with a refractory period never adapts"
        ),
    },
)
