"""How learning went: the loss, and how many answers were right, over iterations."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from brianlearn.plots.style import OUTPUT, PALE, TARGET, head, styled

__all__ = ["losses"]


@styled
def losses(
    iterations,
    losses,
    *,
    accuracies=None,
    validation: tuple | None = None,
    smooth: int = 1,
    unit: str = "iteration",
    title: str = "Learning",
) -> Figure:
    """The loss over iterations and, below it, the accuracy.

    Parameters
    ----------
    iterations, losses : arrays (n)
        The axis of the loss is logarithmic where it spans a factor of five or more.
    accuracies : array (n), optional
        The fraction of trials answered correctly, of each iteration.
    validation : tuple of arrays (iterations, errors), optional
        What was measured in between on trials of its own. With ``accuracies``, the error is the
        fraction of wrong answers, and is drawn among them as 1 - error; else it is a loss.
    smooth : int
        Over how many of the values a running mean is drawn, where more than one.
    unit : str
        What ``iterations`` counts.
    title : str

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> figure = losses([0, 1, 2], [100, 31, 9], validation=([2], [8]))
    >>> figure.axes[0].get_yscale()
    'log'
    """
    rows = 1 if accuracies is None else 2
    figure = Figure(figsize=(5.5, 1.2 + 1.7 * rows))
    panels = figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0]
    _curve(panels[0], iterations, losses, smooth, "loss")
    if np.nanmin(losses) > 0 and np.nanmax(losses) >= 5 * np.nanmin(losses):
        panels[0].set_yscale("log")
    panels[0].set_ylabel("loss")
    if accuracies is not None:
        _curve(panels[1], iterations, accuracies, smooth, "accuracy")
        panels[1].set_ylabel("fraction correct")
    if validation is not None:
        at, error = validation
        value = error if accuracies is None else 1 - np.asarray(error)
        panels[-1].plot(
            at, value, "o", color=TARGET, markersize=4, markeredgecolor="white",
            markeredgewidth=0.5, label="validation",
        )  # fmt: skip
    if accuracies is not None:
        panels[1].set_ylim(top=1.02)
    for axes in panels:
        axes.margins(x=0.01)
        if len(axes.lines) > 1:
            axes.legend(loc="best", ncols=3)
    panels[-1].set_xlabel(unit)
    head(figure, title)
    return figure


def _curve(axes: Axes, iterations, values, smooth: int, name: str) -> None:
    """One value an iteration; with a running mean, the values themselves step back."""
    values = np.asarray(values, float)
    if smooth <= 1 or len(values) < smooth:
        axes.plot(iterations, values, color=OUTPUT, linewidth=1.1, label=name)
        return
    axes.plot(iterations, values, color=PALE, linewidth=0.5, alpha=0.7, label=name)
    mean = np.convolve(values, np.full(smooth, 1 / smooth), "valid")
    middle = np.convolve(iterations, np.full(smooth, 1 / smooth), "valid")
    axes.plot(middle, mean, color=OUTPUT, linewidth=1.3, label=f"mean of {smooth} iterations")
