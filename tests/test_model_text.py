"""Text that is made of other text: what is to be changed is found, or missed aloud."""

import re

import numpy as np
import pytest
from brian2 import ms

from brianlearn import EligibilitySynapses, SpikeInput, Surrogate
from brianlearn.learners import eprop_equations
from brianlearn.learners.eprop_equations import TraceEquations
from brianlearn.models import (
    delay_dendrite,
    eprop_alif,
    eprop_iaf,
    eprop_iaf_adapt,
    eprop_iaf_psc_delta,
    eprop_iaf_psc_delta_adapt,
    eprop_lif,
    eprop_readout,
    linear_readout,
)

pytestmark = pytest.mark.usefixtures("numpy_target")

OTHER = Surrogate("height*exp(-(d/width)**2)")
THRESHOLDS = [
    (eprop_lif, "v_th"), (eprop_alif, "A"), (eprop_iaf, "v_th"), (eprop_iaf_adapt, "A"),
    (eprop_iaf_psc_delta, "v_th"), (eprop_iaf_psc_delta_adapt, "A"),
]  # fmt: skip


@pytest.mark.parametrize(("model", "threshold"), THRESHOLDS, ids=lambda one: str(one)[:20])
def test_surrogate_is_of_the_distance_from_the_threshold(model, threshold):
    changed = model.with_surrogate(OTHER)
    psi = f"psi_height*exp(-((v - {threshold})/psi_width)**2)"
    assert changed.update.count(psi) == 1
    assert "abs" not in changed.update
    text = re.sub(r" *(>=|=|\*) *", r"  \1  ", model.update)
    spaced = model.with_equations("", update=text).with_surrogate(OTHER)
    assert spaced.update.count(psi) == 1


def test_surrogate_asks_the_update_and_no_name():
    """A variable A that is no threshold is none; and renamed variables stay what they are."""
    noisy = eprop_lif.with_equations("A : 1")
    assert noisy.with_surrogate(OTHER).update == eprop_lif.with_surrogate(OTHER).update
    renamed = eprop_lif.renamed(v="u", v_th="theta").with_surrogate(OTHER)
    assert "exp(-((u - theta)/psi_width)**2)" in renamed.update


@pytest.mark.parametrize("line", ["psi = 0", "z = int(v > 2*v_th)", "z = 0"])
def test_surrogate_that_finds_no_place_is_an_error(line):
    start = line.partition("=")[0]
    lines = [line if one.strip().startswith(start) else one for one in eprop_lif.update.split("\n")]
    changed = eprop_lif.with_equations("", name="mine", update="\n".join(lines))
    with pytest.raises(ValueError, match="mine: the update has . lines such as .* one of each"):
        changed.with_surrogate(OTHER)


def update_of(target, readout, variable="x"):
    surrogate = "psi" if variable == "x" else "psi_1"
    return TraceEquations(target, readout, False, variable, surrogate, None).update


CASES = {
    "NEURON_UPDATE, without adaptation": (
        lambda: update_of(eprop_lif.neurons(2), eprop_readout.neurons(1)), "e =", "eps ="
    ),
    "NEURON_UPDATE, added up": (
        lambda: update_of(delay_dendrite().neurons(2), linear_readout.neurons(1), "x_1"), "ebar ="
    ),
    "NEURON_UPDATE, emptied": (
        lambda: update_of(delay_dendrite(spiking=True).neurons(2), eprop_readout.neurons(1), "x_1"),
        "zbar *=",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_lines_of_traces_are_exchanged_however_they_are_spaced(monkeypatch, name):
    make, *starts = CASES[name]
    plain = make()
    text = eprop_equations.NEURON_UPDATE
    spaced = re.sub(r" *([-+*]?=) *", r"  \1  ", text.replace("(", "( "))
    monkeypatch.setattr(eprop_equations, "NEURON_UPDATE", spaced)
    changed = make()
    assert changed.replace(" ", "") == plain.replace(" ", "")
    for start in starts:
        lost = text.replace(f"    {start}", f"    other_{start}")
        monkeypatch.setattr(eprop_equations, "NEURON_UPDATE", lost)
        with pytest.raises(ValueError, match=f"0 lines set '{start.split()[0]}', but one should"):
            make()


def test_slopes_take_the_place_of_traces():
    """In what a spike adds, times the weight; and alone where they decay."""
    ends = SpikeInput(2), eprop_alif.neurons(2), np.ones((2, 2)), eprop_readout.neurons(1)
    synapses = EligibilitySynapses(*ends, delay=0 * ms)
    codes = (getattr(part, "abstract_code", None) or "" for part in synapses.contained_objects)
    text = "\n".join(codes)
    assert "delay_e = psi_post*(w*slope - beta_post*delay_eps)" in text
    assert "slope *= exp(-dt/tau_m)" in text
