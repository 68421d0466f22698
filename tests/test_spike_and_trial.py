"""Learning by trial is learning at spikes with weights that stand still, and without a cutoff."""

from dataclasses import replace

import numpy as np
import pytest

import spike_eprop_build as build
from conftest import choose, slow
from spike_eprop_cases import random_case

RATE = 1e-9  # so small that the weights stay as they are


def deviations(case):
    """How far what weights learn by trial is from what they learn at spikes, relatively."""
    learned = []
    for options in ({}, {"update": "trial", "cutoff": None, "each_step": False}):
        choose("numpy")
        learned.append(build.run(case, **options))
    for name in ("w_in", "w_rec", "w_out"):
        before = np.where(case.exists[name], getattr(case, name), 0)
        at_spikes, by_trial = (getattr(one, name) - before for one in learned)
        yield np.abs(at_spikes - by_trial).max() / np.abs(at_spikes).max()


@pytest.mark.parametrize(
    ("model", "kappa_reg"),
    [
        ("iaf", 0.8),
        ("iaf_adapt", 0.9),
        slow("iaf", 0.9),
        slow("iaf_adapt", 0.8),
        slow("psc_delta", 0.8),
        slow("psc_delta", 0.9),
    ],
)
def test_same_gradients(numpy_target, model, kappa_reg):
    """But for the last step, whose errors come too late for spikes."""
    case = random_case(7, model=model, eta=RATE, optimize_each_step=False, kappa_reg=kappa_reg)
    assert max(deviations(case)) < 0.1
    case.window[-1] = 0
    assert max(deviations(replace(case, c_reg=0.0))) < 1e-5
