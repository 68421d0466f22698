"""What was learned as plain Brian2 `Synapses`, for networks that need nothing of ours any more."""

import numpy as np
from brian2.synapses.synapses import Synapses
from brian2.units.allunits import second
from brian2.units.fundamentalunits import DIMENSIONLESS, Quantity

from brianlearn.checks import unit_name
from brianlearn.delays import in_steps

__all__ = ["to_synapses"]


def to_synapses(projection, name: str) -> Synapses:
    """What a `Projection` does, with its present weights and delays, for all of its samples."""
    dim = projection.variables["weights"].dim
    unit = "1" if dim is DIMENSIONLESS else unit_name(dim)
    effect = f"{projection.variable}_post += w"
    layout = projection.layout
    divided = layout is not None and layout.interpolates
    plain = Synapses(
        projection.source,
        projection.target,
        f"w : {unit}" + ("\nlater : 1 (constant)" if divided else ""),
        on_pre={"pre": f"{effect}*(1 - later)", "late": f"{effect}*later"} if divided else effect,
        name=name,
    )
    for pathway in plain._pathways:
        pathway.when, pathway.order = projection.when, projection.order
    i, j = np.nonzero(projection.mask)
    samples = projection.samples
    sample = np.repeat(np.arange(samples), len(i))
    plain.connect(
        i=sample * projection.sources + np.tile(i, samples),
        j=sample * projection.targets + np.tile(j, samples),
    )
    plain.w = Quantity(np.tile(np.asarray(projection.matrix)[projection.mask], samples), dim=dim)
    if layout is not None:
        dt = float(projection.clock.dt)
        given = in_steps(projection.delays, projection.clock.dt, "A delay")
        steps = np.tile(np.broadcast_to(given, projection.mask.shape)[projection.mask], samples)
        if not divided:
            steps = np.floor(steps + 0.5)
        else:
            plain.later = steps - np.floor(steps)
            plain.late.delay = (np.floor(steps) + 1) * dt * second
            steps = np.floor(steps)
        plain.pre.delay = steps * dt * second
    return plain
