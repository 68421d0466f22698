"""Every target is one fixture, and no test leaves anything behind in Brian2."""

import gc
import os

# before NumPy is loaded: threads slow small products down, most of all in tests side by side
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import pytest
from brian2 import defaultclock, ms, prefs
from brian2.devices.device import reset_device

from brianlearn import set_target
from brianlearn.targets import TARGETS

COMPILED = ("cpp_standalone", "cython")


def choose(name):
    """Set a target as scripts do, with the time step of FORCE."""
    set_target(name)
    defaultclock.dt = 0.05 * ms


def slow(*arguments):
    """Parameters of a test that only `-m slow` runs."""
    return pytest.param(*arguments, marks=pytest.mark.slow)


# Cython compiles object by object, which takes a network of many a minute or more
CYTHON_LATER = ["numpy", slow("cython"), "cpp_standalone"]
COMPILED_LATER = ["numpy", slow("cython"), slow("cpp_standalone")]


@pytest.fixture(scope="module", autouse=True)
def freeze():
    """Garbage, which Brian2 collects at every run, is sought among a module's own objects.

    To look through all that was ever imported takes longer than most tests.
    """
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(params=TARGETS)
def target(request):
    """Each codegen target in turn."""
    choose(request.param)
    yield request.param
    _restore()


@pytest.fixture
def numpy_target():
    """The target that needs no compiler."""
    choose("numpy")
    yield "numpy"
    _restore()


@pytest.fixture
def target_restored():
    """For tests that choose targets themselves."""
    yield
    _restore()


def _restore():
    reset_device("runtime")
    prefs.codegen.target = "auto"
    defaultclock.dt = 0.1 * ms
    gc.collect()
