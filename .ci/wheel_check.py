"""Run by .ci/run outside the checkout: an installed wheel runs a kernel on a compiled target."""

import sys

import numpy as np
from brian2 import Network, NeuronGroup, defaultclock, ms, second

import brianlearn
from brianlearn.models import force_lif

assert "site-packages" in brianlearn.__file__, brianlearn.__file__

brianlearn.set_target(sys.argv[1])
defaultclock.dt = 0.05 * ms
neurons, recurrent = force_lif.network(50, seed=1)
readout = brianlearn.Readout(neurons, "r", feedback="z", name="readout")
rule = brianlearn.RLS(alpha=5e-6 * second**2, every=2.5 * ms)
rule.attach(readout, target="sin(2*pi*5*Hz*t)")
brianlearn.simulate(50 * ms, Network(neurons, recurrent, readout))
assert isinstance(neurons, NeuronGroup)
assert np.abs(readout.decoders.phi_[:]).max() > 0
print(f"the wheel learns on {sys.argv[1]}")
