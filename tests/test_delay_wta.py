"""Competition finds the delay that fires first of all, within its bound, on every target."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from brian2 import (
    DimensionMismatchError,
    Network,
    SpikeGeneratorGroup,
    SpikeMonitor,
    StateMonitor,
    defaultclock,
    ms,
    second,
)

from brianlearn import WinnerTakeAllDelays, check_delays, plots, simulate
from brianlearn.tasks import winner
from conftest import COMPILED_LATER

SCRIPT = Path(__file__).parents[1] / "scripts" / "delay_wta.py"
RULE = WinnerTakeAllDelays(
    presentation=40 * ms, step=1 * ms, max_delay=10 * ms, reference_delay=5 * ms, tau_theta=10 * ms
)
PLACES = len(RULE.delays)
BOUND = 2 * (PLACES - 1)
LENGTH = 400
GRID = np.arange(PLACES) * 10


def patterns(offsets, seed=1):
    """Four spikes within 8 ms, heard a second time some milliseconds later."""
    random = np.random.default_rng(seed)
    first = [60 + np.sort(random.choice(80, 4, replace=False)) for _ in offsets]
    offsets = 10 * np.asarray(offsets)
    second_one = [train + offset for train, offset in zip(first, offsets, strict=True)]
    return winner.Patterns(first, second_one, offsets)


def compete(heard, competitors, begin, presentations=BOUND):
    """Run a search; who won, with which delay and when in the presentation; and all delays."""
    defaultclock.dt = 0.1 * ms
    inputs, steps = heard.events()
    source = SpikeGeneratorGroup(
        2 * len(competitors), inputs, steps * defaultclock.dt, period=RULE.presentation,
        name="source",
    )  # fmt: skip
    competition = RULE.attach(source, competitors, begin * RULE.step)
    victories = SpikeMonitor(competition.neurons, variables=["own_delay"], name="victories")
    network = Network(source, competition, victories)
    check_delays(network)
    simulate(presentations * RULE.presentation, network, progress=False)
    steps, i = np.round(victories.t / defaultclock.dt).astype(int), np.array(victories.i)
    won = winner.winners(steps, i, competition.pattern, presentations, LENGTH)
    where = steps // LENGTH, competition.pattern[i]
    won_with, fired = np.zeros_like(won), np.zeros_like(won)
    won_with[where] = RULE.places(victories.own_delay)
    fired[where] = steps % LENGTH
    return won, won_with, fired, RULE.places(competition.neurons.own_delay[:])


@pytest.mark.parametrize("target", COMPILED_LATER, indirect=True)
def test_search(target):
    """Two to eight competitors for each pattern: every victory is where brute force says."""
    heard = patterns([-5, 5, 0, 3, -2, 1, 4])
    competitors = np.arange(2, 9)
    begin = np.random.default_rng(2).integers(0, PLACES, competitors.sum())
    won, won_with, fired, last = compete(heard, competitors, begin)
    firing = winner.firing_steps(heard, vars(RULE), GRID, LENGTH)
    np.testing.assert_array_equal(fired, firing[np.arange(len(competitors)), won_with])
    best = firing == firing.min(axis=1, keepdims=True)
    assert best.sum(axis=1).tolist() == [1] * len(competitors)
    np.testing.assert_array_equal(np.argmax(best, axis=1), 5 - heard.offsets // 10)
    reached = winner.reached(won_with, best)
    assert np.all((reached >= 1) & (reached <= BOUND))
    assert reached.max() > 3  # it was a search
    walks = winner.walks(begin, won, PLACES)
    np.testing.assert_array_equal(np.take_along_axis(walks, won, axis=1), won_with)
    moved = np.ones(len(begin), dtype=int)
    moved[won[-1]] = 0
    np.testing.assert_array_equal(last, (walks[-1] + moved) % PLACES)


def test_ties(numpy_target):
    """Of those that fire in one step the first wins, alone; the others go on searching."""
    heard = patterns([0, 0, 0, 2])
    begin = np.array([8, 8, 4, 5, 5, 4, 9, 9, 9])  # the best is 5, and 3 in the last pattern
    won, won_with, _, _ = compete(heard, [2, 2, 2, 3], begin)
    assert won[0].tolist() == [0, 3, 4, 6]  # twice of several with one delay, not the best
    assert won_with[0].tolist() == [8, 5, 5, 9]
    assert won[1:, 1].tolist() == [2] * (BOUND - 1)  # it came to the winner's delay, and is first
    assert won[:, 2].tolist() == [4] * BOUND  # another came to the winner's delay, and went on
    assert won_with[-1].tolist() == [5, 5, 5, 3]


def test_nobody_fires(numpy_target):
    """Without a coincidence worth its name the presentation ends with a winner all the same."""
    heard = winner.Patterns([np.array([60])], [np.array([300])], np.array([240]))
    won, _, fired, last = compete(heard, [3], np.array([1, 2, 10]), presentations=3)
    assert won.ravel().tolist() == [0, 0, 0]
    assert fired.ravel().tolist() == [LENGTH - 1] * 3
    assert last.tolist() == [1, 5, 2]


def test_presentations_begin_anew(numpy_target):
    """States start from zero, the threshold from its value; spikes of before are gone."""
    defaultclock.dt = 0.1 * ms
    heard = patterns([0])
    inputs, steps = heard.events()
    source = SpikeGeneratorGroup(2, inputs, steps * 0.1 * ms, period=RULE.presentation)
    competition = RULE.attach(source, [2], [5, 5] * ms)
    names = ["u_1", "u_2", "v", "theta", "competes", "waits"]
    trace = StateMonitor(competition.neurons, names, record=True, when="before_groups")
    Network(source, competition, trace).run(2 * RULE.presentation)
    for name, value in zip(names, [0, 0, 0, RULE.theta_0, 1, 0], strict=True):
        assert np.all(getattr(trace, name)[:, [0, LENGTH]] == value), name
    np.testing.assert_array_equal(trace.u_2[:, :LENGTH], trace.u_2[0, :LENGTH][None] * [[1], [1]])
    assert trace.competes[:, LENGTH - 1].tolist() == [0, 0]


@pytest.mark.usefixtures("numpy_target")
class TestRefuses:
    def test_numbers(self):
        source = SpikeGeneratorGroup(4, [0], [0] * ms)
        with pytest.raises(ValueError, match="has 4 neurons: two for each of the 3 patterns"):
            RULE.attach(source, [2, 2, 2], np.zeros(6) * ms)
        with pytest.raises(ValueError, match="at least two competitors"):
            RULE.attach(source, [2, 1], np.zeros(3) * ms)
        with pytest.raises(ValueError, match="5 competitors need a delay each: 4"):
            RULE.attach(source, [2, 3], np.zeros(4) * ms)

    def test_delays(self):
        with pytest.raises(DimensionMismatchError, match="A delay should be in second"):
            RULE.places([1, 2])
        with pytest.raises(ValueError, match="A delay is no multiple of the step, 1. ms"):
            RULE.places([0.5, 2] * ms)
        with pytest.raises(ValueError, match="A delay lies outside 0 s to 10. ms"):
            RULE.places([11] * ms)

    @pytest.mark.parametrize(
        ("options", "error", "words"),
        [
            ({"step": 0.1}, DimensionMismatchError, "step is a time"),
            ({"tau_soma": 0 * second}, ValueError, "tau_soma is 0. s, but must be positive"),
            ({"gain": -1}, ValueError, "gain is -1, but must be positive"),
            ({"max_delay": 2.05 * ms}, ValueError, "max_delay is no multiple of the step"),
        ],
    )
    def test_rule(self, options, error, words):
        with pytest.raises(error, match=words):
            WinnerTakeAllDelays(**options)


def test_winners():
    pattern = np.array([0, 0, 1, 1])
    won = winner.winners([5, 3, 14, 12], [1, 2, 0, 3], pattern, 2, 10)
    assert won.tolist() == [[1, 2], [0, 3]]
    for steps, neurons in (([5, 3, 14], [1, 2, 0]), ([5, 6, 3, 14, 12], [1, 0, 2, 0, 3])):
        with pytest.raises(ValueError, match="no winner, or several"):
            winner.winners(steps, neurons, pattern, 2, 10)


def test_reached():
    best = np.array([[False, True, True], [True, False, False], [True, False, False]])
    won_with = np.array([[1, 0, 1], [0, 0, 0], [2, 0, 0], [1, 0, 2]])
    assert winner.reached(won_with, best).tolist() == [3, 1, 0]


def test_drawn_patterns():
    heard = winner.draw(seed=3, patterns=50)
    kinds = {5: 300, 20: 1000}
    for first, second_one, offset in zip(heard.first, heard.second, heard.offsets, strict=True):
        assert np.ptp(first) < kinds[len(first)]
        assert len(np.unique(first)) == len(first)
        np.testing.assert_array_equal(second_one, first + offset)
        assert second_one.min() >= 0
    assert [len(first) for first in heard.first].count(5) == 25
    assert np.abs(heard.offsets).max() <= 100
    with pytest.raises(ValueError, match="0 patterns with offsets up to 100"):
        winner.draw(seed=1, patterns=0)


def drawn_course(presentations=6, neurons=3):
    trace = {
        "time": np.arange(50) * 0.1,
        **{name: np.random.default_rng(1).uniform(size=(neurons, 50)) for name in ("u_1", "u_2")},
        "v": np.zeros((neurons, 50)), "theta": np.ones((neurons, 50)),
        "delays": np.arange(neurons), "winner": 1, "fired": 2.5,
    }  # fmt: skip
    delays = (np.arange(presentations)[:, None] + np.arange(neurons)) % 5 * 1.0
    return trace, {"delays": delays, "winner": np.arange(6) % 3, "best": 2.0, "step": 1.0}


@pytest.mark.parametrize("neurons", [2, 3, 8])
def test_figure(neurons, tmp_path):
    trace, course = drawn_course(neurons=neurons)
    course["winner"] %= neurons
    figure = plots.competition(trace, trace, course)
    figure.savefig(tmp_path / "figure.png")
    words = {text.get_text() for axes in figure.get_axes() for text in axes.texts}
    assert "fires first\nof all" in words


def test_figure_refuses():
    trace, course = drawn_course()
    with pytest.raises(KeyError, match="`last` should hold 'theta' as well"):
        plots.competition(trace, {k: v for k, v in trace.items() if k != "theta"}, course)
    with pytest.raises(ValueError, match=r"should be presentations x neurons, \(6, 3\)"):
        plots.competition(trace, trace, course | {"delays": np.zeros((6, 2))})


def script(*arguments):
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=600)


def test_script(tmp_path):
    """At toy size: too few presentations to find much, but all that it writes."""
    size = ["--patterns", 2, "--neurons", 2, "--presentations", 2]
    ran = script(*size, "--target", "numpy", "--seed", 3, "--out", tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert "of 2 best delays found" in ran.stdout
    result = json.loads((tmp_path / "result.json").read_text())
    assert {"found", "run_seconds", "setup_seconds"} <= result.keys()
    assert (result["trials"], result["target"], result["seed"]) == (2, "numpy", 3)
    assert len(result["presentations"]) == 2
    files = {path.name for path in tmp_path.iterdir()}
    assert files == {"result.json", "record.npz", "delay_wta.png"}
    with np.load(tmp_path / "record.npz") as arrays:
        assert arrays["first.u_1"].shape == (2, 3000)
        assert arrays["course.delays"].shape == (2, 2)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--neurons", 1], "at least two neurons"),
        (["--patterns", 0], "0 patterns"),
        (["--presentations", -1], "one presentation"),
    ],
)
def test_script_refuses(tmp_path, arguments, words):
    ran = script(*arguments, "--out", tmp_path)
    assert ran.returncode == 2
    assert words in ran.stderr


@pytest.mark.slow
def test_script_finds_all(tmp_path):
    """50 patterns, 201 delays, two to eight competitors."""
    ran = script("--no-plot", "--out", tmp_path)
    assert ran.returncode == 0, ran.stderr
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["found"] == result["trials"] == 50
    assert max(result["presentations"]) <= 400


def test_a_step_that_time_steps_do_not_tell(numpy_target):
    defaultclock.dt = 1 * ms
    source = SpikeGeneratorGroup(2, [0, 1], [5, 8] * ms)
    with pytest.raises(ValueError, match="step .* is not a multiple of the time step"):
        WinnerTakeAllDelays(step=0.1 * ms).attach(source, [2], [0, 1] * ms)
