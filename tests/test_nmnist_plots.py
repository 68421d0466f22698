"""Figures of recordings and answers, and what the figures of learning gained for them."""

import numpy as np
import pytest

from brianlearn import plots

STEPS = 60
NEURONS, READOUTS = ("v", "psi", "learning_signal"), ("readout", "target", "output", "error")


def trial(seed, readouts):
    random = np.random.default_rng(seed)
    step, neuron = np.nonzero(random.random((STEPS, 8)) < 0.1)
    arrays = {"input_step": step, "input_neuron": neuron}
    arrays["spikes"] = random.random((STEPS, 6)) < 0.1
    arrays |= {name: random.random((STEPS, 6)) for name in NEURONS}
    return arrays | {name: random.normal(size=(STEPS, readouts)) for name in READOUTS}


def frames(n=3, seed=1):
    return np.random.default_rng(seed).poisson(0.2, (n, 2, 34, 34))


def test_event_frames(tmp_path):
    """A column a recording, a row a frame, the polarities told apart."""
    one = np.zeros((2, 2, 34, 34))
    one[0, 0, 3, 7] = one[1, 1, 4, 8] = one[1, :, 9, 9] = 1
    figure = plots.event_frames({"a": one, "b": 0 * one}, names=["first", "second"], title="T")
    panels = np.array(figure.axes).reshape(2, 2)
    assert [axes.get_title("left") for axes in panels[0]] == ["a", "b"]
    assert [axes.get_ylabel() for axes in panels[:, 0]] == ["first", "second"]
    early, late = (axes.images[0].get_array() for axes in panels[:, 0])
    off, on, both = early[3, 7], late[4, 8], late[9, 9]
    assert off[0] > off[2]
    assert on[0] < on[2]
    assert np.all(both < 0.1)
    assert early.sum() == early.size - (1 - off).sum(), "all else is white"
    assert panels[0, 1].images[0].get_array().min() == 1
    (legend,) = figure.legends
    names = [text.get_text() for text in legend.get_texts()]
    assert names == ["brighter (on)", "darker (off)", "both"]
    assert figure.get_suptitle() == "T"
    figure.savefig(tmp_path / "figure.png", dpi=40)


@pytest.mark.parametrize(("count", "visible"), [(1, 3), (10, 30), (12, 36)])
def test_many_recordings_take_further_rows(count, visible):
    figure = plots.event_frames({f"{k}": frames() for k in range(count)})
    assert sum(axes.get_visible() for axes in figure.axes) == visible


def test_confusion(tmp_path):
    """Counts as numbers, fractions of a row as colours; a class without samples is blank."""
    figure = plots.confusion([[3, 1, 0], [0, 2, 0], [0, 0, 0]], names="abc", title="T")
    axes = figure.axes[0]
    np.testing.assert_array_equal(
        axes.images[0].get_array(), [[0.75, 0.25, 0], [0, 1, 0], [0, 0, 0]]
    )
    written = {text.get_position(): text.get_text() for text in axes.texts}
    assert written == {(0, 0): "3", (1, 0): "1", (1, 1): "2"}
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("answer", "true class")
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b", "c"]
    figure.savefig(tmp_path / "figure.png", dpi=40)


def test_some_readouts_of_many():
    """Those that are told apart are coloured and named by their number, the rest is pale."""
    figure = plots.snapshot(trial(1, 10), trial(2, 10), neurons=(4,), readouts=[7, 2])
    after = figure.axes[1::2]
    names = [text.get_text() for axes in after for text in axes.texts]
    assert names == ["neuron 4", "readout 7", "readout 2"]
    output = next(axes for axes in after if axes.texts and axes.texts[0].get_text() == "readout 7")
    lines = [line for line in output.lines if len(line.get_xdata()) == STEPS]
    colors = [line.get_color() for line in lines]
    assert len(colors) == 10
    assert len(set(colors[:8])) == 1
    assert len(set(colors)) == 3
    np.testing.assert_array_equal(lines[8].get_ydata(), trial(2, 10)["output"][:, 7])


def test_losses_over_samples():
    axes = plots.losses([100, 200], [2, 1], unit="training sample").axes[0]
    assert axes.get_xlabel() == "training sample"


@pytest.mark.parametrize(
    ("draw", "why"),
    [
        (lambda: plots.event_frames({}), "no recording"),
        (lambda: plots.event_frames({"a": np.zeros((3, 34, 34))}), r"'a' .* \(3, 34, 34\)"),
        (
            lambda: plots.event_frames({"a": frames(3), "b": frames(2)}),
            r"'b' .* 3 frames .* \(2, 2, 34, 34\)",
        ),
        (lambda: plots.event_frames({"a": frames(3)}, names=["one"]), "'a' .* 1 frames"),
        (lambda: plots.confusion(np.zeros((2, 3), int)), r"square of 2 classes.*\(2, 3\)"),
        (lambda: plots.confusion(np.eye(2, dtype=int), names="abc"), "square of 3 classes"),
    ],
)
def test_refused(draw, why):
    with pytest.raises(ValueError, match=why):
        draw()
