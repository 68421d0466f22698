"""The figure of a FORCE run."""

import numpy as np
from matplotlib.figure import Figure

from brianlearn.plots.style import INK, OUTPUT, SHADE, TARGET

__all__ = ["force"]


def force(record: dict, *, window: tuple[float, float], target: str) -> Figure:
    """The four panels of a FORCE run: spikes, output and target, error, decoders.

    Parameters
    ----------
    record : dict of arrays
        ``spike_t`` (s) and ``spike_i`` of a few neurons; ``t`` (s), ``z`` and ``target`` of n
        steps; ``decoder_t`` (s) and ``decoders`` (k x m).
    window : tuple of float
        Between which times (s) learning was on.
    target : str
        What to call the target.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure = Figure(figsize=(9, 7.5), layout="constrained", dpi=110)
    raster, output, error, decoders = figure.subplots(
        4, 1, sharex=True, height_ratios=[1, 1.5, 1, 1]
    )
    t, z, wanted = record["t"], record["z"], record["target"]

    raster.plot(record["spike_t"], record["spike_i"], "|", color=INK, markersize=3)
    raster.set(ylabel="neuron", title="Spikes of a few neurons")
    output.plot(t, wanted, color=TARGET, linewidth=1.2, label=target)
    output.plot(t, z, color=OUTPUT, linewidth=0.8, label="readout z")
    output.set(ylabel="output", title="What the network says, and what it should")
    output.set_ylim(-2, 2)
    output.legend(loc="upper left", ncols=2, frameon=False)
    error.plot(t, np.abs(z - wanted), color=INK, linewidth=0.6)
    error.set(ylabel="|error|", yscale="log", title="Error")
    error.set_ylim(1e-4, 4)
    decoders.plot(record["decoder_t"], record["decoders"].T, linewidth=0.9)
    decoders.set(xlabel="time (s)", ylabel="phi (s)", title="Some decoders")

    for axes in (raster, output, error, decoders):
        axes.axvspan(*window, color=SHADE, zorder=0)
        axes.spines[["top", "right"]].set_visible(False)
        axes.title.set(fontsize="medium", ha="left", x=0)
    for time, word in zip(window, ("RLS on", "RLS off"), strict=True):
        output.annotate(word, (time, 1.75), xytext=(4, 0), textcoords="offset points", color=INK)
    raster.set_xlim(t[0], t[-1])
    return figure
