"""N-MNIST: files, folders, encoding and order against plain loops; what is malformed is named."""

import re
import sys
import tracemalloc
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from brianlearn.tasks import recordings as recordings_module
from brianlearn.tasks.events import PIXELS, Events, RecordingError
from brianlearn.tasks.nmnist import NMNIST, inactive_pixels, read_blocklist
from brianlearn.tasks.recordings import Recordings, download
from brianlearn.tasks.stream import Stream, grouped
from brianlearn.training import Phase

REAL = Path(__file__).parents[2] / "shared" / "data" / "nmnist"
real_data = pytest.mark.skipif(not REAL.is_dir(), reason="needs recordings of N-MNIST")


def random_events(seed, count=50, longest=336040):
    random = np.random.default_rng(seed)
    x, y = random.integers(34, size=(2, count))
    return Events(
        x, y, random.integers(2, size=count), np.sort(random.integers(longest, size=count))
    )


def write_folder(folder, split="Train", per_digit=3, digits=range(10)):
    """Recordings with numbers that differ; each its own random events."""
    for digit in digits:
        for k in range(per_digit):
            number = 10 * k + digit
            random_events(number).write(folder / split / str(digit) / f"{number:05}.bin")
    return folder


@pytest.fixture
def folder(tmp_path):
    return write_folder(tmp_path)


@pytest.fixture
def train(folder):
    return Recordings.scan(folder)


def plain_events(path):
    """A file's events, byte by byte: x, y, polarity, time."""
    data = Path(path).read_bytes()
    for k in range(0, len(data), 5):
        x, y, *rest = data[k : k + 5]
        number = rest[0] * 65536 + rest[1] * 256 + rest[2]
        yield x, y, number // 2**23, number % 2**23


def plain_trial(paths, blocklist=(), steps=300, longest=336040):
    """(step, index) of each spike, in order."""
    active = [pixel for pixel in range(2312) if pixel not in set(blocklist)]
    places = {pixel: place for place, pixel in enumerate(active)}
    spikes = []
    for sample, path in enumerate(paths):
        for x, y, polarity, time in plain_events(path):
            pixel = polarity * 34 * 34 + y * 34 + x
            if pixel in places:
                step = min(steps - 1, int(np.around(time * steps / longest)))
                spikes.append((step, sample * len(active) + places[pixel]))
    return sorted(spikes)


def spikes_of(trial):
    return list(zip(trial.steps.tolist(), trial.indices.tolist(), strict=True))


# Files


def test_format(tmp_path):
    """Five bytes an event, written out by hand."""
    path = tmp_path / "1.bin"
    path.write_bytes(
        bytes([3, 4, 0x00, 0x00, 0x05, 33, 0, 0x85, 0x20, 0xA8, 0, 33, 0x7F, 255, 255])
    )
    events = Events.read(path)
    assert events.x.tolist() == [3, 33, 0]
    assert events.y.tolist() == [4, 0, 33]
    assert events.polarity.tolist() == [0, 1, 0]
    assert events.time.tolist() == [5, 336040, 2**23 - 1]
    assert events.pixel.tolist() == [4 * 34 + 3, 1156 + 33, 33 * 34]
    assert {getattr(events, name).dtype for name in ("x", "y", "polarity", "time", "pixel")} == {
        np.dtype(np.int32)
    }
    events.write(tmp_path / "new" / "2.bin")
    assert (tmp_path / "new" / "2.bin").read_bytes() == path.read_bytes()


@pytest.mark.parametrize("dtype", [int, np.uint8, np.int16])
def test_round_trip(tmp_path, dtype):
    events = random_events(1, count=500, longest=2**23)
    small = (values.astype(dtype) for values in (events.x, events.y, events.polarity))
    Events(*small, events.time).write(tmp_path / "1.bin")
    again = Events.read(tmp_path / "1.bin")
    for name in ("x", "y", "polarity", "time", "pixel"):
        np.testing.assert_array_equal(getattr(again, name), getattr(events, name))
    assert [*zip(again.x, again.y, again.polarity, again.time, strict=True)] == [
        *plain_events(tmp_path / "1.bin")
    ]


GOOD = bytes([1, 2, 0, 0, 100])
MALFORMED = {
    "empty": (b"", "byte 0: the file is empty"),
    "cut off": (2 * GOOD + GOOD[:3], "byte 10: the last event has 3 bytes instead of 5"),
    "x": (GOOD + bytes([34, 0, 0, 0, 100]), "byte 5: x is 34, .* within 0 and 33"),
    "y": (2 * GOOD + bytes([0, 241, 0, 0, 100]) + GOOD, "byte 10: y is 241, .* within 0 and 33"),
    "time": (
        3 * GOOD + bytes([1, 2, 0, 0, 99]),
        "event 3, byte 15: time goes back, from 100 to 99",
    ),
}


@pytest.mark.parametrize("fault", MALFORMED)
def test_malformed_files_are_named(tmp_path, fault):
    data, why = MALFORMED[fault]
    path = tmp_path / "00001.bin"
    path.write_bytes(data)
    with pytest.raises(RecordingError, match=f"^{re.escape(str(path))}, .*{why}"):
        Events.read(path)


MARK = bytes([0, 240, 0, 0, 0])


def test_marks_of_an_overflow_are_counted(tmp_path):
    """They are no events, whatever else they say, and what follows is 8192 microseconds later."""
    path, good = tmp_path / "1.bin", list(GOOD)
    second = bytes([5, 6, 0x80, 0, 3])
    path.write_bytes(GOOD + MARK + second + GOOD + bytes([77, 240, 0xFF, 1, 1]) + GOOD + MARK)
    events = Events.read(path)
    assert events.overflows == 3
    assert events.time.tolist() == [100, 8192 + 3, 8192 + 100, 2 * 8192 + 100]
    assert events.x.tolist() == [good[0], 5, good[0], good[0]]
    assert events.polarity.tolist() == [0, 1, 0, 0]
    assert events.shifted(1, 1).overflows == 3
    path.write_bytes(MARK)
    assert len(Events.read(path).time) == 0
    path.write_bytes(GOOD)
    assert Events.read(path).overflows == 0


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (GOOD + MARK + GOOD + bytes([1, 2, 0, 0, 99]), "event 3, byte 15: time goes back, from 82"),
        (MARK + GOOD + bytes([40, 2, 0, 0, 100]), "event 2, byte 10: x is 40"),
        (1000 * MARK + bytes([1, 2, 0x7F, 255, 255]), "event 1000, byte 5000: time is 165"),
    ],
)
def test_errors_after_an_overflow_name_the_byte(tmp_path, data, why):
    path = tmp_path / "1.bin"
    path.write_bytes(data)
    with pytest.raises(RecordingError, match=f"^{re.escape(str(path))}, {why}"):
        Events.read(path)


def test_events_too_large_for_their_type_are_refused():
    """Once 2**32 + 5 microseconds were 5."""
    with pytest.raises(ValueError, match="time holds 4294967301, but must lie within"):
        Events([1], [0], [0], [2**32 + 5])


def test_no_such_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="00001.bin"):
        Events.read(tmp_path / "00001.bin")


@pytest.mark.parametrize(
    ("values", "error", "why"),
    [
        (([1, 2], [0, 0], [0, 2], [1, 2]), RecordingError, "event 1, byte 5: polarity is 2"),
        (([1], [-1], [0], [1]), RecordingError, "event 0, byte 0: y is -1"),
        (([1], [0], [0], [2**23]), RecordingError, "time is 8388608, .* within 0 and 8388607"),
        (([1], [0], [0], [1, 2]), ValueError, "differ in length"),
        (([1.5], [0], [0], [1]), TypeError, "float64"),
    ],
)
def test_events_that_cannot_be(values, error, why):
    with pytest.raises(error, match=why):
        Events(*values)


def test_no_events_are_not_written(tmp_path):
    with pytest.raises(RecordingError, match="is empty"):
        Events(*np.empty((4, 0), int)).write(tmp_path / "1.bin")
    assert not [*tmp_path.iterdir()]


def test_frames():
    """Thirds of the recording's own time; both polarities; several events of a pixel."""
    events = Events([3, 3, 5, 6, 7], [1, 1, 2, 3, 4], [0, 0, 1, 1, 0], [0, 99, 100, 199, 299])
    frames = events.frames()
    assert frames.shape == (3, 2, 34, 34)
    expected = np.zeros((3, 2, 34, 34), int)
    expected[0, 0, 1, 3] = 2
    expected[1, 1, 2, 5] = expected[1, 1, 3, 6] = expected[2, 0, 4, 7] = 1
    np.testing.assert_array_equal(frames, expected)
    many = random_events(1, 5000)
    np.testing.assert_array_equal(many.frames(1).ravel(), np.bincount(many.pixel, minlength=PIXELS))
    assert many.frames(7).sum() == 5000
    assert Events(*np.empty((4, 0), int)).frames().sum() == 0


# Folders


@pytest.mark.parametrize("inner", ["", "NMNIST", "468j46mzdv-1"])
def test_layouts(tmp_path, inner):
    """As given, as tonic leaves it, and as NEST's tutorial does; by digit, then by name."""
    for split, per_digit in (("Train", 3), ("Test", 2)):
        write_folder(tmp_path / inner, split, per_digit)
        (tmp_path / inner / f"{split.lower()}.zip").touch()
        found = Recordings.scan(tmp_path, split)
        assert len(found) == 10 * per_digit
        assert found.labels.tolist() == sorted([*range(10)] * per_digit)
        expected = sorted((tmp_path / inner / split).glob("*/*.bin"))
        assert [*map(Path, found.paths)] == expected


def test_chosen_digits(folder):
    """Classes are the places of the digits that were asked for."""
    found = Recordings.scan(folder, digits=(8, 3))
    assert found.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert [Path(path).parent.name for path in found.paths] == ["8", "8", "8", "3", "3", "3"]


def test_missing_folders_are_named(folder):
    with pytest.raises(FileNotFoundError, match=r"no folder .*nowhere; .*\.download gets N-MNIST"):
        Recordings.scan(folder / "nowhere")
    with pytest.raises(FileNotFoundError, match="holds no folder Test, .*NMNIST"):
        Recordings.scan(folder, "Test")
    for path in (folder / "Train" / "7").iterdir():
        path.unlink()
    with pytest.raises(RecordingError, match="Train.7 holds no recording"):
        Recordings.scan(folder)
    (folder / "Train" / "7").rmdir()
    with pytest.raises(FileNotFoundError, match="There is no folder .*Train.7, but every digit"):
        Recordings.scan(folder)
    assert len(Recordings.scan(folder, digits=range(7))) == 21


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"malformed": "ignore"}, "malformed is 'ignore', .* 'refuse' or 'skip'"),
        ({"digits": []}, r"digits is \[\], .* one or more"),
        ({"digits": [1, 1]}, r"digits is \[1, 1\], .* each once"),
    ],
)
def test_scan_refuses(folder, options, why):
    with pytest.raises(ValueError, match=why):
        Recordings.scan(folder, **options)


@pytest.mark.parametrize("name", ["00100.txt", "a.bin", "00100.bin.part", "00100 (1).bin", "1.BIN"])
def test_wrong_names_are_named(folder, name):
    wrong = folder / "Train" / "4" / name
    random_events(1).write(wrong)
    with pytest.raises(RecordingError, match=f"{re.escape(str(wrong))} is no recording"):
        Recordings.scan(folder)
    with pytest.warns(UserWarning, match="1 of 31 files are no recordings .* is no recording"):
        found = Recordings.scan(folder, malformed="skip", progress=False)
    assert len(found) == 30


def test_a_folder_is_no_recording_and_hidden_files_are_nothing(folder):
    (folder / "Train" / "4" / ".DS_Store").touch()
    assert len(Recordings.scan(folder)) == 30
    (folder / "Train" / "4" / "00100.bin").mkdir()
    with pytest.raises(RecordingError, match="00100.bin is no recording"):
        Recordings.scan(folder)


@pytest.mark.parametrize("fault", ["empty", "cut off"])
def test_sizes_are_checked_at_once(folder, fault):
    data, why = MALFORMED[fault]
    (folder / "Train" / "2" / "00100.bin").write_bytes(data)
    with pytest.raises(RecordingError, match=f"00100.bin, {why}"):
        Recordings.scan(folder)


@pytest.mark.parametrize("fault", ["x", "y", "time"])
def test_contents_are_checked_when_read(folder, fault):
    data, why = MALFORMED[fault]
    (folder / "Train" / "0" / "00000.bin").write_bytes(data)
    train = Recordings.scan(folder)
    stream = Stream(NMNIST(), train)
    stream(1)
    with pytest.raises(RecordingError, match=f"00000.bin, .*{why}"):
        stream(0)
    with pytest.raises(RecordingError, match=f"00000.bin, .*{why}"):
        train.event_counts(progress=False)


def test_malformed_files_are_skipped_on_request(folder):
    """They are left out from the beginning: orders, passes and folds know nothing of them."""
    clean = Recordings.scan(folder)
    assert clean.skipped == []
    for k, (data, _) in enumerate(MALFORMED.values()):
        (folder / "Train" / str(2 * k) / f"{100 + k:05}.bin").write_bytes(data)
    with pytest.warns(
        UserWarning, match="5 of 35 files .* left out; the first: .*00100.bin, byte 0"
    ):
        found = Recordings.scan(folder, malformed="skip", progress=False)
    assert found.paths == clean.paths
    assert found.labels.tolist() == clean.labels.tolist()
    for error, (_, why) in zip(found.skipped, MALFORMED.values(), strict=True):
        assert re.search(why, str(error))
    for path in (folder / "Train" / "0").glob("000*.bin"):
        path.write_bytes(b"")
    with pytest.raises(RecordingError, match="Train.0 holds no recording"):
        Recordings.scan(folder, malformed="skip", progress=False)


def test_progress(folder, capsys):
    train = Recordings.scan(folder)
    assert capsys.readouterr().err == ""  # there is nothing to wait for
    Recordings.scan(folder, malformed="skip")
    assert "checking recordings" in capsys.readouterr().err
    train.event_counts()
    assert "counting events" in capsys.readouterr().err
    inactive_pixels(train, 1, progress=False)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("n", [2, 3, 5])
def test_folds(tmp_path, n):
    """Disjoint, complete, stratified; a matter of the seed."""
    frequency = np.array([7, 5, 12])
    labels = np.repeat([0, 1, 2], frequency)
    whole = Recordings([f"{k}.bin" for k in range(24)], labels)
    folds = [*whole.folds(n, seed=1)]
    validated = [path for _, part in folds for path in part.paths]
    assert sorted(validated) == sorted(whole.paths)
    for train, part in folds:
        assert sorted(train.paths + part.paths) == sorted(whole.paths)
        assert part.paths == [path for path in whole.paths if path in set(part.paths)]
        for one in (train, part):
            assert one.labels.tolist() == [labels[whole.paths.index(path)] for path in one.paths]
        exact = frequency / n
        counts = np.bincount(part.labels, minlength=3)
        assert ((counts == np.floor(exact)) | (counts == np.ceil(exact))).all()
        assert len(part) in (24 // n, -(-24 // n))
    again = [part.paths for _, part in whole.folds(n, seed=1)]
    assert again == [part.paths for _, part in folds]
    assert again != [part.paths for _, part in whole.folds(n, seed=2)]


@pytest.mark.parametrize("n", [1, 4])
def test_folds_refused(train, n):
    with pytest.raises(
        ValueError, match=f"n is {n}, .* 2 folds or more, and 3 or fewer, as class 0"
    ):
        next(train.folds(n, seed=1))


def test_download(tmp_path, monkeypatch):
    """Both parts are asked for, and lie where they are looked for."""
    asked = []

    def stand_in(save_to, train):
        asked.append(train)
        write_folder(Path(save_to) / "NMNIST", "Train" if train else "Test")

    monkeypatch.setitem(sys.modules, "tonic", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "tonic.datasets", SimpleNamespace(NMNIST=stand_in))
    folder = download(tmp_path)
    assert folder == tmp_path / "NMNIST"
    assert asked == [True, False]
    for place in (folder, tmp_path):
        assert len(Recordings.scan(place, "Test")) == 30


def test_download_without_tonic(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tonic", None)
    monkeypatch.setitem(sys.modules, "tonic.datasets", None)
    with pytest.raises(ImportError, match=r"tonic, .*pip install 'brianlearn\[data\]'"):
        download(tmp_path)
    assert not hasattr(recordings_module, "tonic")


# Pixels that are left out


def test_blocklist_file(tmp_path):
    path = tmp_path / "blocklist.txt"
    path.write_text("2311\n0\n\n 17 \r\n")
    assert read_blocklist(path).tolist() == [0, 17, 2311]
    np.savetxt(path, [5, 3], "%d")
    assert read_blocklist(path).tolist() == [3, 5]
    path.write_text("")
    assert NMNIST(blocklist=read_blocklist(path)).inputs == 2312


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("1\n2312\n", "line 2: '2312' is no pixel, 0 to 2311"),
        ("1\n2\n-3\n", "line 3: '-3' is no pixel"),
        ("1.5\n", "line 1: '1.5' is no pixel"),
        ("1\n\n2 3\n", "line 3: '2 3' is no pixel"),
        ("7\n8\n7\n", "line 3: 7 is in line 1 already"),
        ("²\n", "line 1: '²' is no pixel"),
    ],
)
def test_blocklist_faults_are_named_by_line(tmp_path, text, why):
    path = tmp_path / "blocklist.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=f"^{re.escape(str(path))}, {why}"):
        read_blocklist(path)


def test_blocklist_is_no_text(tmp_path):
    path = tmp_path / "blocklist.txt"
    path.write_bytes(b"12\n\xff\xfe\n")
    with pytest.raises(ValueError, match="line 2"):
        read_blocklist(path)


def test_inactive_pixels(train):
    counts = np.zeros(2312, int)
    for path in train.paths:
        for x, y, polarity, _ in plain_events(path):
            counts[polarity * 34 * 34 + y * 34 + x] += 1
    np.testing.assert_array_equal(train.event_counts(progress=False), counts)
    for least in (0, 1, 2, 3):
        expected = [pixel for pixel in range(2312) if counts[pixel] < least]
        assert inactive_pixels(train, least, progress=False).tolist() == expected


# Trials


@pytest.mark.parametrize("blocklist", [(), range(5, 2300, 2), np.arange(1156, dtype=np.int16)])
@pytest.mark.parametrize("batch", [1, 4])
def test_trials_against_loops(train, blocklist, batch):
    task = NMNIST(blocklist=blocklist)
    assert task.inputs == 2312 - len(blocklist)
    stream = Stream(task, train, batch=batch)
    for k in (0, 3):
        paths = train.paths[k * batch : (k + 1) * batch]
        trial = stream(k)
        assert spikes_of(trial) == plain_trial(paths, blocklist)
        assert trial.labels.tolist() == [int(Path(path).parent.name) for path in paths]
        assert trial.raster == (batch, 300, task.inputs)
        assert {array.dtype for array in (trial.steps, trial.indices, trial.labels)} == {
            np.dtype(np.int32)
        }


def test_pixels_of_inputs():
    task = NMNIST(blocklist=[0, 2, 2311])
    assert task.pixels.tolist() == [1, *range(3, 2311)]


BORDERS = {  # microseconds and steps, of 336040/300 = 1120.13 microseconds each
    0: 0, 560: 0, 561: 1, 1680: 1, 1681: 2,
    8401: 8, 25203: 22, 42005: 38,  # 7.5, 22.5 and 37.5: to even numbers
    335479: 299, 335480: 299, 336040: 299, 2**23 - 1: 299,
}  # fmt: skip


def test_scaling_at_the_borders():
    count = len(BORDERS)
    events = Events(np.arange(count), [0] * count, [0] * count, list(BORDERS))
    trial = NMNIST().trial([events], [0])
    assert trial.steps.tolist() == list(BORDERS.values())
    assert trial.indices.tolist() == list(range(count))
    np.testing.assert_array_equal(
        trial.steps, np.minimum(np.around(events.time * 300.0 / 336040), 299)
    )
    trial = NMNIST(steps=10, longest=100).trial([Events([0, 1], [0, 0], [0, 0], [94, 101])], [0])
    assert trial.steps.tolist() == [9, 9]


def test_events_of_one_step_are_counted():
    """In order of step, then input, whatever the order within a step; repeated pairs stay."""
    events = Events([5, 3, 5, 5, 3], [0] * 5, [0] * 5, [0, 10, 20, 30, 2000])
    trial = NMNIST().trial([events, events.shifted(1, 0)], [4, 4])
    first = [(0, 3), (0, 5), (0, 5), (0, 5)]
    second = [(0, 2312 + 4), (0, 2312 + 6), (0, 2312 + 6), (0, 2312 + 6)]
    assert spikes_of(trial) == [*first, *second, (2, 3), (2, 2312 + 4)]


def test_nothing_is_left(tmp_path):
    """A recording all of whose pixels are left out is a silent trial."""
    trial = NMNIST(blocklist=[0]).trial([Events([0], [0], [0], [0])], [1])
    assert spikes_of(trial) == []
    trial.check(300, 2311, 1, 10)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"steps": 0}, "steps is 0, .* 1 or more"),
        ({"steps": 1.5}, "steps is 1.5, .* whole number"),
        ({"longest": 0}, "longest is 0, .* above 0"),
        ({"longest": float("nan")}, "longest is nan"),
        ({"blocklist": [2312]}, "blocklist must hold whole numbers within 0 and 2311"),
        ({"blocklist": [-1]}, "blocklist must hold whole numbers"),
        ({"blocklist": [1.0]}, "blocklist must hold whole numbers"),
        ({"blocklist": [[1]]}, "blocklist must hold whole numbers"),
        ({"blocklist": np.ones(2312, bool)}, "blocklist must hold whole numbers"),
        ({"blocklist": range(2312)}, "blocklist leaves no pixel"),
    ],
)
def test_task_refuses(options, why):
    with pytest.raises(ValueError, match=why):
        NMNIST(**options)


def test_trials_have_a_size():
    event = Events([0], [0], [0], [0])
    with pytest.raises(ValueError, match="0 recordings were given, .* 1 to 3096"):
        NMNIST().trial([], [])
    with pytest.raises(ValueError, match="4 recordings were given, .* 1 to 3"):
        NMNIST(steps=300_000).trial([event] * 4, [0] * 4)
    last = Events([33], [33], [1], [336040])
    trial = NMNIST(steps=300_000).trial([last] * 3, [0] * 3)  # the largest keys
    assert spikes_of(trial) == [(299_999, 2311), (299_999, 4623), (299_999, 6935)]


# Order


def test_order_is_a_function_of_seed_and_number(train):
    streams = [Stream(NMNIST(), train, seed=seed) for seed in (1, 1, 2, [1, 2], [1, 3])]
    orders = [[int(stream.numbers(k)[0]) for k in range(90)] for stream in streams]
    for order in orders:
        passes = [order[start : start + 30] for start in (0, 30, 60)]
        assert all(sorted(one) == list(range(30)) for one in passes)
        assert passes[0] != passes[1] != passes[2] != passes[0]
    assert orders[0] == orders[1]
    assert len({tuple(order) for order in orders}) == 4
    assert sorted(orders[0][:30]) != orders[0][:30]


def test_a_resumed_training_sees_the_same(folder):
    first = Stream(NMNIST(), Recordings.scan(folder), seed=1, shift=2, batch=4)
    trials = [first(k) for k in range(20)]
    later = Stream(NMNIST(), Recordings.scan(folder), seed=1, shift=2, batch=4)
    for k in (19, 7, 8):  # in any order
        again = Phase("train", later, 1).trial(k)
        assert spikes_of(again) == spikes_of(trials[k])
        assert again.labels.tolist() == trials[k].labels.tolist()


def test_in_order(train):
    stream = Stream(NMNIST(), train, batch=4)
    numbers = np.concatenate([stream.numbers(k) for k in range(15)])
    np.testing.assert_array_equal(numbers, np.arange(60) % 30)


def test_batches_go_on_over_passes(train):
    """The recordings are those of batches of one, wherever a batch ends."""
    one, four = (Stream(NMNIST(), train, seed=3, batch=batch) for batch in (1, 4))
    single = np.concatenate([one.numbers(k) for k in range(64)])
    np.testing.assert_array_equal(np.concatenate([four.numbers(k) for k in range(16)]), single)
    trial = four(7)  # 28 to 31: of two passes
    assert spikes_of(trial) == plain_trial([train.paths[i] for i in single[28:32]])
    np.testing.assert_array_equal(trial.labels, train.labels[single[28:32]])


def test_shifts(train):
    """All events of a recording move alike; those that leave the field are dropped."""
    still, moving = (Stream(NMNIST(), train, seed=1, batch=3, shift=n) for n in (0, 2))
    seen = set()
    for k in range(40):
        np.testing.assert_array_equal(still.numbers(k), moving.numbers(k))
        for events, shifted in zip(still.events(k), moving.events(k), strict=True):
            candidates = [
                (dx, dy)
                for dx in range(-2, 3)
                for dy in range(-2, 3)
                if [*zip(shifted.x, shifted.y, shifted.polarity, shifted.time, strict=True)]
                == [
                    (x + dx, y + dy, polarity, time)
                    for x, y, polarity, time in zip(
                        events.x, events.y, events.polarity, events.time, strict=True
                    )
                    if 0 <= x + dx < 34 and 0 <= y + dy < 34
                ]
            ]
            assert len(candidates) == 1
            seen.update(candidates)
    assert {dx for dx, _ in seen} == {dy for _, dy in seen} == set(range(-2, 3))
    assert len(seen) > 20  # of 25; left and right, top and bottom are drawn apart


def test_all_may_leave_the_field():
    events = Events([0, 33], [0, 33], [0, 1], [1, 2])
    assert events.shifted(-1, 0).x.tolist() == [32]
    assert len(events.shifted(33, 0).x) == 1
    assert len(events.shifted(34, 0).x) == 0
    assert spikes_of(NMNIST().trial([events.shifted(34, 0)], [0])) == []


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"batch": 0}, "batch is 0, .* 1 or more"),
        ({"shift": -1}, "shift is -1, .* 0 or more"),
        ({"shift": 34, "seed": 1}, "shift is 34, .* 34 pixels"),
        ({"shift": 1}, "shift needs a seed"),
        ({"seed": -1}, "non-negative"),
    ],
)
def test_stream_refuses(train, options, why):
    with pytest.raises(ValueError, match=why):
        Stream(NMNIST(), train, **options)


def test_stream_of_nothing(train):
    with pytest.raises(ValueError, match="no recording to present"):
        Stream(NMNIST(), train.part([]))


def test_memory(tmp_path):
    """A pass needs the memory of one recording at a time."""
    size = 40_000
    for digit in range(10):
        for k in range(5):
            number = 10 * k + digit
            random_events(number, size).write(tmp_path / f"Train/{digit}/{number:05}.bin")
    train = Recordings.scan(tmp_path)
    stream = Stream(NMNIST(), train, seed=1)
    peaks = {}
    for passes in (1, 50):
        tracemalloc.start()
        for k in range(passes):
            stream(k)
        train.event_counts(progress=False)
        peaks[passes] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peaks[50] < 1.2 * peaks[1]
    assert peaks[50] < 100 * size  # bytes an event, of 50 recordings that have 2 million


# Reports


def test_grouped():
    history = {"loss": np.arange(7.0), "w_in": np.arange(14.0).reshape(7, 2)}
    means = grouped(history, 3)
    assert means["loss"].tolist() == [1, 4, 6]
    assert means["w_in"].tolist() == [[2, 3], [8, 9], [12, 13]]
    assert grouped(history, 1)["loss"].tolist() == history["loss"].tolist()
    assert grouped(history, 100)["loss"].tolist() == [3]
    empty = grouped({"loss": np.empty(0), "w_in": np.empty((0, 2))}, 3)
    assert (empty["loss"].shape, empty["w_in"].shape) == ((0,), (0, 2))
    with pytest.raises(ValueError, match="size is 0, .* 1 or more"):
        grouped(history, 0)


# Real recordings


@real_data
def test_real_recordings():
    train, test = (Recordings.scan(REAL, split) for split in ("Train", "Test"))
    assert (len(train), len(test)) == (801, 100)
    assert np.bincount(train.labels).tolist() == [78, 93, 79, 74, 84, 74, 75, 94, 70, 80]
    assert np.bincount(test.labels).tolist() == [8, 14, 8, 11, 14, 7, 10, 15, 2, 11]
    events = [Events.read(path) for path in train.paths + test.paths]  # none is refused
    assert sum(len(one.time) for one in events) == 3_711_132
    assert max(one.time[-1] for one in events) == 336040
    blocklist = read_blocklist(REAL / "pixels_blocklist.txt")
    task = NMNIST(blocklist=blocklist)
    assert (len(blocklist), task.inputs) == (1116, 1196)
    for k in (0, 800):
        trial = Stream(task, train)(k)
        assert spikes_of(trial) == plain_trial([train.paths[k]], blocklist)


@real_data
def test_real_blocklist_is_nearly_that_of_a_count():
    """Of 801 recordings; the published list was made from others or more of them."""
    published = read_blocklist(REAL / "pixels_blocklist.txt")
    computed = inactive_pixels(Recordings.scan(REAL), 230, progress=False)
    assert len(np.setxor1d(published, computed)) == 41
    assert len(np.intersect1d(published, computed)) == 1096
