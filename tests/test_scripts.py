"""Scripts as users run them: every flag, every file, every failure; at toy size."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "force_sine.py"
TOY = ["--neurons", "30", "--duration", "0.3"]


def start(*arguments, **environment):
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
        start_new_session=True,
    )


def run(*arguments, **environment):
    process = start(*arguments, **environment)
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err


def test_help_is_the_docstring():
    code, out, _ = run("--help")
    assert code == 0
    assert "FORCE: a network of spiking neurons learns to keep a sine going" in out
    for flag in ("--target", "--seed", "--out", "--no-plot", "--neurons", "--duration"):
        assert flag in out


@pytest.mark.parametrize("target", ["numpy", "cpp_standalone"])
def test_results(tmp_path, target):
    code, out, err = run(*TOY, "--target", target, "--seed", 3, "--out", tmp_path / "out")
    assert code == 0, err
    assert out.startswith("RMSE ")
    assert len(out.strip().splitlines()) == 1
    assert "of 0.3 s simulated" in err
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert result["target"] == target
    assert result["seed"] == 3
    assert result["parameters"]["neurons"] == 30
    assert result["parameters"]["model"]["tau_m"] == "10. ms"
    assert "RLS(alpha=" in result["parameters"]["rule"]
    assert {"brianlearn", "brian2", "numpy", "python"} <= result["versions"].keys()
    for key in ("train_rmse", "test_rmse", "test_amplitude", "rate", "run_seconds"):
        assert np.isfinite(result[key]), key
    assert {"aligned_rmse", "test_frequency", "setup_seconds"} <= result.keys()
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert files == {"result.json", "record.npz", "force_sine.png", "decoders.npz"}
    with np.load(tmp_path / "out" / "record.npz") as arrays:
        assert arrays["z"].shape == arrays["t"].shape == arrays["target"].shape
        assert np.abs(arrays["phi"]).max() > 0
        assert json.loads(str(arrays["origin"]))["parameters"] == result["parameters"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--frequency", "-5"], "frequency is -5. Hz, but must be positive"),
        (["--neurons", "3"], "at least 20 neurons"),
        (["--duration", "0"], "a finite duration of at least 0.1"),
        (["--duration", "inf"], "a finite duration of at least 0.1"),
        (["--target", "fortran"], "invalid choice: 'fortran'"),
    ],
)
def test_wrong_arguments(tmp_path, arguments, words):
    code, _, err = run(*arguments, "--out", tmp_path / "out")
    assert code == 2
    assert words in err
    assert "Traceback" not in err


def test_unwritable_output(tmp_path):
    """Noticed before the work, not after it."""
    (tmp_path / "file").write_text("")
    code, _, err = run(*TOY, "--target", "numpy", "--out", tmp_path / "file")
    assert code == 1
    assert "file" in err
    assert "Traceback" not in err


def test_missing_compiler(tmp_path):
    """The sentence says what to install, and which target needs nothing."""
    empty = tmp_path / "bin"
    empty.mkdir()
    code, _, err = run(*TOY, "--out", tmp_path / "out", PATH=str(empty), CXX="")
    assert code == 1
    assert "No C++ compiler: 'g++' is not on the path" in err
    assert "the target 'numpy'" in err


@pytest.mark.parametrize(("target", "duration"), [("numpy", 60), ("cpp_standalone", 6000)])
def test_interruption_leaves_results_alone(tmp_path, target, duration):
    """Ctrl-C in the middle of the simulation: nothing is written, and it is said so."""
    out = tmp_path / "out"
    out.mkdir()
    (out / "result.json").write_text("precious")
    process = start("--neurons", 30, "--duration", duration, "--target", target, "--out", out)
    seen = ""
    deadline = time.time() + 240
    while " 0.0 of" in seen or "simulated" not in seen:
        assert time.time() < deadline
        seen = seen[-40:] + process.stderr.read(1)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "interrupted" in err
    assert (out / "result.json").read_text() == "precious"
    assert [path.name for path in out.iterdir()] == ["result.json"]


@pytest.mark.parametrize(
    ("example", "word", "least", "most"),
    [
        (0, "error after learning: ", 0, 0.1),
        (1, "right answers in new trials: ", 0.9, 1),
        (2, "delay of the right ear in time steps: ", 5.5, 6.5),
    ],
)
def test_readme_example(tmp_path, example, word, least, most):
    """The examples in README run as they stand, and learn."""
    readme = (SCRIPT.parents[1] / "README.md").read_text()
    code = re.findall(r"```python\n(.*?)```", readme, flags=re.DOTALL)[example]
    out = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout
    assert least <= float(out.partition(word)[2]) <= most
