"""`simulate`: whose names it uses, and what it refuses to run."""

import numpy as np
import pytest
from brian2 import DimensionMismatchError, Hz, Network, NeuronGroup, Synapses, ms

from brianlearn import DelayError, simulate


def test_names_are_those_where_simulate_is_called(numpy_target):
    """As with Brian2's run: a magic network, and constants of the calling function."""
    rate = 10 * Hz
    group = NeuronGroup(1, "dx/dt = rate : 1", method="euler", name="group")
    simulate(10 * ms, progress=False)
    assert group.x[0] == pytest.approx(float(rate) * 0.01)


@pytest.mark.usefixtures("numpy_target")
class TestSimulateRefuses:
    def test_nothing(self):
        with pytest.raises(ValueError, match="nothing to simulate"):
            simulate(1 * ms, Network(), progress=False)

    def test_forever(self):
        with pytest.raises(ValueError, match="must be a finite time"):
            simulate(np.inf * ms, Network(NeuronGroup(1, "x : 1")), progress=False)

    def test_bare_time(self):
        with pytest.raises(DimensionMismatchError, match="duration is a time and needs a unit"):
            simulate(10, Network(NeuronGroup(1, "x : 1")), progress=False)

    def test_delays_that_cannot_move(self):
        source = NeuronGroup(1, "x : 1", threshold="x > 1", reset="x = 0", name="source")
        synapses = Synapses(source, source, on_pre="delay += 1*ms", name="synapses")
        synapses.connect()
        with pytest.raises(DelayError, match=r"'delay \+= 1\*ms' in 'synapses_pre' has no effect"):
            simulate(1 * ms, Network(source, synapses), progress=False)
