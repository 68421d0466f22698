"""Figures of learned delays: what they show of plain arrays, and what they refuse."""

import numpy as np
import pytest

from brianlearn import plots

CLASSES = 36
IPDS = np.arange(-90, 90, 5)


def check_saved(figure, path):
    figure.savefig(path / "figure.png", dpi=40)
    assert (path / "figure.png").stat().st_size > 2000


def strokes(lines):
    """The times of `vlines`."""
    return [segment[0, 0] for segment in lines.get_segments()]


def test_alignment(tmp_path):
    """Arrivals are the spikes and the delay; those before learning are above those after it."""
    patterns = np.zeros((7, 3, 20), bool)
    patterns[:, 0, 4] = patterns[:, 1, [2, 6]] = patterns[:, 2, 9] = True
    before, after = np.full((3, 7), 5.0), np.full((3, 7), 5.0)
    after[2] = 0.25
    figure = plots.alignment(
        patterns, before, after, aligned=np.arange(7) < 6, dt_ms=0.5, columns=4
    )
    panels = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_title("left") for axes in panels[-2:]] == ["class 5 ✓", "class 6 ✗"]
    assert len(panels) == 7
    lines = panels[3].collections
    expected = [[4.5], [3.5, 5.5], [7.0], [4.5], [3.5, 5.5], [4.625]]
    assert [strokes(each) for each in lines] == expected
    heights = [each.get_segments()[0][:, 1].mean() for each in lines]
    assert heights == sorted(heights, reverse=True)
    assert [text.get_text() for text in figure.legends[0].texts] == [
        "input 0, fixed delay", "input 1", "input 2",
    ]  # fmt: skip
    check_saved(figure, tmp_path)


def found(seed=1, samples=500):
    """Losses, errors, confusions and delays, as `localization` wants them."""
    random = np.random.default_rng(seed)
    losses = {name: 1 + np.exp(-np.arange(200) / 50) for name in ("frozen", "learnt")}
    widths = {"chance": 9, "frozen": 3, "learnt": 2, "ideal": 1}
    errors = {name: 5 * random.integers(-w, w + 1, samples) for name, w in widths.items()}
    confusion = {name: random.integers(0, 9, (CLASSES, CLASSES)) for name in ("frozen", "learnt")}
    delays = {name: random.normal(size=8) for name in ("before", "after")}
    return {"losses": losses, "errors": errors, "confusion": confusion, "delays": delays}


def test_localization(tmp_path):
    arrays = found()
    figure = plots.localization(**arrays, ipds=IPDS, smooth=20)
    curve, histogram, bars, moved, *matrices = figure.axes[:6]
    chance = next(line for line in curve.lines if line.get_label() == "chance")
    assert chance.get_ydata()[0] == pytest.approx(np.log(36))
    for stairs, name in zip(histogram.patches, ("frozen", "learnt", "ideal"), strict=True):
        assert stairs.get_label() == name
        assert stairs.get_data().values.sum() == pytest.approx(1)
    widths = [bar.get_width() for bar in bars.patches]
    assert widths == [np.abs(errors).mean() for errors in arrays["errors"].values()]
    ends = np.array([line.get_ydata() for line in moved.lines[:8]]).T
    np.testing.assert_array_equal(ends, list(arrays["delays"].values()))
    for axes, counts in zip(matrices, arrays["confusion"].values(), strict=True):
        shown = np.asarray(axes.images[0].get_array())
        np.testing.assert_allclose(shown, (counts / counts.sum(axis=1, keepdims=True)).T)
        assert axes.images[0].get_extent() == [-92.5, 87.5, -92.5, 87.5]
        assert axes.images[0].get_clim() == matrices[0].images[0].get_clim()
    assert [axes.get_title("left") for axes in matrices] == [
        "confusions, frozen", "confusions, learnt",
    ]  # fmt: skip
    check_saved(figure, tmp_path)


def test_localization_with_a_class_that_never_came():
    arrays = found()
    arrays["confusion"]["frozen"][3] = 0
    figure = plots.localization(**arrays, ipds=IPDS)
    assert np.isfinite(np.asarray(figure.axes[4].images[0].get_array())).all()


def test_sequence(tmp_path):
    """Shaded is where the wrong output is larger, or as large."""
    outputs = np.ones((5, 2, 2))
    outputs[2:, 0, 0], outputs[3:, 1, 1] = 2, 2
    delays = np.arange(20.0).reshape(5, 2, 2)
    figure = plots.sequence(outputs, delays, inputs=("left", "right"), dt_ms=0.5)
    assert [axes.get_title("left") for axes in figure.axes] == [
        "left, then right: output 0 is right",
        "right, then left: output 1 is right",
        "delays to output 0",
        "delays to output 1",
    ]
    assert [len(axes.patches) for axes in figure.axes] == [2, 3, 0, 0]
    for k in range(2):
        for i in range(2):
            drawn = figure.axes[2 + k].lines[i].get_ydata()
            np.testing.assert_array_equal(drawn, 0.5 * delays[:, i, k])
            drawn = figure.axes[k].lines[i].get_ydata()
            np.testing.assert_array_equal(drawn, outputs[:, k, i])
    check_saved(figure, tmp_path)


def changed(part, **arrays):
    every = found()
    every[part] = every[part] | arrays
    return every | {"ipds": IPDS}


SPIKES = np.ones((2, 3, 5), bool)


@pytest.mark.parametrize(
    ("draw", "error", "why"),
    [
        (
            lambda: plots.alignment(SPIKES, np.zeros((3, 2)), np.zeros((2, 3))),
            ValueError,
            r"`after` should be inputs x classes, \(3, 2\), but has the shape \(2, 3\)",
        ),
        (
            lambda: plots.sequence(np.zeros((4, 2, 3)), np.zeros((4, 2, 2))),
            ValueError,
            r"`outputs` should be presentations x orders x outputs, \(4, 2, 2\)",
        ),
        (
            lambda: plots.sequence(np.zeros((4, 2, 2)), np.zeros((5, 2, 2))),
            ValueError,
            r"`delays` should be .*\(4, 2, 2\), but has the shape \(5, 2, 2\)",
        ),
        (
            lambda: plots.localization(**(found() | {"losses": {"learnt": [1]}}), ipds=IPDS),
            KeyError,
            "`losses` should hold 'frozen'",
        ),
        (
            lambda: plots.localization(**changed("confusion", third=np.eye(36))),
            ValueError,
            "`confusion` should hold two matrices",
        ),
        (
            lambda: plots.localization(**changed("confusion", learnt=np.eye(35))),
            ValueError,
            r"'learnt' of `confusion` should be a square of 36 classes, .*\(35, 35\)",
        ),
        (
            lambda: plots.localization(**changed("delays", after=np.zeros(9))),
            ValueError,
            "8 delays before learning, but 9 after it",
        ),
    ],
)
def test_refused(draw, error, why):
    with pytest.raises(error, match=why):
        draw()
