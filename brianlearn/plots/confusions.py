"""Which class is taken for which."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from brianlearn.plots.style import INK, head, styled

__all__ = ["confusion"]


@styled
def confusion(
    counts, *, names: Sequence | None = None, title: str = "Which class is taken for which"
) -> Figure:
    """How many samples of each class were taken for each class.

    Parameters
    ----------
    counts : array of int (classes x classes)
        Of each class (rows), how many were taken for each class (columns).
    names : sequence, optional
        What to call the classes; by default their numbers.
    title : str

    Returns
    -------
    matplotlib.figure.Figure
        Colours are fractions of a row; what is right lies on the diagonal.

    Examples
    --------
    >>> figure = confusion([[9, 1], [0, 5]])
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['9', '1', '5']
    """
    counts = np.asarray(counts)
    classes = len(counts)
    names = range(classes) if names is None else names
    if counts.shape != (classes, classes) or len(names) != classes:
        raise ValueError(
            f"`counts` should be a square of {len(names)} classes, but has the shape "
            f"{counts.shape}."
        )
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = 1.7 + 0.33 * classes
    figure = Figure(figsize=(max(3.4, size + 0.9), max(2.4, size)))
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
    for row, column in np.argwhere(counts):
        dark = shares[row, column] > 0.5
        axes.text(
            column, row, str(counts[row, column]), ha="center", va="center",
            color="white" if dark else INK, fontweight="bold" if row == column else "normal",
        )  # fmt: skip
    axes.set(xticks=range(classes), xticklabels=names, yticks=range(classes), yticklabels=names)
    axes.set(xlabel="answer", ylabel="true class")
    axes.spines[["top", "right"]].set_visible(True)
    bar = figure.colorbar(image, ax=axes, pad=0.03, label="fraction of the class")
    bar.outline.set_linewidth(0.5)
    head(figure, title)
    return figure
