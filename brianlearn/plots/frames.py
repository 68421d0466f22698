"""What an event camera saw, as a few still pictures of each recording."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from brianlearn.plots.style import OUTPUT, PALE, TARGET, head, styled

__all__ = ["event_frames"]

_OFF, _ON, _BOTH = TARGET, OUTPUT, "#000000"
_COLUMNS = 10


@styled
def event_frames(
    recordings: Mapping, *, names: Sequence[str] | None = None, title: str = "Recordings",
) -> Figure:  # fmt: skip
    """Recordings side by side, their frames below each other, in a colour for each polarity.

    Parameters
    ----------
    recordings : dict of str to array (frames x 2 x rows x columns)
        What to call each recording, and how many events its pixels have, of either polarity (off,
        on), as `brianlearn.tasks.events.Events.frames` counts them; all have as many frames.
    names : sequence of str, optional
        What to call the frames.
    title : str

    Returns
    -------
    matplotlib.figure.Figure
        A recording's colours are full where 98 of 100 active pixels have fewer events.

    Examples
    --------
    >>> figure = event_frames({"a seven": np.ones((3, 2, 34, 34))})
    >>> figure.axes[0].get_title("left")
    'a seven'
    """
    if not recordings:
        raise ValueError("there is no recording to draw.")
    counts = {name: np.asarray(frames, float) for name, frames in recordings.items()}
    n = len(next(iter(counts.values())))
    names = [f"frame {k}" for k in range(1, n + 1)] if names is None else names
    for name, frames in counts.items():
        if frames.ndim != 4 or frames.shape[:2] != (len(names), 2):
            raise ValueError(
                f"'{name}' of `recordings` should be an array of {len(names)} frames x 2 "
                f"polarities x rows x columns, but has the shape {frames.shape}."
            )
    across = min(len(counts), _COLUMNS)
    blocks = -(-len(counts) // across)
    figure = Figure(figsize=(0.4 + max(0.95 * across, 3.2), 0.5 + (0.2 + n) * blocks))
    panels = figure.subplots(blocks * n, across, squeeze=False).reshape(blocks, n, across)
    columns = panels.swapaxes(1, 2).reshape(-1, n)
    for column, (name, frames) in zip(columns, counts.items(), strict=False):
        image = _blend(frames)
        for axes, frame in zip(column, image, strict=True):
            axes.imshow(frame, interpolation="nearest")
        column[0].set_title(name)
    for axes in columns[len(counts) :].flat:
        axes.set_visible(False)
    for axes in panels.flat:
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set(visible=True, color=PALE)
    for block in panels:
        for axes, name in zip(block[:, 0], names, strict=True):
            axes.set_ylabel(name)
    colors = {"brighter (on)": _ON, "darker (off)": _OFF, "both": _BOTH}
    handles = [Patch(color=color, label=label) for label, color in colors.items()]
    figure.legend(handles=handles, loc="outside lower right", ncols=3)
    head(figure, title)
    return figure


def _blend(frames):
    """Frames as pictures on white: each polarity takes away what its colour lacks."""
    active = frames[frames > 0]
    full = np.percentile(active, 98) if active.size else 1.0
    strength = np.clip(frames / full, 0, 1)[..., np.newaxis]
    lacks = [1 - np.array(to_rgb(color)) for color in (_OFF, _ON)]
    return np.clip(1 - strength[:, 0] * lacks[0] - strength[:, 1] * lacks[1], 0, 1)
