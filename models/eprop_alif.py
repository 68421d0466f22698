"""The adaptive neuron of e-prop: a spike raises its threshold for seconds (Bellec et al. 2020)."""

from brian2 import second

from brianlearn.models.eprop_lif import EPropNeuron, _update, eprop_lif
from brianlearn.template import Parameter

__all__ = ["eprop_alif"]

eprop_alif: EPropNeuron = eprop_lif.with_equations(
    """
    A = v_th + beta*a : 1                         # adaptive threshold
    a : 1                                         # adaptation: own spikes, filtered
    rho = exp(-dt/tau_adapt) : 1
    beta : 1 (constant)                           # strength of the adaptation; 0 makes it a LIF
    """,
    name="eprop_alif",
    update=_update("A"),
    parameters={"tau_adapt": Parameter(2 * second, "time constant of the adaptation")},
)
