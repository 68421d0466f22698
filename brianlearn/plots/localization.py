"""Sound localization: how well it was learned, and how well it could be."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from brianlearn.plots.style import FEW, INK, OUTPUT, PALE, TARGET, head, need, styled

__all__ = ["localization"]

_CURVES = ("frozen", "learnt")
_ERRORS = ("chance", "frozen", "learnt", "ideal")
_COLORS = {"chance": PALE, "frozen": TARGET, "learnt": OUTPUT, "ideal": FEW[2]}
_STATES = ("before", "after")


@styled
def localization(
    losses: Mapping, errors: Mapping, confusion: Mapping, delays: Mapping, ipds, *,
    smooth: int = 25, title: str = "Sound localization by learnt delays",
) -> Figure:  # fmt: skip
    """Losses, errors, confusions and delays, in six panels.

    Parameters
    ----------
    losses : dict of str to array (iterations)
        While delays were ``frozen`` and weights alone ``learnt``, and while both were learnt.
    errors : dict of str to array (samples)
        Estimated minus true interaural phase difference, in degrees: by ``chance``, and of the
        networks with ``frozen`` and with ``learnt`` delays, and of the ``ideal`` observer.
    confusion : dict of str to array (classes x classes)
        Of two networks, whatever they are called: how many samples of each class (rows) were taken
        for each class (columns).
    delays : dict of str to array (neurons)
        ``before`` and ``after`` learning, by how much ear 2 is delayed more than ear 1, in ms.
    ipds : array (classes)
        The interaural phase difference of each class, in degrees.
    smooth : int
        Over how many iterations losses are averaged.
    title : str

    Returns
    -------
    matplotlib.figure.Figure
    """
    need(losses, _CURVES, "`losses`")
    need(errors, _ERRORS, "`errors`")
    need(delays, _STATES, "`delays`")
    if len(confusion) != 2:
        raise ValueError(f"`confusion` should hold two matrices, but holds {list(confusion)}.")
    for name, counts in confusion.items():
        if np.shape(counts) != (len(ipds), len(ipds)):
            raise ValueError(
                f"'{name}' of `confusion` should be a square of {len(ipds)} classes, but has the "
                f"shape {np.shape(counts)}."
            )
    if np.shape(delays["before"]) != np.shape(delays["after"]):
        raise ValueError(
            f"there are {np.size(delays['before'])} delays before learning, but "
            f"{np.size(delays['after'])} after it."
        )
    figure = Figure(figsize=(9, 5.2))
    panels = figure.subplots(2, 3)
    (curve, histogram, bars), (moved, *matrices) = panels
    _losses(curve, losses, len(ipds), smooth)
    _histogram(histogram, errors)
    _bars(bars, errors)
    _delays(moved, delays)
    _confusions(matrices, confusion, ipds)
    head(figure, title)
    return figure


def _losses(axes: Axes, losses: Mapping, classes: int, smooth: int) -> None:
    for name in _CURVES:
        values = np.asarray(losses[name], float)
        width = max(1, min(smooth, len(values)))
        mean = np.convolve(values, np.full(width, 1 / width), "valid")
        axes.plot(np.arange(len(mean)) + width // 2, mean, color=_COLORS[name], label=name)
    axes.axhline(np.log(classes), color=_COLORS["chance"], linewidth=0.8, zorder=0, label="chance")
    axes.set(title="loss", xlabel="iteration", ylabel="cross-entropy")
    axes.margins(x=0)
    axes.legend()


def _histogram(axes: Axes, errors: Mapping) -> None:
    """How often each error is made; errors are multiples of the distance between classes."""
    step = 5.0
    largest = max(np.abs(errors[name]).max() for name in _ERRORS[1:])
    edges = np.arange(-largest - step / 2, largest + step, step)
    for name in _ERRORS[1:]:
        share = np.histogram(errors[name], edges)[0] / len(errors[name])
        axes.stairs(share, edges, color=_COLORS[name], label=name)
    axes.set(title="errors", xlabel="error (degrees)", ylabel="fraction of sounds")
    axes.set_xlim(-60, 60)
    axes.legend()


def _bars(axes: Axes, errors: Mapping) -> None:
    means = [np.abs(errors[name]).mean() for name in _ERRORS]
    axes.barh(range(len(_ERRORS)), means, color=[_COLORS[name] for name in _ERRORS], height=0.65)
    for k, mean in enumerate(means):
        axes.text(mean, k, f" {mean:.1f}", va="center", color=INK)
    axes.set(title="mean absolute error", xlabel="degrees", yticks=range(len(_ERRORS)))
    axes.set_yticklabels(_ERRORS)
    axes.invert_yaxis()
    axes.margins(x=0.15)


def _delays(axes: Axes, delays: Mapping) -> None:
    """A line for each neuron, from where its delay was to where it came."""
    values = np.stack([np.ravel(delays[name]) for name in _STATES])
    axes.plot([0, 1], values, "o-", color=OUTPUT, markersize=3, linewidth=0.7)
    axes.axhline(0, color=PALE, linewidth=0.5, zorder=0)
    axes.set(title="delays", ylabel="ear 2 minus ear 1 (ms)", xticks=[0, 1], xticklabels=_STATES)
    axes.margins(x=0.2)


def _confusions(panels, confusion: Mapping, ipds) -> None:
    """Matrices of one scale: of each class's sounds, the fraction taken for each class."""
    shares = {}
    for name, counts in confusion.items():
        counts = np.asarray(counts, float)
        shares[name] = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    limit = max(share.max() for share in shares.values()) or 1.0
    half = (ipds[1] - ipds[0]) / 2
    extent = 2 * (ipds[0] - half, ipds[-1] + half)
    for axes, (name, share) in zip(panels, shares.items(), strict=True):
        image = axes.imshow(
            share.T, cmap="Greys", vmin=0, vmax=limit, origin="lower", extent=extent,
            interpolation="nearest",
        )  # fmt: skip
        axes.set(title=f"confusions, {name}", xlabel="true IPD (degrees)")
        axes.set(xticks=[-90, -45, 0, 45], yticks=[-90, -45, 0, 45])
    panels[0].set_ylabel("estimated IPD (degrees)")
    bar = panels[1].figure.colorbar(image, ax=panels[1], pad=0.02, label="fraction")
    bar.outline.set_linewidth(0.5)
