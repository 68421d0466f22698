"""The e-prop scripts as users run them, at toy size; their published size is marked slow."""

import numpy as np
import pytest

from published_eprop import EVIDENCE_LOSSES, SINE_LOSSES
from script_runs import refused, run


def test_sine(tmp_path):
    """Two trials: the published losses, every file, and the same again after an interruption."""
    flags = ["--target", "numpy", "--optimizer", "gradient_descent"]
    file = tmp_path / "sine.npz"
    result, printed = run(
        "eprop_sine", tmp_path, *flags, "--iterations", 1, "--checkpoint", file, "--no-plot"
    )
    result, printed = run(
        "eprop_sine", tmp_path, *flags, "--iterations", 2, "--checkpoint", file, "--resume"
    )
    np.testing.assert_allclose(result["losses"], SINE_LOSSES[:2], rtol=1e-10)
    assert result["target"] == "numpy"
    assert result["gradient_descent"]["final_loss"] == result["losses"][-1]
    assert {"seconds_per_iteration", "run_seconds", "setup_seconds"} <= result.keys()
    assert printed.count("\n") == 1
    for kind in ("loss", "trial", "courses", "weights"):
        assert (tmp_path / f"gradient_descent_{kind}.png").stat().st_size > 10_000
    with np.load(tmp_path / "record.npz") as record:
        assert record["gradient_descent.before.v"].shape == (1000, 100)
        assert record["gradient_descent.train.w_in"].shape == (2, 10)


def test_evidence(tmp_path):
    """One iteration of one sample: the published losses; validation, test, and the figures."""
    result, printed = run(
        "eprop_evidence", tmp_path, "--target", "numpy", "--iterations", 1, "--batch", 1,
        "--test", 1,
    )  # fmt: skip
    np.testing.assert_allclose(result["losses"], EVIDENCE_LOSSES[1][:1], rtol=1e-9)
    assert result["iterations"] == 1
    assert len(result["validation_errors"]) == 1
    assert result["test_accuracy"] in (0, 1)
    assert {"accuracies", "seconds_per_sample", "run_seconds", "setup_seconds"} <= result.keys()
    assert "of 1 new trials right" in printed
    for name in ("learning_curve", "trials"):
        assert (tmp_path / f"{name}.png").stat().st_size > 10_000


def test_wrong_arguments(tmp_path):
    assert "--resume needs the --checkpoint" in refused("eprop_sine", "--resume")
    assert "at least one iteration" in refused("eprop_sine", "--iterations", 0)
    assert "one sample a batch" in refused("eprop_evidence", "--batch", 0)


@pytest.mark.slow
def test_sine_is_learned(tmp_path):
    """2,000 trials in standalone: below 3 % of the first loss by gradient descent, as published."""
    result, _ = run("eprop_sine", tmp_path)
    np.testing.assert_allclose(result["losses"][:5], SINE_LOSSES, rtol=1e-10)
    assert result["gradient_descent"]["final_fraction"] < 0.03
    assert result["adam"]["final_fraction"] < 0.03


@pytest.mark.slow
def test_evidence_is_weighed(tmp_path):
    """Random feedback: 95 % of 2,048 new trials, as the mean of three seeds."""
    results = [run("eprop_evidence", tmp_path / str(s), "--seed", s)[0] for s in (1, 2, 3)]
    assert np.mean([result["test_accuracy"] for result in results]) >= 0.95
