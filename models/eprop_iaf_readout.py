"""The readout of event-driven e-prop: it hears a spike one step later (Korcsak-Gorzo et al. 2025).

`eprop_readout` hears the spikes of a time step within it; this one is integrated together with the
neurons, and hears them in the next.
"""

from brian2 import ms

from brianlearn.models.eprop_iaf import CITATION
from brianlearn.template import Parameter, Template

__all__ = ["eprop_iaf_readout"]

eprop_iaf_readout = Template(
    name="eprop_iaf_readout",
    equations="""
    dv/dt = (-v + I)/tau_m : 1                    # membrane
    I : 1 (shared)                                # external current, as the v that it leads to
    x : 1                                         # weights of the spikes that arrive in this step
    target : 1
    output : 1                                    # v, or its softmax: what the loss compares
    error : 1                                     # output - target, times the learning window
    """,
    update="""
    v = clip(v + x, v_min, inf)
    x = 0
    """,
    method="exact",
    parameters={
        "tau_m": Parameter(100 * ms, "membrane time constant"),
        "v_min": Parameter(float("-inf"), "lower bound of v"),
    },
    citation=CITATION,
)
