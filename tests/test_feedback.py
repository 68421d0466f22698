"""Feedback of several groups: whose rows are whose depends on the groups' names, not on a list."""

from itertools import permutations

import numpy as np
import pytest
from brian2 import Network, defaultclock, ms, mV

from brianlearn import (
    EProp,
    Given,
    GradientDescent,
    Projection,
    Random,
    SpikeInput,
    Trial,
    Trials,
    simulate,
)
from brianlearn.feedback import by_name
from brianlearn.models import eprop_iaf, eprop_iaf_readout, eprop_lif, eprop_readout

pytestmark = pytest.mark.usefixtures("numpy_target")

SIZES = {"lif_2": 3, "lif_10": 4}
B = np.random.default_rng(5).normal(size=(7, 2))


class Layers:
    """Two groups that learn, and lead to two readouts."""

    def __init__(self, update="trial"):
        defaultclock.dt = 1 * ms
        random = np.random.default_rng(1)
        model, out = (
            (eprop_lif, eprop_readout) if update == "trial" else (eprop_iaf, eprop_iaf_readout)
        )
        self.update, self.inputs = update, SpikeInput(4, name="inputs")
        self.readout = out.neurons(2, name="readout")
        weak = {"v_th": 0.03, "psi_height": 10.0, "psi_width": 0.03}
        self.groups = [model.neurons(n, name=name, **weak) for name, n in SIZES.items()]
        self.connections = []
        for group in self.groups:
            for source, target, name in (
                (self.inputs, group, f"to_{group.name}"),
                (group, self.readout, f"from_{group.name}"),
            ):
                weights = random.normal(0.3, 1, size=(len(source), len(target)))
                self.connections.append(
                    Projection(source, target, weights, variable="x", name=name)
                )
        reset = [*self.groups, self.readout] if update == "trial" else None
        self.trials = Trials(30 * ms, self.inputs, reset, readout=self.readout, name="trials")
        raster, targets = random.random((30, 4)) < 0.4, random.normal(size=(30, 2))
        self.trials.present(Trial.from_raster(raster, targets=targets))

    def attach(self, feedback, order=(0, 1, 2, 3)):
        rule = EProp(optimizer=GradientDescent(1e-3), feedback=feedback, update=self.update)
        return rule.attach(self.trials, self.readout, [self.connections[k] for k in order])

    def learned(self, feedback, order=(0, 1, 2, 3)):
        """What the connections onto neurons are after a trial."""
        self.attach(feedback, order)
        parts = [self.inputs, self.readout, *self.groups, *self.connections, self.trials]
        before = [one.matrix for one in self.connections]
        simulate(30 * ms, Network(parts), progress=False)
        after = [one.matrix for one in self.connections]
        assert all(np.any(a != b) for a, b in zip(after, before, strict=True))
        return after


@pytest.mark.parametrize("update", ["trial", "spike"])
@pytest.mark.parametrize(
    "feedback", [Random(3), Given(B), Given({"lif_10": B[3:], "lif_2": B[:3]})]
)
def test_the_order_of_the_connections_does_not_matter(update, feedback):
    first, *others = (
        Layers(update).learned(feedback, order)
        for order in ((0, 1, 2, 3), (2, 3, 0, 1), (3, 2, 1, 0))
    )
    for other in others:
        for ours, theirs in zip(first, other, strict=True):
            assert np.array_equal(ours, theirs)


def test_rows_belong_to_the_groups_by_their_names():
    layers = Layers()
    given = layers.learned(Given(B))
    by_group = Layers()
    named = by_group.learned(Given(dict(zip(by_group.groups, (B[:3], B[3:]), strict=True))))
    swapped = Layers().learned(Given({"lif_2": B[4:], "lif_10": B[:4]}))
    for ours, theirs in zip(given, named, strict=True):
        assert np.array_equal(ours, theirs)
    assert not np.array_equal(given[0], swapped[0])


def test_random_numbers_follow_the_names():
    drawn = np.random.RandomState(3).standard_normal((7, 2))
    for ours, theirs in zip(
        Layers().learned(Random(3)), Layers().learned(Given(drawn)), strict=True
    ):
        assert np.array_equal(ours, theirs)


def test_names_in_order():
    groups = [eprop_lif.neurons(1, name=name) for name in ("b", "a_10", "a_9", "a", "a_2x", "a_2")]
    names = ["a", "a_2", "a_2x", "a_9", "a_10", "b"]
    for some in list(permutations(groups))[::97]:
        assert [group.name for group in by_name(some)] == names


@pytest.mark.parametrize(
    ("matrix", "words"),
    [
        ({"lif_2": B[:3]}, r"given for lif_2, but the neurons .* are lif_10, lif_2: .* .lif_10."),
        ({"lif_2": B[:3], "lif_10": B[3:], "lif": B}, r"and no other .lif.\.$"),
        ({"lif_2": B[:3], "lif_10": B}, r"feedback of 'lif_10' is \(7, 2\), but must be \(4, 2\)"),
    ],
)
def test_a_matrix_for_each_group(matrix, words):
    with pytest.raises(ValueError, match=words):
        Layers().attach(Given(matrix))


def test_what_is_given_stays_what_it_was():
    matrix = np.array(B)
    given = Given(matrix)
    shown = str(given)
    matrix[:] = 0
    assert np.array_equal(given.matrix, B)
    assert str(given) == shown
    assert str(Given({"b": B, "a": B})) == str(Given({"a": B, "b": B})) != shown


@pytest.mark.parametrize(
    "options", [{"scale": 1 * mV}, {"scale": np.inf}, {"seed": True}, {"seed": 2**32}]
)
def test_random_is_made_of_numbers(options):
    with pytest.raises(ValueError, match="is .*, but must be a"):
        Random(**options)
