"""The script of N-MNIST on recordings that are easy to tell apart; real ones are marked slow."""

import importlib.util
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from brianlearn.tasks.events import Events
from brianlearn.tasks.nmnist import NMNIST
from script_runs import SCRIPTS, run

REAL = Path(__file__).parents[2] / "shared" / "data" / "nmnist"
FIGURES = ("learning_curve", "trial", "courses", "weights", "recordings", "confusion")
SMALL = ("--target", "numpy", "--neurons", 20, "--group", 4)
TRIALS = ("--update", "trial", "--batch", 4, "--learning-rate", 3e-3)


def write_recordings(folder, per_digit):
    """Each digit is a bar at a place of its own, which both polarities see all the time."""
    random = np.random.default_rng(3)
    for digit in range(10):
        for k in range(per_digit):
            time = np.sort(random.integers(0, 300_000, 300))
            x = random.integers(10, 24, 300)
            y = 3 * digit + random.integers(2, 4, 300)
            events = Events(x, y, random.integers(0, 2, 300), time)
            events.write(folder / str(digit) / f"{10 * k + digit:05}.bin")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recordings")
    write_recordings(folder / "Train", 3)
    write_recordings(folder / "Test", 1)
    return folder


@pytest.fixture
def script(monkeypatch, target_restored):
    """The script as a module, with trials that are short and validations that are frequent."""
    spec = importlib.util.spec_from_file_location("eprop_nmnist", SCRIPTS / "eprop_nmnist.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name, value in {"STEPS": 20, "VALIDATE_EVERY": 2, "VALIDATIONS_TO_STOP": 2}.items():
        monkeypatch.setattr(module, name, value)
    return module


def run_here(script, out, *words):
    """Run the script's main in this process; what it wrote."""
    words = [*map(str, (*SMALL, *words, "--out", out))]
    script.main(script.parser.parse_args(words))
    return json.loads((out / "result.json").read_text()), record(out)


def record(out):
    """The arrays behind the figures, without times and versions."""
    with np.load(out / "record.npz") as arrays:
        return {
            name: arrays[name]
            for name in arrays.files
            if not name.endswith("seconds") and name != "origin"
        }


def assert_same(ours, theirs):
    assert ours.keys() == theirs.keys()
    for name, values in ours.items():
        assert np.array_equal(values, theirs[name]), name


def test_as_users_run_it(data, tmp_path):
    """Every key, figure and array, and one line."""
    flags = ("--update", "trial", "--batch", 10, "--samples", 15)
    result, printed = run("eprop_nmnist", tmp_path, *SMALL, *flags, "--data", data)
    keys = {"test_accuracy", "test_loss", "seconds_per_sample", "run_seconds", "setup_seconds"}
    assert keys | {"target", "seed", "skipped"} <= result.keys()
    assert len(result["losses"]) == len(result["accuracies"]) == 2
    assert result["samples"] == 20
    assert (result["train_recordings"], result["test_recordings"]) == (30, 10)
    assert 500 < result["inputs"] <= 560
    assert result["blocklist"].startswith("pixels with less than 0.29 events")
    assert printed.count("\n") == 1
    assert f"{100 * result['test_accuracy']:.1f} % of 10 test recordings right" in printed
    for name in FIGURES:
        assert (tmp_path / f"{name}.png").stat().st_size > 10_000
    arrays = record(tmp_path)
    assert arrays["before.spikes"].shape == (300, 20)
    assert arrays["after.output"].shape == (300, 10)
    assert arrays["train.w_in"].shape == (2, 10)
    assert arrays["frames"].shape == (10, 3, 2, 34, 34)
    np.testing.assert_array_equal(arrays["tested.label"], np.arange(10))
    assert np.any(arrays["after.w_in"] != arrays["before.w_in"])
    assert not np.any(arrays["after.w_in"][arrays["before.w_in"] == 0])


def test_spikes(script, data, tmp_path):
    """Updates at spikes, in a network that goes on from trial to trial."""
    flags = ("--data", data, "--samples", 10, "--validate", 3, "--model", "iaf_adapt")
    result, arrays = run_here(script, tmp_path, *flags, "--no-plot")
    assert len(result["losses"]) == result["samples"] == 10
    means = [np.mean(result["losses"][k : k + 4]) for k in (0, 4, 8)]
    np.testing.assert_allclose(result["grouped_losses"], means)
    assert len(result["validation_errors"]) == 2, "before the first and after the second group"
    confusion = np.array(result["confusion"])
    assert confusion.sum(axis=1).tolist() == [1] * 10
    assert result["test_accuracy"] == confusion.trace() / 10
    np.testing.assert_allclose(arrays["tested.loss"], arrays["test.loss"], rtol=1e-12)
    right = arrays["tested.output"].argmax(axis=1) == arrays["tested.label"]
    np.testing.assert_array_equal(right, arrays["test.accuracy"])
    assert np.any(arrays["after.w_in"] != arrays["before.w_in"])
    assert np.any(arrays["after.readout"][0] != 0), "a trial does not begin at rest"


@pytest.mark.parametrize(
    "update",
    [pytest.param((), marks=pytest.mark.slow, id="spike"), pytest.param(TRIALS, id="trial")],
)
def test_longer_run_goes_on(script, data, tmp_path, update):
    """From what 8 samples left, tested and all, to 12: as if there had been no test."""
    flags = ("--data", data, *update, "--group", 1, "--validate", 3, "--no-plot")
    whole = run_here(script, tmp_path / "whole", *flags, "--samples", 12)[1]
    flags = (*flags, "--checkpoint", tmp_path / "kept.npz")
    first = run_here(script, tmp_path, *flags, "--samples", 8)[1]
    assert len(first["train.loss"]) < len(whole["train.loss"])
    assert_same(run_here(script, tmp_path, *flags, "--samples", 12, "--resume")[1], whole)


def test_folds(script, data, tmp_path):
    """Each recording of both folders is tested in one fold."""
    flags = ("--data", data, *TRIALS, "--samples", 4, "--no-plot")
    labels = []
    for k in (1, 2, 3):
        result, arrays = run_here(script, tmp_path, *flags, "--fold", f"{k}/3")
        assert result["train_recordings"] + result["test_recordings"] == 40
        labels = [*labels, *arrays["tested.label"]]
    assert np.bincount(labels).tolist() == [4] * 10
    kept = ("--checkpoint", tmp_path / "kept.npz", "--fold")
    run_here(script, tmp_path, *flags, *kept, "1/3")
    run_here(script, tmp_path, *flags, *kept, "1/3", "--resume")
    with pytest.raises(ValueError, match="fold"):
        run_here(script, tmp_path, *flags, *kept, "2/3", "--resume")


def test_last_batch_counts_once(script, data, tmp_path):
    """It is filled up with recordings that were there before."""
    flags = ("--data", data, *TRIALS, "--samples", 4, "--no-plot")
    result, arrays = run_here(script, tmp_path, *flags)
    again = np.append(arrays["tested.loss"], arrays["tested.loss"][:2]).reshape(3, 4)
    np.testing.assert_allclose(arrays["test.loss"], again.mean(axis=1), rtol=1e-12)
    assert np.sum(result["confusion"]) == 10


@pytest.mark.slow
def test_learned(script, data, tmp_path):
    """Digits that are easy to tell apart are told."""
    flags = ("--batch", 30, "--samples", 1200, "--learning-rate", 1e-2, "--no-plot")
    result, _ = run_here(script, tmp_path, "--data", data, *TRIALS, *flags)
    assert result["test_accuracy"] >= 0.8
    assert np.mean(result["losses"][-10:]) < 0.5 * result["losses"][0]


def test_malformed(script, tmp_path):
    """Files that are no recordings are refused, or counted; a blocklist beside them is used."""
    folder = tmp_path / "data"
    write_recordings(folder / "Train", 2)
    write_recordings(folder / "Test", 1)
    (folder / "Train" / "9" / "12345.bin").write_bytes(b"cut off")
    (folder / "Train" / "0" / "notes.txt").write_bytes(b"no recording")
    np.savetxt(folder / "pixels_blocklist.txt", np.arange(34), "%d")
    flags = ("--data", folder, *TRIALS, "--samples", 6, "--model", "psc_delta", "--no-plot")
    with pytest.raises(ValueError, match=r"notes\.txt is no recording"):
        run_here(script, tmp_path, *flags)
    with pytest.warns(UserWarning, match="2 of 22 files are no recordings"):
        result, _ = run_here(script, tmp_path, *flags, "--malformed", "skip", "--shift", 1)
    assert result["skipped"] == {"train": 2, "test": 0}
    assert result["samples"] == 8
    assert result["inputs"] == 2312 - 34
    assert result["blocklist"] == "pixels_blocklist.txt"


def test_early_stop(script, data, tmp_path):
    """Every error is below that limit, but first something is to be learned."""
    flags = ("--data", data, *TRIALS, "--samples", 40, "--in-order", "--no-plot")
    result, arrays = run_here(script, tmp_path, *flags, "--validate", 3, "--stop", 1.01)
    assert result["samples"] == 8
    assert len(result["validation_errors"]) == 2
    assert len(arrays["confirm.loss"]) == 2


@pytest.mark.slow
@pytest.mark.parametrize("update", [(), TRIALS])
def test_killed_run_goes_on(data, tmp_path, update):
    """Killed again and again, later and later: every array is that of a run in one piece."""
    kept = tmp_path / "kept.npz"
    words = (*SMALL, *update, "--samples", 40, "--validate", 3, "--no-plot", "--data", data)
    run("eprop_nmnist", tmp_path / "whole", *words)
    words = (*words, "--checkpoint", kept, "--resume")
    command = [sys.executable, SCRIPTS / "eprop_nmnist.py", "--out", tmp_path, *words]
    for kill in range(8):
        process = subprocess.Popen([*map(str, command)], stderr=subprocess.DEVNULL)
        before = written(kept)
        while process.poll() is None and written(kept) == before:
            time.sleep(0.01)
        time.sleep(0.5 * kill)
        process.send_signal(signal.SIGKILL)
        process.wait()
    run("eprop_nmnist", tmp_path, *words)
    assert_same(record(tmp_path), record(tmp_path / "whole"))


def written(path):
    """When a file was written, or None."""
    return path.stat().st_mtime_ns if path.exists() else None


@pytest.mark.parametrize(
    ("wrong", "code", "why"),
    [
        ((), 2, "required: --data"),
        (("--data", "nowhere"), 1, "There is no folder nowhere"),
        (("--data", "{data}/Train"), 1, "holds no folder Train"),
        (("--data", "{data}", "--samples", 0), 2, "must be 1 or more"),
        (("--data", "{data}", "--batch", 2), 2, "--batch needs --update trial"),
        (("--data", "{data}", "--stop", 0.07), 2, "--stop needs --validate"),
        (("--data", "{data}", "--in-order", "--shift", 1), 2, "--in-order leaves nothing"),
        (("--data", "{data}", "--shift", 34), 2, "only 34 pixels wide"),
        (("--data", "{data}", "--fold", "0/5"), 2, "invalid fold value: '0/5'"),
        (("--data", "{data}", "--fold", "1/5"), 2, "class 0 has no more recordings"),
        (("--data", "{data}", "--validate", 4), 2, "class 0 has no more recordings"),
        (("--data", "{data}", "--learning-rate", -1), 2, "learning_rate is -1.0"),
        (("--data", "{data}", "--blocklist", "{data}/Test/0/00000.bin"), 2, "is no pixel"),
        (("--data", "{data}", "--blocklist", "none.txt"), 1, "none.txt"),
        (("--data", "{data}", "--resume"), 2, "--resume needs the --checkpoint"),
        (("--data", "{data}", "--download"), 2, "--download: N-MNIST is downloaded by"),
    ],
)
def test_wrong_arguments(data, script, tmp_path, monkeypatch, capsys, wrong, code, why):
    """A sentence, no trace; earlier results stay."""
    (tmp_path / "result.json").write_text("{}")
    monkeypatch.setitem(sys.modules, "tonic.datasets", None)
    words = [str(word).format(data=data) for word in wrong]
    monkeypatch.setattr(sys, "argv", ["eprop_nmnist", "--out", str(tmp_path), *words])
    with pytest.raises(SystemExit) as stopped:
        script.experiment.run(script.main, script.parser)
    said = capsys.readouterr().err + str(stopped.value.code)
    assert why in said
    assert (stopped.value.code if code == 2 else 1) == code
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]
    assert (tmp_path / "result.json").read_text() == "{}"


def test_weights():
    """In the order of the tutorial's draws, of which its masks are transposed."""
    task = NMNIST(blocklist=np.arange(2300))
    ours = task.weights(np.random.RandomState(5), 30, 10, scale=0.1)
    np.random.seed(5)
    w_in, w_rec = np.random.randn(12, 30).T / np.sqrt(12), np.random.randn(30, 30).T / np.sqrt(30)
    np.fill_diagonal(w_rec, 0)
    limit = np.sqrt(3 / 20)
    w_out = np.random.uniform(-limit, limit, (30, 10)).T * 0.1
    np.testing.assert_array_equal(ours.feedback, np.random.randn(30, 10) / 0.1)
    w_in = w_in * np.random.choice([0, 1], w_in.shape, p=[0.75, 0.25])
    w_rec = w_rec * np.random.choice([0, 1], w_rec.shape, p=[0.99, 1 - 0.99])
    np.testing.assert_array_equal(ours.w_in, w_in.T)
    np.testing.assert_array_equal(ours.w_rec, w_rec.T)
    np.testing.assert_array_equal(ours.w_out, w_out.T)


@pytest.mark.slow
@pytest.mark.skipif(not REAL.is_dir(), reason="needs recordings of N-MNIST")
def test_digits_are_told(tmp_path):
    """The tutorial's network in standalone, 4,800 samples: 70 % of recordings it has not seen."""
    result, _ = run("eprop_nmnist", tmp_path, "--data", REAL)
    assert result["test_accuracy"] >= 0.7
    assert np.mean(result["grouped_accuracies"][-5:]) >= 0.85
    assert result["inputs"] == 1196
    assert json.loads((tmp_path / "result.json").read_text())["skipped"] == {"train": 0, "test": 0}
