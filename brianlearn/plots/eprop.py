"""What e-prop works with: everything in a trial, before and after training."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from brianlearn.plots.style import (
    FEW,
    INK,
    OUTPUT,
    PALE,
    TARGET,
    head,
    name_lines,
    need,
    raster,
    styled,
)

__all__ = ["snapshot"]

_ROWS = {  # what to call each panel; those below the rasters are lines
    "input": "input\nneuron",
    "spikes": "recurrent\nneuron",
    "v": "membrane\n$v$",
    "psi": "surrogate\ngradient $\\psi$",
    "learning_signal": "learning\nsignal $L$",
    "readout": "readout\nmembrane $v$",
    "target": "target\n$y^*$",
    "output": "output\n$y$",
    "error": "error\n$y - y^*$",
}
_HEIGHTS = [1.2, 1.2, 1, 1.2, 1, 1, 1, 1, 1]
_NEURONS = ("v", "psi", "learning_signal")
_READOUTS = ("readout", "target", "output", "error")
_OF_NEURONS = FEW[2:]
_OF_ONE_READOUT = {"readout": OUTPUT, "target": TARGET, "output": OUTPUT, "error": INK}


@styled
def snapshot(
    before: Mapping,
    after: Mapping,
    *,
    neurons: Sequence[int] = (0, 1, 2),
    readouts: Sequence[int] | None = None,
    dt_ms: float = 1.0,
    title: str = "A trial before and after training",
) -> Figure:
    """One trial before training (left) and after it (right), in nine rows.

    Parameters
    ----------
    before, after : dict of arrays
        ``input_step`` and ``input_neuron``, an entry a spike; ``spikes`` (steps x neurons, bool);
        ``v``, ``psi`` and ``learning_signal`` (steps x neurons, or some of these); ``readout``,
        ``target``, ``output`` and ``error`` (steps x readouts).
    neurons : sequence of int
        Which columns of ``v``, ``psi`` and ``learning_signal`` to show.
    readouts : sequence of int, optional
        Which columns of the others to tell apart; the rest is drawn pale. By default all.
    dt_ms : float
        The time step (ms).
    title : str

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure = Figure(figsize=(8.5, 11))
    figure.get_layout_engine().set(wspace=0.04)
    panels = figure.subplots(len(_ROWS), 2, sharex=True, sharey="row", height_ratios=_HEIGHTS)
    trials = {"before": before, "after": after}
    for name, trial in trials.items():
        _check_trial(trial, name)
    neurons = list(neurons)
    readouts = [*range(np.shape(before["output"])[1])] if readouts is None else list(readouts)
    peak = max(np.asarray(trial["psi"])[:, neurons].max() for trial in trials.values()) or 1.0
    panels[list(_ROWS).index("psi"), 0].set_yticks([0, peak], ["0", f"{peak:.2g}"])
    for column, (name, trial) in zip(panels.T, trials.items(), strict=True):
        named = dict(zip(_ROWS, column, strict=True))
        _trial(named, trial, neurons, readouts, 1.15 * peak, dt_ms)
        column[0].set_title(f"{name} training")
        column[-1].set_xlabel("time (ms)")
    for axes, label in zip(panels[:, 0], _ROWS.values(), strict=True):
        axes.set_ylabel(label)
    panels[0, 0].set_xlim(0, len(before["spikes"]) * dt_ms)
    _name_colors(dict(zip(_ROWS, panels[:, 1], strict=True)), after, neurons, readouts)
    figure.align_ylabels(panels[:, 0])
    head(figure, title)
    return figure


def _check_trial(trial: Mapping, name: str) -> None:
    """Refuse a trial that lacks arrays, or whose arrays differ in length."""
    need(trial, ("input_step", "input_neuron", "spikes", *_NEURONS, *_READOUTS), f"`{name}`")
    steps = len(trial["spikes"])
    for key in (*_NEURONS, *_READOUTS):
        shape = np.shape(trial[key])
        if len(shape) != 2 or shape[0] != steps:
            raise ValueError(
                f"'{key}' of `{name}` should be an array of {steps} steps x units, as 'spikes' is, "
                f"but has the shape {shape}."
            )


def _trial(
    panels: Mapping[str, Axes], trial: Mapping, neurons: list, readouts: list, strip: float,
    dt_ms: float,
) -> None:  # fmt: skip
    """Fill one column; ``strip`` is how far surrogate gradients are shifted above each other."""
    time = np.arange(len(trial["spikes"])) * dt_ms
    step, neuron = np.nonzero(trial["spikes"])
    raster(panels["input"], np.asarray(trial["input_step"]) * dt_ms, trial["input_neuron"])
    raster(panels["spikes"], step * dt_ms, neuron)
    colors = _cycle(_OF_NEURONS, len(neurons))
    for key in _NEURONS:
        lines = np.asarray(trial[key])[:, neurons].T
        for n, (values, color) in enumerate(zip(lines, colors, strict=True)):
            shift = n * strip if key == "psi" else 0  # they would hide each other
            panels[key].plot(time, values + shift, color=color, linewidth=0.6)
    for key in _READOUTS:
        lines = np.transpose(trial[key])
        colors = _cycle(FEW, len(readouts)) if len(lines) > 1 else [_OF_ONE_READOUT[key]]
        others = np.delete(lines, readouts, axis=0)
        panels[key].plot(time, others.T, color=PALE, linewidth=0.5, alpha=0.6)
        for k, color in zip(readouts, colors, strict=True):
            panels[key].plot(time, lines[k], color=color)
    if len(lines) == 1:  # of several readouts, a second set of lines would be too much
        panels["output"].plot(time, trial["target"], color=TARGET, linewidth=0.7, zorder=1.5)
    for key in ("v", "learning_signal", "readout", "error"):
        panels[key].axhline(0, color=PALE, linewidth=0.5, zorder=0)


def _name_colors(panels: Mapping[str, Axes], trial: Mapping, neurons: list, readouts: list) -> None:
    """Say on the right which colour is which neuron and which readout."""
    names = [f"neuron {k}" for k in neurons]
    name_lines(panels["psi"], names, _cycle(_OF_NEURONS, len(names)), upwards=True)
    if np.shape(trial["output"])[1] == 1:
        name_lines(panels["output"], ["output", "target"], [OUTPUT, TARGET])
    else:
        names = [f"readout {k}" for k in readouts]
        name_lines(panels["output"], names, _cycle(FEW, len(names)))


def _cycle(colors: Sequence[str], count: int) -> list[str]:
    return [colors[k % len(colors)] for k in range(count)]
