"""Functions of several numbers at once: the same numbers to rounding, and only where they exist."""

import subprocess

import numpy as np
import pytest
from brian2 import Network, NeuronGroup, defaultclock, ms, prefs

from brianlearn import set_target, simulate
from brianlearn.kernel import compiler


@pytest.fixture
def vector_functions(target_restored):
    prefs.brianlearn.vector_functions = True
    yield
    prefs.brianlearn.vector_functions = False


def final(target):
    """37 neurons in which each of the functions counts."""
    set_target(target)
    defaultclock.dt = 0.1 * ms
    neurons = NeuronGroup(
        37,
        """dv/dt = (-v + 2*exp((v - 1)/2) - w*cos(phase) + sin(phase))/(10*ms) : 1
           dw/dt = (log(1 + v**2) - w + v_0**1.5)/(30*ms) : 1
           dphase/dt = (1 + exp(-w**2))/(20*ms) : 1
           v_0 : 1""",
        method="euler",
        name="neurons",
    )
    neurons.v_0 = np.linspace(0.1, 1.2, 37)
    network = Network(neurons)
    simulate(10 * ms, network, progress=False)
    return np.array([neurons.v[:], neurons.w[:], neurons.phase[:]])


@pytest.mark.parametrize("target", ["cython", "cpp_standalone"])
def test_same_numbers_to_rounding(vector_functions, target):
    expected = final("numpy")
    assert np.ptp(expected, axis=1).min() > 0.01
    try:
        got = final(target)
    except ValueError as error:
        pytest.skip(str(error))
    np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_gcc_calls_them(vector_functions):
    """Brian2 drops flags that the compiler refuses, and would go on without."""
    text = "#include <cmath>\nvoid f(double* x) { for (int k = 0; k < 64; k++) x[k] = exp(x[k]); }"
    try:
        flags = compiler.exact_flags()
    except ValueError as error:
        pytest.skip(str(error))
    command = [*compiler.command(), *flags, "-S", "-x", "c++", "-", "-o", "-"]
    made = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
    assert "_ZGV" in made.stdout


def test_refused_with_clang(vector_functions, tmp_path, monkeypatch):
    fake = tmp_path / "fake"
    fake.write_text("#!/bin/sh\necho Apple clang version 15.0.0\n")
    fake.chmod(0o755)
    monkeypatch.setenv("CXX", str(fake))
    with pytest.raises(ValueError, match="needs GCC"):
        compiler.exact_flags()
