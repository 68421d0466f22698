"""Files are written whole or not at all; the cache is bounded and shared."""

import json
import os
import threading

import numpy as np
import pytest
from brian2 import prefs

from brianlearn import cache, record


def test_arrays_survive(tmp_path):
    record.save(tmp_path / "deep" / "some.npz", a=np.arange(3), b=2.5)
    loaded = record.load(tmp_path / "deep" / "some.npz")
    assert np.array_equal(loaded["a"], [0, 1, 2])
    assert loaded["b"] == 2.5


def test_numbers_survive(tmp_path):
    record.save_json(tmp_path / "some.json", {"a": np.float64(1.5), "b": np.arange(2)})
    assert json.loads((tmp_path / "some.json").read_text()) == {"a": 1.5, "b": [0, 1]}


def test_damaged_or_foreign_files(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.npz"):
        record.load(tmp_path / "none")
    (tmp_path / "text.npz").write_text("no arrays")
    with pytest.raises(ValueError, match=r"text.npz' is damaged, or not a file that was saved"):
        record.load(tmp_path / "text.npz")
    record.save(tmp_path / "some.v1", a=np.arange(1000))
    assert (tmp_path / "some.v1.npz").exists()
    with pytest.raises(ValueError, match="holds no phi: it was saved by something else"):
        record.load(tmp_path / "some.v1", "phi")
    whole = (tmp_path / "some.v1.npz").read_bytes()
    (tmp_path / "some.v1.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="is damaged"):
        record.load(tmp_path / "some.v1")


def test_a_failure_leaves_the_old_file(tmp_path):
    path = tmp_path / "precious.txt"
    path.write_text("old")

    def fail():
        with record.replacing(path) as partial:
            with open(partial, "w") as file:
                file.write("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["precious.txt"]


@pytest.fixture
def small_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("BRIANLEARN_CACHE", str(tmp_path / "cache"))
    old = prefs.brianlearn.cache_size
    prefs.brianlearn.cache_size = 250
    yield tmp_path
    prefs.brianlearn.cache_size = old


def test_cache_removes_the_least_recently_used(small_cache):
    source, copy = small_cache / "source", small_cache / "copy"
    source.write_bytes(bytes(100))
    for age, key in enumerate(["first", "second"]):
        cache.store(key, source)
        os.utime(cache.directory("binaries") / key, (age, age))
    assert cache.fetch("first", copy)
    cache.store("third", source)
    assert [cache.fetch(key, copy) for key in ("first", "second", "third")] == [True, False, True]
    assert copy.read_bytes() == bytes(100)
    (small_cache / "cache" / "thesis.txt").write_text("mine")
    cache.clear()
    assert (small_cache / "cache" / "thesis.txt").read_text() == "mine"
    assert not cache.fetch("third", copy)


def test_cache_is_safe_to_share(small_cache):
    """Many at once store and fetch one key: every copy is whole."""
    wrong = []

    def work(number):
        source, copy = small_cache / f"source{number}", small_cache / f"copy{number}"
        source.write_bytes(bytes(100))
        for _ in range(30):
            cache.store("key", source)
            if cache.fetch("key", copy) and len(copy.read_bytes()) != 100:
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_cache_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("BRIANLEARN_CACHE", str(tmp_path / "file"))
    with pytest.raises(OSError, match="Set the environment variable BRIANLEARN_CACHE"):
        cache.directory("binaries")
