"""The operation behind PlasticDelay by itself: its C++ form does what its Python form does."""

from importlib.resources import files

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from brianlearn.move_delays import move_delays
from native import native

STEPS, SOURCES, SYNAPSES = 120, 6, 14

DRIVE = """
int drive(Array<double> delays, Array<char> shared, Array<int32_t> changed, Array<int64_t> step,
          Array<int64_t> every, Array<char> fresh, Array<double> rounding, Array<int64_t> shift,
          Array<double> longest, Array<int64_t> synapse, Array<double> delay, Array<int32_t> first,
          Array<double> dt, Array<int32_t> steps, Array<int64_t> room)
{
    static CSpikeQueue made[3] = {CSpikeQueue(0, 1), CSpikeQueue(0, 1), CSpikeQueue(0, 1)};
    CSpikeQueue* items[3] = {made, made + 1, made + 2};
    for (size_t k = 0; k < first.size; k++) made[k].dt = dt[0], made[k].openmp_padding = first[k];
    const int code = move_delays(Queues{items, first.size}, delays, shared, changed, step, every,
                                 fresh, rounding, shift, longest, synapse, delay);
    for (size_t s = 0, k = 0; !code && s < steps.size; s++) {
        while (!shared[0] && k + 1 < first.size && (int)s >= first[k + 1]) k++;
        steps[s] = made[k].delays[s - (shared[0] ? 0 : first[k])];
        room[0] = std::min(room[0], (int64_t)made[k].queue.size() - steps[s]);
    }
    return code;
}
"""
TYPES = {
    "delays": "f", "shared": "b", "changed": "i4", "step": "i8", "every": "i8", "fresh": "b",
    "rounding": "f", "shift": "i8", "longest": "f", "synapse": "i8", "delay": "f",
}  # fmt: skip
DT = 1e-4


class Heap:
    """What the Python form sees of queues."""

    dt, steps = DT, None

    def prepare(self, steps):
        self.steps = steps


@pytest.fixture(scope="module")
def drive():
    text = (files("brianlearn") / "move_delays.h").read_text() + DRIVE
    more = {"first": "i4", "dt": "f", "steps": "i4", "room": "i8"}
    return native(text, "drive", headers=["queues.h"], **TYPES, **more)


def numbers(n, shared, rounding, shift, longest, every):
    values = {
        "delays": np.zeros(n), "shared": shared, "changed": np.zeros(n + 1), "step": 0,
        "every": every, "fresh": True, "rounding": rounding, "shift": shift, "longest": longest,
        "synapse": 0, "delay": 0,
    }  # fmt: skip
    dtypes = {"f": float, "b": bool, "i4": np.int32, "i8": np.int64}
    return {key: np.atleast_1d(np.array(v, dtypes[TYPES[key]])) for key, v in values.items()}


ODD = st.sampled_from([np.nan, -1e-3, -1e-12, np.inf, 5e-3, 5e-3 + 1e-12, 5.1e-3, 4.95e-3, 1e300])


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data(), n=st.integers(1, 9), shared=st.booleans(), shift=st.integers(0, 1),
       rounding=st.sampled_from([0.5, 1e-9]), every=st.sampled_from([1, 3, 2**62]))  # fmt: skip
def test_forms_agree(drive, data, n, shared, shift, rounding, every):
    """Python and C++, with up to three queues: the same steps, the same faults, room for all."""
    n = 1 if shared else n
    ours, theirs = (numbers(n, shared, rounding, shift, 5e-3, every) for _ in range(2))
    first = np.unique([0, *data.draw(st.lists(st.integers(0, n - 1), max_size=2))]).astype(np.int32)
    heap, steps = Heap(), np.zeros(n, dtype=np.int32)
    for step in range(data.draw(st.integers(1, 5))):
        values = st.one_of(st.floats(0, 5e-3), st.integers(0, 50).map(lambda k: k * DT), ODD)
        moved = data.draw(st.lists(st.tuples(st.integers(0, n - 1), values), max_size=4))
        listed = [synapse for synapse, _ in moved][:n]
        if data.draw(st.integers(0, 30)) == 0:
            listed = [*listed, data.draw(st.sampled_from([-1, n]))][-n:]
        for held in (ours, theirs):
            held["step"][0] = step
            for synapse, value in moved:
                held["delays"][synapse] = value
            held["changed"][: len(listed)] = listed
            held["changed"][-1] = len(listed)
        with np.errstate(all="ignore"):
            code = move_delays(heap, **ours)
        room = np.full(1, 99)
        kept = {"first": first, "dt": np.full(1, DT), "steps": steps, "room": room}
        assert (code or 0) == drive(**theirs, **kept)
        assert ours["synapse"] == theirs["synapse"] or not code
        if code:
            break
        np.testing.assert_array_equal(heap.steps, steps)
        assert room[0] > 0
        for key, held in ours.items():
            np.testing.assert_array_equal(held, theirs[key], err_msg=key)


def test_many_synapses(drive):
    """Longer than a block, with the first fault in a later one."""
    n = 3000
    values = numbers(n, False, 0.5, 0, 5e-3, 1)
    values["delays"][:] = np.random.default_rng(1).uniform(0, 5e-3, n)
    kept = {"first": np.zeros(1, np.int32), "dt": np.full(1, DT), "steps": np.zeros(n, np.int32)}
    assert drive(**values, **kept, room=np.full(1, 99)) == 0
    np.testing.assert_array_equal(kept["steps"], (values["delays"] / DT + 0.5).astype(int))
    values["delays"][[2500, 2700]] = -1
    assert drive(**values, **kept, room=np.full(1, 99)) == 1
    assert values["synapse"] == 2500
