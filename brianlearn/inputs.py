"""`SpikeInput`: neurons that spike when the data of a trial say so."""

import numpy as np
from brian2.core.spikesource import SpikeSource
from brian2.core.variables import Variables
from brian2.groups.group import Group
from brian2.groups.subgroup import Subgroup

from brianlearn import schedule
from brianlearn.checks import check_whole
from brianlearn.states import units_of

__all__ = ["SpikeInput", "batch_of"]


class SpikeInput(Group, SpikeSource):
    """A source of spikes that `Trials` fills; its spikes arrive in the step that they belong to.

    It stands wherever Brian2 wants a source: of a `Projection`, of `Synapses`, of a
    `SpikeMonitor`.

    Parameters
    ----------
    neurons : int
        Neurons of one sample.
    samples : int
        The size of the batch: the group has ``samples*neurons`` neurons, sample after sample.
    dt, clock, name
        As for every `BrianObject`.

    Examples
    --------
    >>> cues = SpikeInput(40, samples=64)
    >>> len(cues)
    2560
    """

    add_to_magic_network = True
    emits = schedule.INPUT

    def __init__(self, neurons: int, samples: int = 1, *, dt=None, clock=None, name="input*"):
        for what, number in (("neurons", neurons), ("samples", samples)):
            check_whole(what, number, 1)
        moment = {"when": self.emits.when, "order": self.emits.order}
        super().__init__(dt=dt, clock=clock, **moment, name=name)
        self.neurons, self.samples = int(neurons), int(samples)
        self._N = self.stop = self.neurons * self.samples
        self.start = 0
        self.variables = Variables(self)
        self.variables.add_constant("N", self._N)
        self.variables.add_arange("i", self._N)
        self.variables.add_array("_spikespace", size=self._N + 1, dtype=np.int32)
        self.variables.create_clock_variables(self._clock)
        self.events = {"spike": "False"}
        self._enable_group_attributes()

    @property
    def spikes(self):
        """Who spikes in this time step."""
        spikespace = self.variables["_spikespace"].get_value()
        return spikespace[: spikespace[-1]]

    def __len__(self):
        return self._N


def batch_of(inputs, samples) -> int:
    """The size of the batch, which a `SpikeInput` knows, and other sources do not.

    Raises
    ------
    TypeError
        If ``inputs`` is no source of spikes.
    ValueError
        If ``samples`` does not fit it.
    """
    if isinstance(inputs, SpikeInput):
        if samples not in (None, inputs.samples):
            raise ValueError(
                f"samples is {samples}, but '{inputs.name}' has {inputs.samples}: leave it out."
            )
        return inputs.samples
    source = inputs.source if isinstance(inputs, Subgroup) else inputs
    if source is not None and "_spikespace" not in getattr(source, "variables", ()):
        raise TypeError(
            f"inputs is {inputs!r}, but must be a SpikeInput or another source of spikes, or None."
        )
    samples = 1 if samples is None else samples
    check_whole("samples", samples, 1)
    if inputs is not None:
        units_of(inputs, samples)
    return int(samples)
