"""The script of sound localization: at toy size, and what it must reach at full size."""

import numpy as np
import pytest

from script_runs import refused, run

TINY = ("--iterations", 6, "--batch", 8, "--test", 20, "--target", "numpy")
KEYS = {
    "mean_absolute_error",
    "frozen_mean_absolute_error",
    "ideal_mean_absolute_error",
    "accuracy",
}


@pytest.mark.parametrize("variant", ["readout", "delays", "spiking"])
def test_variants(tmp_path, variant):
    """Every file; delays move only where they may; the weights learn in both networks."""
    neurons = ("--neurons", 5) if variant != "delays" else ()
    fibres = (1, 2) if variant == "readout" else (2,)
    result, printed = run(
        "delay_localization", tmp_path, *TINY, "--variant", variant, "--fibres", *fibres, *neurons
    )
    assert KEYS | {"losses", "run_seconds", "setup_seconds", "target", "seed"} <= result.keys()
    assert result["fibres_2.accuracy"] == result["accuracy"]
    assert len(result["losses"]) == len(result["fibres_2.frozen_losses"]) == 6
    assert printed.count("mean absolute error") == len(fibres)
    for count in fibres:
        assert (tmp_path / f"fibres_{count}.png").stat().st_size > 10_000
    with np.load(tmp_path / "record.npz") as record:
        for name, moves in (("learnt", True), ("frozen", False)):
            before, after = (record[f"fibres_2.{name}.{key}"] for key in ("before", "after"))
            assert np.abs(before).max() <= 1
            assert np.allclose(before, after, rtol=0, atol=1e-9) != moves
        assert record["fibres_2.learnt.probabilities"].shape == (20, 36)
        assert record["fibres_2.learnt.labels"].shape == (20,)


@pytest.mark.slow
def test_resumed_is_uninterrupted(tmp_path):
    """Sounds, delays and answers are those of a run in one piece."""
    flags = ("--target", "numpy", "--batch", 8, "--test", 20, "--neurons", 3, "--no-plot")
    whole, _ = run("delay_localization", tmp_path / "whole", *flags, "--iterations", 8)
    file = tmp_path / "kept.npz"
    # so far: the schedule's first part is that of the whole
    run("delay_localization", tmp_path, *flags, "--iterations", 8, "--checkpoint", file)
    again, _ = run(
        "delay_localization", tmp_path / "again", *flags, "--iterations", 8, "--checkpoint", file,
        "--resume",
    )  # fmt: skip
    for key in ("losses", "frozen_losses", "mean_absolute_error", "accuracy"):
        assert again[key] == whole[key]


def test_wrong_arguments():
    assert "36 detectors, one for each class" in refused(
        "delay_localization", "--variant", "delays", "--neurons", 3
    )
    assert "at least one fibre" in refused("delay_localization", "--fibres", 0)


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["readout", "spiking"])
def test_targets_agree(tmp_path, variant):
    flags = ("--variant", variant, "--neurons", 5, "--fibres", 2, "--iterations", 6, "--batch", 8)
    results = {
        target: run(
            "delay_localization", tmp_path, *flags, "--test", 20, "--no-plot", "--target", target
        )[0]
        for target in ("numpy", "cython", "cpp_standalone")
    }
    for result in results.values():
        np.testing.assert_allclose(result["losses"], results["numpy"]["losses"], rtol=1e-9)
    assert results["cython"]["losses"] == results["cpp_standalone"]["losses"]


@pytest.mark.slow
def test_delays_alone(tmp_path):
    """With one fibre: below the published error of 19.1 degrees, and above 0.118 right."""
    result, _ = run("delay_localization", tmp_path, "--variant", "delays", "--fibres", 1)
    assert result["mean_absolute_error"] < 19.1
    assert result["accuracy"] > 0.118


@pytest.mark.slow
def test_delays_and_weights(tmp_path):
    """Within a quarter of what can be known; far better than with delays that stay."""
    runs = [
        run("delay_localization", tmp_path / str(seed), "--seed", seed, "--no-plot")[0]
        for seed in (1, 2, 3)
    ]
    learnt, frozen, ideal = (
        np.mean([result[f"{name}mean_absolute_error"] for result in runs])
        for name in ("", "frozen_", "ideal_")
    )
    assert learnt <= 1.25 * ideal
    assert learnt <= 0.6 * frozen


@pytest.mark.slow
def test_spikes(tmp_path):
    """Dendrites that spike, and a readout of spikes: within twice of what can be known."""
    result, _ = run("delay_localization", tmp_path, "--variant", "spiking")
    assert result["mean_absolute_error"] <= 2 * result["ideal_mean_absolute_error"]
    assert result["mean_absolute_error"] <= 0.7 * result["frozen_mean_absolute_error"]
