"""The readout of e-prop: a leaky membrane that never spikes (Bellec et al. 2020)."""

from brian2 import ms

from brianlearn import schedule
from brianlearn.models.eprop_lif import CITATION
from brianlearn.template import Parameter, Template

__all__ = ["eprop_readout"]

eprop_readout = Template(
    name="eprop_readout",
    equations="""
    dv/dt = (-v + I)/tau_m : 1                    # membrane
    I : 1 (shared)                                # external current, as the v that it leads to
    zeta = 1 - int(spread)*exp(-dt/tau_m) : 1     # what a spike of weight 1 adds to v
    x : 1                                         # weights of the spikes of this step
    target : 1
    output : 1                                    # v, or its softmax: what the loss compares
    error : 1                                     # output - target within the learning window
    """,
    update="""
    v = clip(v + zeta*x, v_min, inf)
    x = 0
    """,
    moment=schedule.READOUT_INTEGRATES,
    method="exact",
    parameters={
        "tau_m": Parameter(30 * ms, "membrane time constant"),
        "v_min": Parameter(float("-inf"), "lower bound of v"),
        "spread": Parameter(
            True,
            "a spike's charge is spread over its time step (zeta = 1 - exp(-dt/tau_m)) or, if "
            "False, arrives at its end (zeta = 1)",
        ),
    },
    citation=CITATION,
)
