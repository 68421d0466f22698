"""Sequence detection: what is shown, and which delays are right and wrong."""

import numpy as np
import pytest

import delay_oracle
from brianlearn.tasks.sequence import Sequence


@pytest.mark.parametrize("task", [Sequence(), Sequence(interval=7, reference=3, tail=20)])
def test_orders(task):
    """One spike each: of the first input at once, of the other an interval later."""
    trial = task.batch([0, 1, 1])
    trial.check(task.steps, 3 * 2, 3, readouts=2)
    assert trial.labels.tolist() == [0, 1, 1]
    when = {int(index): int(step) for step, index in zip(trial.steps, trial.indices, strict=True)}
    late = task.interval
    assert when == {0: 0, 1: late, 2: late, 3: 0, 4: late, 5: 0}
    assert task.batch().labels.tolist() == [0, 1]


@pytest.mark.parametrize("task", [Sequence(), Sequence(interval=7, reference=3)])
def test_solution_and_worst_case(task):
    """Coincidences, and so the largest outputs, are at the right output, or at the wrong one."""
    trial = task.batch()
    raster = np.zeros((2, task.steps, 2))
    raster[trial.indices // 2, trial.steps, trial.indices % 2] = 1
    for delays, right in ((task.solution(), True), (task.worst_case(), False)):
        assert task.reference == delays.min() <= delays.max() <= task.max_delay
        outputs = delay_oracle.dendrite_outputs(raster, np.ones((2, 2)), delays, [0, 1], 5.0)
        assert (outputs[:, -1].argmax(axis=1) == ([0, 1] if right else [1, 0])).all()
        for order, output in np.ndindex(2, 2):
            arrivals = [np.flatnonzero(raster[order, :, i])[0] + delays[i, output] for i in (0, 1)]
            assert (arrivals[0] == arrivals[1]) == ((order == output) == right)


def test_published():
    """Two delays of 10 ms on the diagonal solve it; learning begins with the others."""
    task = Sequence()
    assert task.solution().tolist() == [[10, 0], [0, 10]]
    assert task.worst_case().tolist() == [[0, 10], [10, 0]]


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (lambda: Sequence(interval=0), "interval is 0, but must be a whole number, 1 or more"),
        (lambda: Sequence(reference=-1), "reference is -1"),
        (lambda: Sequence(tail=1.5), "tail is 1.5"),
        (lambda: Sequence().batch([2]), r"labels is \[2\], but must be a row of 0 and 1"),
        (lambda: Sequence().batch(0), "labels is 0, but must be a row"),
    ],
)
def test_refused(call, why):
    with pytest.raises(ValueError, match=why):
        call()
