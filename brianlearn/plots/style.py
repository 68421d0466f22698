"""What all figures share: a few colours with fixed meanings, thin lines, no boxes."""

import functools
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

__all__ = [
    "FEW", "INK", "OUTPUT", "PALE", "SHADE", "TARGET", "head", "name_lines", "need", "raster",
    "styled",
]  # fmt: skip

INK, PALE, SHADE = "#222222", "#9aa3ad", "#e8eef7"
TARGET, OUTPUT = "#d9822b", "#1f5fa8"
FEW = (
    OUTPUT,
    TARGET,
    "#2a8c82",
    "#a3427f",
    "#7a6a00",
    "#6f5fb5",
)  # also told apart if colour-blind

_LOOK = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.titlelocation": "left",
    "axes.linewidth": 0.6,
    "axes.edgecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.linewidth": 0.8,
    "legend.frameon": False,
    "legend.fontsize": 7.5,
    "figure.constrained_layout.use": True,
    "figure.dpi": 140,
    "figure.titlesize": 10,
}


def styled(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Make a function draw in this style, whatever the user's own settings are."""

    @functools.wraps(draw)
    def styled_draw(*args, **kwargs):
        with rc_context(_LOOK):
            figure = draw(*args, **kwargs)
        for axes in figure.findobj(Axes):  # ticks are made when they are drawn, too late for _LOOK
            axes.tick_params(which="both", labelsize=7, width=0.6, colors=INK)
            axes.tick_params(which="major", length=2.5)
            axes.tick_params(which="minor", length=1.5)
        return figure

    return styled_draw


def raster(axes: Axes, time, neuron, *, color=INK, size: float = 1.8) -> None:
    """Spikes as dots."""
    axes.plot(time, neuron, ".", color=color, markersize=size, markeredgewidth=0)


def head(figure: Figure, title: str) -> None:
    """The figure's title, where reading begins."""
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold")


def name_lines(axes: Axes, names: Sequence[str], colors: Sequence[str], *, upwards=False) -> None:
    """Name lines on their right, one above the other, each in its colour."""
    heights = 1 - (np.arange(len(names)) + 0.5) / len(names)
    for name, height, color in zip(names, heights[:: -1 if upwards else 1], colors, strict=True):
        axes.text(1.02, height, name, color=color, va="center", transform=axes.transAxes)


def need(arrays: Mapping, names, what: str) -> None:
    """Refuse arrays of which some are missing, and say which.

    Raises
    ------
    KeyError
    """
    missing = ", ".join(f"'{name}'" for name in names if name not in arrays)
    if missing:
        raise KeyError(f"{what} should hold {missing} as well; it holds {sorted(arrays)}.")
