"""What a network answers: trials of evidence accumulation side by side."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from brianlearn.plots.style import FEW, INK, OUTPUT, PALE, TARGET, head, need, raster, styled

__all__ = ["evidence"]

_NEEDED = (
    "input", "n_in", "populations", "cues", "cue_steps", "spikes", "n_lif", "adaptation", "output",
    "label", "window",
)  # fmt: skip
_SIDES, _ALIF, _WINDOW = (OUTPUT, TARGET), FEW[2], "#ececec"
_ROWS = {"input": 1.2, "recurrent": 1.6, "adaptation $a$": 0.8, "softmax": 1.0}  # and heights


@styled
def evidence(
    trials: Mapping, *, dt_ms: float = 1.0, columns: int = 5, title: str = "Trials after training"
) -> Figure:
    """Trials of evidence accumulation: what came in, what the network did, what it answered.

    Parameters
    ----------
    trials : dict
        Of n trials: ``input``, for each the steps and the neurons of its spikes; ``cues``
        (n x cues), the side of each, 0 or 1; ``cue_steps`` (cues x 2), its first step and the one
        after its last; ``spikes`` (n x steps x neurons, bool), of which the first ``n_lif`` do not
        adapt; ``adaptation`` (n x steps x k) of a few that do; ``output`` (n x steps x 2), the
        softmax; ``label`` (n), the correct answer; ``window``, how many steps at the end ask for
        it; ``n_in``, how many inputs there are, and ``populations``, the names of their four equal
        parts: side 0, side 1 and two others.
    dt_ms : float
        The time step (ms).
    columns : int
        How many trials to draw side by side.
    title : str

    Returns
    -------
    matplotlib.figure.Figure
        A block of four rows for every ``columns`` trials.
    """
    need(trials, _NEEDED, "`trials`")
    _check(trials)
    count = len(trials["label"])
    blocks = -(-count // columns)
    figure = Figure(figsize=(0.9 + 2.2 * columns, 0.3 + 5 * blocks))
    above, *parts = figure.subfigures(blocks + 1, 1, height_ratios=[0.3] + [5] * blocks)
    head(above, title)
    _legend(above, trials["populations"])
    for part, first in zip(parts, range(0, count, columns), strict=True):
        panels = part.subplots(
            len(_ROWS), columns, sharex=True, sharey="row", squeeze=False,
            height_ratios=list(_ROWS.values()),
        )  # fmt: skip
        for k, column in enumerate(panels.T, first):
            if k < count:
                _trial(column, trials, k, dt_ms)
            else:
                for axes in column:
                    axes.set_visible(False)
        for axes, label in zip(panels[:, 0], _ROWS, strict=True):
            axes.set_ylabel(label)
        part.supxlabel("time (ms)", fontsize=8)
        part.align_ylabels(panels[:, 0])
    return figure


def _check(trials: Mapping) -> None:
    """Refuse arrays that are not of the same trials."""
    count, steps = len(trials["label"]), np.shape(trials["spikes"])[1]
    for name in ("input", "cues", "spikes", "adaptation", "output"):
        if len(trials[name]) != count:
            raise ValueError(
                f"'{name}' should hold {count} trials, as 'label' does, but holds "
                f"{len(trials[name])}."
            )
    for name in ("adaptation", "output"):
        if np.shape(trials[name])[1] != steps:
            raise ValueError(
                f"'{name}' should have {steps} steps a trial, as 'spikes' has, but has the shape "
                f"{np.shape(trials[name])}."
            )


def _legend(figure, names) -> None:
    """Say once what the colours of all panels mean."""
    figure.legend(
        handles=[
            *(Patch(color=color, label=name) for color, name in zip(_SIDES, names, strict=False)),
            Patch(color=_WINDOW, label="decision"),
            Line2D([], [], color=INK, linewidth=3, label="bar above the softmax: correct side"),
        ],
        loc="upper right",
        ncols=4,
    )


def _trial(column, trials: Mapping, k: int, dt_ms: float) -> None:
    """Fill the column of trial k."""
    heard, fired, adapted, said = column
    _, steps, n_rec = np.shape(trials["spikes"])
    names, window = list(trials["populations"]), int(trials["window"])
    begin, end = (steps - window) * dt_ms, steps * dt_ms

    step, neuron = (np.asarray(spikes) for spikes in trials["input"][k])
    sizes = dict.fromkeys(names, trials["n_in"] // len(names))
    _populations(heard, step * dt_ms, neuron, sizes, [*_SIDES, INK, PALE])
    for side, (on, off) in zip(trials["cues"][k], trials["cue_steps"], strict=True):
        heard.axvspan(on * dt_ms, off * dt_ms, color=_SIDES[side], alpha=0.15, lw=0, zorder=0)

    step, neuron = np.nonzero(trials["spikes"][k])
    sizes = {"LIF": trials["n_lif"], "ALIF": n_rec - trials["n_lif"]}
    _populations(fired, step * dt_ms, neuron, sizes, [INK, _ALIF])
    time, output = np.arange(steps) * dt_ms, np.asarray(trials["output"][k])
    adapted.plot(time, trials["adaptation"][k], color=_ALIF, linewidth=0.6, alpha=0.8)

    for values, color in zip(output.T, _SIDES, strict=True):
        said.plot(time, values, color=color)
    correct, answer = int(trials["label"][k]), int(output[-window:].mean(axis=0).argmax())
    said.plot([begin, end], [1.08, 1.08], color=_SIDES[correct], lw=3, solid_capstyle="butt")
    said.set(ylim=(-0.05, 1.15), yticks=[0, 0.5, 1], xlim=(0, end))
    said.locator_params(axis="x", nbins=4)
    for axes in column:
        axes.axvspan(begin, end, color=_WINDOW, lw=0, zorder=0)
    mark = "✓" if answer == correct else "✗"
    heard.set_title(
        f"{k + 1}: says {names[answer]} {mark}", color=_SIDES[answer], fontweight="bold"
    )


def _populations(axes: Axes, time, neuron, sizes: Mapping[str, int], colors) -> None:
    """Spikes of populations above each other, each in its colour and named at the axis."""
    edges = np.cumsum([0, *sizes.values()])
    for first, last, color in zip(edges[:-1], edges[1:], colors, strict=True):
        inside = (neuron >= first) & (neuron < last)
        raster(axes, time[inside], neuron[inside], color=color)
    axes.set(ylim=(-1, edges[-1]), yticks=(edges[:-1] + edges[1:]) / 2 - 0.5, yticklabels=sizes)
