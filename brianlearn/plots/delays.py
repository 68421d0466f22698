"""What learned delays do: patterns that meet, and an order that is told."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from brianlearn.plots.style import FEW, OUTPUT, SHADE, TARGET, head, name_lines, styled

__all__ = ["alignment", "sequence"]


@styled
def alignment(
    patterns, before, after, *, aligned=None, dt_ms: float = 1.0, columns: int = 5,
    title: str = "Arrivals with the delays before and after learning",
) -> Figure:  # fmt: skip
    """When the spikes of each input arrive at each class's neuron: a panel for each class.

    Parameters
    ----------
    patterns : array of bool (classes x inputs x steps)
        The spike trains of each class.
    before, after : arrays (inputs x classes)
        Delays, in steps.
    aligned : array of bool (classes), optional
        Which classes to tick off in their titles.
    dt_ms : float
        The time step (ms).
    columns : int
        How many panels to draw side by side.
    title : str

    Returns
    -------
    matplotlib.figure.Figure
        Arrivals before learning lie above those after it, in a panel of each class.

    Examples
    --------
    >>> spikes = np.eye(2, 30)[np.newaxis] > 0
    >>> figure = alignment(spikes, [[1], [9]], [[1], [0]], aligned=[True])
    >>> figure.axes[0].get_title("left")
    'class 0 ✓'
    """
    patterns = np.asarray(patterns) > 0
    classes, inputs, _ = patterns.shape
    delays = {"before": np.asarray(before, float), "after": np.asarray(after, float)}
    for name, values in delays.items():
        _check_shape(values, (inputs, classes), f"`{name}`", "inputs x classes")
    columns = min(columns, classes)
    rows = -(-classes // columns)
    figure = Figure(figsize=(0.9 + 1.7 * columns, 0.8 + (0.35 + 0.16 * inputs) * rows))
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    colors = [FEW[k % len(FEW)] for k in range(inputs)]
    for c, axes in enumerate(panels.flat):
        if c >= classes:
            axes.set_visible(False)
            continue
        for name, base in (("before", inputs + 1), ("after", 0)):
            _arrivals(axes, patterns[c], delays[name][:, c], base, colors, dt_ms)
        mark = "" if aligned is None else " ✓" if aligned[c] else " ✗"
        axes.set_title(f"class {c}{mark}")
    middle = (inputs - 1) / 2
    panels[0, 0].set(
        yticks=[middle + inputs + 1, middle], yticklabels=["before", "after"],
        ylim=(-0.8, 2 * inputs + 0.8),
    )  # fmt: skip
    for axes in panels[-1]:
        axes.set_xlabel("time (ms)")
    names = ["input 0, fixed delay", *(f"input {k}" for k in range(1, inputs))]
    handles = [Line2D([], [], color=colors[k], label=name) for k, name in enumerate(names)]
    figure.legend(handles=handles, loc="outside upper right", ncols=min(inputs, 4))
    head(figure, title)
    return figure


def _arrivals(axes: Axes, trains, delays, base: float, colors, dt_ms: float) -> None:
    """Delayed spikes as strokes, the first input on top; ``base`` is the height of the last one."""
    for k, (train, delay, color) in enumerate(zip(trains, delays, colors, strict=True)):
        time = (np.flatnonzero(train) + delay) * dt_ms
        height = base + len(trains) - 1 - k
        axes.vlines(time, height - 0.4, height + 0.4, color=color, linewidth=0.9)


@styled
def sequence(
    outputs, delays, *, inputs: Sequence[str] = ("A", "B"), dt_ms: float = 1.0,
    title: str = "Learning to tell two orders of spikes",
) -> Figure:  # fmt: skip
    """Outputs to both orders, and the delays, over presentations.

    Parameters
    ----------
    outputs : array (presentations x 2 x 2)
        What each of the two outputs (last axis) made of each order (middle axis); output k is the
        right one for order k.
    delays : array (presentations x 2 x 2)
        Of each input (middle axis) to each output, in steps, at the same presentations.
    inputs : sequence of str
        What to call the inputs; order 0 begins with the first one.
    dt_ms : float
        The time step (ms).
    title : str

    Returns
    -------
    matplotlib.figure.Figure
        Presentations at which an order is mistaken are shaded.

    Examples
    --------
    >>> figure = sequence(np.ones((3, 2, 2)), np.zeros((3, 2, 2)))
    >>> [axes.get_title("left") for axes in figure.axes[1:3]]
    ['B, then A: output 1 is right', 'delays to output 0']
    """
    outputs, delays = np.asarray(outputs, float), np.asarray(delays, float) * dt_ms
    _check_shape(outputs, (len(outputs), 2, 2), "`outputs`", "presentations x orders x outputs")
    _check_shape(delays, outputs.shape, "`delays`", "presentations x inputs x outputs")
    figure = Figure(figsize=(7.5, 4.4))
    told, learned = figure.subplots(2, 2, sharex=True, sharey="row")
    for order, axes in enumerate(told):
        axes.plot(outputs[:, order, 0], "o-", color=OUTPUT, markersize=3)
        axes.plot(outputs[:, order, 1], "o-", color=TARGET, markersize=3)
        for n in np.flatnonzero(outputs[:, order, order] <= outputs[:, order, 1 - order]):
            axes.axvspan(n - 0.5, n + 0.5, color=SHADE, lw=0, zorder=0)
        axes.set_title(f"{inputs[order]}, then {inputs[1 - order]}: output {order} is right")
    for k, axes in enumerate(learned):
        axes.plot(delays[:, 0, k], "o-", color=FEW[2], markersize=3)
        axes.plot(delays[:, 1, k], "o-", color=FEW[3], markersize=3)
        axes.set(title=f"delays to output {k}", xlabel="presentation of both orders")
        axes.locator_params(axis="x", integer=True)
    told[0].set_ylabel("output")
    learned[0].set_ylabel("delay (ms)")
    name_lines(told[1], ["output 0", "output 1"], [OUTPUT, TARGET])
    name_lines(learned[1], [f"from {name}" for name in inputs], FEW[2:4])
    head(figure, title)
    return figure


def _check_shape(array, shape, what: str, axes: str) -> None:
    """Refuse an array of another shape, and say what its axes should be."""
    if array.shape != shape:
        raise ValueError(f"{what} should be {axes}, {shape}, but has the shape {array.shape}.")
