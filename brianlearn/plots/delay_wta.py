"""A search of delays by competition: what decides a presentation, and where the delays went."""

from collections.abc import Mapping

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from brianlearn.plots.style import FEW, INK, PALE, head, need, styled

__all__ = ["competition"]

_TRACES = ("time", "u_1", "u_2", "v", "theta", "delays", "winner", "fired")
_COURSE = ("delays", "winner", "best", "step")


@styled
def competition(
    first: Mapping, last: Mapping, course: Mapping, *, title: str = "Who fires first"
) -> Figure:
    """The first and the last presentation of one pattern, and the delays in between.

    Parameters
    ----------
    first, last : dict
        A presentation in which k neurons compete: ``time`` (n, in ms); ``u_1`` and ``u_2``, their
        dendrites, ``v``, their somata, and ``theta``, their thresholds (each k x n); ``delays``
        (k, in ms); ``winner``, the index of the one that fired, and ``fired``, when (ms).
    course : dict
        ``delays`` (presentations x k, in ms); ``winner`` of each presentation; ``best``, the delay
        that fires first of all (ms); ``step`` (ms) of the search.
    title : str

    Returns
    -------
    matplotlib.figure.Figure
    """
    for name, arrays in (("`first`", first), ("`last`", last)):
        need(arrays, _TRACES, name)
    need(course, _COURSE, "`course`")
    delays = np.asarray(course["delays"])
    if delays.ndim != 2 or delays.shape != (len(course["winner"]), len(first["v"])):
        raise ValueError(
            f"`course` holds delays {delays.shape}, but should be presentations x neurons, "
            f"({len(course['winner'])}, {len(first['v'])})."
        )
    figure = Figure(figsize=(9, 7))
    head(figure, title)
    top, bottom = figure.subfigures(2, 1, height_ratios=[2, 1])
    panels = top.subplots(2, 2, sharex=True)
    panels[1, 1].sharey(panels[1, 0])
    for name, trace, column in (("First", first, panels[:, 0]), ("Last", last, panels[:, 1])):
        _dendrites(column[0], trace, f"{name} presentation")
        _somata(column[1], trace)
    panels[0, 0].set_ylabel("dendrites")
    panels[1, 0].set_ylabel("soma and threshold")
    _walks(bottom.subplots(), course)
    return figure


def _colors(count: int) -> list:
    return list(FEW) if count <= len(FEW) else list(colormaps["tab10"].colors)


def _dendrites(axes: Axes, trace: Mapping, title: str) -> None:
    """The first input's, and below it the second's of each neuron."""
    count = len(trace["v"])
    axes.plot(trace["time"], trace["u_1"][0] + 1.2 * count, color=INK)
    for k, (u, color) in enumerate(zip(trace["u_2"], _colors(count), strict=False)):
        axes.plot(trace["time"], u + 1.2 * (count - 1 - k), color=color)
    labels = ["$u_1$", *(f"$u_2$, {delay:.1f} ms" for delay in trace["delays"])]
    axes.set_yticks(1.2 * np.arange(count + 1)[::-1], labels)
    axes.set_title(title)


def _somata(axes: Axes, trace: Mapping) -> None:
    count, fired = len(trace["v"]), trace["fired"]
    before = trace["time"] <= fired  # behind it all have begun anew
    for v, color in zip(trace["v"], _colors(count), strict=False):
        axes.plot(trace["time"], v, color=color)
    axes.plot(trace["time"], trace["theta"][0], "--", color=PALE, label="threshold")
    winner = trace["winner"]
    height = trace["theta"][winner][before][-1]
    axes.plot(fired, height, "o", color=_colors(count)[winner], label="the first to fire")
    axes.set(xlabel="time (ms)")
    axes.legend(loc="upper right")


def _walks(axes: Axes, course: Mapping) -> None:
    delays, winner = np.asarray(course["delays"]), np.asarray(course["winner"])
    presentations = np.arange(1, len(delays) + 1)
    axes.axhline(course["best"], color=PALE, linewidth=3, zorder=0)
    beside = axes.get_yaxis_transform()
    axes.text(1.01, course["best"], "fires first\nof all", transform=beside, va="center", color=INK)
    for k, color in zip(range(delays.shape[1]), _colors(delays.shape[1]), strict=False):
        jumps = np.flatnonzero(np.abs(np.diff(delays[:, k])) > 1.5 * course["step"]) + 1
        x, y = (np.insert(a.astype(float), jumps, np.nan) for a in (presentations, delays[:, k]))
        axes.plot(x, y, color=color)
        won = winner == k
        axes.plot(presentations[won], delays[won, k], ".", color=color, markersize=3)
    axes.set(xlabel="presentation", ylabel="delay (ms)", title="The search (dots: victories)")
    axes.set_xlim(0, len(delays) + 1)
