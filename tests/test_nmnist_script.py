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
SMALL = ("--target", "numpy", "--neurons", 20, "--samples", 40, "--group", 4)
ALSO = ("--validate", 3, "--no-plot")


def write_recordings(folder, per_digit):
    """Each digit is a bar at a place of its own, which both polarities see three times."""
    random = np.random.default_rng(3)
    for digit in range(10):
        for k in range(per_digit):
            time = np.sort(random.integers(0, 300_000, 150))
            x = random.integers(3, 31, 150)
            y = 3 * digit + random.integers(2, 4, 150)
            events = Events(x, y, random.integers(0, 2, 150), time)
            events.write(folder / str(digit) / f"{10 * k + digit:05}.bin")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recordings")
    write_recordings(folder / "Train", 3)
    write_recordings(folder / "Test", 2)
    return folder


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    """A run in one piece: where it wrote, its result, and what it printed."""
    out = tmp_path_factory.mktemp("whole")
    flags = ("--validate", 3, "--data", data)
    return out, *run("eprop_nmnist", out, *SMALL, *flags)


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


def test_result(whole):
    """Every key, one line, and numbers that fit each other."""
    _, result, printed = whole
    keys = {"test_accuracy", "test_loss", "seconds_per_sample", "run_seconds", "setup_seconds"}
    assert keys | {"target", "seed", "skipped"} <= result.keys()
    assert len(result["losses"]) == len(result["accuracies"]) == result["samples"] == 40
    means = np.reshape(result["losses"], (10, 4)).mean(axis=1)
    np.testing.assert_allclose(result["grouped_losses"], means)
    assert len(result["grouped_accuracies"]) == 10
    assert len(result["validation_errors"]) == 2, "before the first and after the tenth group"
    assert (result["train_recordings"], result["test_recordings"]) == (20, 20)
    confusion = np.array(result["confusion"])
    assert confusion.sum(axis=1).tolist() == [2] * 10
    assert result["test_accuracy"] == confusion.trace() / 20
    assert result["blocklist"].startswith("pixels with less than 0.29 events")
    assert 500 < result["inputs"] < 2312
    assert printed.count("\n") == 1
    assert f"{100 * result['test_accuracy']:.1f} % of 20 test recordings right" in printed


def test_record(whole):
    """Losses and answers are those of the outputs, as they were recorded."""
    out, _, _ = whole
    for name in FIGURES:
        assert (out / f"{name}.png").stat().st_size > 10_000
    arrays = record(out)
    assert arrays["before.spikes"].shape == (300, 20)
    assert arrays["after.output"].shape == (300, 10)
    assert arrays["train.w_in"].shape == (40, 10)
    assert arrays["frames"].shape == (10, 3, 2, 34, 34)
    np.testing.assert_array_equal(arrays["tested.label"], np.repeat(np.arange(10), 2))
    np.testing.assert_allclose(arrays["tested.loss"], arrays["test.loss"], rtol=1e-12)
    right = arrays["tested.output"].argmax(axis=1) == arrays["tested.label"]
    np.testing.assert_array_equal(right, arrays["test.accuracy"])
    for name in ("w_in", "w_out"):
        before, after = arrays[f"before.{name}"], arrays[f"after.{name}"]
        assert np.any(before != after)
        assert not np.any(after[before == 0])


def test_longer_run_goes_on(data, whole, tmp_path):
    """From what 24 samples left, tested and all, to 40: as if there had been no test."""
    flags = (*SMALL, *ALSO, "--data", data, "--checkpoint", tmp_path / "kept.npz")
    run("eprop_nmnist", tmp_path, *flags, "--samples", 24)
    assert len(record(tmp_path)["train.loss"]) == 24
    run("eprop_nmnist", tmp_path, *flags, "--resume")
    assert_same(record(tmp_path), record(whole[0]))


@pytest.mark.slow
@pytest.mark.parametrize("wait", [0.0, 0.5, 1.0, 2.0, 4.0])
def test_killed_run_goes_on(data, whole, tmp_path, wait):
    """Killed some time after the first checkpoint: every array is that of a run in one piece."""
    kept = tmp_path / "kept.npz"
    words = (*SMALL, *ALSO, "--data", data, "--checkpoint", kept, "--resume")
    command = [sys.executable, SCRIPTS / "eprop_nmnist.py", "--out", tmp_path, *words]
    process = subprocess.Popen([*map(str, command)], stderr=subprocess.DEVNULL)
    while not kept.exists():
        assert process.poll() is None
        time.sleep(0.01)
    time.sleep(wait)
    process.send_signal(signal.SIGKILL)
    process.wait()
    run("eprop_nmnist", tmp_path, *words)
    assert_same(record(tmp_path), record(whole[0]))


def test_batches(data, tmp_path):
    """Updates after trials; files that are no recordings are counted; the last batch is cut."""
    for name in ("00000.bin", "notes.txt"):
        (tmp_path / "data" / "Train" / "0").mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / "Train" / "0" / name).write_bytes(b"no recording")
    write_recordings(tmp_path / "data" / "Train", 1)
    (tmp_path / "data" / "Train" / "9" / "12345.bin").write_bytes(b"cut")
    write_recordings(tmp_path / "data" / "Test", 1)
    blocklist = tmp_path / "data" / "pixels_blocklist.txt"
    np.savetxt(blocklist, np.arange(34), "%d")
    result, printed = run(
        "eprop_nmnist", tmp_path, *SMALL, "--data", tmp_path / "data", "--update", "trial",
        "--batch", 6, "--malformed", "skip", "--model", "psc_delta_adapt", "--shift", 1,
    )  # fmt: skip
    assert result["skipped"] == {"train": 2, "test": 0}
    assert result["samples"] == 42
    assert len(result["losses"]) == len(result["grouped_losses"]) == 7
    assert (result["test_recordings"], np.sum(result["confusion"])) == (10, 10)
    assert result["inputs"] == 2312 - 34
    assert "2278 inputs (pixels_blocklist.txt)" in printed
    tested = record(tmp_path)
    np.testing.assert_allclose(tested["tested.loss"][:6].mean(), tested["test.loss"][0])
    assert all((tmp_path / f"{name}.png").exists() for name in FIGURES)


def test_early_stop(data, tmp_path):
    """After ten groups the error is below that limit, and eight further groups confirm it."""
    flags = ("--group", 1, "--validate", 3, "--stop", 1.01, "--in-order", "--no-plot")
    result, _ = run("eprop_nmnist", tmp_path, *SMALL, *flags, "--data", data)
    assert result["samples"] == 10
    assert len(result["validation_errors"]) == 2
    assert len(record(tmp_path)["confirm.loss"]) == 8


@pytest.fixture
def script():
    """The script as a module, with its parser."""
    path = SCRIPTS / "eprop_nmnist.py"
    spec = importlib.util.spec_from_file_location("eprop_nmnist", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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
        (("--data", "{data}", "--validate", 4), 2, "class 0 has no more recordings"),
        (("--data", "{data}", "--learning-rate", -1), 2, "learning_rate is -1.0"),
        (("--data", "{data}", "--blocklist", "{data}/Test/0/00000.bin"), 2, "is no pixel"),
        (("--data", "{data}", "--blocklist", "none.txt"), 1, "none.txt"),
        (("--data", "{data}", "--resume"), 2, "--resume needs the --checkpoint"),
        (("--data", "{data}", "--download"), 2, "--download: N-MNIST is downloaded by"),
    ],
)
def test_wrong_arguments(
    data, script, tmp_path, monkeypatch, capsys, target_restored, wrong, code, why
):
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
