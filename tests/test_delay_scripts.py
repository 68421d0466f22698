"""The scripts that learn delays of known tasks, as users run them; all seeds are marked slow."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

SCRIPTS = Path(__file__).parents[1] / "scripts"
TARGETS = ("numpy", "cython", "cpp_standalone")
SMALL = ("--target", "numpy", "--batch", 20)  # samples an epoch, in place of 500
EPOCHS = {"1": 38, "2": 229}  # at most, as published: the median of seeds


def command(name, out, *arguments):
    words = [sys.executable, SCRIPTS / f"{name}.py", "--out", out, *arguments]
    return [*map(str, words)]


def run(name, out, *arguments):
    """Run a script; its result, and what it printed."""
    done = subprocess.run(
        command(name, out, *arguments), capture_output=True, text=True, timeout=3000
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads((out / "result.json").read_text()), done.stdout


def record(out):
    """The arrays behind the figures, without times and versions."""
    with np.load(out / "record.npz") as arrays:
        return {
            name: arrays[name]
            for name in arrays.files
            if not name.endswith("seconds") and name != "origin"
        }


def assert_same(ours, theirs, tolerance=0.0):
    assert ours.keys() == theirs.keys()
    for name, values in ours.items():
        np.testing.assert_allclose(
            values, theirs[name], rtol=tolerance, atol=tolerance, err_msg=name
        )


@pytest.fixture(scope="module")
def aligned(tmp_path_factory):
    """Both variants of the alignment with few samples: where it is, the result, what was said."""
    out = tmp_path_factory.mktemp("aligned")
    return out, *run("delay_alignment", out, *SMALL)


def test_alignment(aligned):
    """All patterns meet in both variants, even with a sample of each class an epoch."""
    out, result, printed = aligned
    assert printed.count("\n") == 1
    assert printed.count("20 of 20 classes aligned") == 2
    for variant in EPOCHS:
        found = result[f"variant_{variant}"]
        assert found["aligned"][0] <= 0.2, "the task is not solved before it begins"
        assert found["epochs"] < 32
        assert found["aligned"][found["epochs"] :] == [1.0] * (33 - found["epochs"])
        assert found["aligned"][found["epochs"] - 1] < 1
        assert len(found["losses"]) == 32
        assert (out / f"alignment_{variant}.png").stat().st_size > 10_000
    assert result["epochs"] == result["variant_1"]["epochs"]
    assert result["losses"] == result["variant_1"]["losses"]
    assert {"seconds_per_epoch", "run_seconds", "setup_seconds"} <= result.keys()
    delays = record(out)["variant_1.delays"]
    assert delays.shape == (33, 3, 20)
    assert np.all(delays[:, 0] == delays[0, 0]), "the reference moved"


def test_alignment_needs_learning(tmp_path):
    flags = ("--learning-rate", 0, "--epochs", 2, "--variant", 1, "--no-plot")
    result, printed = run("delay_alignment", tmp_path, *SMALL, *flags)
    assert result["epochs"] is None
    assert result["aligned"] == [0.0] * 3
    assert result["losses"] == [0.0] * 2, "which is why the loss says nothing"
    assert "from epoch" not in printed
    assert np.ptp(record(tmp_path)["variant_1.delays"]) == 0


def test_killed_alignment_goes_on(aligned, tmp_path):
    """Killed after the first checkpoint and resumed: the numbers of a run in one piece."""
    kept = tmp_path / "kept.npz"
    flags = (*SMALL, "--variant", 2, "--epochs", 10, "--checkpoint", kept, "--resume", "--no-plot")
    process = subprocess.Popen(
        command("delay_alignment", tmp_path, *flags), stderr=subprocess.DEVNULL
    )
    while not (tmp_path / "kept-variant-2.npz").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "result.json").exists()
    run("delay_alignment", tmp_path, *flags)
    whole, resumed = record(aligned[0]), record(tmp_path)
    for name, count in (("delays", 11), ("loss", 10), ("accuracy", 10)):
        name = f"variant_2.{name}"
        assert np.array_equal(resumed[name], whole[name][:count])


def test_sequence(tmp_path):
    """All wrong at first, all right after the presentations; the sums are those of the neurons."""
    result, printed = run("delay_sequence", tmp_path, "--target", "numpy")
    assert result["accuracy"] == 1
    assert result["presentations"] == 6
    assert result["accuracies"][0] == 0
    assert printed.startswith("100 % right after 6 presentations")
    assert (tmp_path / "sequence.png").stat().st_size > 10_000
    arrays = record(tmp_path)
    own = np.diagonal(arrays["outputs"], axis1=1, axis2=2)
    answers = (own > np.flip(arrays["outputs"], axis=2).diagonal(axis1=1, axis2=2)).mean(axis=1)
    assert answers.tolist() == [*result["accuracies"], result["accuracy"]]
    softmax = np.exp(arrays["outputs"]) / np.exp(arrays["outputs"]).sum(axis=2, keepdims=True)
    losses = -np.log(np.diagonal(softmax, axis1=1, axis2=2)).mean(axis=1)
    np.testing.assert_allclose(losses[:-1], result["losses"], rtol=1e-10)


def test_sequence_needs_learning(tmp_path):
    result, _ = run(
        "delay_sequence", tmp_path, "--target", "numpy", "--learning-rate", 0, "--no-plot"
    )
    assert result["accuracy"] == 0
    assert result["delays"] == [[0.0, 10.0], [10.0, 0.0]]


def test_wrong_arguments(tmp_path):
    for name, wrong, words in [
        ("delay_alignment", ("--epochs", 0), "at least one epoch"),
        ("delay_sequence", ("--presentations", 0), "at least one presentation"),
    ]:
        done = subprocess.run(command(name, tmp_path, *wrong), capture_output=True, text=True)
        assert done.returncode == 2, name
        assert words in done.stderr


@pytest.mark.slow
def test_all_seeds_align(tmp_path):
    """500 samples an epoch, standalone: 9 of 10 seeds at least, as fast as published or faster."""
    found = [
        run("delay_alignment", tmp_path / str(seed), "--seed", seed, "--no-plot")[0]
        for seed in range(1, 11)
    ]
    for variant, published in EPOCHS.items():
        epochs = [each[f"variant_{variant}"]["epochs"] for each in found]
        assert sum(each is not None for each in epochs) >= 9
        assert np.median([each or np.inf for each in epochs]) <= published


@pytest.mark.slow
def test_targets_agree_on_alignment(aligned, tmp_path):
    numpy = record(aligned[0])
    compiled = []
    for target in ("cython", "cpp_standalone"):
        out = tmp_path / target
        run("delay_alignment", out, *SMALL, "--target", target, "--no-plot")
        compiled.append(record(out))
    assert_same(*compiled)
    assert_same(compiled[0], numpy, tolerance=1e-11)


@pytest.mark.slow
def test_targets_and_forms_agree_on_the_sequence(tmp_path):
    found = {}
    for form in ("online", "adjoint"):
        for target in TARGETS:
            out = tmp_path / f"{target}_{form}"
            run("delay_sequence", out, "--form", form, "--target", target, "--no-plot")
            found[form, target] = record(out)
        assert_same(found[form, "cython"], found[form, "cpp_standalone"])
    for each in found.values():
        assert_same(each, found["online", "numpy"], tolerance=1e-11)
