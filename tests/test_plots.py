"""Figures: they draw from plain arrays, say what they show, and refuse what does not fit."""

import matplotlib
import numpy as np
import pytest

from brianlearn import plots

STEPS, INPUTS, NEURONS = 60, 8, 6
MATRICES = {"input to recurrent": (8, 6), "recurrent": (6, 6), "recurrent to readout": (6, 1)}


def trial(seed=1, readouts=1):
    random = np.random.default_rng(seed)
    step, neuron = np.nonzero(random.random((STEPS, INPUTS)) < 0.1)
    hidden = {name: random.random((STEPS, NEURONS)) for name in ("v", "psi", "learning_signal")}
    said = ("readout", "target", "output", "error")
    return {
        "input_step": step,
        "input_neuron": neuron,
        "spikes": random.random((STEPS, NEURONS)) < 0.1,
        **hidden,
        **{name: random.normal(size=(STEPS, readouts)) for name in said},
    }


def accumulation(trials=10):
    random = np.random.default_rng(2)
    cues = random.integers(0, 2, (trials, 7))
    label = (cues.sum(axis=1) > 3).astype(int)
    right = np.repeat(label[:, None], STEPS, axis=1) * 0.8 + 0.1
    return {
        "input": [np.nonzero(random.random((STEPS, INPUTS)) < 0.1) for _ in range(trials)],
        "n_in": INPUTS,
        "populations": ["left", "right", "recall", "noise"],
        "cues": cues,
        "cue_steps": np.array([(5 * k + 1, 5 * k + 5) for k in range(7)]),
        "spikes": random.random((trials, STEPS, NEURONS)) < 0.1,
        "n_lif": 3,
        "adaptation": random.random((trials, STEPS, 2)),
        "output": np.stack([1 - right, right], axis=2),
        "label": label,
        "window": 10,
    }


def matrices(scale=1.0):
    random = np.random.default_rng(3)
    return {name: scale * random.normal(size=shape) for name, shape in MATRICES.items()}


def check_saved(figure, path):
    figure.savefig(path / "figure.png", dpi=40)
    assert (path / "figure.png").stat().st_size > 2000


def test_losses(tmp_path):
    n = np.arange(50)
    figure = plots.losses(n, np.exp(-n / 10), validation=(n[::10], np.exp(-n[::10] / 9)), title="T")
    (axes,) = figure.axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("iteration", "loss")
    assert axes.get_yscale() == "log"
    assert figure.get_suptitle() == "T"
    check_saved(figure, tmp_path)


@pytest.mark.parametrize("losses", [[1, 0.5, 0.4], [1, 0.1, 0], [1, np.nan, 0.9]])
def test_losses_of_a_narrow_range_or_with_zeros_stay_linear(losses):
    assert plots.losses(range(3), losses).axes[0].get_yscale() == "linear"


def test_losses_with_accuracies(tmp_path):
    """Validation errors are drawn among the accuracies, as what they leave of 1."""
    n = np.arange(50)
    figure = plots.losses(n, 1 - n / 100, accuracies=n / 50, validation=([10], [0.25]), smooth=5)
    loss, accuracy = figure.axes
    assert (loss.get_ylabel(), accuracy.get_ylabel()) == ("loss", "fraction correct")
    lines = {line.get_label(): line for line in accuracy.lines}
    assert lines.keys() == {"accuracy", "mean of 5 iterations", "validation"}
    np.testing.assert_array_equal(lines["validation"].get_ydata(), [0.75])
    mean = lines["mean of 5 iterations"]
    np.testing.assert_allclose(mean.get_ydata(), mean.get_xdata() / 50)
    check_saved(figure, tmp_path)


@pytest.mark.parametrize("readouts", [1, 2])
def test_snapshot(tmp_path, readouts):
    figure = plots.snapshot(trial(1, readouts), trial(2, readouts), neurons=(0, 5), dt_ms=0.5)
    panels = np.array(figure.axes).reshape(9, 2)
    assert [axes.get_title("left") for axes in panels[0]] == ["before training", "after training"]
    assert all(axes.get_ylabel() for axes in panels[:, 0])
    assert all(axes.get_xlabel() == "time (ms)" for axes in panels[-1])
    assert panels[0, 0].get_xlim() == (0, STEPS * 0.5)
    names = {text.get_text() for axes in panels[:, 1] for text in axes.texts}
    said = {"output", "target"} if readouts == 1 else {"readout 0", "readout 1"}
    assert names == {"neuron 0", "neuron 5"} | said
    check_saved(figure, tmp_path)


def test_snapshot_of_a_silent_network():
    silent = {name: np.zeros_like(array) for name, array in trial().items()}
    assert len(plots.snapshot(silent, silent).axes) == 18


def test_weight_courses(tmp_path):
    courses = {name: np.random.default_rng(4).normal(size=(20, 5)) for name in MATRICES}
    figure = plots.weight_courses(np.arange(20), courses)
    assert [axes.get_title("left") for axes in figure.axes] == list(MATRICES)
    assert figure.axes[0].get_ylabel() == "weight"
    assert {axes.get_xlabel() for axes in figure.axes} == {"iteration"}
    check_saved(figure, tmp_path)


def test_weight_matrices(tmp_path):
    """Before and after share one scale, which is symmetric."""
    figure = plots.weight_matrices(matrices(), matrices(-2.0))
    images = [axes for axes in figure.axes if axes.images]
    assert len(images) == 9
    for before, after, change in np.array(images).reshape(3, 3):
        assert before.get_title("left").endswith(", before")
        assert (after.get_title("left"), change.get_title("left")) == ("after", "change")
        low, high = before.images[0].get_clim()
        assert low == -high
        assert after.images[0].get_clim() == (low, high) != change.images[0].get_clim()
    check_saved(figure, tmp_path)


def test_sparse_weights():
    """A scale is that of the weights that exist; of none, there is a scale nevertheless."""
    weights = np.zeros((50, 50))
    weights[3, 4] = 2.0
    figure = plots.weight_matrices({"sparse": weights}, {"sparse": weights})
    assert figure.axes[0].images[0].get_clim() == (-2, 2)
    assert figure.axes[2].images[0].get_clim() == (-1, 1)


@pytest.mark.parametrize(("trials", "blocks"), [(10, 2), (3, 1)])
def test_evidence(tmp_path, trials, blocks):
    arrays = accumulation(trials)
    arrays["output"][1] = arrays["output"][1, :, ::-1]
    figure = plots.evidence(arrays)
    panels = np.array(figure.axes).reshape(blocks, 4, 5)
    assert sum(axes.get_visible() for axes in figure.axes) == 4 * trials
    titles = [axes.get_title("left") for axes in panels[:, 0].ravel()][:trials]
    sides = [arrays["populations"][k] for k in arrays["label"]]
    sides[1] = "left" if sides[1] == "right" else "right"
    marks = ["✓", "✗", *"✓" * (trials - 2)]
    answers = zip(sides, marks, strict=True)
    assert titles == [f"{k}: says {side} {mark}" for k, (side, mark) in enumerate(answers, 1)]
    rows = [axes.get_ylabel() for axes in panels[0, :, 0]]
    assert rows == ["input", "recurrent", "adaptation $a$", "softmax"]
    names = [label.get_text() for label in panels[0, 0, 0].get_yticklabels()]
    assert names == arrays["populations"]
    if blocks == 1:
        check_saved(figure, tmp_path)


def test_force(tmp_path):
    t = np.linspace(0, 1, 50)
    record = {"spike_t": t, "spike_i": np.arange(50) % 5, "t": t, "z": np.sin(t)}
    record |= {"target": np.cos(t), "decoder_t": t, "decoders": np.ones((3, 50))}
    figure = plots.force(record, window=(0.3, 0.6), target="a sine")
    assert len(figure.axes) == 4
    assert figure.axes[-1].get_xlabel() == "time (s)"
    check_saved(figure, tmp_path)


def test_style_is_ours_and_stays_here():
    """Neither do a user's settings change our figures, nor we theirs."""
    with matplotlib.rc_context({"lines.linewidth": 7, "axes.spines.top": True}):
        (axes,) = plots.weight_courses([0, 1], {"w": [[0.0], [1.0]]}).axes
        assert matplotlib.rcParams["lines.linewidth"] == 7
    assert max(line.get_linewidth() for line in axes.lines) < 2
    assert not axes.spines["top"].get_visible()


def without(arrays, name):
    return {key: value for key, value in arrays.items() if key != name}


@pytest.mark.parametrize(
    ("draw", "error", "why"),
    [
        (lambda: plots.snapshot(trial(), without(trial(), "psi")), KeyError, "`after`.*'psi'"),
        (
            lambda: plots.snapshot(trial() | {"v": np.zeros((9, 6))}, trial()),
            ValueError,
            r"'v' of `before` should be .* 60 steps .* \(9, 6\)",
        ),
        (
            lambda: plots.snapshot(trial() | {"error": np.zeros(STEPS)}, trial()),
            ValueError,
            r"'error' of `before` should be .* \(60,\)",
        ),
        (lambda: plots.evidence(without(accumulation(), "n_lif")), KeyError, "'n_lif'"),
        (
            lambda: plots.evidence(accumulation() | {"cues": np.zeros((3, 7), int)}),
            ValueError,
            "'cues' should hold 10 trials, .* 3",
        ),
        (
            lambda: plots.evidence(accumulation() | {"output": np.zeros((10, 5, 2))}),
            ValueError,
            "'output' should have 60 steps",
        ),
        (lambda: plots.weight_matrices(matrices(), {}), KeyError, "`after`.*'recurrent'"),
        (
            lambda: plots.weight_matrices({"w": np.eye(2)}, {"w": np.eye(3)}),
            ValueError,
            r"'w' has the shape \(2, 2\) before, but \(3, 3\)",
        ),
        (
            lambda: plots.weight_courses([0, 1], {"w": np.zeros((3, 2))}),
            ValueError,
            r"course of 'w' should be .* 2 iterations .* \(3, 2\)",
        ),
    ],
)
def test_refused(draw, error, why):
    with pytest.raises(error, match=why):
        draw()
