"""Published models as equation templates: one model a file, importable as ``brianlearn.models``."""

from brianlearn.models.delay_dendrite import delay_dendrite, linear_readout
from brianlearn.models.eprop_alif import eprop_alif
from brianlearn.models.eprop_iaf import eprop_iaf, eprop_iaf_adapt
from brianlearn.models.eprop_iaf_psc_delta import eprop_iaf_psc_delta, eprop_iaf_psc_delta_adapt
from brianlearn.models.eprop_iaf_readout import eprop_iaf_readout
from brianlearn.models.eprop_lif import eprop_lif
from brianlearn.models.eprop_readout import eprop_readout
from brianlearn.models.force_lif import force_lif

__all__ = [
    "delay_dendrite",
    "eprop_alif",
    "eprop_iaf",
    "eprop_iaf_adapt",
    "eprop_iaf_psc_delta",
    "eprop_iaf_psc_delta_adapt",
    "eprop_iaf_readout",
    "eprop_lif",
    "eprop_readout",
    "force_lif",
    "linear_readout",
]
