"""A network goes on from run to run as at runtime, on every target, and from a checkpoint."""

import contextlib
import os
import signal
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from brian2 import (
    Network,
    NeuronGroup,
    SpikeMonitor,
    StateMonitor,
    Synapses,
    TimedArray,
    defaultclock,
    ms,
    second,
    seed,
)

from brianlearn import (
    RLS,
    EProp,
    GradientDescent,
    Phase,
    PlasticDelay,
    Projection,
    Readout,
    Recorder,
    SpikeInput,
    Training,
    Trial,
    Trials,
    set_target,
)
from brianlearn.models import eprop_iaf_readout, eprop_lif
from brianlearn.running import device as living
from brianlearn.training import training as module
from conftest import slow

STEPS, INPUTS, NEURONS = 20, 6, 8


def trial_of(k=0):
    random = np.random.default_rng([3, k])
    raster = random.random((STEPS, INPUTS)) < 0.4
    return Trial.from_raster(raster, targets=random.normal(size=(STEPS, 1)))


def build(*, noise=False):
    """All that may go on: a network whose neurons are refractory, and what surrounds it."""
    defaultclock.dt = 1 * ms
    random = np.random.default_rng(7)
    made = SimpleNamespace()
    made.inputs = SpikeInput(INPUTS, name="inputs")
    made.neurons = eprop_lif.neurons(NEURONS, tau_m=20 * ms, t_ref=3 * ms, name="neurons")
    made.readout = eprop_iaf_readout.neurons(1, tau_m=20 * ms, name="readout")
    w_in = random.normal(size=(INPUTS, NEURONS)) / 5 + 0.1
    w_out = random.normal(size=(NEURONS, 1)) / 3
    made.w_in = Projection(made.inputs, made.neurons, w_in, variable="x", name="w_in")
    made.w_out = Projection(made.neurons, made.readout, w_out, variable="x", name="w_out")
    made.trials = Trials(STEPS * ms, made.inputs, reset=None, readout=made.readout, name="trials")
    rule = EProp(optimizer=GradientDescent(1e-3), update="spike", kappa=0.9)
    made.learner = rule.attach(made.trials, made.readout, [made.w_in, made.w_out])
    parts = [made.inputs, made.neurons, made.readout, made.w_in, made.w_out, made.trials]

    # beside the learner: time, a function of it, delays under way, Brian2's refractoriness
    made.drive = TimedArray(np.sin(np.arange(150)), dt=1 * ms, name="drive")
    made.clockwork = NeuronGroup(
        3,
        """dx/dt = 1/second : 1
           dv/dt = (3*drive(t) + gain - v)/(5*ms) : 1 (unless refractory)
           dr/dt = -r/(20*ms) : Hz
           heard : 1
           gain : 1""",
        threshold="v > 0.7", reset="v = 0; r += 1/(20*ms)", refractory=4 * ms, method="euler",
        namespace={"drive": made.drive}, name="clockwork",
    )  # fmt: skip
    made.synapses = Synapses(
        made.clockwork, made.clockwork, "d : second", on_pre="heard_post += 1; d += 0.5*ms",
        delay=7 * ms, name="synapses",
    )  # fmt: skip
    made.synapses.connect(i=[0, 1, 2], j=[1, 2, 0])
    made.synapses.d = [13, 14, 15] * ms
    made.late = Synapses(made.clockwork, made.clockwork, on_pre="heard_post += 100", name="late")
    made.late.connect(i=[0, 1, 2], j=[2, 0, 1])
    made.late.pre.delay = [3, 17, 29] * ms
    made.plastic = PlasticDelay(made.synapses, max_delay=90 * ms, name="plastic")
    made.ring = Projection(
        made.clockwork, made.clockwork, 10 * np.eye(3), variable="heard", delay=11 * ms, name="ring"
    )
    made.second = Readout(made.clockwork, "r", name="second")
    rls = RLS(alpha=1e-3 * second**2, every=2 * ms)
    made.rls = rls.attach(made.second, target="sin(2*pi*20*Hz*t)", name="rls")
    made.spikes = SpikeMonitor(made.clockwork, name="spikes")
    made.trace = StateMonitor(made.clockwork, ["x", "v", "heard"], record=True, name="trace")
    made.recorder = Recorder(
        made.trials, {"v": (made.neurons, "v"), "x": (made.clockwork, "x")}, each="trial",
        name="recorder",
    )  # fmt: skip
    parts += [made.clockwork, made.synapses, made.late, made.plastic, made.ring, made.second]
    parts += [made.spikes, made.trace, made.recorder]
    if noise:
        made.noise = NeuronGroup(500, "dx/dt = xi/sqrt(ms) : 1", method="euler", name="noise")
        made.noises = Recorder(made.trials, {"x": (made.noise, "x")}, each="trial", name="noises")
        parts += [made.noise, made.noises]
    made.network = Network(*parts, name="network")
    return made


def observed(made, training):
    """All that could show that something was forgotten."""
    weights = training.weights()
    return {
        **{f"weights of {name}": values for name, values in weights.items()},
        **{f"recorded {name}": values for name, values in made.recorder.read().items()},
        "spikes": np.column_stack([made.spikes.i, np.asarray(made.spikes.t) / 1e-3]),
        "trace": np.vstack([made.trace.x, made.trace.v, made.trace.heard]),
        "times": np.asarray(made.trace.t),
        "delays": np.asarray(made.synapses.d),
        "t_free": np.asarray(made.neurons.t_free),
        "lastspike": np.asarray(made.clockwork.lastspike),
        "decoders": np.asarray(made.second.decoders.phi),
        "P": np.asarray(made.rls.P),
        "updates": np.asarray(made.rls.updates),
        "loss": training.histories["train"]["loss"],
    }


def in_phases(made, training):
    """Learn; change what a user may change; learn on."""
    training.run(Phase("train", trial_of, 3))
    made.clockwork.gain = 0.3
    made.clockwork.gain[1:] = [0.2, 0.5]
    made.learner.learning_rate = 3e-3
    made.w_in.set_matrix(np.asarray(made.w_in.matrix) * 0.9)
    made.neurons.v = made.neurons.v[:] + 0.001
    made.late.pre.delay = [5, 9, 21] * ms
    training.run(Phase("train", trial_of, 4))
    made.learner.learning_rate = 0
    training.run(Phase("train", trial_of, 2))


def lived(target, monkeypatch, chunk):
    """What is seen of a life in chunks of so many iterations."""
    monkeypatch.setattr(module, "_CHUNK_SECONDS", chunk * 1.0)
    monkeypatch.setattr(module, "_FIRST_CHUNK", chunk)
    monkeypatch.setattr(module.Training, "_draw", drawn_in(chunk))
    set_target(target)
    made = build()
    training = Training(made.learner, made.network, progress=False)
    in_phases(made, training)
    return observed(made, training)


def drawn_in(count):
    """Chunks of a fixed number of iterations, instead of a time."""

    def draw(self, iterations):
        return [one for _, one in zip(range(count), iterations, strict=False)]

    return draw


@pytest.fixture(scope="module")
def whole():
    """At runtime on numpy, in one chunk a phase."""
    with pytest.MonkeyPatch.context() as patch:
        return lived("numpy", patch, 99)


@pytest.mark.usefixtures("target_restored")
@pytest.mark.parametrize(
    ("target", "chunk"),
    [("numpy", 1), ("cpp_standalone", 1), ("cpp_standalone", 3), ("cpp_standalone", 99),
     slow("cython", 1)],
)  # fmt: skip
def test_life_is_the_same_whatever_the_chunks(target, chunk, whole, monkeypatch):
    seen = lived(target, monkeypatch, chunk)
    assert len(seen["spikes"]) > 10
    assert seen["trace"].shape == (9, 9 * STEPS)
    for name, values in whole.items():
        np.testing.assert_allclose(seen[name], values, rtol=1e-9, atol=1e-12, err_msg=name)
    assert np.array_equal(seen["spikes"], whole["spikes"])
    assert seen["recorded x"].shape == (9, 1, 3)


@pytest.mark.slow
@pytest.mark.usefixtures("target_restored")
def test_compiled_targets_agree_to_the_bit(monkeypatch):
    seen = [lived(target, monkeypatch, 2) for target in ("cython", "cpp_standalone")]
    for name, values in seen[0].items():
        assert np.array_equal(values, seen[1][name]), name


ITERATIONS, KILLED_AT = 8, (1, 2, 4, 5, 7)


def train_on(target, path, killed_at=None):
    """Train to the end, from the checkpoint if there is one, or be killed as a trial is drawn."""
    set_target(target)
    seed(11)
    made = build(noise=True)
    training = Training(made.learner, made.network, checkpoint=path, resume=True, progress=False)

    def source(k):
        if k == killed_at:
            path.with_suffix(".pid").write_text(str(process_id()))
            time.sleep(0.05)  # so that the chunk before is under way, or just done
            os.kill(os.getpid(), signal.SIGKILL)
        return trial_of(k)

    training.run(Phase("train", source, ITERATIONS - training.iterations("train")))
    seen = observed(made, training) | {"noise": made.noises.read()["x"].ravel()}
    set_target("numpy")
    return seen


def process_id():
    """Of the standalone process, or 0 at runtime."""
    device = living.get_device()
    return device.process._child.pid if isinstance(device, living.LivingDevice) else 0


def killed(target, path, moment):
    child = os.fork()
    if child == 0:
        try:
            train_on(target, path, moment)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), "it was to be killed"
    return int(path.with_suffix(".pid").read_text())


def is_running(pid):
    with contextlib.suppress(FileNotFoundError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


@pytest.mark.usefixtures("target_restored")
@pytest.mark.parametrize(
    ("target", "moments"),
    [("numpy", KILLED_AT[1:3]), ("cpp_standalone", KILLED_AT[2:3]), slow("numpy", KILLED_AT),
     slow("cpp_standalone", KILLED_AT), slow("cython", KILLED_AT)],
)  # fmt: skip
def test_killed_and_resumed_is_the_whole_network(target, moments, tmp_path, monkeypatch):
    """Noise, monitors, spikes under way, a second learner: nothing shows that it was killed."""
    monkeypatch.setattr(module.Training, "_draw", drawn_in(1))
    monkeypatch.setattr(module, "_SAVE_SHARE", 0)
    uninterrupted = train_on(target, tmp_path / "whole.npz")
    assert len(uninterrupted["loss"]) == ITERATIONS
    noise = uninterrupted["noise"].reshape(ITERATIONS, -1)
    assert len(np.unique(noise)) == noise.size, "noise is repeated"
    variance = STEPS * np.arange(1, ITERATIONS + 1)
    np.testing.assert_allclose(noise.var(axis=1) / variance, 1, atol=0.3)
    for moment in moments:
        path = tmp_path / f"killed_{moment}.npz"
        pid = killed(target, path, moment)
        resumed = train_on(target, path)
        for name, values in uninterrupted.items():
            assert np.array_equal(resumed[name], values), (moment, name)
        assert not (pid and is_running(pid)), "the standalone process outlived its program"
