"""What learning did to the weights: some synapses over time, and whole matrices."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from brianlearn.plots.style import INK, OUTPUT, PALE, TARGET, head, need, styled

__all__ = ["weight_courses", "weight_matrices"]

_ROSE, _FELL = TARGET, OUTPUT


@styled
def weight_courses(
    iterations, courses: Mapping, *, title: str = "Weights of a few synapses"
) -> Figure:
    """The time courses of chosen synapses: a panel for each matrix.

    Parameters
    ----------
    iterations : array (n)
    courses : dict of str to array (n x k)
        What to call each matrix, and the weights of k of its synapses at each iteration.
    title : str

    Returns
    -------
    matplotlib.figure.Figure
        Weights that rose in the end are drawn in one colour, those that fell in another.

    Examples
    --------
    >>> figure = weight_courses([0, 1], {"input to recurrent": [[0, 1], [1, 0]]})
    >>> figure.axes[0].get_title("left")
    'input to recurrent'
    """
    figure = Figure(figsize=(1 + 2.6 * len(courses), 2.8))
    panels = figure.subplots(1, len(courses), sharex=True, squeeze=False)[0]
    for axes, (name, weights) in zip(panels, courses.items(), strict=True):
        weights = np.asarray(weights, float)
        if weights.ndim != 2 or len(weights) != len(iterations):
            raise ValueError(
                f"The course of '{name}' should be an array of {len(iterations)} iterations x "
                f"synapses, but has the shape {weights.shape}."
            )
        axes.axhline(0, color=INK, linewidth=0.4, zorder=0)
        _courses(axes, iterations, weights)
        axes.set(title=name, xlabel="iteration")
        axes.margins(x=0)
    panels[0].set_ylabel("weight")
    handles = [Line2D([], [], color=_ROSE, label="rose"), Line2D([], [], color=_FELL, label="fell")]
    figure.legend(handles=handles, loc="outside right upper")
    head(figure, title)
    return figure


def _courses(axes: Axes, iterations, weights) -> None:
    change = weights[-1] - weights[0]
    for which, color in ((change > 0, _ROSE), (change < 0, _FELL), (change == 0, PALE)):
        axes.plot(iterations, weights[:, which], color=color, linewidth=0.8, alpha=0.85)


@styled
def weight_matrices(
    before: Mapping, after: Mapping, *, title: str = "Weights before and after training"
) -> Figure:
    """Matrices before and after training, and what changed: a row for each.

    Parameters
    ----------
    before, after : dict of str to array (sources x targets)
        What to call each matrix, and its weights.
    title : str

    Returns
    -------
    matplotlib.figure.Figure
        Before and after share a scale of colours; 99 of 100 weights lie within it. The
        change has a scale of its own.

    Examples
    --------
    >>> figure = weight_matrices({"recurrent": np.eye(3)}, {"recurrent": -np.eye(3)})
    >>> [axes.get_title("left") for axes in figure.axes[:3]]
    ['recurrent, before', 'after', 'change']
    """
    need(after, before, "`after`")
    heights = [max(0.3, min(1.0, np.shape(matrix)[1] / 60)) for matrix in before.values()]
    figure = Figure(figsize=(9.5, 0.6 + sum(0.5 + 2 * height for height in heights)))
    rows = figure.subplots(len(before), 3, squeeze=False, height_ratios=heights)
    for row, (name, old) in zip(rows, before.items(), strict=True):
        old, new = np.asarray(old, float), np.asarray(after[name], float)
        if old.shape != new.shape:
            raise ValueError(
                f"'{name}' has the shape {old.shape} before, but {new.shape} after training."
            )
        _images(row[:2], (old, new))
        _images(row[2:], (new - old,))
        row[0].set(ylabel="target", title=f"{name}, before")
        row[1].set_title("after")
        row[2].set_title("change")
    for axes in rows[-1]:
        axes.set_xlabel("source")
    head(figure, title)
    return figure


def _images(panels, matrices) -> None:
    """Matrices of one scale, symmetric about 0, with sources to the right and targets upwards."""
    sizes = np.abs(matrices)
    sizes = sizes[sizes > 0]  # of a sparse matrix, the weights that exist
    limit = np.percentile(sizes, 99) if len(sizes) else 1.0
    for axes, matrix in zip(panels, matrices, strict=True):
        image = axes.imshow(
            matrix.T, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto", origin="lower",
            interpolation="nearest",
        )  # fmt: skip
        axes.spines[["top", "right"]].set_visible(True)
        if matrix.shape[1] < 5:
            axes.set_yticks(range(matrix.shape[1]))
    bar = panels[-1].figure.colorbar(image, ax=panels, extend="both", pad=0.02, label="weight")
    bar.outline.set_linewidth(0.5)
